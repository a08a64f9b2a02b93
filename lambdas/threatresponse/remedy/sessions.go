package remedy

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"slipway/internal/contract"
	"slipway/lambdas/threatresponse/decide"
	"slipway/lambdas/threatresponse/finding"
)

type sessionCalls interface {
	GetRole(context.Context, *iam.GetRoleInput, ...func(*iam.Options)) (*iam.GetRoleOutput, error)
	GetRolePolicy(context.Context, *iam.GetRolePolicyInput, ...func(*iam.Options)) (*iam.GetRolePolicyOutput, error)
	PutRolePolicy(context.Context, *iam.PutRolePolicyInput, ...func(*iam.Options)) (*iam.PutRolePolicyOutput, error)
	DeleteRolePolicy(context.Context, *iam.DeleteRolePolicyInput, ...func(*iam.Options)) (*iam.DeleteRolePolicyOutput, error)
	GetUser(context.Context, *iam.GetUserInput, ...func(*iam.Options)) (*iam.GetUserOutput, error)
	GetUserPolicy(context.Context, *iam.GetUserPolicyInput, ...func(*iam.Options)) (*iam.GetUserPolicyOutput, error)
	PutUserPolicy(context.Context, *iam.PutUserPolicyInput, ...func(*iam.Options)) (*iam.PutUserPolicyOutput, error)
	DeleteUserPolicy(context.Context, *iam.DeleteUserPolicyInput, ...func(*iam.Options)) (*iam.DeleteUserPolicyOutput, error)
}

// sessions ends the temporary credentials of a role or user that were issued until now: an inline policy denies them
// everything. Those issued later work, so the role's rightful users only sign in again.
//
// Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_revoke-sessions.html
type sessions struct {
	iam sessionCalls
	Settings
}

type sessionsBefore struct {
	// Policy is the document that had the name before; empty for none.
	Policy string `json:"policy,omitempty"`
}

func (sessions) Action() string { return contract.ActionRevokeSessions }

func (sessions) Families() []finding.Family { return []finding.Family{finding.IAM, finding.S3} }

func (sessions) Targets(f finding.Finding, _ decide.Place) ([]decide.Target, []decide.Spared) {
	k := f.AccessKey
	if k == nil {
		return nil, nil
	}
	target := func(kind string) []decide.Target {
		return []decide.Target{{
			Kind: decide.KindSessions, ID: kind + "/" + k.User, Name: "sessions of " + kind + " " + k.User,
			Detail: map[string]string{"type": kind}, Marker: k.ID,
		}}
	}
	switch {
	case k.UserType == "Root":
		return nil, []decide.Spared{{What: "root user", Why: "its keys and sessions can't be contained from within the account; sign in as root, delete its keys, change its password"}}
	case k.User == "":
		return nil, nil
	case k.UserType == "AssumedRole", k.UserType == "Role":
		return target("role"), nil
	case k.UserType == "IAMUser":
		// With a long-term key anyone may have asked for sessions, which live on when the key is inactive.
		return target("user"), nil
	case k.UserType != "":
		return nil, []decide.Spared{{What: k.UserType + " " + k.User, Why: "its credentials come from elsewhere; end them where they are issued"}}
	}
	return nil, nil
}

// principal are IAM's calls for one kind of principal.
type principal struct {
	kind, name string
	get        func(context.Context) (path string, tags map[string]string, err error)
	policy     func(context.Context) (*string, error)
	put        func(ctx context.Context, document string) error
	remove     func(context.Context) error
}

