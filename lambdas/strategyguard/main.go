// Command strategyguard is the custom resource that refuses a change of a live service's deployment strategy which would
// leave its users without tasks.
package main

import (
	"log/slog"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"

	"slipway/lambdas/internal/customresource"
	"slipway/lambdas/internal/serve"
	"slipway/lambdas/strategyguard/apply"
)

func main() { serve.With(build) }

func build(cfg aws.Config, log *slog.Logger) (any, error) {
	guard := apply.Guard{ECS: ecs.NewFromConfig(cfg), ELB: elb.NewFromConfig(cfg)}
	return customresource.New(guard.Check, log).Invoke, nil
}
