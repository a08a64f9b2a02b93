// Command accountbaseline is the custom resource behind the settings of an account: those that CloudFormation has no type
// for, and those of which an account can have only one, so that what is there already is adopted.
package main

import (
	"log/slog"
	"os"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/accessanalyzer"
	"github.com/aws/aws-sdk-go-v2/service/configservice"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/guardduty"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3control"
	"github.com/aws/aws-sdk-go-v2/service/securityhub"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"slipway/internal/contract"
	"slipway/lambdas/accountbaseline/apply"
	"slipway/lambdas/internal/customresource"
	"slipway/lambdas/internal/serve"
)

func main() { serve.With(build) }

func build(cfg aws.Config, log *slog.Logger) (any, error) {
	baseline := newBaseline(cfg, os.Getenv(contract.EnvAccount), apply.Patience{})
	baseline.Log = log
	return customresource.New(baseline.Handle, log).Invoke, nil
}

func newBaseline(cfg aws.Config, account string, patience apply.Patience) apply.Baseline {
	return apply.Baseline{
		Rows: apply.Rows(apply.Clients{
			IAM: iam.NewFromConfig(cfg), EC2: ec2.NewFromConfig(cfg), S3: s3control.NewFromConfig(cfg, plainEndpoint),
			GuardDuty: guardduty.NewFromConfig(cfg), AccessAnalyzer: accessanalyzer.NewFromConfig(cfg),
			SecurityHub: securityhub.NewFromConfig(cfg), Config: configservice.NewFromConfig(cfg),
			Account: account, Region: cfg.Region, Patience: patience,
		}),
		Memory:   apply.Memory{SSM: ssm.NewFromConfig(cfg)},
		Patience: patience,
	}
}
