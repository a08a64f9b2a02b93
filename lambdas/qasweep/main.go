// Command qasweep is the Lambda that deletes what QA environments left behind: resources of the platform's names and tags
// whose environment has neither a stack nor a service.
package main

import (
	"context"
	"log/slog"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"slipway/lambdas/internal/awsconfig"
	"slipway/lambdas/internal/logging"
)

func main() {
	log := logging.New(os.Stdout)
	s, err := readSettings(os.Getenv)
	if err != nil {
		stop(log, err)
	}
	cfg, err := awsconfig.Load(context.Background())
	if err != nil {
		stop(log, err)
	}
	lambda.Start(newHandler(s, cfg, log, os.Stdout, time.Now).handle)
}

func stop(log *slog.Logger, err error) {
	log.Error("the function can't start", "error", err.Error())
	os.Exit(1)
}
