package test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const environmentStack = "slipway-qa-env-feature-new-awe-9aa2fb69"

func TestTheLeaseIsOnTheService(t *testing.T) {
	service := shippedAssembly(t).stack(t, environmentStack).one(t, "AWS::ECS::Service")
	tags := map[string]string{}
	for _, tag := range list(service.at("Tags")) {
		tags[fmt.Sprint(at(tag, "Key"))] = fmt.Sprint(at(tag, "Value"))
	}
	for key, want := range map[string]string{
		"slipway:environment":  "feature-new-awe-9aa2fb69",
		"slipway:branch":       "feature/new-awesome-feature",
		"slipway:owner":        "sam@example.com",
		"slipway:expires":      "2026-03-04T09:30:00Z", // the clock of these tests and the default 48 hours
		"slipway:max-lifetime": "720h0m0s",
	} {
		if tags[key] != want {
			t.Errorf("tag %s = %q, want %q", key, tags[key], want)
		}
	}
	// Only the service carries the lease: anywhere else a renewal would touch resources that have nothing to do with it.
	for id, r := range shippedAssembly(t).stack(t, environmentStack).Resources {
		if r.Type != "AWS::ECS::Service" && strings.Contains(text(r.Properties), "slipway:expires") {
			t.Errorf("%s carries the lease too", id)
		}
	}
}

// TestAnEnvironmentLocksNothing: an import would forbid every change of the exported value, so that one environment could
// block the update of the shared front.
func TestAnEnvironmentLocksNothing(t *testing.T) {
	stack := shippedAssembly(t).stack(t, environmentStack)
	if raw := text(stack); strings.Contains(raw, "Fn::ImportValue") {
		t.Error("the environment imports an exported value")
	}
	if len(stack.Outputs) == 0 {
		t.Fatal("no outputs")
	}
	for name, output := range stack.Outputs {
		if output["Export"] != nil {
			t.Errorf("output %s is exported", name)
		}
	}
	for name, stack := range shippedAssembly(t).templates {
		if name != environmentStack && strings.Contains(text(stack), "feature-new-awe") {
			t.Errorf("%s knows the environment", name)
		}
	}
}

func TestTheServiceWaitsForItsRule(t *testing.T) {
	stack := shippedAssembly(t).stack(t, environmentStack)
	service, rule := stack.one(t, "AWS::ECS::Service"), stack.one(t, "Custom::SlipwayHostRule")
	if !slices.Contains(list(service.DependsOn), any(rule.LogicalID)) {
		t.Errorf("the service depends on %s: ECS refuses a target group without a load balancer", text(service.DependsOn))
	}
}

func TestAnEnvironmentSleepsOutsideOfficeHours(t *testing.T) {
	stack := shippedAssembly(t).stack(t, environmentStack)
	target := stack.one(t, "AWS::ApplicationAutoScaling::ScalableTarget")
	target.want(t, "ResourceId", "service/qa-cluster/feature-new-awe-9aa2fb69")
	for i, want := range []struct {
		schedule string
		tasks    int
	}{{"cron(0 7 ? * MON-FRI *)", 1}, {"cron(0 20 ? * MON-FRI *)", 0}} {
		action := fmt.Sprintf("ScheduledActions.%d.", i)
		target.want(t, action+"Schedule", want.schedule)
		target.want(t, action+"Timezone", "Europe/Dublin")
		target.want(t, action+"ScalableTargetAction", map[string]any{"MinCapacity": want.tasks, "MaxCapacity": want.tasks})
	}
	if !slices.Contains(list(target.DependsOn), any(stack.one(t, "AWS::ECS::Service").LogicalID)) {
		t.Error("Application Auto Scaling refuses a service that isn't there yet")
	}
}

