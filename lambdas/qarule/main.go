// Command qarule is the custom resource behind the host rule of each QA environment. It finds a free priority on the shared
// listener by making the rule.
package main

import (
	"context"
	"log/slog"
	"os"

	"github.com/aws/aws-lambda-go/lambda"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"slipway/lambdas/internal/awsconfig"
	"slipway/lambdas/internal/customresource"
	"slipway/lambdas/internal/logging"
	"slipway/lambdas/qarule/apply"
)

func main() {
	log := logging.New(os.Stdout)
	s, err := readSettings(os.Getenv)
	if err != nil {
		stop(log, err)
	}
	cfg, err := awsconfig.Load(context.Background())
	if err != nil {
		stop(log, err)
	}
	router := apply.Router{
		ELB: elb.NewFromConfig(cfg), Secrets: secretsmanager.NewFromConfig(cfg),
		ListenerARN: s.listenerARN, Platform: s.platform, Domain: s.domain, SignIn: s.signIn,
	}
	lambda.Start(customresource.Wrapper{Handler: router.Handle, Client: customresource.NewClient(), Log: log}.Invoke)
}

func stop(log *slog.Logger, err error) {
	log.Error("the function can't start", "error", err.Error())
	os.Exit(1)
}
