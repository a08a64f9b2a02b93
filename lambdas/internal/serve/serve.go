// Package serve runs a Lambda's process.
package serve

import (
	"context"
	"log/slog"
	"os"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/aws"

	"slipway/lambdas/internal/awsconfig"
	"slipway/lambdas/internal/logging"
)

// With serves the handler that build makes of the SDK's configuration and the log. Without a handler the process ends and the log
// says why: Lambda then fails the invocation.
func With(build func(aws.Config, *slog.Logger) (handler any, err error)) {
	log := logging.New(os.Stdout)
	cfg, err := awsconfig.Load(context.Background())
	var handler any
	if err == nil {
		handler, err = build(cfg, log)
	}
	if err != nil {
		log.Error("the function can't start", "error", err.Error())
		os.Exit(1)
	}
	lambda.Start(handler)
}
