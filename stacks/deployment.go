package stacks

import (
	"fmt"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsec2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsecs"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"slipway/constructs/bluegreen"
	"slipway/constructs/deployhook"
	"slipway/constructs/gofunction"
	"slipway/constructs/loggroup"
	"slipway/constructs/monitoring"
	"slipway/constructs/nativebluegreen"
	"slipway/constructs/rollbackresponder"
	"slipway/constructs/strategyguard"
	"slipway/constructs/webtask"
	"slipway/internal/config"
	"slipway/internal/contract"
)

// delivery is what brings a new version of a stage's service to its users.
type delivery struct {
	cfg    *config.Config
	stage  config.Stage
	on     stageStacks
	code   gofunction.Code
	task   *webtask.Task
	routes *routes
	// stopping are the alarms that roll a deployment back; none where platform.yaml switches that off.
	stopping []awscloudwatch.Alarm
}

// newService is the service with the deployment controller and the settings of its strategy.
func (d *delivery) newService(stack awscdk.Stack) awsecs.FargateService {
	strategy := d.stage.Deployment.Strategy
	props := &awsecs.FargateServiceProps{
		ServiceName:            jsii.String(contract.ServiceName(d.stage.Name)),
		Cluster:                d.on.cluster.Cluster,
		TaskDefinition:         d.task.Definition(),
		AssignPublicIp:         jsii.Bool(false),
		VpcSubnets:             &awsec2.SubnetSelection{SubnetType: awsec2.SubnetType_PRIVATE_WITH_EGRESS},
		SecurityGroups:         &[]awsec2.ISecurityGroup{appSecurityGroup(stack, d.on.network)},
		MinHealthyPercent:      jsii.Number(100),
		MaxHealthyPercent:      jsii.Number(200),
		HealthCheckGracePeriod: awscdk.Duration_Seconds(jsii.Number(60)),
		PropagateTags:          awsecs.PropagatedTagSource_SERVICE,
		EnableECSManagedTags:   jsii.Bool(true),
		// No DesiredCount: autoscaling owns it, and a deployment must not reset it.
	}
	target := &awsecs.LoadBalancerTargetOptions{ContainerName: jsii.String(contract.ContainerName), ContainerPort: jsii.Number(contract.ContainerPort)}
	if strategy == config.StrategyCodeDeploy {
		// The task definition is named by its family, so that a new revision leaves the service as it is. Breaker, alarms and
		// rebalancing belong to ECS's own controller.
		props.DeploymentController = &awsecs.DeploymentController{Type: awsecs.DeploymentControllerType_CODE_DEPLOY}
	} else {
		props.CircuitBreaker = &awsecs.DeploymentCircuitBreaker{Enable: jsii.Bool(true), Rollback: jsii.Bool(true)}
		props.AvailabilityZoneRebalancing = awsecs.AvailabilityZoneRebalancing_ENABLED
		if len(d.stopping) > 0 {
			names := []*string{}
			for _, alarm := range d.stopping {
				names = append(names, alarm.AlarmName())
			}
			props.DeploymentAlarms = &awsecs.DeploymentAlarmConfig{AlarmNames: &names, Behavior: awsecs.AlarmBehavior_ROLLBACK_ON_ALARM}
		}
	}
	first := []constructs.IDependable{strategyguard.New(stack, "StrategyGuard", strategyguard.Props{
		Code: d.code, ClusterName: contract.ClusterName(d.stage.Name), ServiceName: contract.ServiceName(d.stage.Name), ServiceARN: d.serviceARN(),
		Strategy: string(strategy), RuleARN: *d.routes.production.ListenerRuleArn(), TargetGroupARN: *d.routes.blue.TargetGroupArn(),
		Logs: stageLogs(d.cfg, d.stage, d.on.network, "strategy-guard"),
	})}
	if strategy == config.StrategyECS {
		hook := d.newHook(stack, "")
		native := nativebluegreen.New(stack, "BlueGreen", nativebluegreen.Props{
			Blue: d.routes.blue, Green: d.routes.green, Production: d.routes.production, Test: d.routes.test, Hook: hook.Resource(),
		})
		first = append(first, hook.Construct(), native.Construct()) // with their policies
		shift := d.stage.Deployment
		native.Configure(props, string(shift.Shift), shift.Percent, shift.IntervalMinutes, shift.BakeMinutes)
		target.AlternateTarget = native.Target()
	}
	service := awsecs.NewFargateService(stack, jsii.String("Service"), props)
	d.routes.blue.AddTarget(service.LoadBalancerTarget(target))
	service.Node().AddDependency(first...)
	return service
}

