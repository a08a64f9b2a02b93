// Command rollout is the custom resource that brings a new revision into production: it starts a blue/green deployment of
// CodeDeploy and waits for its end, as the two handlers of CDK's provider framework.
package main

import (
	"context"
	"log/slog"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy"
	"github.com/aws/aws-sdk-go-v2/service/ecs"

	"slipway/internal/contract"
	"slipway/lambdas/internal/awsconfig"
	"slipway/lambdas/internal/logging"
	"slipway/lambdas/rollout/apply"
)

func main() {
	log := logging.New(os.Stdout)
	cfg, err := awsconfig.Load(context.Background())
	if err != nil {
		stop(log, err)
	}
	roller := apply.Roller{CodeDeploy: codedeploy.NewFromConfig(cfg), ECS: ecs.NewFromConfig(cfg), Region: cfg.Region, Now: time.Now}
	handle, err := handler{roller: roller, log: log, now: time.Now}.choose(os.Getenv(contract.EnvRolloutHandler))
	if err != nil {
		stop(log, err)
	}
	lambda.Start(handle)
}

func stop(log *slog.Logger, err error) {
	log.Error("the function can't start", "error", err.Error())
	os.Exit(1)
}
