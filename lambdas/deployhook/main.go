// Command deployhook is the Lambda that tests a new version before users get it. CodeDeploy and ECS ask it, each in its own
// way, and wait for its one answer.
package main

import (
	"context"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"

	"slipway/lambdas/internal/awsconfig"
	"slipway/lambdas/internal/logging"
)

func main() {
	log := logging.New(os.Stdout)
	cfg, err := awsconfig.Load(context.Background())
	if err != nil {
		log.Error("the function can't start", "error", err.Error())
		os.Exit(1)
	}
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
	lambda.Start(newHandler(s, fault, cfg, nil, log, time.Now).handle)
}
