package test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// trusted maps each role that GitHub's jobs may take to the only subject that it trusts.
func trusted(t *testing.T, a *assembly) map[string]string {
	t.Helper()
	subjects := map[string]string{}
	for _, role := range a.stack(t, "slipway-registry").all("AWS::IAM::Role") {
		statements := list(role.at("AssumeRolePolicyDocument.Statement"))
		if len(statements) != 1 || at(statements[0], "Action") != "sts:AssumeRoleWithWebIdentity" {
			continue // a function's role
		}
		name := fmt.Sprint(role.at("RoleName"))
		conditions, _ := at(statements[0], "Condition").(map[string]any)
		equal, _ := conditions["StringEquals"].(map[string]any)
		if len(conditions) != 1 || len(equal) != 2 || equal["token.actions.githubusercontent.com:aud"] != "sts.amazonaws.com" {
			t.Errorf("%s: conditions %s, want equality of audience and subject, and nothing else", name, text(conditions))
		}
		subjects[name] = fmt.Sprint(equal["token.actions.githubusercontent.com:sub"])
	}
	return subjects
}

// The subjects are written out here as GitHub's documentation gives their form, not as the code makes them.
func TestEachRoleTrustsOneEnvironmentOfTheRepository(t *testing.T) {
	const prefix = "repo:example@1/slipway@1:environment:"
	want := map[string]string{
		"slipway-github-image": prefix + "image", "slipway-github-qa": prefix + "qa", "slipway-github-diff": prefix + "diff",
		"slipway-github-deploy-dev": prefix + "deploy-dev", "slipway-github-deploy-stage": prefix + "deploy-stage", "slipway-github-deploy-prod": prefix + "deploy-prod",
	}
	if got := trusted(t, shippedAssembly(t)); !maps.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	for _, subject := range trusted(t, shippedAssembly(t)) {
		if strings.ContainsAny(subject, "*?") {
			t.Errorf("%s is a pattern", subject)
		}
	}
}

func TestTheProviderTakesTokensMadeOutToAWSOnly(t *testing.T) {
	provider := shippedAssembly(t).stack(t, "slipway-registry").one(t, "AWS::IAM::OIDCProvider")
	provider.want(t, "Url", "https://token.actions.githubusercontent.com")
	provider.want(t, "ClientIdList", []any{"sts.amazonaws.com"})
}

// TestRolesOfWorkflowsReachOnlyTheirAccounts: with an account for each purpose, who deploys stage can't change production.
func TestRolesOfWorkflowsReachOnlyTheirAccounts(t *testing.T) {
	stack := must(t, several).stack(t, "slipway-registry")
	for role, changes := range map[string]string{"DeployprodRole": "333333333333", "DeploystageRole": "222222222222", "QA": "222222222222", "Diff": "", "Image": ""} {
		actions := policyActions(stack, "GitHub"+strings.TrimSuffix(role, "Role"))
		for _, account := range []string{"111111111111", "222222222222", "333333333333"} {
			may := strings.Contains(actions["sts:AssumeRole"], "cdk-hnb659fds-deploy-role-"+account)
			if may != (account == changes) {
				t.Errorf("%s: may change account %s: %v", role, account, may)
			}
		}
	}
	if may := slices.Sorted(maps.Keys(policyActions(stack, "GitHubDiff"))); !slices.Equal(may, []string{"sts:AssumeRole"}) {
		t.Errorf("who reads may %v", may)
	}
	if lookups := policyActions(stack, "GitHubDiff")["sts:AssumeRole"]; strings.Count(lookups, "-lookup-role-") != 3 || strings.Count(lookups, "-role-") != 3 {
		t.Errorf("who reads takes %s", lookups)
	}
}

// TestRolesOfWorkflowsMayDoExactlyWhatTheirCommandsDo: the calls of `slipway image` and of a push, as ECR's guide lists those;
// and of `slipway deploy` outside the bootstrap roles.
func TestRolesOfWorkflowsMayDoExactlyWhatTheirCommandsDo(t *testing.T) {
	stack := shippedAssembly(t).stack(t, "slipway-registry")
	look := []string{"ecr:DescribeImageScanFindings", "ecr:DescribeImages"}
	for role, want := range map[string][]string{
		"GitHubImage": append([]string{
			"ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:CompleteLayerUpload", "ecr:GetAuthorizationToken",
			"ecr:InitiateLayerUpload", "ecr:PutImage", "ecr:UploadLayerPart",
		}, look...),
		"GitHubQA":         append([]string{"sts:AssumeRole"}, look...),
		"GitHubDeployprod": append([]string{"sts:AssumeRole"}, look...),
		"GitHubDiff":       {"sts:AssumeRole"},
	} {
		granted := policyActions(stack, role)
		got := keys(granted)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s may %v, want %v", role, got, want)
		}
		for action, resource := range granted {
			if strings.Contains(resource, `"*"`) && action != "ecr:GetAuthorizationToken" {
				t.Errorf("%s may %s on %s", role, action, resource)
			}
		}
	}
}
