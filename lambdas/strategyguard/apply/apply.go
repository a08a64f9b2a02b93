// Package apply looks at the service that runs, and lets the switch pass or not.
package apply

import (
	"context"
	"fmt"

	"github.com/aws/aws-lambda-go/cfn"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"

	"slipway/lambdas/internal/customresource"
	"slipway/lambdas/strategyguard/decide"
)

// ECS tells how the service is deployed.
type ECS interface {
	DescribeServices(context.Context, *ecs.DescribeServicesInput, ...func(*ecs.Options)) (*ecs.DescribeServicesOutput, error)
}

// ELB tells where requests go.
type ELB interface {
	DescribeRules(context.Context, *elb.DescribeRulesInput, ...func(*elb.Options)) (*elb.DescribeRulesOutput, error)
}

// Guard checks a switch. It only reads.
type Guard struct {
	ECS ECS
	ELB ELB
}

// Check handles one request of CloudFormation. When CloudFormation rolls back, it asks again with the old strategy, which
// is the one that runs.
func (g Guard) Check(ctx context.Context, request customresource.Request) (map[string]string, error) {
	if request.Type == cfn.RequestDelete {
		return nil, nil
	}
	wish, err := decide.Parse(request.Properties)
	if err != nil {
		return nil, fmt.Errorf("check the deployment strategy: %w", err)
	}
	out, err := g.ECS.DescribeServices(ctx, &ecs.DescribeServicesInput{Cluster: &wish.Cluster, Services: []string{wish.Service}})
	if err != nil {
		return nil, fmt.Errorf("check the deployment strategy: look at service %s in %s: %w; try again", wish.Service, wish.Cluster, err)
	}
	for _, failure := range out.Failures {
		if aws.ToString(failure.Reason) != "MISSING" {
			return nil, fmt.Errorf("check the deployment strategy: look at service %s in %s: %s; try again", wish.Service, wish.Cluster, aws.ToString(failure.Reason))
		}
	}
	for _, service := range out.Services {
		if aws.ToString(service.Status) != "ACTIVE" {
			continue // deleted; ECS shows it for a while
		}
		var running decide.Service
		if service.DeploymentController != nil {
			running.Controller = string(service.DeploymentController.Type)
		}
		if service.DeploymentConfiguration != nil {
			running.Strategy = string(service.DeploymentConfiguration.Strategy)
		}
		var live []string
		if decide.Changes(wish, running) {
			if live, err = g.live(ctx, wish.Rule); err != nil {
				return nil, err
			}
		}
		if err := decide.Check(wish, running, live); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// live are the target groups to which a rule sends requests: those of its forward action with a weight above zero.
func (g Guard) live(ctx context.Context, rule string) ([]string, error) {
	out, err := g.ELB.DescribeRules(ctx, &elb.DescribeRulesInput{RuleArns: []string{rule}})
	if err != nil {
		return nil, fmt.Errorf("check the deployment strategy: look at rule %s: %w; try again", rule, err)
	}
	var live []string
	for _, r := range out.Rules {
		for _, action := range r.Actions {
			if action.ForwardConfig == nil || len(action.ForwardConfig.TargetGroups) == 0 {
				if action.TargetGroupArn != nil {
					live = append(live, *action.TargetGroupArn)
				}
				continue
			}
			for _, group := range action.ForwardConfig.TargetGroups {
				if group.Weight == nil || *group.Weight > 0 {
					live = append(live, aws.ToString(group.TargetGroupArn))
				}
			}
		}
	}
	return live, nil
}
