// Command strategyguard is the custom resource that refuses a change of a live service's deployment strategy which would
// leave its users without tasks.
package main

import (
	"context"
	"os"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"

	"slipway/lambdas/internal/awsconfig"
	"slipway/lambdas/internal/customresource"
	"slipway/lambdas/internal/logging"
	"slipway/lambdas/strategyguard/apply"
)

func main() {
	log := logging.New(os.Stdout)
	cfg, err := awsconfig.Load(context.Background())
	if err != nil {
		log.Error("the function can't start", "error", err.Error())
		os.Exit(1)
	}
	guard := apply.Guard{ECS: ecs.NewFromConfig(cfg), ELB: elb.NewFromConfig(cfg)}
	lambda.Start(customresource.Wrapper{Handler: guard.Check, Client: customresource.NewClient(), Log: log}.Invoke)
}