func (r sessions) of(w Work) principal {
	kind, name, _ := strings.Cut(w.Target.ID, "/")
	policy := contract.DenyOlderSessions(r.Platform)
	if kind == "user" {
		return principal{
			kind: kind, name: name,
			get: func(ctx context.Context) (string, map[string]string, error) {
				out, err := r.iam.GetUser(ctx, &iam.GetUserInput{UserName: &name})
				if err != nil {
					return "", nil, err
				}
				return aws.ToString(out.User.Path), iamTags(out.User.Tags), nil
			},
			policy: func(ctx context.Context) (*string, error) {
				out, err := r.iam.GetUserPolicy(ctx, &iam.GetUserPolicyInput{UserName: &name, PolicyName: &policy})
				if err != nil {
					return nil, err
				}
				return out.PolicyDocument, nil
			},
			put: func(ctx context.Context, document string) error {
				_, err := r.iam.PutUserPolicy(ctx, &iam.PutUserPolicyInput{UserName: &name, PolicyName: &policy, PolicyDocument: &document})
				return err
			},
			remove: func(ctx context.Context) error {
				_, err := r.iam.DeleteUserPolicy(ctx, &iam.DeleteUserPolicyInput{UserName: &name, PolicyName: &policy})
				return err
			},
		}
	}
	return principal{
		kind: kind, name: name,
		get: func(ctx context.Context) (string, map[string]string, error) {
			out, err := r.iam.GetRole(ctx, &iam.GetRoleInput{RoleName: &name})
			if err != nil {
				return "", nil, err
			}
			return aws.ToString(out.Role.Path), iamTags(out.Role.Tags), nil
		},
		policy: func(ctx context.Context) (*string, error) {
			out, err := r.iam.GetRolePolicy(ctx, &iam.GetRolePolicyInput{RoleName: &name, PolicyName: &policy})
			if err != nil {
				return nil, err
			}
			return out.PolicyDocument, nil
		},
		put: func(ctx context.Context, document string) error {
			_, err := r.iam.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: &name, PolicyName: &policy, PolicyDocument: &document})
			return err
		},
		remove: func(ctx context.Context) error {
			_, err := r.iam.DeleteRolePolicy(ctx, &iam.DeleteRolePolicyInput{RoleName: &name, PolicyName: &policy})
			return err
		},
	}
}

func (r sessions) Capture(ctx context.Context, w Work) (json.RawMessage, error) {
	p := r.of(w)
	path, tags, err := p.get(ctx)
	switch {
	case hasCode(err, "NoSuchEntity"):
		return nil, &Spare{"the " + p.kind + " isn't there any more"}
	case err != nil:
		return nil, fmt.Errorf("look at %s %s: %w", p.kind, p.name, err)
	case strings.HasPrefix(path, "/aws-service-role/"):
		return nil, &Spare{"it is a service-linked role, which only its AWS service can change; look into what the service did"}
	case strings.HasPrefix(path, "/aws-reserved/"):
		return nil, &Spare{"it is a role of IAM Identity Center; end the person's sessions there"}
	case isExempt(tags):
		return nil, exempt()
	}
	document, err := p.policy(ctx)
	if hasCode(err, "NoSuchEntity") {
		return remember(sessionsBefore{})
	}
	if err != nil {
		return nil, fmt.Errorf("read the inline policy of %s %s: %w", p.kind, p.name, err)
	}
	text, err := url.PathUnescape(aws.ToString(document)) // IAM answers it percent-encoded, by RFC 3986
	if err != nil {
		return nil, fmt.Errorf("read the inline policy of %s %s: %w", p.kind, p.name, err)
	}
	return remember(sessionsBefore{Policy: text})
}

// denial is the policy. Long-term keys have no aws:TokenIssueTime, so the condition never holds for them.
func denial(since time.Time) (string, error) {
	document, err := json.Marshal(map[string]any{
		"Version": "2012-10-17",
		"Statement": []any{map[string]any{
			"Effect": "Deny", "Action": "*", "Resource": "*",
			"Condition": map[string]any{"DateLessThan": map[string]any{"aws:TokenIssueTime": since.UTC().Format(time.RFC3339)}},
		}},
	})
	return string(document), err
}

func (r sessions) Apply(ctx context.Context, w Work) ([]string, error) {
	p := r.of(w)
	document, err := denial(w.Since)
	if err != nil {
		return nil, err
	}
	err = p.put(ctx, document)
	if hasCode(err, "NoSuchEntity") {
		return []string{"the " + p.kind + " isn't there any more"}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("deny the older sessions of %s %s: %w", p.kind, p.name, err)
	}
	return []string{
		"sessions issued before " + w.Since.UTC().Format(time.RFC3339) + " are denied everything; newer ones work",
		"instances, tasks and functions with this role fail until they get new credentials: restart them",
	}, nil
}

func (r sessions) Undo(ctx context.Context, w Work) ([]string, error) {
	before, err := recall[sessionsBefore](w)
	if err != nil {
		return nil, err
	}
	p := r.of(w)
	if before.Policy != "" {
		err = p.put(ctx, before.Policy)
	} else {
		err = p.remove(ctx)
	}
	if err != nil && !hasCode(err, "NoSuchEntity") {
		return nil, fmt.Errorf("allow the older sessions of %s %s again: %w", p.kind, p.name, err)
	}
	return []string{"older sessions work again"}, nil
}
