// Command qapreview answers https://qa.<domain>/ on the shared load balancer with the list of QA environments.
package main

import (
	"context"
	"log/slog"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/ecs"

	"slipway/lambdas/internal/awsconfig"
	"slipway/lambdas/internal/logging"
	"slipway/lambdas/qapreview/gather"
)

func main() {
	log := logging.New(os.Stdout)
	settings, cluster, err := readSettings(os.Getenv)
	if err != nil {
		stop(log, err)
	}
	cfg, err := awsconfig.Load(context.Background())
	if err != nil {
		stop(log, err)
	}
	reader := &gather.Reader{
		ECS: ecs.NewFromConfig(cfg), Stacks: cloudformation.NewFromConfig(cfg), Settings: settings, Cluster: cluster, Now: time.Now, Log: log,
	}
	lambda.Start(handler{reader: reader, platform: settings.Platform, now: time.Now, log: log}.handle)
}

func stop(log *slog.Logger, err error) {
	log.Error("the function can't start", "error", err.Error())
	os.Exit(1)
}
