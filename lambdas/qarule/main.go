// Command qarule is the custom resource behind the host rule of each QA environment. It finds a free priority on the shared
// listener by making the rule.
package main

import (
	"log/slog"
	"os"

	"github.com/aws/aws-sdk-go-v2/aws"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"slipway/lambdas/internal/customresource"
	"slipway/lambdas/internal/serve"
	"slipway/lambdas/qarule/apply"
)

func main() { serve.With(build) }

func build(cfg aws.Config, log *slog.Logger) (any, error) {
	s, err := readSettings(os.Getenv)
	if err != nil {
		return nil, err
	}
	router := apply.Router{
		ELB: elb.NewFromConfig(cfg), Secrets: secretsmanager.NewFromConfig(cfg),
		ListenerARN: s.listenerARN, Platform: s.platform, Domain: s.domain, SignIn: s.signIn,
	}
	return customresource.New(router.Handle, log).Invoke, nil
}
