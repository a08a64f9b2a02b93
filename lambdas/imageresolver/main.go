// Command imageresolver is the custom resource that decides which image a deployment uses: the one that was asked for,
// or else the one that runs now.
package main

import (
	"context"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"slipway/internal/contract"
	"slipway/lambdas/imageresolver/apply"
	"slipway/lambdas/imageresolver/scan"
	"slipway/lambdas/internal/awsconfig"
	"slipway/lambdas/internal/customresource"
	"slipway/lambdas/internal/logging"
)

func main() {
	log := logging.New(os.Stdout)
	cfg, err := awsconfig.Load(context.Background())
	if err != nil {
		log.Error("the function can't start", "error", err.Error())
		os.Exit(1)
	}
	rule, err := scan.ParseRule(os.Getenv(contract.EnvImageRule))
	if err != nil {
		log.Error("the function can't start", "error", err.Error())
		os.Exit(1)
	}
	resolver := apply.Resolver{
		ECR: ecr.NewFromConfig(cfg), SSM: ssm.NewFromConfig(cfg), Stack: cloudformation.NewFromConfig(cfg),
		Rule: rule, Log: log, Now: time.Now,
	}
	lambda.Start(customresource.Wrapper{Handler: resolver.Resolve, Client: customresource.NewClient(), Log: log}.Invoke)
}
