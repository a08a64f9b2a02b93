package remedy

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"

	"slipway/internal/contract"
	"slipway/lambdas/threatresponse/decide"
	"slipway/lambdas/threatresponse/finding"
)

type keyCalls interface {
	GetUser(context.Context, *iam.GetUserInput, ...func(*iam.Options)) (*iam.GetUserOutput, error)
	ListAccessKeys(context.Context, *iam.ListAccessKeysInput, ...func(*iam.Options)) (*iam.ListAccessKeysOutput, error)
	UpdateAccessKey(context.Context, *iam.UpdateAccessKeyInput, ...func(*iam.Options)) (*iam.UpdateAccessKeyOutput, error)
}

// accessKeys makes every long-term key of an IAM user inactive: whoever has one may have made another.
type accessKeys struct{ iam keyCalls }

type keysBefore struct {
	Active []string `json:"active"`
}

func (accessKeys) Action() string { return contract.ActionDisableAccessKeys }

func (accessKeys) Families() []finding.Family { return []finding.Family{finding.IAM, finding.S3} }

func (accessKeys) Targets(f finding.Finding, _ decide.Place) ([]decide.Target, []decide.Spared) {
	k := f.AccessKey
	if k == nil {
		return nil, nil
	}
	switch {
	case k.UserType == "Root":
		return nil, []decide.Spared{{What: "root user", Why: "its keys and sessions can't be contained from within the account; sign in as root, delete its keys, change its password"}}
	case k.UserType != "IAMUser", k.User == "":
		return nil, nil // such a principal has no long-term keys here
	}
	// The marker is the key: a key that wasn't seen before may have been made since.
	return []decide.Target{{Kind: decide.KindKeys, ID: "user/" + k.User, Name: "access keys of user " + k.User, Marker: k.ID}}, nil
}

func (r accessKeys) Capture(ctx context.Context, w Work) (json.RawMessage, error) {
	user := userOf(w)
	if err := userMayChange(ctx, r.iam, user); err != nil {
		return nil, err
	}
	keys, err := r.active(ctx, user)
	if err != nil {
		return nil, err
	}
	return remember(keysBefore{Active: keys})
}

func userOf(w Work) string { return strings.TrimPrefix(w.Target.ID, "user/") }

// userMayChange says that a user is there and not exempt.
func userMayChange(ctx context.Context, client interface {
	GetUser(context.Context, *iam.GetUserInput, ...func(*iam.Options)) (*iam.GetUserOutput, error)
}, user string) error {
	out, err := client.GetUser(ctx, &iam.GetUserInput{UserName: &user})
	if hasCode(err, "NoSuchEntity") {
		return &Spare{"the user isn't there any more"}
	}
	if err != nil {
		return fmt.Errorf("look at user %s: %w", user, err)
	}
	if isExempt(iamTags(out.User.Tags)) {
		return exempt()
	}
	return nil
}

func iamTags(tags []iamtypes.Tag) map[string]string {
	read := map[string]string{}
	for _, t := range tags {
		read[aws.ToString(t.Key)] = aws.ToString(t.Value)
	}
	return read
}

func (r accessKeys) active(ctx context.Context, user string) ([]string, error) {
	active := []string{}
	in := &iam.ListAccessKeysInput{UserName: &user}
	for {
		out, err := r.iam.ListAccessKeys(ctx, in)
		if err != nil {
			return nil, fmt.Errorf("list the access keys of %s: %w", user, err)
		}
		for _, k := range out.AccessKeyMetadata {
			if k.Status == iamtypes.StatusTypeActive {
				active = append(active, aws.ToString(k.AccessKeyId))
			}
		}
		if !out.IsTruncated {
			return active, nil
		}
		in.Marker = out.Marker
	}
}

func (r accessKeys) Apply(ctx context.Context, w Work) ([]string, error) {
	user := userOf(w)
	keys, err := r.active(ctx, user)
	if hasCode(err, "NoSuchEntity") {
		return []string{"the user isn't there any more"}, nil
	}
	if err != nil {
		return nil, err
	}
	var notes []string
	for _, key := range keys {
		changed, err := r.set(ctx, user, key, iamtypes.StatusTypeInactive)
		if err != nil {
			return notes, err
		}
		if changed {
			notes = append(notes, "inactive: …"+tail(key))
		}
	}
	if len(notes) == 0 {
		notes = []string{"no key is active"}
	}
	return notes, nil
}

func (r accessKeys) Undo(ctx context.Context, w Work) ([]string, error) {
	before, err := recall[keysBefore](w)
	if err != nil {
		return nil, err
	}
	var notes []string
	for _, key := range before.Active {
		changed, err := r.set(ctx, userOf(w), key, iamtypes.StatusTypeActive)
		if err != nil {
			return notes, err
		}
		if changed {
			notes = append(notes, "active again: …"+tail(key))
		} else {
			notes = append(notes, "not there any more: …"+tail(key))
		}
	}
	return notes, nil
}

// set changes a key's status; false if the key isn't there. The user's name is always given: without it IAM would take the
// caller's own user.
func (r accessKeys) set(ctx context.Context, user, key string, status iamtypes.StatusType) (bool, error) {
	_, err := r.iam.UpdateAccessKey(ctx, &iam.UpdateAccessKeyInput{UserName: &user, AccessKeyId: &key, Status: status})
	if hasCode(err, "NoSuchEntity") {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("make a key of user %s %s: %w", user, status, err)
	}
	return true, nil
}

// tail is enough of a key's ID to find it, and too little to use in a search for it elsewhere.
func tail(key string) string { return key[max(0, len(key)-4):] }
