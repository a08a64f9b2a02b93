package stacks

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsecs"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsssm"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"slipway/constructs/loggroup"
	"slipway/internal/config"
	"slipway/internal/contract"
)

// Cluster is a stage's ECS cluster.
type Cluster struct {
	Stack   awscdk.Stack
	Cluster awsecs.ICluster
}

// NewCluster creates slipway-<stage>-cluster.
func NewCluster(scope constructs.Construct, cfg *config.Config, stage config.Stage, network *Network) *Cluster {
	stack := newStack(scope, cfg, stage.Account, contract.StageStack(cfg.Platform, stage.Name, contract.PartCluster),
		"ECS cluster of the "+stage.Name+" stage", stage.Retain)

	cluster := awsecs.NewCluster(stack, jsii.String("Cluster"), &awsecs.ClusterProps{
		ClusterName:         jsii.String(contract.ClusterName(stage.Name)),
		Vpc:                 network.VPC,
		ContainerInsightsV2: awsecs.ContainerInsights_ENABLED,
		// Fargate itself needs no provider; Spot does, and only QA environments may be interrupted.
		EnableFargateCapacityProviders: jsii.Bool(stage.Name == cfg.QA.Stage),
		ExecuteCommandConfiguration: &awsecs.ExecuteCommandConfiguration{
			Logging: awsecs.ExecuteCommandLogging_OVERRIDE,
			LogConfiguration: &awsecs.ExecuteCommandLogConfiguration{
				CloudWatchEncryptionEnabled: jsii.Bool(true),
				CloudWatchLogGroup: loggroup.New(stack, "ExecLogs", loggroup.Props{
					Name: "/" + cfg.Platform + "/" + stage.Name + "/exec", Days: stage.LogDays, Key: network.LogKey, Retain: stage.Retain,
				}),
			},
		},
	})
	return &Cluster{Stack: stack, Cluster: cluster}
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
