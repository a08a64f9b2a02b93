package stacks

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsevents"
	"github.com/aws/aws-cdk-go/awscdk/v2/awseventstargets"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsssm"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"slipway/constructs/gofunction"
	"slipway/constructs/loggroup"
	"slipway/constructs/monitoring"
	"slipway/constructs/nag"
	"slipway/constructs/opstopic"
	"slipway/internal/config"
	"slipway/internal/contract"
)

// NewQALifecycle creates slipway-qa-lifecycle: the scheduled cleanup of QA environments, its topic and its alarms.
func NewQALifecycle(scope constructs.Construct, cfg *config.Config, code gofunction.Code) awscdk.Stack {
	stage := cfg.QAStage()
	stack := newStack(scope, cfg, stage.Account, contract.PlatformStack(cfg.Platform, contract.StackQALifecycle),
		"Cleanup of expired QA environments", false)

	topic := opstopic.New(stack, "Topic", opstopic.Props{
		DisplayName: cfg.Platform + " QA environments",
		Emails:      cfg.Notifications,
	})
	failed := awssqs.NewQueue(stack, jsii.String("Failed"), &awssqs.QueueProps{
		EnforceSSL:      jsii.Bool(true),
		Encryption:      awssqs.QueueEncryption_SQS_MANAGED,
		RetentionPeriod: awscdk.Duration_Days(jsii.Number(14)),
	})
	nag.Suppress(failed, "AwsSolutions-SQS3", "This is the dead-letter queue.")

	// People pause the cleanup by writing to it. CloudFormation compares templates, not values, so no deployment undoes that.
	awsssm.NewStringParameter(stack, jsii.String("Switch"), &awsssm.StringParameterProps{
		ParameterName:  jsii.String(contract.CleanupSwitch(cfg.Platform, stage.Name)),
		Description:    jsii.String("on, or paused: <why>. While it is paused no QA environment is deleted."),
		AllowedPattern: jsii.String(contract.SwitchPattern),
		StringValue:    jsii.String(contract.SwitchOn),
	})

	listener := awsssm.StringParameter_ValueForStringParameter(stack,
		jsii.String(contract.SharedParameter(cfg.Platform, stage.Name, contract.KeyListenerARN)), nil)
	// No reserved concurrency: a new account may reserve none (ten executions must stay free), and two runs at once end
	// like one, since every deletion is idempotent.
	cleanup := gofunction.New(stack, "Cleanup", gofunction.Props{
		Code:        code,
		Name:        "qacleanup",
		Description: "Cleanup of expired QA environments",
		Timeout:     10 * time.Minute,
		Environment: map[string]string{
			contract.EnvPlatform:    cfg.Platform,
			contract.EnvCluster:     contract.ClusterName(stage.Name),
			contract.EnvListenerARN: *listener,
			contract.EnvTopicARN:    topic.ARN(),
			contract.EnvDryRun:      strconv.FormatBool(cfg.QA.DryRun),
			contract.EnvGrace:       time.Duration(cfg.QA.Grace).String(),
			contract.EnvSwitch:      contract.CleanupSwitch(cfg.Platform, stage.Name),
			contract.EnvList:        listSettings(cfg),
		},
		Logs:            loggroup.Props{Name: "/" + cfg.Platform + "/" + contract.StackQALifecycle + "/cleanup", Days: stage.LogDays},
		DeadLetterQueue: failed,
		RetryAttempts:   0, // the next scheduled run is the retry
		MaxEventAge:     15 * time.Minute,
	})
	allowCleanup(cleanup, cfg, stage, topic, listener)

	awsevents.NewRule(stack, jsii.String("Schedule"), &awsevents.RuleProps{
		Description: jsii.String("Runs the cleanup of QA environments"),
		Schedule:    awsevents.Schedule_Expression(jsii.String(cfg.QA.Schedule)),
		Targets: &[]awsevents.IRuleTarget{awseventstargets.NewLambdaFunction(cleanup.Resource(), &awseventstargets.LambdaFunctionProps{
			DeadLetterQueue: failed,
			MaxEventAge:     awscdk.Duration_Minutes(jsii.Number(15)),
			RetryAttempts:   jsii.Number(2),
		})},
	})

	swept := newSweep(stack, cfg, code, topic, failed, *listener)

	// No run is retried, since the next one does the same work: it is the second failure in a row that counts.
	errors := monitoring.Errors("cleanup", *cleanup.Resource().FunctionName())
	errors.Metric = cleanup.Resource().MetricErrors(&awscloudwatch.MetricOptions{Period: awscdk.Duration_Minutes(jsii.Number(15)), Statistic: jsii.String("Sum")})
	errors.Tells = "QA cleanup failed twice in a row; its log group says what it could not delete."
	errors.Periods, errors.Datapoints = 2, 2
	stuck := awscloudwatch.NewMetric(&awscloudwatch.MetricProps{
		Namespace:     jsii.String(contract.CleanupNamespace),
		MetricName:    jsii.String(contract.MetricStuck),
		DimensionsMap: &map[string]*string{contract.DimensionPlatform: jsii.String(cfg.Platform)},
		Period:        awscdk.Duration_Minutes(jsii.Number(60)), // no shorter than the slowest sensible schedule
		Statistic:     jsii.String("Maximum"),
	})
	monitoring.Watch(stack, monitoring.Props{Prefix: *stack.StackName(), Topic: topic.Resource()}, []monitoring.Alarm{
		errors,
		swept.errors(), swept.stuck(cfg), monitoring.Throttles("sweep", *swept.function.Resource().FunctionName()),
		monitoring.Throttles("cleanup", *cleanup.Resource().FunctionName()),
		monitoring.DeadLetters("failed-events", *failed.QueueName()),
		{
			Name: "stuck", Tells: "A QA environment's stack failed to delete three times; a person must remove what blocks it. The cleanup's log names it.",
			Metric: stuck, Threshold: 1, Periods: 1, Datapoints: 1,
			Missing: awscloudwatch.TreatMissingData_IGNORE, // between runs the last answer stands
		},
	})
	return stack
}

