package test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// policyDocument is a policy of IAM as docs/bootstrap has it.
type policyDocument struct {
	Statement []map[string]any `json:"Statement"`
}

func bootstrapPolicy(t *testing.T, name string) policyDocument {
	t.Helper()
	raw := readBytes(t, filepath.Join(root, "docs", "bootstrap"), name)
	var small bytes.Buffer
	if err := json.Compact(&small, raw); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
	if small.Len() > 6144 {
		t.Errorf("%s has %d characters, a managed policy takes 6144", name, small.Len())
	}
	var p policyDocument
	if err := json.Unmarshal(raw, &p); err != nil {
		t.Fatal(err)
	}
	return p
}

// allows evaluates the policy as IAM does: a denial counts more than any permission. The only conditions here are of the
// kind StringEquals.
func (p policyDocument) allows(action, resource string, context map[string]string) bool {
	allowed := false
	for _, s := range p.Statement {
		if !applies(s, action, resource, context) {
			continue
		}
		if s["Effect"] == "Deny" {
			return false
		}
		allowed = true
	}
	return allowed
}

func applies(statement map[string]any, action, resource string, context map[string]string) bool {
	matches := func(patterns any, value string) bool {
		return slices.ContainsFunc(list(patterns), func(pattern any) bool {
			// path.Match's * stops at slashes, IAM's doesn't.
			ok, err := path.Match(strings.ReplaceAll(strings.ToLower(fmt.Sprint(pattern)), "/", "|"), strings.ReplaceAll(strings.ToLower(value), "/", "|"))
			return err == nil && ok
		})
	}
	if statement["NotAction"] != nil && matches(statement["NotAction"], action) || statement["NotAction"] == nil && !matches(statement["Action"], action) {
		return false
	}
	conditions, _ := at(statement, "Condition.StringEquals").(map[string]any)
	for key, want := range conditions {
		if context[key] != want {
			return false
		}
	}
	return matches(statement["Resource"], resource)
}

const (
	ourRole  = "arn:aws:iam::111111111111:role/slipway-prod-service-TaskRole-1A2B3C"
	boundary = "arn:aws:iam::111111111111:policy/slipway-boundary"

	deployRole = "arn:aws:iam::111111111111:role/cdk-hnb659fds-deploy-role-111111111111-eu-west-1"
)

var bounded = map[string]string{"iam:PermissionsBoundary": boundary}

// services are the prefixes of the actions by which CloudFormation makes the resources of a namespace.
var services = map[string]string{
	"ApplicationAutoScaling": "application-autoscaling", "CertificateManager": "acm", "ElasticLoadBalancingV2": "elasticloadbalancing",
	"StepFunctions": "states", "AccessAnalyzer": "access-analyzer",
}

// identities are what CloudFormation calls for a type of IAM, and a resource of ours that it calls it on.
var identities = map[string]struct {
	actions  []string
	resource string
}{
	"AWS::IAM::Role":            {[]string{"iam:CreateRole", "iam:PutRolePolicy", "iam:AttachRolePolicy", "iam:DetachRolePolicy", "iam:DeleteRolePolicy", "iam:DeleteRole", "iam:GetRole", "iam:TagRole", "iam:UpdateAssumeRolePolicy"}, ourRole},
	"AWS::IAM::Policy":          {[]string{"iam:PutRolePolicy", "iam:GetRolePolicy", "iam:DeleteRolePolicy"}, ourRole},
	"AWS::IAM::ManagedPolicy":   {[]string{"iam:CreatePolicy", "iam:CreatePolicyVersion", "iam:DeletePolicyVersion", "iam:GetPolicy", "iam:ListPolicyVersions", "iam:DeletePolicy"}, "arn:aws:iam::111111111111:policy/slipway-security-PeoplePolicy-1A2B"},
	"AWS::IAM::Group":           {[]string{"iam:CreateGroup", "iam:AttachGroupPolicy", "iam:DetachGroupPolicy", "iam:GetGroup", "iam:DeleteGroup"}, "arn:aws:iam::111111111111:group/slipway-security-People-1A2B"},
	"AWS::IAM::InstanceProfile": {[]string{"iam:CreateInstanceProfile", "iam:AddRoleToInstanceProfile", "iam:RemoveRoleFromInstanceProfile", "iam:GetInstanceProfile", "iam:DeleteInstanceProfile"}, "arn:aws:iam::111111111111:instance-profile/slipway-dev-network-NAT-1A2B"},
	"AWS::IAM::OIDCProvider":    {[]string{"iam:CreateOpenIDConnectProvider", "iam:GetOpenIDConnectProvider", "iam:TagOpenIDConnectProvider", "iam:DeleteOpenIDConnectProvider"}, "arn:aws:iam::111111111111:oidc-provider/token.actions.githubusercontent.com"},
}

