package waf

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/aws-cdk-go/awscdk/v2/awswafv2"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"slipway/constructs/loggroup"
)

// logGroupPrefix is demanded by WAF: it refuses any other log group.
const logGroupPrefix = "aws-waf-logs-"

// credentialHeaders never reach a log or a sample.
var credentialHeaders = []string{"authorization", "cookie"}

// addLogs logs what a rule matched. What simply passed is in the load balancer's access log.
func addLogs(scope constructs.Construct, acl awswafv2.CfnWebACL, props Props) {
	name := logGroupPrefix + props.Name
	group := loggroup.New(scope, "Logs", loggroup.Props{Name: name, Days: props.LogDays, Key: props.LogKey, Retain: props.Retain})

	// Without it, WAF would add a policy of its own to the account, which stays when this stack goes.
	stack := awscdk.Stack_Of(scope)
	account, region := *stack.Account(), *stack.Region()
	policy := awslogs.NewCfnResourcePolicy(scope, jsii.String("LogDelivery"), &awslogs.CfnResourcePolicyProps{
		PolicyName: jsii.String(name),
		PolicyDocument: stack.ToJsonString(map[string]any{
			"Version": "2012-10-17",
			"Statement": []any{map[string]any{
				"Effect":    "Allow",
				"Principal": map[string]any{"Service": "delivery.logs.amazonaws.com"},
				"Action":    []any{"logs:CreateLogStream", "logs:PutLogEvents"},
				"Resource":  "arn:aws:logs:" + region + ":" + account + ":log-group:" + name + ":log-stream:*",
				"Condition": map[string]any{
					"StringEquals": map[string]any{"aws:SourceAccount": account},
					"ArnLike":      map[string]any{"aws:SourceArn": "arn:aws:logs:" + region + ":" + account + ":*"},
				},
			}},
		}, nil),
	})

	var redacted []any
	for _, header := range credentialHeaders {
		redacted = append(redacted, &awswafv2.CfnLoggingConfiguration_FieldToMatchProperty{
			SingleHeader: map[string]any{"Name": header}, // free JSON here, so the CDK doesn't spell it for us
		})
	}
	var kept []any
	for _, action := range []string{"BLOCK", "COUNT", "EXCLUDED_AS_COUNT"} {
		kept = append(kept, map[string]any{"ActionCondition": map[string]any{"Action": action}})
	}
	logging := awswafv2.NewCfnLoggingConfiguration(scope, jsii.String("Logging"), &awswafv2.CfnLoggingConfigurationProps{
		ResourceArn: acl.AttrArn(),
		// The group's own attribute ends with :*, which WAF refuses.
		LogDestinationConfigs: &[]any{jsii.String("arn:aws:logs:" + region + ":" + account + ":log-group:" + name)},
		RedactedFields:        &redacted,
		LoggingFilter: map[string]any{ // free JSON too
			"DefaultBehavior": "DROP",
			"Filters":         []any{map[string]any{"Behavior": "KEEP", "Requirement": "MEETS_ANY", "Conditions": kept}},
		},
	})
	logging.Node().AddDependency(group, policy)
}
