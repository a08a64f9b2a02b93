package test

import (
	"path"
	"slices"
	"strings"
	"testing"
)

// may evaluates an identity policy as IAM does, as far as the MFA policy uses the language: a denial wins. mfa is what the
// request says about MFA; nil for a request with a long-term key, which says nothing.
func may(t *testing.T, document any, user, action, resource string, mfa *bool) bool {
	t.Helper()
	covers := func(patterns []any, value string) bool {
		return slices.ContainsFunc(patterns, func(pattern any) bool {
			glob := strings.ReplaceAll(pattern.(string), "${aws:username}", user)
			ok, err := path.Match(strings.ReplaceAll(glob, "/", "|"), strings.ReplaceAll(value, "/", "|"))
			return glob == "*" || ok && err == nil
		})
	}
	allowed := false
	for _, s := range list(at(document, "Statement")) {
		applies := covers(list(at(s, "Resource")), resource)
		if only := list(at(s, "Action")); only != nil {
			applies = applies && covers(only, action)
		} else {
			applies = applies && !covers(list(at(s, "NotAction")), action)
		}
		switch condition := text(at(s, "Condition")); condition {
		case "null":
		case `{"BoolIfExists":{"aws:MultiFactorAuthPresent":"false"}}`:
			applies = applies && (mfa == nil || !*mfa)
		default:
			t.Fatalf("condition %s", condition)
		}
		if applies && at(s, "Effect") == "Deny" {
			return false
		}
		allowed = allowed || applies
	}
	return allowed
}

func TestWithoutMFAPeopleCanOnlyEnrol(t *testing.T) {
	stack := security(t)
	policy := stack.one(t, "AWS::IAM::ManagedPolicy")
	group := stack.one(t, "AWS::IAM::Group")
	group.want(t, "ManagedPolicyArns", []any{map[string]any{"Ref": policy.LogicalID}})

	yes, no := true, false
	const account = "arn:aws:iam::111111111111:"
	// What another group might allow, so that the denial shows.
	everything := map[string]any{"Statement": append(list(policy.at("PolicyDocument.Statement")), map[string]any{"Effect": "Allow", "Action": "*", "Resource": "*"})}
	for sentence, c := range map[string]struct {
		action, resource string
		mfa              *bool
		own, all         bool // allowed by this policy alone, and beside one that allows everything
	}{
		"enrolling a virtual device":            {"iam:CreateVirtualMFADevice", account + "mfa/anything", &no, true, true},
		"enabling it":                           {"iam:EnableMFADevice", account + "user/sam", &no, true, true},
		"of a user with a path":                 {"iam:EnableMFADevice", account + "user/people/eu/sam", &no, true, true},
		"enabling one for somebody else":        {"iam:EnableMFADevice", account + "user/kim", &yes, false, true},
		"for somebody whose name ends alike":    {"iam:EnableMFADevice", account + "user/notsam", &yes, false, true},
		"seeing one's own devices":              {"iam:ListMFADevices", account + "user/sam", &no, true, true},
		"a session with MFA from an access key": {"sts:GetSessionToken", "*", nil, false, true},
		"taking the device off without MFA":     {"iam:DeactivateMFADevice", account + "user/sam", &no, false, false},
		"taking it off with MFA":                {"iam:DeactivateMFADevice", account + "user/sam", &yes, true, true},
		"a first password before MFA":           {"iam:ChangePassword", account + "user/sam", &no, false, false},
		"a password with MFA":                   {"iam:ChangePassword", account + "user/sam", &yes, true, true},
		"any other call without MFA":            {"s3:ListAllMyBuckets", "*", &no, false, false},
		"any other call with an access key":     {"s3:ListAllMyBuckets", "*", nil, false, false},
		"any other call with MFA":               {"s3:ListAllMyBuckets", "*", &yes, false, true},
		"becoming another role without MFA":     {"sts:AssumeRole", account + "role/admin", nil, false, false},
	} {
		if got := may(t, policy.at("PolicyDocument"), "sam", c.action, c.resource, c.mfa); got != c.own {
			t.Errorf("%s: this policy alone: %v", sentence, got)
		}
		if got := may(t, everything, "sam", c.action, c.resource, c.mfa); got != c.all {
			t.Errorf("%s: beside one that allows everything: %v", sentence, got)
		}
	}
}
