package awsconfig

import (
	"context"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
)

func TestClientsRetryAdaptively(t *testing.T) {
	t.Setenv("AWS_REGION", "eu-west-1")
	t.Setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
	t.Setenv("AWS_CONFIG_FILE", t.TempDir()+"/none")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", t.TempDir()+"/none")
	cfg, err := Load(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	options := ecs.NewFromConfig(cfg).Options()
	if options.RetryMode != aws.RetryModeAdaptive {
		t.Errorf("retry mode %q, want adaptive", options.RetryMode)
	}
	if got := options.Retryer.MaxAttempts(); got != MaxAttempts {
		t.Errorf("%d attempts, want %d", got, MaxAttempts)
	}
	if options.Region != "eu-west-1" || aws.ToString(options.BaseEndpoint) != "http://127.0.0.1:1" {
		t.Errorf("region %q, endpoint %q; want those of the environment", options.Region, aws.ToString(options.BaseEndpoint))
	}
	throttled := &retry.RetryableErrorCode{Codes: retry.DefaultThrottleErrorCodes}
	for _, code := range []string{"ThrottlingException", "Throttling"} {
		if _, ok := throttled.Codes[code]; !ok {
			t.Errorf("%s isn't retried as throttling", code)
		}
	}
}
