// Command qasweep is the Lambda that deletes what QA environments left behind: resources of the platform's names and tags
// whose environment has neither a stack nor a service.
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
