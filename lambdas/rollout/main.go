// Command rollout is the custom resource that brings a new revision into production: it starts a blue/green deployment of
// CodeDeploy and waits for its end, as the two handlers of CDK's provider framework.
package main

import (
	"log/slog"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy"
	"github.com/aws/aws-sdk-go-v2/service/ecs"

	"slipway/internal/contract"
	"slipway/lambdas/internal/serve"
	"slipway/lambdas/rollout/apply"
)

func main() { serve.With(build) }

func build(cfg aws.Config, log *slog.Logger) (any, error) {
	roller := apply.Roller{CodeDeploy: codedeploy.NewFromConfig(cfg), ECS: ecs.NewFromConfig(cfg), Region: cfg.Region, Now: time.Now}
	return handler{roller: roller, log: log, now: time.Now}.choose(os.Getenv(contract.EnvRolloutHandler))
}