func TestTheCleanupsSwitchIsOnAndMayOnlyBeReadByIt(t *testing.T) {
	stack := shippedAssembly(t).stack(t, "slipway-qa-lifecycle")
	parameter := holding(t, stack, "AWS::SSM::Parameter", "/slipway/qa/cleanup")
	parameter.want(t, "Value", "on")
	holding(t, stack, "AWS::Lambda::Function", "SLIPWAY_QA_LIST").want(t, "Environment.Variables.SLIPWAY_SWITCH", "/slipway/qa/cleanup")
	if granted := keys(policyActions(stack, "CleanupRole")); slices.Contains(granted, "ssm:PutParameter") {
		t.Error("the cleanup may switch itself on")
	}
	// The sweep writes its memory and nothing else.
	for id, r := range stack.Resources {
		if r.Type != "AWS::IAM::Policy" {
			continue
		}
		for _, statement := range list(at(r.Properties, "PolicyDocument.Statement")) {
			if strings.Contains(text(at(statement, "Action")), "ssm:PutParameter") && !strings.HasSuffix(fmt.Sprint(at(statement, "Resource")), ":parameter/slipway/qa/sweep-memory") {
				t.Errorf("%s may write %v", id, at(statement, "Resource"))
			}
		}
	}
}

// holding is the one resource of a type whose properties hold a text.
func holding(t *testing.T, stack template, kind, content string) resource {
	t.Helper()
	var found []resource
	for _, r := range stack.all(kind) {
		if strings.Contains(text(r.Properties), content) {
			found = append(found, r)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d resources of type %s hold %s", len(found), kind, content)
	}
	return found[0]
}

// TestTheSweepDeletesOnlyWhatIsNamedOrTaggedAsAnEnvironments: each statement that lets it delete names the platform, the shared
// listener or the tag of an environment, in its resources or its condition. Actions that know no resource are listed here.
func TestTheSweepDeletesOnlyWhatIsNamedOrTaggedAsAnEnvironments(t *testing.T) {
	stack := shippedAssembly(t).stack(t, "slipway-qa-lifecycle")
	bounds := []string{"slipway-qa-env-", "/slipway/*-????????/image", "qa/*-????????/", "/slipway/qa/*-????????", "*-????????.qa.example.com", "slipway:environment", ":listener-rule/", "repository/simple-flask-app"}
	deletes := 0
	for id, r := range stack.Resources {
		if r.Type != "AWS::IAM::Policy" || !strings.HasPrefix(id, "SweepRole") {
			continue
		}
		for _, statement := range list(at(r.Properties, "PolicyDocument.Statement")) {
			actions := text(at(statement, "Action"))
			if !strings.Contains(actions, ":Delete") && !strings.Contains(actions, ":BatchDelete") && !strings.Contains(actions, ":Change") {
				continue
			}
			deletes++
			where := text(at(statement, "Resource")) + text(at(statement, "Condition"))
			if !slices.ContainsFunc(bounds, func(b string) bool { return strings.Contains(where, b) }) {
				t.Errorf("%s on %s", actions, where)
			}
		}
	}
	if deletes < 9 {
		t.Errorf("only %d statements let the sweep delete something", deletes)
	}
}

func TestAnUnknownHostGetsNothing(t *testing.T) {
	for _, listener := range shippedAssembly(t).stack(t, "slipway-qa-service").all("AWS::ElasticLoadBalancingV2::Listener") {
		if text(listener.at("Port")) == "443" {
			listener.want(t, "DefaultActions.0.Type", "fixed-response")
			listener.want(t, "DefaultActions.0.FixedResponseConfig.StatusCode", "404")
		}
	}
}

func TestCleanupRunsOnItsScheduleAndItsFailuresAreSeen(t *testing.T) {
	stack := shippedAssembly(t).stack(t, "slipway-qa-lifecycle")
	holding(t, stack, "AWS::Events::Rule", "rate(1 hour)") // the sweep's own
	holding(t, stack, "AWS::Events::Rule", "rate(15 minutes)")
	for _, rule := range stack.all("AWS::Events::Rule") {
		if rule.at("Targets.0.DeadLetterConfig.Arn") == nil {
			t.Error("an event that cannot be delivered is lost")
		}
	}
	for _, function := range stack.all("AWS::Lambda::Function") {
		if function.at("DeadLetterConfig.TargetArn") == nil {
			t.Error("a failed run leaves no trace in the queue")
		}
	}
	function := holding(t, stack, "AWS::Lambda::Function", "SLIPWAY_QA_LIST")
	function.want(t, "Environment.Variables.SLIPWAY_QA_CLUSTER", "qa-cluster")
	function.want(t, "Environment.Variables.SLIPWAY_DRY_RUN", "false")
	for name, want := range map[string]string{
		// No run is retried, so it is the second failure in a row that counts.
		"cleanup-errors":    "AWS/Lambda Errors Sum >= 1, 2 of 2 x 900s, notBreaching",
		"cleanup-throttles": "AWS/Lambda Throttles Sum >= 1, 1 of 1 x 300s, notBreaching",
		"failed-events":     "AWS/SQS ApproximateNumberOfMessagesVisible Maximum >= 1, 1 of 1 x 300s, notBreaching",
		"sweep-errors":      "AWS/Lambda Errors Sum >= 1, 2 of 2 x 3600s, notBreaching",
		"sweep-stuck":       "Slipway/QASweep Stuck Maximum >= 1, 1 of 1 x 3600s, ignore",
		"stuck":             "Slipway/QACleanup Stuck Maximum >= 1, 1 of 1 x 3600s, ignore",
	} {
		if got := row(alarmsByName(stack)["slipway-qa-lifecycle-"+name]); got != want {
			t.Errorf("the alarm %s is\n%s, want\n%s", name, got, want)
		}
	}
}

// askedByAWS are actions that AWS asks for within a call of another name: tags at a rule's creation.
var askedByAWS = []string{"elasticloadbalancing:AddTags"}

// grantedByTheCDK are actions that a function needs for its log group, its queue, its keys and its place in a VPC: AWS
// makes those calls on its behalf, the handlers make none of them.
var grantedByTheCDK = []string{
	"logs:CreateLogStream", "logs:PutLogEvents", "sqs:SendMessage", "kms:Decrypt", "kms:GenerateDataKey",
	"ec2:CreateNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets", "ec2:DeleteNetworkInterface",
	"ec2:AssignPrivateIpAddresses", "ec2:UnassignPrivateIpAddresses",
	"kms:DescribeKey", "kms:Encrypt", "kms:ReEncryptFrom", "kms:ReEncryptTo", // of a table
}

// calledActions are the IAM actions that the tests in a folder of the checkout recorded.
func calledActions(t *testing.T, folder ...string) (actions []string) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(append(append([]string{root}, folder...), "testdata", "actions.txt")...))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(raw)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			actions = append(actions, line)
		}
	}
	return actions
}

