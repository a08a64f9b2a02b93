// Command qaprefix empties the prefix of a QA environment in the stage's artifacts bucket, when its stack is deleted.
package main

import (
	"context"
	"errors"
	"log/slog"
	"os"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"slipway/internal/contract"
	"slipway/lambdas/internal/awsconfig"
	"slipway/lambdas/internal/customresource"
	"slipway/lambdas/internal/logging"
	"slipway/lambdas/qaprefix/apply"
)

func main() {
	log := logging.New(os.Stdout)
	platform, bucket := os.Getenv(contract.EnvPlatform), os.Getenv(contract.EnvBucket)
	if platform == "" || bucket == "" {
		stop(log, errors.New(contract.EnvPlatform+" or "+contract.EnvBucket+" is not set; deploy the QA stage's stacks again"))
	}
	cfg, err := awsconfig.Load(context.Background())
	if err != nil {
		stop(log, err)
	}
	// The local AWS has one host name for all buckets.
	client := s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = os.Getenv("AWS_ENDPOINT_URL") != "" })
	h := handler{cleaner: apply.Cleaner{S3: client, Bucket: bucket}, platform: platform, log: log}
	lambda.Start(customresource.Wrapper{Handler: h.resource, Client: customresource.NewClient(), Log: log}.Invoke)
}

func stop(log *slog.Logger, err error) {
	log.Error("the function can't start", "error", err.Error())
	os.Exit(1)
}
