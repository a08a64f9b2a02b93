// Command qaprefix empties the prefix of a QA environment in the stage's artifacts bucket, when its stack is deleted.
package main

import (
	"log/slog"
	"os"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"slipway/internal/contract"
	"slipway/lambdas/internal/customresource"
	"slipway/lambdas/internal/environ"
	"slipway/lambdas/internal/serve"
	"slipway/lambdas/qaprefix/apply"
)

func main() { serve.With(build) }

func build(cfg aws.Config, log *slog.Logger) (any, error) {
	from := environ.Reader{Get: os.Getenv}
	platform, bucket := from.Required(contract.EnvPlatform, ""), from.Required(contract.EnvBucket, "")
	if err := from.Err(); err != nil {
		return nil, err
	}
	// The local AWS has one host name for all buckets.
	client := s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = os.Getenv("AWS_ENDPOINT_URL") != "" })
	h := handler{cleaner: apply.Cleaner{S3: client, Bucket: bucket}, platform: platform, log: log}
	return customresource.New(h.resource, log).Invoke, nil
}
