package stacks

import (
	"fmt"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsecs"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsssm"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"slipway/constructs/loggroup"
	"slipway/internal/config"
	"slipway/internal/contract"
)

// Cluster is a stage's ECS cluster, and the key of all log groups of the stage's application.
type Cluster struct {
	Stack   awscdk.Stack
	Cluster awsecs.ICluster
	LogKey  awskms.IKey
}

// NewCluster creates slipway-<stage>-cluster.
func NewCluster(scope constructs.Construct, cfg *config.Config, stage config.Stage, network *Network) *Cluster {
	stack := newStack(scope, cfg, stage.Account, contract.StageStack(cfg.Platform, stage.Name, contract.PartCluster),
		"ECS cluster of the "+stage.Name+" stage", stage.Retain)

	policy := awscdk.RemovalPolicy_DESTROY
	if stage.Retain {
		policy = awscdk.RemovalPolicy_RETAIN // logs that are kept stay readable
	}
	key := awskms.NewKey(stack, jsii.String("LogKey"), &awskms.KeyProps{
		Description:       jsii.String("Encrypts the application logs of the " + stage.Name + " stage"),
		EnableKeyRotation: jsii.Bool(true),
		RemovalPolicy:     policy,
	})
	key.AddToResourcePolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Sid:        jsii.String("CloudWatchLogs"),
		Principals: &[]awsiam.IPrincipal{awsiam.NewServicePrincipal(jsii.String("logs."+cfg.Region+".amazonaws.com"), nil)},
		Actions:    jsii.Strings("kms:Encrypt*", "kms:Decrypt*", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:Describe*"),
		Resources:  jsii.Strings("*"), // in a key policy, * is this key
		Conditions: &map[string]any{"ArnLike": map[string]any{
			"kms:EncryptionContext:aws:logs:arn": fmt.Sprintf("arn:aws:logs:%s:%s:log-group:/%s/%s/*",
				cfg.Region, cfg.Accounts[stage.Account], cfg.Platform, stage.Name),
		}},
	}), nil)

	cluster := awsecs.NewCluster(stack, jsii.String("Cluster"), &awsecs.ClusterProps{
		ClusterName:         jsii.String(contract.ClusterName(stage.Name)),
		Vpc:                 network.VPC,
		ContainerInsightsV2: awsecs.ContainerInsights_ENABLED,
		// Fargate itself needs no provider; Spot does, and only QA environments may be interrupted.
		EnableFargateCapacityProviders: jsii.Bool(stage.Name == cfg.QA.Stage),
		ExecuteCommandConfiguration: &awsecs.ExecuteCommandConfiguration{
			KmsKey:  key,
			Logging: awsecs.ExecuteCommandLogging_OVERRIDE,
			LogConfiguration: &awsecs.ExecuteCommandLogConfiguration{
				CloudWatchEncryptionEnabled: jsii.Bool(true),
				CloudWatchLogGroup: loggroup.New(stack, "ExecLogs", loggroup.Props{
					Name: "/" + cfg.Platform + "/" + stage.Name + "/exec", Days: stage.LogDays, Key: key, Retain: stage.Retain,
				}),
			},
		},
	})
	if stage.Name == cfg.QA.Stage {
		shareWithQAEnvironments(stack, cfg, contract.KeyLogKeyARN, *key.KeyArn())
	}
	return &Cluster{Stack: stack, Cluster: cluster, LogKey: key}
}

// shareWithQAEnvironments publishes a value as an SSM parameter. QA environments read it when they are deployed, so that
// no export ties the shared stacks to them.
func shareWithQAEnvironments(stack awscdk.Stack, cfg *config.Config, key, value string) {
	awsssm.NewStringParameter(stack, jsii.String("Shared-"+key), &awsssm.StringParameterProps{
		ParameterName: jsii.String(contract.SharedParameter(cfg.Platform, cfg.QA.Stage, key)),
		Description:   jsii.String("Read by the QA environments"),
		StringValue:   jsii.String(value),
	})
}
