// Package account gives the commands their configuration and AWS clients, in whichever account of the platform they look.
package account

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"slipway/internal/config"
	"slipway/internal/contract"
)

// maxAttempts of one call: a command that follows a deployment for an hour meets throttling.
const maxAttempts = 8

// Platform is the configuration, and a way into its accounts.
type Platform struct {
	Config *config.Config
	// Bootstrap takes the bootstrap roles of an account, as the CDK CLI does, instead of using the caller's own rights.
	Bootstrap bool

	base aws.Config
}

// Open reads platform.yaml in the current folder, and the Region and credentials of the environment. Where AWS_ENDPOINT_URL
// names the local AWS, the configuration is that of the local profile.
func Open(ctx context.Context, bootstrap bool) (*Platform, error) {
	cfg, err := config.Load("platform.yaml", config.Profile{Local: Local(), HostArchitecture: runtime.GOARCH})
	if err != nil {
		return nil, err
	}
	base, err := awsconfig.LoadDefaultConfig(ctx,
		awsconfig.WithRegion(cfg.Region), awsconfig.WithRetryMode(aws.RetryModeAdaptive), awsconfig.WithRetryMaxAttempts(maxAttempts))
	if err != nil {
		return nil, fmt.Errorf("load the AWS configuration: %w; check the credentials of the environment", err)
	}
	return &Platform{Config: cfg, Bootstrap: bootstrap, base: base}, nil
}

// Endpoint is the address of the local AWS, which `python -m local env` sets in the environment; empty on AWS.
func Endpoint() string { return strings.TrimSuffix(os.Getenv("AWS_ENDPOINT_URL"), "/") }

// Local says whether the environment leads to the local AWS.
func Local() bool { return Endpoint() != "" }

// AWS is the SDK's configuration with the caller's own rights, in the account of its credentials.
func (p *Platform) AWS() aws.Config { return p.base.Copy() }

// In is the SDK's configuration for an account of this name in platform.yaml.
func (p *Platform) In(name string, role contract.BootstrapRole) aws.Config {
	if p.Bootstrap {
		return p.As(role, p.Config.Account(name))
	}
	return p.AWS()
}

// As is the SDK's configuration with a bootstrap role of an account, by its ID.
func (p *Platform) As(role contract.BootstrapRole, id string) aws.Config {
	cfg := p.base.Copy()
	arn := contract.BootstrapRoleARN(role, id, p.Config.Region)
	cfg.Credentials = aws.NewCredentialsCache(stscreds.NewAssumeRoleProvider(sts.NewFromConfig(p.base), arn, func(o *stscreds.AssumeRoleOptions) {
		o.RoleSessionName = "slipway"
	}))
	return cfg
}

// RegistryAccount is the ID of the account with the images.
func (p *Platform) RegistryAccount() string { return p.Config.Account(p.Config.Registry.Account) }