// TestLambdasMayDoExactlyWhatTheyDo compares the synthesized policies with the calls recorded from the handlers' own tests.
func TestLambdasMayDoExactlyWhatTheyDo(t *testing.T) {
	for _, lambda := range []struct {
		name, stack, role string
		of                func(*testing.T) *assembly
	}{
		{"qacleanup", "slipway-qa-lifecycle", "CleanupRole", shippedAssembly},
		{"qasweep", "slipway-qa-lifecycle", "SweepRole", shippedAssembly},
		{"imageresolver", "slipway-qa-service", "ImageResolverRole", shippedAssembly},
		{"qarule", "slipway-qa-service", "HostRulesRole", func(t *testing.T) *assembly { return must(t, several) }},
		{"qadatabase", "slipway-qa-service", "DatabasesRole", shippedAssembly},
		{"qaprefix", "slipway-qa-service", "PrefixesRole", shippedAssembly},
		{"qapreview", "slipway-qa-service", "PreviewRole", shippedAssembly},
		{"imageresolver", "slipway-prod-service", "ImageResolverRole", shippedAssembly},
		{"deployhook", "slipway-prod-service", "DeployHookRole", shippedAssembly},
		{"rollbackresponder", "slipway-prod-service", "RollbacksResponderRole", shippedAssembly},
		{"strategyguard", "slipway-prod-service", "StrategyGuardRole", shippedAssembly},
		{"rollout", "slipway-prod-service", "BlueGreenOnEventRole", shippedAssembly},
		{"rollout", "slipway-prod-service", "BlueGreenIsCompleteRole", shippedAssembly},
		{"threatresponse", "slipway-security", "ResponseRespondRole", shippedAssembly},
	} {
		t.Run(lambda.name+" in "+lambda.stack, func(t *testing.T) {
			called := calledActions(t, "lambdas", lambda.name)
			granted := keys(policyActions(lambda.of(t).stack(t, lambda.stack), lambda.role))
			for _, action := range called {
				if !slices.Contains(granted, action) {
					t.Errorf("calls %s without a grant", action)
				}
			}
			for _, action := range granted {
				if !slices.Contains(called, action) && !slices.Contains(grantedByTheCDK, action) && !slices.Contains(askedByAWS, action) {
					t.Errorf("is granted %s and never calls it", action)
				}
			}
		})
	}
}
