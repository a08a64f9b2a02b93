package e2e

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"slipway/internal/contract"
)

// handMade is a service that somebody made in the QA cluster without a stack, with its target group and rule.
type handMade struct{ service, targetGroup, rule, family string }

// makeByHand does what a person does in the console: a task definition, a target group, a host rule and a service with
// lease tags.
func (w *world) makeByHand(t *testing.T, cluster, name, expires string) handMade {
	t.Helper()
	ctx, balancing := t.Context(), w.aws.LoadBalancers()
	environments, err := w.aws.QAEnvironments(ctx, cluster)
	check(t, err)
	if len(environments) == 0 {
		t.Fatal("no environment to copy the network of")
	}
	model := w.describe(t, cluster, environments[0].Slug)
	modelGroup := aws.ToString(model.LoadBalancers[0].TargetGroupArn)
	groups, err := balancing.DescribeTargetGroups(ctx, &elasticloadbalancingv2.DescribeTargetGroupsInput{TargetGroupArns: []string{modelGroup}})
	check(t, err)
	listener := w.listenerOf(t, modelGroup)

	made := handMade{service: name, family: name}
	group, err := balancing.CreateTargetGroup(ctx, &elasticloadbalancingv2.CreateTargetGroupInput{
		Name: aws.String(name), Port: aws.Int32(contract.ContainerPort), Protocol: elbtypes.ProtocolEnumHttp,
		TargetType: elbtypes.TargetTypeEnumIp, VpcId: groups.TargetGroups[0].VpcId, HealthCheckPath: aws.String(contract.HealthPath),
	})
	check(t, err)
	made.targetGroup = aws.ToString(group.TargetGroups[0].TargetGroupArn)
	rule, err := balancing.CreateRule(ctx, &elasticloadbalancingv2.CreateRuleInput{
		ListenerArn: aws.String(listener), Priority: aws.Int32(int32(name[0])), // each of its own, below those of the environments
		Conditions: []elbtypes.RuleCondition{{Field: aws.String("host-header"), Values: []string{contract.HostName(name, w.cfg.Domain)}}},
		Actions:    []elbtypes.Action{{Type: elbtypes.ActionTypeEnumForward, TargetGroupArn: aws.String(made.targetGroup)}},
	})
	check(t, err)
	made.rule = aws.ToString(rule.Rules[0].RuleArn)

	described, err := w.aws.ECS().DescribeTaskDefinition(ctx, &ecs.DescribeTaskDefinitionInput{TaskDefinition: model.TaskDefinition})
	check(t, err)
	definition := described.TaskDefinition
	_, err = w.aws.ECS().RegisterTaskDefinition(ctx, &ecs.RegisterTaskDefinitionInput{
		Family: aws.String(name), NetworkMode: definition.NetworkMode, Cpu: definition.Cpu, Memory: definition.Memory,
		RequiresCompatibilities: []ecstypes.Compatibility{ecstypes.CompatibilityFargate},
		ExecutionRoleArn:        definition.ExecutionRoleArn, ContainerDefinitions: definition.ContainerDefinitions, Volumes: definition.Volumes,
	})
	check(t, err)
	_, err = w.aws.ECS().CreateService(ctx, &ecs.CreateServiceInput{
		Cluster: aws.String(cluster), ServiceName: aws.String(name), TaskDefinition: aws.String(name), DesiredCount: aws.Int32(1),
		LaunchType: ecstypes.LaunchTypeFargate, NetworkConfiguration: model.NetworkConfiguration,
		LoadBalancers: []ecstypes.LoadBalancer{{
			ContainerName: aws.String(contract.ContainerName), ContainerPort: aws.Int32(contract.ContainerPort), TargetGroupArn: aws.String(made.targetGroup),
		}},
		Tags: []ecstypes.Tag{
			{Key: aws.String(contract.TagEnvironment), Value: aws.String(name)},
			{Key: aws.String(contract.TagExpires), Value: aws.String(expires)},
		},
	})
	check(t, err)
	return made
}

// listenerOf is the listener with a rule that forwards to a target group.
func (w *world) listenerOf(t *testing.T, targetGroup string) string {
	t.Helper()
	ctx, balancing := t.Context(), w.aws.LoadBalancers()
	balancers, err := balancing.DescribeLoadBalancers(ctx, &elasticloadbalancingv2.DescribeLoadBalancersInput{})
	check(t, err)
	for _, balancer := range balancers.LoadBalancers {
		listeners, err := balancing.DescribeListeners(ctx, &elasticloadbalancingv2.DescribeListenersInput{LoadBalancerArn: balancer.LoadBalancerArn})
		check(t, err)
		for _, listener := range listeners.Listeners {
			rules, err := balancing.DescribeRules(ctx, &elasticloadbalancingv2.DescribeRulesInput{ListenerArn: listener.ListenerArn})
			check(t, err)
			for _, rule := range rules.Rules {
				if len(rule.Actions) > 0 && aws.ToString(rule.Actions[0].TargetGroupArn) == targetGroup {
					return aws.ToString(listener.ListenerArn)
				}
			}
		}
	}
	t.Fatalf("no listener forwards to %s", targetGroup)
	return ""
}