// listSettings are what the functions need to know of the platform to list environments and their cost.
func listSettings(cfg *config.Config) string {
	raw, err := json.Marshal(cfg.ListSettings())
	if err != nil {
		panic(err) // strings and numbers
	}
	return string(raw)
}

// allowCleanup grants the cleanup exactly the calls that it makes, on the QA cluster and the platform's own names.
func allowCleanup(cleanup *gofunction.Function, cfg *config.Config, stage *config.Stage, topic *opstopic.Topic, listenerARN *string) {
	arn := func(service, resource string) string {
		return fmt.Sprintf("arn:aws:%s:%s:%s:%s", service, cfg.Region, cfg.Accounts[stage.Account], resource)
	}
	clusterARN := arn("ecs", "cluster/"+contract.ClusterName(stage.Name))
	services := arn("ecs", "service/"+contract.ClusterName(stage.Name)+"/*")
	inCluster := map[string]any{"ArnEquals": map[string]any{"ecs:cluster": clusterARN}}
	environments := arn("cloudformation", "stack/"+contract.QAEnvironmentStack(cfg.Platform, "*")+"/*")

	cleanup.Allow([]string{"ecs:ListServices"}, []string{"*"}, inCluster) // ListServices knows no resource, only the condition
	cleanup.Allow([]string{"ecs:DescribeServices", "ecs:UpdateService", "ecs:DeleteService"}, []string{services}, inCluster)
	// None of these three knows a resource.
	cleanup.Allow([]string{"ecs:ListTaskDefinitions", "ecs:DescribeTaskDefinition", "ecs:DeregisterTaskDefinition"}, []string{"*"}, nil)
	cleanup.Allow([]string{"ecs:DeleteTaskDefinitions"}, []string{arn("ecs", "task-definition/*")}, nil)
	cleanup.Allow([]string{"cloudformation:ListStacks"}, []string{"*"}, nil) // knows no resource
	cleanup.Allow([]string{"cloudformation:DescribeStacks", "cloudformation:DescribeStackEvents", "cloudformation:DeleteStack"}, []string{environments}, nil)
	// None of these three knows a resource.
	cleanup.Allow([]string{"elasticloadbalancing:DescribeRules", "elasticloadbalancing:DescribeTargetGroups", "elasticloadbalancing:DescribeTags"}, []string{"*"}, nil)
	// Rules of the shared listener only: …:listener/app/… has its rules at …:listener-rule/app/…/<rule>.
	parts := awscdk.Fn_Split(jsii.String(":listener/"), listenerARN, nil)
	cleanup.Allow([]string{"elasticloadbalancing:DeleteRule"}, []string{
		*awscdk.Fn_Select(jsii.Number(0), parts) + ":listener-rule/" + *awscdk.Fn_Select(jsii.Number(1), parts) + "/*",
	}, nil)
	cleanup.Allow([]string{"elasticloadbalancing:DeleteTargetGroup"}, []string{arn("elasticloadbalancing", "targetgroup/*")}, nil)
	// The mark of a warning and no other tag: the lease itself is people's.
	cleanup.Allow([]string{"ecs:TagResource"}, []string{services}, map[string]any{
		"ForAllValues:StringEquals": map[string]any{"aws:TagKeys": []string{contract.TagWarned}},
		"Null":                      map[string]any{"aws:TagKeys": "false"},
	})
	cleanup.Allow([]string{"ssm:GetParameter"}, []string{arn("ssm", "parameter"+contract.CleanupSwitch(cfg.Platform, stage.Name))}, nil)
	cleanup.Allow([]string{"sns:Publish"}, []string{topic.ARN()}, nil)
	cleanup.Allow([]string{"kms:Decrypt", "kms:GenerateDataKey"}, []string{topic.KeyARN()}, nil)
	nag.Suppress(cleanup.Construct(), "AwsSolutions-IAM5", "Names of environments are not known beforehand: the wildcards lie within the QA cluster, the platform's stack names and the actions that support no resource.")
}
