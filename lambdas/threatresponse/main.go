// Command threatresponse is the Lambda that contains what GuardDuty finds, records it and undoes it: EventBridge starts it with
// a finding or by the clock, people with a command.
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