// gone is nil when nothing of a hand-made service is left.
func (w *world) gone(ctx context.Context, cluster string, made handMade) error {
	services, err := w.aws.ECS().DescribeServices(ctx, &ecs.DescribeServicesInput{Cluster: aws.String(cluster), Services: []string{made.service}})
	if err != nil {
		return err
	}
	for _, service := range services.Services {
		if aws.ToString(service.Status) == "ACTIVE" {
			return fmt.Errorf("the service %s is still there", made.service)
		}
	}
	groups, err := w.aws.LoadBalancers().DescribeTargetGroups(ctx, &elasticloadbalancingv2.DescribeTargetGroupsInput{TargetGroupArns: []string{made.targetGroup}})
	var noGroup *elbtypes.TargetGroupNotFoundException
	if err != nil && !errors.As(err, &noGroup) {
		return err
	}
	if err == nil && len(groups.TargetGroups) > 0 {
		return fmt.Errorf("the target group of %s is still there", made.service)
	}
	// AWS answers RuleNotFound, the local AWS an empty list.
	rules, err := w.aws.LoadBalancers().DescribeRules(ctx, &elasticloadbalancingv2.DescribeRulesInput{RuleArns: []string{made.rule}})
	var noRule *elbtypes.RuleNotFoundException
	if err != nil && !errors.As(err, &noRule) {
		return err
	}
	if err == nil && len(rules.Rules) > 0 {
		return fmt.Errorf("the rule of %s is still there", made.service)
	}
	definitions, err := w.aws.ECS().ListTaskDefinitions(ctx, &ecs.ListTaskDefinitionsInput{FamilyPrefix: aws.String(made.family)})
	if err != nil {
		return err
	}
	if len(definitions.TaskDefinitionArns) > 0 {
		return fmt.Errorf("task definitions of %s are still active: %v", made.family, definitions.TaskDefinitionArns)
	}
	return nil
}

func (w *world) removeByHand(t *testing.T, cluster string, made handMade) {
	t.Helper()
	ctx := t.Context()
	_, err := w.aws.LoadBalancers().DeleteRule(ctx, &elasticloadbalancingv2.DeleteRuleInput{RuleArn: aws.String(made.rule)})
	check(t, err)
	_, err = w.aws.ECS().DeleteService(ctx, &ecs.DeleteServiceInput{Cluster: aws.String(cluster), Service: aws.String(made.service), Force: aws.Bool(true)})
	check(t, err)
	_, err = w.aws.LoadBalancers().DeleteTargetGroup(ctx, &elasticloadbalancingv2.DeleteTargetGroupInput{TargetGroupArn: aws.String(made.targetGroup)})
	check(t, err)
	definitions, err := w.aws.ECS().ListTaskDefinitions(ctx, &ecs.ListTaskDefinitionsInput{FamilyPrefix: aws.String(made.family)})
	check(t, err)
	for _, definition := range definitions.TaskDefinitionArns {
		_, err := w.aws.ECS().DeregisterTaskDefinition(ctx, &ecs.DeregisterTaskDefinitionInput{TaskDefinition: aws.String(definition)})
		check(t, err)
	}
}

// expire ends a lease by its tag, as time would.
func (w *world) expire(t *testing.T, cluster, slug string) {
	t.Helper()
	service := w.describe(t, cluster, slug)
	_, err := w.aws.ECS().TagResource(t.Context(), &ecs.TagResourceInput{
		ResourceArn: service.ServiceArn,
		Tags:        []ecstypes.Tag{{Key: aws.String(contract.TagExpires), Value: aws.String(contract.FormatExpiry(time.Now().Add(-time.Minute)))}},
	})
	check(t, err)
}

func (w *world) describe(t *testing.T, cluster, service string) ecstypes.Service {
	t.Helper()
	described, err := w.aws.ECS().DescribeServices(t.Context(), &ecs.DescribeServicesInput{Cluster: aws.String(cluster), Services: []string{service}})
	check(t, err)
	if len(described.Services) != 1 {
		t.Fatalf("no service %s: %+v", service, described.Failures)
	}
	return described.Services[0]
}

// protectedShared are the stacks outside the stages that have termination protection.
func (w *world) protectedShared(t *testing.T) []string {
	t.Helper()
	var found []string
	for _, name := range []string{contract.StackSecurity, contract.StackRegistry, contract.StackDNS, contract.StackQALifecycle} {
		stack := contract.PlatformStack(w.cfg.Platform, name)
		described, err := w.aws.CloudFormation().DescribeStacks(t.Context(), &cloudformation.DescribeStacksInput{StackName: aws.String(stack)})
		check(t, err)
		if aws.ToBool(described.Stacks[0].EnableTerminationProtection) {
			found = append(found, stack)
		}
	}
	return found
}
