// Command rollbackresponder is the Lambda that tells people why a deployment failed: EventBridge starts it when CodeDeploy
// or ECS gives one up.
package main

import (
	"log/slog"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"slipway/lambdas/internal/serve"
)

func main() { serve.With(build) }

func build(cfg aws.Config, log *slog.Logger) (any, error) {
	s, err := readSettings(os.Getenv)
	if err != nil {
		return nil, err
	}
	return newHandler(s, cfg, log, time.Now).handle, nil
}
