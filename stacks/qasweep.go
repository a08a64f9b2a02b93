package stacks

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsevents"
	"github.com/aws/aws-cdk-go/awscdk/v2/awseventstargets"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsssm"
	"github.com/aws/jsii-runtime-go"

	"slipway/constructs/gofunction"
	"slipway/constructs/loggroup"
	"slipway/constructs/monitoring"
	"slipway/constructs/nag"
	"slipway/constructs/opstopic"
	"slipway/internal/config"
	"slipway/internal/contract"
	"slipway/internal/qalease"
)

// sweep is the scheduled function that deletes what QA environments left behind.
type sweep struct{ function *gofunction.Function }

// newSweep adds the sweep to the lifecycle's stack: its function, its memory and its own schedule.
func newSweep(stack awscdk.Stack, cfg *config.Config, code gofunction.Code, topic *opstopic.Topic, failed awssqs.IQueue, listenerARN string) sweep {
	stage := cfg.QAStage()
	memory := contract.SweepMemory(cfg.Platform, stage.Name)
	// The function writes to it; CloudFormation compares templates, not values, so no deployment makes it forget.
	awsssm.NewStringParameter(stack, jsii.String("SweepMemory"), &awsssm.StringParameterProps{
		ParameterName: jsii.String(memory),
		Description:   jsii.String("Since when environments have been without a stack and a service; the sweep's own"),
		StringValue:   jsii.String("{}"),
	})
	bucket := *awsssm.StringParameter_ValueForStringParameter(stack,
		jsii.String(contract.SharedParameter(cfg.Platform, stage.Name, contract.KeyBucketName)), nil)

	settings := contract.Sweep{
		Platform: cfg.Platform, Cluster: contract.ClusterName(stage.Name), Domain: cfg.Domain, Stage: stage.Name,
		Listener: listenerARN, Topic: topic.ARN(), Switch: contract.CleanupSwitch(cfg.Platform, stage.Name), Memory: memory,
		Data: *awsssm.StringParameter_ValueForStringParameter(stack,
			jsii.String(contract.SharedParameter(cfg.Platform, stage.Name, contract.KeyDatabaseMakerARN)), nil),
		Bucket: bucket, Zone: cfg.ZoneName(stage), Grace: time.Duration(cfg.QA.Grace).String(), DryRun: cfg.QA.DryRun,
	}
	// Images may be deleted only where one account knows of everyone who runs them.
	alone := cfg.Account(cfg.Registry.Account) == cfg.Account(stage.Account)
	for _, s := range cfg.Stages {
		settings.Stages = append(settings.Stages, s.Name)
		alone = alone && cfg.Account(s.Account) == cfg.Account(stage.Account)
	}
	if alone {
		settings.Repository, settings.Registry = cfg.Registry.Repository, cfg.Account(cfg.Registry.Account)
	}
	raw, err := json.Marshal(settings)
	if err != nil {
		panic(err) // strings
	}
	function := gofunction.New(stack, "Sweep", gofunction.Props{
		Code:            code,
		Name:            "qasweep",
		Description:     "Sweep of what QA environments left behind",
		Timeout:         15 * time.Minute,
		Environment:     map[string]string{contract.EnvSweep: string(raw)},
		Logs:            loggroup.Props{Name: "/" + cfg.Platform + "/" + contract.StackQALifecycle + "/sweep", Days: stage.LogDays},
		DeadLetterQueue: failed,
		RetryAttempts:   0, // the next scheduled sweep is the retry
		MaxEventAge:     15 * time.Minute,
	})
	allowSweep(function, cfg, settings)
	function.Allow([]string{"kms:Decrypt", "kms:GenerateDataKey"}, []string{topic.KeyARN()}, nil)

	awsevents.NewRule(stack, jsii.String("SweepSchedule"), &awsevents.RuleProps{
		Description: jsii.String("Runs the sweep of what QA environments left behind"),
		Schedule:    awsevents.Schedule_Expression(jsii.String(cfg.QA.SweepSchedule)),
		Targets: &[]awsevents.IRuleTarget{awseventstargets.NewLambdaFunction(function.Resource(), &awseventstargets.LambdaFunctionProps{
			DeadLetterQueue: failed,
			MaxEventAge:     awscdk.Duration_Minutes(jsii.Number(15)),
			RetryAttempts:   jsii.Number(2),
		})},
	})
	return sweep{function}
}

