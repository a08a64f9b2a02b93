// Command imageresolver is the custom resource that decides which image a deployment uses: the one that was asked for,
// or else the one that runs now.
package main

import (
	"context"
	"os"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"slipway/lambdas/imageresolver/apply"
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
	resolver := apply.Resolver{ECR: ecr.NewFromConfig(cfg), SSM: ssm.NewFromConfig(cfg)}
	lambda.Start(customresource.Wrapper{Handler: resolver.Resolve, Client: customresource.NewClient(), Log: log}.Invoke)
}
