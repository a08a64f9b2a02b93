// Command imageresolver is the custom resource that decides which image a deployment uses: the one that was asked for,
// or else the one that runs now.
package main

import (
	"log/slog"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"slipway/internal/contract"
	"slipway/lambdas/imageresolver/apply"
	"slipway/lambdas/imageresolver/scan"
	"slipway/lambdas/internal/customresource"
	"slipway/lambdas/internal/serve"
)

func main() { serve.With(build) }

func build(cfg aws.Config, log *slog.Logger) (any, error) {
	rule, err := scan.ParseRule(os.Getenv(contract.EnvImageRule))
	if err != nil {
		return nil, err
	}
	resolver := apply.Resolver{
		ECR: ecr.NewFromConfig(cfg), SSM: ssm.NewFromConfig(cfg), Stack: cloudformation.NewFromConfig(cfg),
		Rule: rule, Log: log, Now: time.Now,
	}
	return customresource.New(resolver.Resolve, log).Invoke, nil
}