// rollOut makes the new revision the one that users get, and returns what ends after that. Under ECS's own controller the
// update of the service is all of it.
func (d *delivery) rollOut(stack awscdk.Stack, service awsecs.FargateService) constructs.IConstruct {
	// A rollback, by CodeDeploy or by the response to a finding, needs the revision before this one, which CloudFormation would
	// deregister.
	revision := d.task.Definition().Node().DefaultChild().(awsecs.CfnTaskDefinition)
	revision.CfnOptions().SetUpdateReplacePolicy(awscdk.CfnDeletionPolicy_RETAIN)
	revision.CfnOptions().SetDeletionPolicy(awscdk.CfnDeletionPolicy_DELETE)
	if d.stage.Deployment.Strategy != config.StrategyCodeDeploy {
		return service
	}
	name := contract.DeploymentGroup(d.cfg.Platform, d.stage.Name)
	settings := d.stage.Deployment
	hook := d.newHook(stack, d.arn("codedeploy", "deploymentgroup:"+name+"/"+name))
	rollout := bluegreen.New(stack, "BlueGreen", bluegreen.Props{
		Name: name, Region: d.cfg.Region, Account: d.cfg.Accounts[d.stage.Account],
		ClusterName: contract.ClusterName(d.stage.Name), ServiceName: contract.ServiceName(d.stage.Name), ServiceARN: d.serviceARN(),
		TaskDefinition: d.task.Definition(), ContainerName: contract.ContainerName, ContainerPort: contract.ContainerPort,
		Blue: d.routes.blue, Green: d.routes.green, Production: d.routes.front.HTTPS(), Test: d.routes.testListener,
		Shift:          bluegreen.Shift{Kind: shiftKinds[settings.Shift], Percent: settings.Percent, Minutes: settings.IntervalMinutes},
		BakeMinutes:    settings.BakeMinutes,
		Alarms:         d.stopping,
		HookARN:        hook.ARN(),
		TimeoutMinutes: settings.ShiftMinutes() + settings.BakeMinutes + startMinutes,
		Code:           d.code,
		Logs:           func(suffix string) loggroup.Props { return stageLogs(d.cfg, d.stage, d.on.network, suffix) },
	})
	for _, first := range []constructs.IConstruct{service, hook.Construct(), d.routes.production, d.routes.test} {
		rollout.Resource().Node().AddDependency(first)
	}
	return rollout.Resource()
}

// startMinutes is how long tasks may take to start, be healthy and be tested. With the most that configuration allows for
// the rest, the rollout ends within 50 minutes, and its rollback within CloudFormation's hour.
const startMinutes = 20

var shiftKinds = map[config.Shift]bluegreen.ShiftKind{
	config.ShiftAllAtOnce: bluegreen.AllAtOnce, config.ShiftCanary: bluegreen.Canary, config.ShiftLinear: bluegreen.Linear,
}

// newHook deploys the hook. group is the ARN of the deployment group that it answers; empty for ECS.
func (d *delivery) newHook(stack awscdk.Stack, group string) *gofunction.Function {
	settings := d.stage.Deployment.Hook
	host := contract.AppHost(d.stage.Name, d.stage.Production, d.cfg.Domain)
	tests := deployhook.Tests{
		URL:  fmt.Sprintf("https://%s:%d", *d.routes.front.LoadBalancer().LoadBalancerDnsName(), contract.TestListenerPort),
		Host: host,
	}
	for _, r := range settings.Requests {
		tests.Requests = append(tests.Requests, deployhook.Request{Path: r.Path, Status: r.Status, MaxMillis: r.MaxMillis, Contains: r.Contains, Matches: r.Matches})
	}
	if *settings.Migration {
		tests.Migration = &struct{}{}
	}
	if settings.Samples > 0 {
		tests.ErrorRate = &deployhook.ErrorRate{Samples: settings.Samples, MaxPercent: settings.MaxErrorPercent, ProductionURL: "https://" + host}
	}
	return deployhook.New(stack, "DeployHook", deployhook.Props{
		Code: d.code, Platform: d.cfg.Platform, Stage: d.stage.Name, VPC: d.on.network.VPC, Tests: tests,
		TopicARN: d.on.data.Operations.ARN(), TopicKeyARN: d.on.data.Operations.KeyARN(), DeploymentGroupARN: group,
		Logs: stageLogs(d.cfg, d.stage, d.on.network, "deploy-hook"),
	})
}

// tellFailures adds the function that tells people why a deployment failed.
func (d *delivery) tellFailures(stack awscdk.Stack, watch monitoring.Props) {
	props := rollbackresponder.Props{
		Code: d.code, Platform: d.cfg.Platform, Stage: d.stage.Name, Region: d.cfg.Region, Account: d.cfg.Accounts[d.stage.Account],
		ServiceARN:  d.serviceARN(),
		AppLogGroup: contract.LogGroupNameOfStage(d.cfg.Platform, d.stage.Name),
		TopicARN:    d.on.data.Operations.ARN(), TopicKeyARN: d.on.data.Operations.KeyARN(),
		Logs: stageLogs(d.cfg, d.stage, d.on.network, "rollback-responder"), Watch: watch,
	}
	if d.stage.Deployment.Strategy == config.StrategyCodeDeploy {
		props.DeploymentGroup = contract.DeploymentGroup(d.cfg.Platform, d.stage.Name)
	}
	for _, group := range d.routes.groups() {
		props.TargetGroupARNs = append(props.TargetGroupARNs, *group.TargetGroupArn())
	}
	for _, alarm := range d.stopping {
		props.AlarmNames = append(props.AlarmNames, *alarm.AlarmName())
	}
	rollbackresponder.New(stack, "Rollbacks", props)
}

func (d *delivery) serviceARN() string {
	return d.arn("ecs", "service/"+contract.ClusterName(d.stage.Name)+"/"+contract.ServiceName(d.stage.Name))
}

func (d *delivery) arn(service, resource string) string {
	return fmt.Sprintf("arn:aws:%s:%s:%s:%s", service, d.cfg.Region, d.cfg.Accounts[d.stage.Account], resource)
}