// TestTheExecutionPolicyMakesEveryResource: a narrowed policy that forgets a service stops the first deployment half-way.
func TestTheExecutionPolicyMakesEveryResource(t *testing.T) {
	policy := bootstrapPolicy(t, "execution-policy.json")
	seen := map[string]bool{}
	eachResource(t, func(t *testing.T, stack string, _ template, r resource) {
		if seen[r.Type] || strings.HasPrefix(r.Type, "Custom::") || r.Type == "AWS::CloudFormation::CustomResource" {
			return // a custom resource is a call of a Lambda
		}
		seen[r.Type] = true
		namespace := strings.Split(r.Type, "::")[1]
		if namespace == "IAM" {
			calls, known := identities[r.Type]
			if !known {
				t.Errorf("%s: write down what CloudFormation calls for %s", stack, r.Type)
			}
			for _, action := range calls.actions {
				if !policy.allows(action, calls.resource, bounded) {
					t.Errorf("%s: %s needs %s on %s", stack, r.Type, action, calls.resource)
				}
			}
			return
		}
		prefix := services[namespace]
		if prefix == "" {
			prefix = strings.ToLower(namespace)
		}
		if !policy.allows(prefix+":AnyAction", "*", nil) {
			t.Errorf("%s: %s needs actions of %s", stack, r.Type, prefix)
		}
	})
	if len(seen) < 40 {
		t.Errorf("only %d types were looked at", len(seen))
	}
	if !policy.allows("iam:PassRole", ourRole, nil) {
		t.Error("roles can't be given to tasks and Lambdas")
	}
}

// TestTheExecutionPolicyIsNoWayToMoreRights: who may change templates can't make an administrator of them.
func TestTheExecutionPolicyIsNoWayToMoreRights(t *testing.T) {
	policy := bootstrapPolicy(t, "execution-policy.json")
	admin := "arn:aws:iam::111111111111:role/admin"
	for sentence, c := range map[string]struct {
		action, resource string
		context          map[string]string
	}{
		"a role without the boundary":            {"iam:CreateRole", ourRole, nil},
		"a role with another boundary":           {"iam:CreateRole", ourRole, map[string]string{"iam:PermissionsBoundary": "arn:aws:iam::aws:policy/AdministratorAccess"}},
		"rights for a role without the boundary": {"iam:PutRolePolicy", ourRole, nil},
		"a managed policy for such a role":       {"iam:AttachRolePolicy", ourRole, nil},
		"another boundary for a role":            {"iam:PutRolePermissionsBoundary", ourRole, nil},
		"a role's boundary taken off":            {"iam:DeleteRolePermissionsBoundary", ourRole, bounded},
		"rights for a role of others":            {"iam:PutRolePolicy", admin, bounded},
		"a role of others that trusts us":        {"iam:UpdateAssumeRolePolicy", admin, nil},
		"a role of others for a task":            {"iam:PassRole", admin, nil},
		"the boundary itself":                    {"iam:CreatePolicyVersion", boundary, nil},
		"an older version of the boundary":       {"iam:SetDefaultPolicyVersion", boundary, nil},
		"this policy itself":                     {"iam:CreatePolicyVersion", "arn:aws:iam::111111111111:policy/slipway-cloudformation", nil},
		"the bootstrap's roles":                  {"iam:PutRolePolicy", "arn:aws:iam::111111111111:role/cdk-hnb659fds-cfn-exec-role-111111111111-eu-west-1", bounded},
		"the trust of the bootstrap's roles":     {"iam:UpdateAssumeRolePolicy", "arn:aws:iam::111111111111:role/cdk-hnb659fds-deploy-role-111111111111-eu-west-1", nil},
		"a user":                                 {"iam:CreateUser", "arn:aws:iam::111111111111:user/slipway-me", nil},
		"keys of a user":                         {"iam:CreateAccessKey", "arn:aws:iam::111111111111:user/sam", nil},
		"a password of a user":                   {"iam:UpdateLoginProfile", "arn:aws:iam::111111111111:user/sam", nil},
		"a member of a group that we made":       {"iam:AddUserToGroup", "arn:aws:iam::111111111111:group/slipway-security-People-1A2B", nil},
		"another identity provider":              {"iam:CreateOpenIDConnectProvider", "arn:aws:iam::111111111111:oidc-provider/evil.example", nil},
		"a role in another account":              {"sts:AssumeRole", "arn:aws:iam::222222222222:role/admin", nil},
		"the organization":                       {"organizations:LeaveOrganization", "*", nil},
		"IAM Identity Center":                    {"sso:CreateAccountAssignment", "*", nil},
	} {
		if policy.allows(c.action, c.resource, c.context) {
			t.Errorf("%s is allowed: %s on %s", sentence, c.action, c.resource)
		}
	}
}

