package test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"slipway/internal/config"
	"slipway/internal/contract"
)

func TestTheRuleCatchesEverySeverityFromTheThreshold(t *testing.T) {
	rule := ruleOf(t, security(t), "Findings")
	// As a number: between two values of a list (8.9 and 9, say) findings would be lost.
	rule.want(t, "EventPattern", map[string]any{
		"source": []string{"aws.guardduty"}, "detail-type": []string{"GuardDuty Finding"},
		"detail": map[string]any{"severity": []any{map[string]any{"numeric": []any{">=", 4}}}},
	})
	other, err := synthesize(func(cfg *config.Config) { cfg.Response.MinSeverity = 6.5 }, nil)
	if err != nil {
		t.Fatal(err)
	}
	ruleOf(t, other.stack(t, "slipway-security"), "Findings").want(t, "EventPattern.detail.severity.0.numeric", []any{">=", 6.5})
}

func ruleOf(t *testing.T, stack template, name string) resource {
	t.Helper()
	for _, rule := range stack.all("AWS::Events::Rule") {
		if strings.Contains(rule.LogicalID, "Response"+name) {
			return rule
		}
	}
	t.Fatalf("no rule %s", name)
	return resource{}
}

func TestNoEventIsLost(t *testing.T) {
	stack := security(t)
	for _, name := range []string{"Findings", "Sweep"} {
		rule := ruleOf(t, stack, name)
		if rule.at("Targets.0.DeadLetterConfig.Arn") == nil || text(rule.at("Targets.0.RetryPolicy.MaximumEventAgeInSeconds")) != "3600" {
			t.Errorf("%s: %s", name, text(rule.at("Targets")))
		}
	}
	ruleOf(t, stack, "Sweep").want(t, "ScheduleExpression", "rate(5 minutes)")
	for _, invoke := range stack.all("AWS::Lambda::EventInvokeConfig") {
		invoke.want(t, "MaximumRetryAttempts", 2)
		invoke.want(t, "MaximumEventAgeInSeconds", 3600)
	}
	for name, want := range map[string]string{
		"response-errors":        "AWS/Lambda Errors Sum >= 1, 1 of 1 x 300s, notBreaching",
		"response-throttles":     "AWS/Lambda Throttles Sum >= 1, 1 of 1 x 300s, notBreaching",
		"response-failed-events": "AWS/SQS ApproximateNumberOfMessagesVisible Maximum >= 1, 1 of 1 x 300s, notBreaching",
		"response-uncontained":   "Slipway/ThreatResponse Uncontained Sum >= 1, 1 of 1 x 300s, notBreaching",
	} {
		if got := row(alarmsByName(stack)["slipway-security-"+name]); got != want {
			t.Errorf("the alarm %s is\n%s, want\n%s", name, got, want)
		}
	}
}

func TestTheLedgerCanBeReadBack(t *testing.T) {
	table := security(t).one(t, "AWS::DynamoDB::Table")
	table.want(t, "PointInTimeRecoverySpecification.PointInTimeRecoveryEnabled", true)
	table.want(t, "SSESpecification.SSEType", "KMS")
	table.want(t, "DeletionProtectionEnabled", true) // prod retains
	table.want(t, "KeySchema", []any{map[string]any{"AttributeName": "id", "KeyType": "HASH"}})
	table.want(t, "GlobalSecondaryIndexes.0.KeySchema", []any{map[string]any{"AttributeName": "state", "KeyType": "HASH"}, map[string]any{"AttributeName": "due", "KeyType": "RANGE"}})
	table.want(t, "GlobalSecondaryIndexes.0.IndexName", contract.LedgerIndex)
	table.want(t, "TimeToLiveSpecification", map[string]any{"AttributeName": "purge", "Enabled": true})
	if table.DeletionPolicy != "Retain" {
		t.Error("the ledger goes with the stack")
	}
	key := security(t).Resources[fmt.Sprint(at(table.at("SSESpecification.KMSMasterKeyId"), "Fn::GetAtt.0"))]
	key.want(t, "EnableKeyRotation", true)
}

func TestTheResponseIsADryRunUntilSomeoneSaysOtherwise(t *testing.T) {
	for _, function := range security(t).all("AWS::Lambda::Function") {
		if strings.Contains(function.LogicalID, "ResponseRespond") {
			setting := fmt.Sprint(function.at("Environment.Variables.SLIPWAY_THREAT_RESPONSE"))
			if strings.Count(setting, `"mode":"dry-run"`) != 5 || strings.Count(setting, `"mode"`) != 5 {
				t.Errorf("%s", setting)
			}
			if !strings.Contains(setting, `"stages":["dev","qa","stage","prod"]`) {
				t.Errorf("%s", setting)
			}
			function.want(t, "FunctionName", "slipway-threat-response")
			function.want(t, "Timeout", 300) // below the ledger's lease
			return
		}
	}
	t.Error("no function")
}

func TestEachAccountsResponseKnowsItsOwnStages(t *testing.T) {
	for account, stages := range map[string]string{"111111111111": `"stages":null`, "222222222222": `"stages":["dev","qa","stage"]`, "333333333333": `"stages":["prod"]`} {
		stack := must(t, several).stack(t, "slipway-security-"+account)
		found := false
		for _, function := range stack.all("AWS::Lambda::Function") {
			if setting := fmt.Sprint(function.at("Environment.Variables.SLIPWAY_THREAT_RESPONSE")); strings.Contains(setting, stages) {
				found = true
				function.want(t, "Environment.Variables.SLIPWAY_ACCOUNT", account)
			}
		}
		if !found {
			t.Errorf("%s doesn't have %s", account, stages)
		}
	}
}

// TestTheResponseCannotTouchItselfOrTheProtected: a function that may write inline policies could give itself anything.
func TestTheResponseCannotTouchItselfOrTheProtected(t *testing.T) {
	guarded, err := synthesize(func(cfg *config.Config) { cfg.Response.Protected.Principals = []string{"break-glass-*"} }, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, policy := range guarded.stack(t, "slipway-security").all("AWS::IAM::Policy") {
		if !strings.Contains(text(policy.at("Roles")), "ResponseRespondRole") {
			continue
		}
		var denied []any
		for _, statement := range list(policy.at("PolicyDocument.Statement")) {
			actions := list(at(statement, "Action"))
			if at(statement, "Effect") == "Deny" {
				if !slices.Contains(actions, any("iam:PutRolePolicy")) || !slices.Contains(actions, any("iam:PutUserPolicy")) || !slices.Contains(actions, any("iam:UpdateAccessKey")) {
					t.Errorf("denies only %s", text(actions))
				}
				denied = list(at(statement, "Resource"))
			}
			if slices.Contains(list(at(statement, "Resource")), any("*")) {
				for _, action := range actions {
					if name := strings.Split(fmt.Sprint(action), ":")[1]; !strings.HasPrefix(name, "Describe") {
						t.Errorf("%s on every resource", action)
					}
				}
			}
		}
		if got := text(denied); !strings.Contains(got, "ResponseRespondRole") || !strings.Contains(got, "arn:aws:iam::111111111111:role/break-glass-*") || !strings.Contains(got, "arn:aws:iam::111111111111:user/*/break-glass-*") {
			t.Errorf("denied: %s", got)
		}
		return
	}
	t.Error("no policy")
}
