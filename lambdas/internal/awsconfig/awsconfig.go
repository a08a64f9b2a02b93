// Package awsconfig makes the one SDK configuration that all Lambdas use.
package awsconfig

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
)

// MaxAttempts is how often a call is tried. Throttling is normal for work over many resources, and the adaptive mode
// slows the client down instead of hammering, so more attempts than the SDK's three are worth their time.
const MaxAttempts = 8

// Load reads region, credentials and endpoints from the environment and retries adaptively. Each client made of the
// configuration has its own rate.
func Load(ctx context.Context) (aws.Config, error) {
	cfg, err := config.LoadDefaultConfig(ctx,
		config.WithRetryMode(aws.RetryModeAdaptive),
		config.WithRetryMaxAttempts(MaxAttempts),
	)
	if err != nil {
		return aws.Config{}, fmt.Errorf("load the AWS configuration: %w; check the function's role and AWS_REGION", err)
	}
	return cfg, nil
}
