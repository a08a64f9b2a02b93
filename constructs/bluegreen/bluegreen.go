// Package bluegreen is a blue/green deployment by CodeDeploy that starts with `cdk deploy`: the application and its
// deployment group, CodeDeploy's role, and a custom resource that rolls a new revision out and waits for the end.
package bluegreen

import (
	"fmt"

	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscodedeploy"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsecs"
	"github.com/aws/aws-cdk-go/awscdk/v2/awselasticloadbalancingv2"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"slipway/constructs/gofunction"
	"slipway/constructs/loggroup"
)

// Props of a Deployment.
type Props struct {
	// Name is that of the application and of its only deployment group.
	Name    string
	Region  string
	Account string

	ClusterName string
	ServiceName string
	// ServiceARN is written out from names: the service itself depends on nothing here.
	ServiceARN string
	// TaskDefinition is the revision to roll out; its two roles may be passed on to ECS.
	TaskDefinition awsecs.FargateTaskDefinition
	ContainerName  string
	ContainerPort  int

	// Blue takes the service's tasks at first, Green those of the first deployment, and so on in turn.
	Blue, Green awselasticloadbalancingv2.ApplicationTargetGroup
	// Production and Test are the two listeners. CodeDeploy moves those of their rules which forward to Blue or Green.
	Production, Test awselasticloadbalancingv2.IApplicationListener

	Shift Shift
	// BakeMinutes is CodeDeploy's termination wait: the old tasks run on, and the alarms still roll back.
	BakeMinutes int
	// Alarms stop a deployment and roll it back; metric alarms only, at most ten.
	Alarms []awscloudwatch.Alarm
	// HookARN is the Lambda that tests the new tasks at the test listener.
	HookARN string
	// TimeoutMinutes is how long a rollout may take before it is stopped and rolled back, 1–50.
	TimeoutMinutes int

	Code gofunction.Code
	// Logs are the log groups of the two handlers and of the framework that calls them, by a suffix of the name.
	Logs func(suffix string) loggroup.Props
}

// Shift is how the requests move: all at once, or in steps of Percent, Minutes apart.
type Shift struct {
	Kind    ShiftKind
	Percent int
	Minutes int
}

// ShiftKind names CodeDeploy's ways to move traffic.
type ShiftKind string

// The ways, by the names of TrafficRoutingConfig.
const (
	AllAtOnce ShiftKind = "AllAtOnce"
	Canary    ShiftKind = "TimeBasedCanary"
	Linear    ShiftKind = "TimeBasedLinear"
)

// allAtOnce is predefined; the other configurations are the stack's own.
// https://docs.aws.amazon.com/codedeploy/latest/userguide/deployment-configurations.html
const allAtOnce = "CodeDeployDefault.ECSAllAtOnce"

