package stacks

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awselasticloadbalancingv2"
	"github.com/aws/jsii-runtime-go"

	"slipway/constructs/front"
	"slipway/internal/config"
	"slipway/internal/contract"
)

// routes lead from a stage's load balancer to its service.
//
// The listeners' own default action is a 404, and the requests go by a rule. CodeDeploy and ECS move the rule from one
// target group to the other, behind CloudFormation's back; and whenever CloudFormation updates a listener (a certificate)
// it states the default action anew, which would move production traffic back to the template's side. The rule itself is
// never updated: nothing in it comes from the configuration, and it carries no tags.
type routes struct {
	front      *front.Front
	blue       awselasticloadbalancingv2.ApplicationTargetGroup
	production awselasticloadbalancingv2.ApplicationListenerRule

	// The other side of a blue/green deployment; nil for a rolling one.
	green        awselasticloadbalancingv2.ApplicationTargetGroup
	testListener awselasticloadbalancingv2.ApplicationListener
	test         awselasticloadbalancingv2.ApplicationListenerRule
}

// routePriority leaves room before it for rules that people make in need, such as a maintenance page.
const routePriority = 100

func newRoutes(stack awscdk.Stack, cfg *config.Config, stage config.Stage, on stageStacks) *routes {
	r := &routes{blue: newTargets(stack, "Targets", on)}
	r.front = newFront(stack, stage, on, on.dns.Certificate(stack, stage), []string{contract.AppHost(stage.Name, stage.Production, cfg.Domain)}, notFound(), false)
	r.production = newRoute(stack, "ProductionRule", r.front.HTTPS(), r.blue)
	if stage.Deployment.Strategy.BlueGreen() {
		r.green = newTargets(stack, "GreenTargets", on)
		r.testListener = r.front.AddTestListener(contract.TestListenerPort, on.network.NATAddresses, notFound())
		r.test = newRoute(stack, "TestRule", r.testListener, r.blue)
	}
	return r
}

// groups are the target groups that the service may use.
func (r *routes) groups() []awselasticloadbalancingv2.ApplicationTargetGroup {
	if r.green == nil {
		return []awselasticloadbalancingv2.ApplicationTargetGroup{r.blue}
	}
	return []awselasticloadbalancingv2.ApplicationTargetGroup{r.blue, r.green}
}

func notFound() awselasticloadbalancingv2.ListenerAction {
	return awselasticloadbalancingv2.ListenerAction_FixedResponse(jsii.Number(404), &awselasticloadbalancingv2.FixedResponseOptions{
		ContentType: jsii.String("text/plain"), MessageBody: jsii.String("No application answers here."),
	})
}

func newRoute(stack awscdk.Stack, id string, listener awselasticloadbalancingv2.IApplicationListener, targets awselasticloadbalancingv2.ApplicationTargetGroup) awselasticloadbalancingv2.ApplicationListenerRule {
	rule := awselasticloadbalancingv2.NewApplicationListenerRule(stack, jsii.String(id), &awselasticloadbalancingv2.ApplicationListenerRuleProps{
		Listener:   listener,
		Priority:   jsii.Number(routePriority),
		Conditions: &[]awselasticloadbalancingv2.ListenerCondition{awselasticloadbalancingv2.ListenerCondition_PathPatterns(jsii.Strings("/*"))},
		Action:     awselasticloadbalancingv2.ListenerAction_Forward(&[]awselasticloadbalancingv2.IApplicationTargetGroup{targets}, nil),
	})
	awscdk.Tags_Of(rule).Remove(jsii.String(contract.TagPlatform), nil)
	return rule
}

func newTargets(stack awscdk.Stack, id string, on stageStacks) awselasticloadbalancingv2.ApplicationTargetGroup {
	return awselasticloadbalancingv2.NewApplicationTargetGroup(stack, jsii.String(id), &awselasticloadbalancingv2.ApplicationTargetGroupProps{
		Vpc:                 on.network.VPC,
		TargetType:          awselasticloadbalancingv2.TargetType_IP,
		Protocol:            awselasticloadbalancingv2.ApplicationProtocol_HTTP,
		Port:                jsii.Number(contract.ContainerPort),
		DeregistrationDelay: awscdk.Duration_Seconds(jsii.Number(30)),
		HealthCheck: &awselasticloadbalancingv2.HealthCheck{
			Path:                    jsii.String(contract.HealthPath),
			HealthyHttpCodes:        jsii.String("200"),
			Interval:                awscdk.Duration_Seconds(jsii.Number(10)),
			Timeout:                 awscdk.Duration_Seconds(jsii.Number(5)),
			HealthyThresholdCount:   jsii.Number(2),
			UnhealthyThresholdCount: jsii.Number(3),
		},
	})
}