func (s sweep) errors() monitoring.Alarm {
	alarm := monitoring.Errors("sweep", *s.function.Resource().FunctionName())
	alarm.Metric = s.function.Resource().MetricErrors(&awscloudwatch.MetricOptions{Period: awscdk.Duration_Hours(jsii.Number(1)), Statistic: jsii.String("Sum")})
	alarm.Tells = "The sweep of QA environments' remains failed twice in a row; its log group says what it could not delete."
	alarm.Periods, alarm.Datapoints = 2, 2
	return alarm
}

func (s sweep) stuck(cfg *config.Config) monitoring.Alarm {
	return monitoring.Alarm{
		Name: "sweep-stuck", Tells: "Something that a QA environment left behind failed to delete three times; the sweep's log names it, a person must look.",
		Metric: awscloudwatch.NewMetric(&awscloudwatch.MetricProps{
			Namespace:     jsii.String(contract.SweepNamespace),
			MetricName:    jsii.String(contract.MetricStuck),
			DimensionsMap: &map[string]*string{contract.DimensionPlatform: jsii.String(cfg.Platform)},
			Period:        awscdk.Duration_Hours(jsii.Number(1)),
			Statistic:     jsii.String("Maximum"),
		}),
		Threshold: 1, Periods: 1, Datapoints: 1,
		Missing: awscloudwatch.TreatMissingData_IGNORE, // between sweeps the last answer stands
	}
}