// New creates the deployment group and the rollout of Props.TaskDefinition.
func New(scope constructs.Construct, id string, props Props) *Rollout {
	this := constructs.NewConstruct(scope, jsii.String(id))
	role := newRole(this, props)

	application := awscodedeploy.NewCfnApplication(this, jsii.String("Application"), &awscodedeploy.CfnApplicationProps{
		ApplicationName: jsii.String(props.Name), ComputePlatform: jsii.String("ECS"),
	})
	configuration := newConfiguration(this, props.Shift)
	group := awscodedeploy.NewCfnDeploymentGroup(this, jsii.String("Group"), &awscodedeploy.CfnDeploymentGroupProps{
		ApplicationName:      application.Ref(),
		DeploymentGroupName:  jsii.String(props.Name),
		ServiceRoleArn:       role.RoleArn(),
		DeploymentConfigName: configuration,
		DeploymentStyle: &awscodedeploy.CfnDeploymentGroup_DeploymentStyleProperty{
			DeploymentOption: jsii.String("WITH_TRAFFIC_CONTROL"), DeploymentType: jsii.String("BLUE_GREEN"),
		},
		EcsServices: []any{&awscodedeploy.CfnDeploymentGroup_ECSServiceProperty{
			ClusterName: jsii.String(props.ClusterName), ServiceName: jsii.String(props.ServiceName),
		}},
		LoadBalancerInfo: &awscodedeploy.CfnDeploymentGroup_LoadBalancerInfoProperty{
			TargetGroupPairInfoList: []any{&awscodedeploy.CfnDeploymentGroup_TargetGroupPairInfoProperty{
				ProdTrafficRoute: &awscodedeploy.CfnDeploymentGroup_TrafficRouteProperty{ListenerArns: &[]*string{props.Production.ListenerArn()}},
				TestTrafficRoute: &awscodedeploy.CfnDeploymentGroup_TrafficRouteProperty{ListenerArns: &[]*string{props.Test.ListenerArn()}},
				TargetGroups: []any{
					&awscodedeploy.CfnDeploymentGroup_TargetGroupInfoProperty{Name: props.Blue.TargetGroupName()},
					&awscodedeploy.CfnDeploymentGroup_TargetGroupInfoProperty{Name: props.Green.TargetGroupName()},
				},
			}},
		},
		BlueGreenDeploymentConfiguration: &awscodedeploy.CfnDeploymentGroup_BlueGreenDeploymentConfigurationProperty{
			DeploymentReadyOption: &awscodedeploy.CfnDeploymentGroup_DeploymentReadyOptionProperty{
				ActionOnTimeout: jsii.String("CONTINUE_DEPLOYMENT"), WaitTimeInMinutes: jsii.Number(0),
			},
			TerminateBlueInstancesOnDeploymentSuccess: &awscodedeploy.CfnDeploymentGroup_BlueInstanceTerminationOptionProperty{
				Action: jsii.String("TERMINATE"), TerminationWaitTimeInMinutes: jsii.Number(props.BakeMinutes),
			},
		},
		AlarmConfiguration: alarmConfiguration(props.Alarms),
		AutoRollbackConfiguration: &awscodedeploy.CfnDeploymentGroup_AutoRollbackConfigurationProperty{
			Enabled: jsii.Bool(true),
			Events:  jsii.Strings("DEPLOYMENT_FAILURE", "DEPLOYMENT_STOP_ON_REQUEST", "DEPLOYMENT_STOP_ON_ALARM"),
		},
	})
	group.Node().AddDependency(role) // with its policies, which CodeDeploy tries out
	rollout := newRollout(this, props, configuration)
	rollout.resource.Node().AddDependency(group)
	return rollout
}

// newConfiguration is the name of the deployment configuration.
func newConfiguration(scope constructs.Construct, shift Shift) *string {
	routing := &awscodedeploy.CfnDeploymentConfig_TrafficRoutingConfigProperty{Type: jsii.String(string(shift.Kind))}
	switch shift.Kind {
	case Canary:
		routing.TimeBasedCanary = &awscodedeploy.CfnDeploymentConfig_TimeBasedCanaryProperty{
			CanaryInterval: jsii.Number(shift.Minutes), CanaryPercentage: jsii.Number(shift.Percent),
		}
	case Linear:
		routing.TimeBasedLinear = &awscodedeploy.CfnDeploymentConfig_TimeBasedLinearProperty{
			LinearInterval: jsii.Number(shift.Minutes), LinearPercentage: jsii.Number(shift.Percent),
		}
	default:
		return jsii.String(allAtOnce)
	}
	// A configuration can't change, only be replaced. The logical ID tells what it does, so that an update makes a new one
	// and CloudFormation deletes the old one at the end.
	id := fmt.Sprintf("%s%dPercentEvery%dMinutes", shift.Kind, shift.Percent, shift.Minutes)
	return awscodedeploy.NewCfnDeploymentConfig(scope, jsii.String(id), &awscodedeploy.CfnDeploymentConfigProps{
		ComputePlatform: jsii.String("ECS"), TrafficRoutingConfig: routing,
	}).Ref()
}

// alarmConfiguration without alarms is switched off, which a group that had some needs to be told.
func alarmConfiguration(alarms []awscloudwatch.Alarm) *awscodedeploy.CfnDeploymentGroup_AlarmConfigurationProperty {
	watched := []any{}
	for _, alarm := range alarms {
		watched = append(watched, &awscodedeploy.CfnDeploymentGroup_AlarmProperty{Name: alarm.AlarmName()})
	}
	return &awscodedeploy.CfnDeploymentGroup_AlarmConfigurationProperty{
		Enabled: jsii.Bool(len(watched) > 0), Alarms: watched,
		// An alarm whose state can't be read stops the deployment: what nobody watches isn't safe.
		IgnorePollAlarmFailure: jsii.Bool(false),
	}
}
