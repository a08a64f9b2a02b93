package stacks

import (
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsecs"
	"github.com/aws/aws-cdk-go/awscdk/v2/awselasticloadbalancingv2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsssm"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"slipway/constructs/hostrule"
	"slipway/constructs/image"
	"slipway/constructs/loggroup"
	"slipway/constructs/qadatabase"
	"slipway/constructs/qaprefix"
	"slipway/constructs/webtask"
	"slipway/internal/config"
	"slipway/internal/contract"
)

// qaLogDays is the retention of a QA environment's log group, which goes with its stack anyway.
const qaLogDays = 7

// NewQAEnvironment creates slipway-qa-env-<slug>: one branch's task, service, target group and host rule behind the shared
// front, and the lease as tags on the service. It leaves nothing behind when it is deleted.
func NewQAEnvironment(scope constructs.Construct, cfg *config.Config, environment config.Environment, imageTag string) awscdk.Stack {
	stage := cfg.QAStage()
	slug := environment.Slug
	stack := newStack(scope, cfg, stage.Account, contract.QAEnvironmentStack(cfg.Platform, slug),
		"QA environment of the branch "+environment.Branch, false)

	// Values of the shared stacks, looked up by CloudFormation when this stack is deployed.
	shared := func(key string) *string {
		return awsssm.StringParameter_ValueForStringParameter(stack, jsii.String(contract.SharedParameter(cfg.Platform, stage.Name, key)), nil)
	}
	sharedList := func(key string) *[]*string {
		return awsssm.StringListParameter_ValueForTypedListParameter(stack, jsii.String(contract.SharedParameter(cfg.Platform, stage.Name, key)),
			awsssm.ParameterValueType_STRING, nil)
	}

	targets := awselasticloadbalancingv2.NewCfnTargetGroup(stack, jsii.String("Targets"), &awselasticloadbalancingv2.CfnTargetGroupProps{
		VpcId:                      shared(contract.KeyVPCID),
		TargetType:                 jsii.String("ip"),
		Protocol:                   jsii.String("HTTP"),
		Port:                       jsii.Number(contract.ContainerPort),
		HealthCheckPath:            jsii.String(contract.HealthPath),
		HealthCheckIntervalSeconds: jsii.Number(10),
		HealthCheckTimeoutSeconds:  jsii.Number(5),
		HealthyThresholdCount:      jsii.Number(2),
		UnhealthyThresholdCount:    jsii.Number(3),
		Matcher:                    &awselasticloadbalancingv2.CfnTargetGroup_MatcherProperty{HttpCode: jsii.String("200")},
		TargetGroupAttributes: &[]any{&awselasticloadbalancingv2.CfnTargetGroup_TargetGroupAttributeProperty{
			Key: jsii.String("deregistration_delay.timeout_seconds"), Value: jsii.String("5"), // nobody waits for QA
		}},
	})
	rule := hostrule.New(stack, "HostRule", hostrule.Props{
		ServiceToken: *shared(contract.KeyRuleARN), TargetGroupARN: *targets.Ref(),
	})
	files := qaprefix.New(stack, "Files", *shared(contract.KeyPrefixCleanerARN))
	database := qadatabase.New(stack, "Database", qadatabase.Props{
		ServiceToken: *shared(contract.KeyDatabaseMakerARN),
		Name:         databaseName(slug),
		SecretName:   contract.DatabaseSecretName(cfg.Platform, slug),
		Host:         *shared(contract.KeyDatabaseHost),
		Port:         *shared(contract.KeyDatabasePort),
		KeyARN:       *shared(contract.KeyDatabaseKeyARN),
	})

	repository := importRepository(stack, cfg)
	selected := image.New(stack, "Image", image.Props{
		ServiceToken: *shared(contract.KeyImageResolverARN),
		Repository:   repository,
		RegistryID:   cfg.Accounts[cfg.Registry.Account],
		Requested:    imageTag,
		Parameter:    contract.ImageParameter(cfg.Platform, slug),
	})
	task := webtask.New(stack, "Task", webtask.Props{
		Family:       contract.TaskFamily(cfg.Platform, slug),
		Environment:  slug,
		Region:       cfg.Region,
		CPU:          stage.Service.CPU,
		MemoryMiB:    stage.Service.MemoryMiB,
		ImageURI:     selected.URI(),
		Repository:   repository,
		RuntimeAgent: runtimeAgent(cfg),
		Logs: loggroup.Props{
			Name: contract.LogGroupNameOfEnvironment(cfg.Platform, slug),
			Days: qaLogDays,
			Key:  awskms.Key_FromKeyArn(stack, jsii.String("LogKey"), shared(contract.KeyLogKeyARN)),
		},
		BucketName:   *shared(contract.KeyBucketName),
		BucketKeyARN: *shared(contract.KeyBucketKeyARN),
		Prefix:       contract.EnvironmentPrefix(slug),

		DatabaseSecretARN:    database.SecretARN(),
		DatabaseSecretKeyARN: *shared(contract.KeyDatabaseKeyARN),
		TraceRatio:           stage.Tracing.SampleRatio,
		Seed:                 true, // its database begins empty
	})

	// A full load balancer refuses the rule; then nothing but the target group has been made.
	for _, later := range []constructs.IConstruct{selected.Construct(), task.Construct(), database.Construct(), files} {
		later.Node().AddDependency(rule)
	}

	provider := "FARGATE"
	if *cfg.QA.Spot {
		provider = "FARGATE_SPOT"
	}
	service := awsecs.NewCfnService(stack, jsii.String("Service"), &awsecs.CfnServiceProps{
		ServiceName:    jsii.String(slug),
		Cluster:        contract.ClusterName(stage.Name),
		TaskDefinition: task.ARN(),
		DesiredCount:   jsii.Number(1),
		CapacityProviderStrategy: &[]any{&awsecs.CfnService_CapacityProviderStrategyItemProperty{
			CapacityProvider: jsii.String(provider), Weight: jsii.Number(1),
		}},
		DeploymentConfiguration: &awsecs.CfnService_DeploymentConfigurationProperty{
			MinimumHealthyPercent: jsii.Number(100),
			MaximumPercent:        jsii.Number(200),
			DeploymentCircuitBreaker: &awsecs.CfnService_DeploymentCircuitBreakerProperty{
				Enable: jsii.Bool(true), Rollback: jsii.Bool(true),
			},
		},
		HealthCheckGracePeriodSeconds: jsii.Number(60),
		NetworkConfiguration: &awsecs.CfnService_NetworkConfigurationProperty{
			AwsvpcConfiguration: &awsecs.CfnService_AwsVpcConfigurationProperty{
				AssignPublicIp: jsii.String("DISABLED"),
				Subnets:        sharedList(contract.KeyPrivateSubnetIDs),
				SecurityGroups: &[]*string{shared(contract.KeyAppSecurityGroupID)},
			},
		},
		LoadBalancers: &[]any{&awsecs.CfnService_LoadBalancerProperty{
			ContainerName:  jsii.String(contract.ContainerName),
			ContainerPort:  jsii.Number(contract.ContainerPort),
			TargetGroupArn: targets.Ref(),
		}},
		PropagateTags:        jsii.String("SERVICE"),
		EnableEcsManagedTags: jsii.Bool(true),
		Tags:                 leaseTags(cfg, environment),
	})
	// ECS refuses a target group that no load balancer uses.
	service.Node().AddDependency(rule)
	// A task that starts before its roles have their policies cannot pull its image.
	service.Node().AddDependency(task.Construct())
	// The service needs its database, and goes before database and objects do: nothing may write to them any more.
	service.Node().AddDependency(database.Construct(), files)
	selected.RecordAfter(service)
	sleepOutsideOfficeHours(stack, cfg, service, slug)

	awscdk.NewCfnOutput(stack, jsii.String("Url"), &awscdk.CfnOutputProps{
		Value:       jsii.String("https://" + contract.HostName(slug, cfg.Domain)),
		Description: jsii.String("Where the environment answers"),
	})
	awscdk.NewCfnOutput(stack, jsii.String("Expires"), &awscdk.CfnOutputProps{
		Value:       jsii.String(contract.FormatExpiry(environment.Expires)),
		Description: jsii.String("When cleanup deletes it"),
	})
	return stack
}

// leaseTags are the lease, the only record of who owns the environment and when it ends.
func leaseTags(cfg *config.Config, environment config.Environment) *[]*awscdk.CfnTag {
	tag := func(key, value string) *awscdk.CfnTag {
		return &awscdk.CfnTag{Key: jsii.String(key), Value: jsii.String(value)}
	}
	return &[]*awscdk.CfnTag{
		tag(contract.TagEnvironment, environment.Slug),
		tag(contract.TagBranch, contract.TagValue(environment.Branch)),
		tag(contract.TagOwner, contract.TagValue(environment.Owner)),
		tag(contract.TagExpires, contract.FormatExpiry(environment.Expires)),
		tag(contract.TagMaxLifetime, time.Duration(cfg.QA.MaxLifetime).String()),
	}
}

// databaseName is the name of the environment's database and role. Every slug has one.
func databaseName(slug string) string {
	name, err := contract.DatabaseName(slug)
	if err != nil {
		panic(err)
	}
	return name
}