// allowSweep grants the sweep exactly the calls that it makes. What deletes is bound to the platform's own names, tags and the
// shared listener; a slug ends with a hyphen and eight characters, which no stage's name has.
func allowSweep(f *gofunction.Function, cfg *config.Config, s contract.Sweep) {
	stage := cfg.QAStage()
	arn := func(service, resource string) string {
		return fmt.Sprintf("arn:aws:%s:%s:%s:%s", service, cfg.Region, cfg.Accounts[stage.Account], resource)
	}
	const slug = "*-????????"
	ofStack := map[string]any{"StringLike": map[string]any{"aws:ResourceTag/" + qalease.TagStackName: contract.QAEnvironmentStack(cfg.Platform, slug)}}
	inCluster := map[string]any{"ArnEquals": map[string]any{"ecs:cluster": arn("ecs", "cluster/"+s.Cluster)}}

	// None of these knows a resource.
	f.Allow([]string{
		"cloudformation:ListStacks", "ecs:ListTaskDefinitionFamilies", "ecs:ListTaskDefinitions", "ecs:DescribeTaskDefinition",
		"elasticloadbalancing:DescribeRules", "elasticloadbalancing:DescribeTargetGroups", "elasticloadbalancing:DescribeTags",
		"route53:ListHostedZonesByName", "secretsmanager:ListSecrets", "ssm:DescribeParameters",
	}, []string{"*"}, nil)
	f.Allow([]string{"logs:DescribeLogGroups"}, []string{arn("logs", "log-group:*")}, nil)
	f.Allow([]string{"ecs:ListServices"}, []string{"*"}, inCluster) // knows no resource, only the condition
	f.Allow([]string{"ecs:DescribeServices"}, []string{arn("ecs", "service/"+s.Cluster+"/*")}, inCluster)
	f.Allow([]string{"cloudformation:DescribeStacks"}, []string{arn("cloudformation", "stack/"+contract.QAEnvironmentStack(cfg.Platform, "*")+"/*")}, nil)

	parts := awscdk.Fn_Split(jsii.String(":listener/"), jsii.String(s.Listener), nil)
	f.Allow([]string{"elasticloadbalancing:DeleteRule"}, []string{
		*awscdk.Fn_Select(jsii.Number(0), parts) + ":listener-rule/" + *awscdk.Fn_Select(jsii.Number(1), parts) + "/*",
	}, nil)
	// Two statements, for either tag makes a target group an environment's.
	f.Allow([]string{"elasticloadbalancing:DeleteTargetGroup"}, []string{arn("elasticloadbalancing", "targetgroup/*")}, ofStack)
	f.Allow([]string{"elasticloadbalancing:DeleteTargetGroup"}, []string{arn("elasticloadbalancing", "targetgroup/*")},
		map[string]any{"Null": map[string]any{"aws:ResourceTag/" + contract.TagEnvironment: "false"}})

	f.Allow([]string{"route53:ListResourceRecordSets"}, []string{"arn:aws:route53:::hostedzone/*"}, nil)
	f.Allow([]string{"route53:ChangeResourceRecordSets"}, []string{"arn:aws:route53:::hostedzone/*"}, map[string]any{
		"ForAllValues:StringEquals": map[string]any{
			"route53:ChangeResourceRecordSetsActions":     []string{"DELETE"},
			"route53:ChangeResourceRecordSetsRecordTypes": []string{"A", "AAAA", "CNAME"},
		},
		"ForAllValues:StringLike": map[string]any{"route53:ChangeResourceRecordSetsNormalizedRecordNames": []string{contract.HostName(slug, cfg.Domain)}},
		"Null":                    map[string]any{"route53:ChangeResourceRecordSetsNormalizedRecordNames": "false"},
	})

	f.Allow([]string{"ecs:DeregisterTaskDefinition"}, []string{"*"}, nil) // knows no resource
	f.Allow([]string{"ecs:DeleteTaskDefinitions"}, []string{arn("ecs", "task-definition/"+contract.TaskFamily(cfg.Platform, slug)+":*")}, nil)
	f.Allow([]string{"logs:DeleteLogGroup"}, []string{arn("logs", "log-group:"+contract.LogGroupNameOfEnvironment(cfg.Platform, slug)+":*")}, nil)
	if s.Repository != "" {
		f.Allow([]string{"ecr:DescribeImages", "ecr:BatchDeleteImage"}, []string{arn("ecr", "repository/"+s.Repository)}, nil)
		f.Allow([]string{"ssm:GetParameters"}, []string{arn("ssm", "parameter"+contract.ImageParameter(cfg.Platform, "*"))}, nil)
	}

	bucket := "arn:aws:s3:::" + s.Bucket
	f.Allow([]string{"s3:ListBucketVersions"}, []string{bucket}, map[string]any{"StringLike": map[string]any{"s3:prefix": contract.EnvironmentsPrefix + "*"}})
	f.Allow([]string{"s3:DeleteObjectVersion"}, []string{bucket + "/" + contract.EnvironmentPrefix(slug) + "*"}, nil)

	f.Allow([]string{"lambda:InvokeFunction"}, []string{s.Data}, nil)
	f.Allow([]string{"secretsmanager:DeleteSecret"}, []string{arn("secretsmanager", "secret:*")}, ofStack)
	f.Allow([]string{"ssm:DeleteParameters"}, []string{arn("ssm", "parameter"+contract.ImageParameter(cfg.Platform, slug))}, nil)
	f.Allow([]string{"ssm:GetParameter"}, []string{arn("ssm", "parameter"+s.Switch), arn("ssm", "parameter"+s.Memory)}, nil)
	f.Allow([]string{"ssm:PutParameter"}, []string{arn("ssm", "parameter"+s.Memory)}, nil)
	f.Allow([]string{"sns:Publish"}, []string{s.Topic}, nil)
	nag.Suppress(f.Construct(), "AwsSolutions-IAM5", "Names of environments are not known beforehand: the wildcards lie within the platform's own names and tags, the shared listener and the actions that support no resource.")
}
