package test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
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

// readOnlyAccess is AWS's managed policy of that name, which the bootstrap's lookup role has, as the pinned moto carries it.
func readOnlyAccess(t *testing.T) policyDocument {
	t.Helper()
	program := "import json; from moto.iam.aws_managed_policies import aws_managed_policies_data as all; print(json.dumps(json.loads(all)['ReadOnlyAccess']['Document']))"
	raw, err := exec.Command(filepath.Join(root, ".venv", "bin", "python"), "-c", program).Output()
	if err != nil {
		t.Fatalf("read AWS's managed policies: %v; run `make setup`", err)
	}
	var p policyDocument
	if err := json.Unmarshal(raw, &p); err != nil {
		t.Fatal(err)
	}
	return p
}

// TestWhoRunsTheDoctorMayDoWhatItCalls: workflows and the pipeline look at the image with their own rights, and into the
// stages' accounts, and no others, by the bootstrap's role that may only read.
func TestWhoRunsTheDoctorMayDoWhatItCalls(t *testing.T) {
	lookup := readOnlyAccess(t)
	var own []string
	for _, action := range calledActions(t, "tools", "slipway", "doctor") {
		if strings.HasPrefix(action, "ecr:") {
			own = append(own, action)
		} else if !lookup.allows(action, "*", nil) {
			t.Errorf("the lookup role may not %s", action)
		}
	}
	const registry, workload, production = "111111111111", "222222222222", "333333333333" // as severalAccounts has them
	for _, who := range []struct {
		of       func() (*assembly, error)
		stack    string
		role     string
		images   bool
		accounts []string
		others   bool // reads further accounts for something else
	}{
		{several, "slipway-registry", "GitHubQA", true, []string{workload}, false},
		{several, "slipway-registry", "GitHubDeploystage", true, []string{workload}, true},
		{several, "slipway-registry", "GitHubDeployprod", true, []string{production}, true},
		{pipedAccounts, "slipway-pipeline", "DoctorsharedRole", false, []string{registry}, false},
		{pipedAccounts, "slipway-pipeline", "DoctordevRole", true, []string{workload}, false},
		{pipedAccounts, "slipway-pipeline", "DoctorprodRole", true, []string{production}, false},
	} {
		granted := policyActions(must(t, who.of).stack(t, who.stack), who.role)
		for _, action := range own {
			if _, may := granted[action]; may != who.images {
				t.Errorf("%s may %s: %v", who.role, action, may)
			}
			if resource := granted[action]; who.images && (strings.Contains(resource, `"*"`) || strings.Contains(who.stack, "pipeline") && !strings.Contains(resource, "repository/simple-flask-app")) {
				t.Errorf("%s may %s on %s", who.role, action, resource)
			}
		}
		for _, account := range []string{registry, workload, production} {
			may := strings.Contains(granted["sts:AssumeRole"], "cdk-hnb659fds-lookup-role-"+account)
			if needs := slices.Contains(who.accounts, account); may != needs && (needs || !who.others) {
				t.Errorf("%s may look into account %s: %v", who.role, account, may)
			}
		}
	}
}