// withheld are actions of our roles that the boundary refuses: with them, a role could give other roles or users rights.
// docs/operations.md says what then doesn't work.
var withheld = []string{
	"iam:DeleteRolePolicy", "iam:DeleteUserPolicy", "iam:GetRolePolicy", "iam:GetUser", "iam:GetUserPolicy", "iam:ListAccessKeys",
	"iam:PutRolePolicy", "iam:PutUserPolicy", "iam:UpdateAccessKey",
}

// TestTheBoundaryLeavesEveryRoleItsRights: what a role of the templates may do, it may do within the boundary.
func TestTheBoundaryLeavesEveryRoleItsRights(t *testing.T) {
	policy := bootstrapPolicy(t, "boundary.json")
	looked := 0
	eachResource(t, func(t *testing.T, stack string, _ template, r resource) {
		var statements []any
		switch r.Type {
		case "AWS::IAM::Policy":
			statements = list(r.at("PolicyDocument.Statement"))
		case "AWS::IAM::Role":
			for _, inline := range list(r.at("Policies")) {
				statements = append(statements, list(at(inline, "PolicyDocument.Statement"))...)
			}
		}
		for _, statement := range statements {
			if at(statement, "Effect") != "Allow" {
				continue
			}
			for _, action := range list(at(statement, "Action")) {
				looked++
				if slices.Contains(withheld, fmt.Sprint(action)) {
					continue
				}
				found := false
				for _, target := range list(at(statement, "Resource")) {
					// What CloudFormation fills in is a resource of the same stack.
					concrete, plain := target.(string)
					if !plain {
						concrete = ourRole
					}
					if action == "sts:AssumeRole" && (!plain || strings.HasSuffix(concrete, ":role/*")) {
						concrete = deployRole // the CDK's own steps name roles by their tags
					}
					// Each account has the policy with its own ID.
					concrete = strings.NewReplacer("222222222222", "111111111111", "333333333333", "111111111111").Replace(concrete)
					found = found || policy.allows(fmt.Sprint(action), concrete, nil)
				}
				if !found {
					t.Errorf("%s: %s may %v, and the boundary refuses it", stack, r.LogicalID, action)
				}
			}
		}
	})
	if looked < 100 {
		t.Errorf("only %d actions were looked at", looked)
	}
	for sentence, c := range map[string][2]string{
		"rights for a role":  {"iam:PutRolePolicy", ourRole},
		"a user":             {"iam:CreateUser", "arn:aws:iam::111111111111:user/me"},
		"an administrator":   {"sts:AssumeRole", "arn:aws:iam::111111111111:role/admin"},
		"a task with a role": {"iam:PassRole", "arn:aws:iam::111111111111:role/admin"},
		"the organization":   {"organizations:LeaveOrganization", "*"},
	} {
		if policy.allows(c[0], c[1], nil) {
			t.Errorf("the boundary lets a role have %s", sentence)
		}
	}
}

// TestEveryRoleTakesTheBoundary: with the CDK's own setting, which docs/operations.md shows, also in the pipeline's stages.
func TestEveryRoleTakesTheBoundary(t *testing.T) {
	got, err := synthesizeWith(map[string]any{"@aws-cdk/core:permissionsBoundary": map[string]any{"name": "slipway-boundary"}}, setPipeline, nil)
	if err != nil {
		t.Fatal(err)
	}
	roles := 0
	check := func(part *assembly) {
		for name, stack := range part.templates {
			for _, role := range stack.all("AWS::IAM::Role") {
				roles++
				if !strings.Contains(text(role.at("PermissionsBoundary")), ":policy/slipway-boundary") {
					t.Errorf("%s: role %s has the boundary %s", name, role.LogicalID, text(role.at("PermissionsBoundary")))
				}
			}
		}
	}
	check(got)
	for _, stage := range nested(t, got) {
		check(stage)
	}
	if roles == 0 {
		t.Error("there are no roles")
	}
}
