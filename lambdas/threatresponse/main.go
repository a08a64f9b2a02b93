// Command threatresponse is the Lambda that contains what GuardDuty finds, records it and undoes it: EventBridge starts it with
// a finding or by the clock, people with a command.
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
	return newHandler(s, cfg, log, os.Stdout, time.Now).handle, nil
}
