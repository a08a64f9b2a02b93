// Command deployhook is the Lambda that tests a new version before users get it. CodeDeploy and ECS ask it, each in its own
// way, and wait for its one answer.
package main

import (
	"log/slog"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"

	"slipway/lambdas/internal/serve"
)

func main() { serve.With(build) }

func build(cfg aws.Config, log *slog.Logger) (any, error) {
	// The answer is urgent and has its own loop, so the SDK must not sleep through the last seconds.
	cfg.RetryMode, cfg.RetryMaxAttempts = "", 0
	cfg.Retryer = func() aws.Retryer {
		return retry.NewStandard(func(o *retry.StandardOptions) { o.MaxAttempts, o.MaxBackoff = 3, time.Second })
	}
	// A function that stops at bad settings would leave CodeDeploy waiting for an hour: it starts, and answers that.
	s, fault := readSettings(os.Getenv)
	if fault != nil {
		log.Error("each deployment will fail", "error", fault.Error())
	}
	return newHandler(s, fault, cfg, nil, log, time.Now).handle, nil
}
