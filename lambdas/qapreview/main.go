// Command qapreview answers https://qa.<domain>/ on the shared load balancer with the list of QA environments.
package main

import (
	"log/slog"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/ecs"

	"slipway/lambdas/internal/serve"
	"slipway/lambdas/qapreview/gather"
)

func main() { serve.With(build) }

func build(cfg aws.Config, log *slog.Logger) (any, error) {
	settings, cluster, err := readSettings(os.Getenv)
	if err != nil {
		return nil, err
	}
	reader := &gather.Reader{
		ECS: ecs.NewFromConfig(cfg), Stacks: cloudformation.NewFromConfig(cfg), Settings: settings, Cluster: cluster, Now: time.Now, Log: log,
	}
	return handler{reader: reader, platform: settings.Platform, now: time.Now, log: log}.handle, nil
}
