// Package nativebluegreen is ECS's own blue/green deployment: the roles with which ECS moves traffic and calls the hook, and
// the settings of the service.
package nativebluegreen

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsecs"
	"github.com/aws/aws-cdk-go/awscdk/v2/awselasticloadbalancingv2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"slipway/constructs/nag"
)

// Props of a Deployment.
type Props struct {
	// Blue takes the service's tasks at first, Green those of the first deployment, and so on in turn.
	Blue, Green awselasticloadbalancingv2.ApplicationTargetGroup
	// Production and Test are the rules that ECS moves.
	Production, Test awselasticloadbalancingv2.ApplicationListenerRule
	// Hook tests the new tasks when the test rule sends requests to them.
	Hook awslambda.IFunction
}

// Deployment is what a service needs for it.
type Deployment struct {
	construct constructs.Construct
	target    awsecs.IAlternateTarget
	hook      awsecs.IDeploymentLifecycleHookTarget
}

// New creates the two roles.
func New(scope constructs.Construct, id string, props Props) *Deployment {
	this := constructs.NewConstruct(scope, jsii.String(id))
	ecs := func() awsiam.IPrincipal { return awsiam.NewServicePrincipal(jsii.String("ecs.amazonaws.com"), nil) }

	// The actions are those of the managed policy AmazonECSInfrastructureRolePolicyForLoadBalancers, which allows them on all
	// load balancers of the account; that for network load balancers is left out.
	// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/AmazonECSInfrastructureRolePolicyForLoadBalancers.html
	traffic := awsiam.NewRole(this, jsii.String("TrafficRole"), &awsiam.RoleProps{
		AssumedBy: ecs(), Description: jsii.String("Lets ECS move traffic between the two target groups"),
	})
	allow := func(sid string, actions []string, resources ...*string) {
		traffic.AddToPolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
			Sid: jsii.String(sid), Actions: jsii.Strings(actions...), Resources: &resources,
		}))
	}
	// None of these knows a resource.
	allow("Read", []string{"elasticloadbalancing:DescribeListeners", "elasticloadbalancing:DescribeRules", "elasticloadbalancing:DescribeTargetGroups",
		"elasticloadbalancing:DescribeTargetHealth"}, jsii.String("*"))
	allow("Targets", []string{"elasticloadbalancing:RegisterTargets", "elasticloadbalancing:DeregisterTargets"}, props.Blue.TargetGroupArn(), props.Green.TargetGroupArn())
	allow("Rules", []string{"elasticloadbalancing:ModifyRule"}, props.Production.ListenerRuleArn(), props.Test.ListenerRuleArn())
	nag.Suppress(traffic, "AwsSolutions-IAM5", "The actions that describe load balancers know no resource.")

	caller := awsiam.NewRole(this, jsii.String("HookRole"), &awsiam.RoleProps{
		AssumedBy: ecs(), Description: jsii.String("Lets ECS call the deployment hook"),
	})
	caller.AddToPolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Actions: jsii.Strings("lambda:InvokeFunction"), Resources: &[]*string{props.Hook.FunctionArn()},
	}))
	return &Deployment{
		construct: this,
		target: awsecs.NewAlternateTarget(jsii.String("Green"), &awsecs.AlternateTargetProps{
			AlternateTargetGroup: props.Green,
			ProductionListener:   awsecs.ListenerRuleConfiguration_ApplicationListenerRule(props.Production),
			TestListener:         awsecs.ListenerRuleConfiguration_ApplicationListenerRule(props.Test),
			Role:                 awsiam.Role_FromRoleArn(this, jsii.String("Traffic"), traffic.RoleArn(), &awsiam.FromRoleArnOptions{Mutable: jsii.Bool(false)}),
		}),
		hook: awsecs.NewDeploymentLifecycleLambdaTarget(props.Hook, jsii.String("Hook"), &awsecs.DeploymentLifecycleLambdaTargetProps{
			LifecycleStages: &[]awsecs.DeploymentLifecycleStage{awsecs.DeploymentLifecycleStage_POST_TEST_TRAFFIC_SHIFT},
			Role:            awsiam.Role_FromRoleArn(this, jsii.String("Caller"), caller.RoleArn(), &awsiam.FromRoleArnOptions{Mutable: jsii.Bool(false)}),
		}),
	}
}

// Construct is the scope of the roles; they must be there before the service.
func (d *Deployment) Construct() constructs.Construct { return d.construct }

// Target is the second side of the service's load balancer.
func (d *Deployment) Target() awsecs.IAlternateTarget { return d.target }

// Configure sets how the requests move: "all-at-once", "canary" or "linear", with the percentage of a step and the minutes
// between two; then the old tasks stay for bakeMinutes.
func (d *Deployment) Configure(service *awsecs.FargateServiceProps, shift string, percent, intervalMinutes, bakeMinutes int) {
	minutes := func(n int) awscdk.Duration { return awscdk.Duration_Minutes(jsii.Number(n)) }
	step := &awsecs.TrafficShiftConfig{StepPercent: jsii.Number(percent), StepBakeTime: minutes(intervalMinutes)}
	switch shift {
	case "canary":
		service.DeploymentStrategy, service.CanaryConfiguration = awsecs.DeploymentStrategy_CANARY, step
	case "linear":
		service.DeploymentStrategy, service.LinearConfiguration = awsecs.DeploymentStrategy_LINEAR, step
	default:
		service.DeploymentStrategy = awsecs.DeploymentStrategy_BLUE_GREEN
	}
	service.BakeTime = minutes(bakeMinutes)
	service.LifecycleHooks = &[]awsecs.IDeploymentLifecycleHookTarget{d.hook}
}
