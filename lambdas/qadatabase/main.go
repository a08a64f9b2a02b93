// Command qadatabase is the custom resource behind the database of each QA environment, and drops databases that the cleanup
// finds without an environment.
package main

import (
	"context"
	"errors"
	"log/slog"
	"os"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"slipway/internal/contract"
	"slipway/lambdas/internal/awsconfig"
	"slipway/lambdas/internal/customresource"
	"slipway/lambdas/internal/logging"
	"slipway/lambdas/qadatabase/apply"
	"slipway/lambdas/qadatabase/certificates"
)

// caFile is the variable by which the local AWS names its own authority; the application knows it too.
const caFile = "DATABASE_CA_FILE"

func main() {
	log := logging.New(os.Stdout)
	platform, secret := os.Getenv(contract.EnvPlatform), os.Getenv(contract.EnvMaster)
	if platform == "" || secret == "" {
		stop(log, errors.New(contract.EnvPlatform+" or "+contract.EnvMaster+" is not set; deploy the QA stage's stacks again"))
	}
	roots, err := certificates.Roots(os.Getenv(caFile))
	if err != nil {
		stop(log, err)
	}
	cfg, err := awsconfig.Load(context.Background())
	if err != nil {
		stop(log, err)
	}
	keeper := apply.Keeper{Secrets: secretsmanager.NewFromConfig(cfg), MasterSecret: secret, Roots: roots, Platform: platform}
	lambda.Start(handler{keeper: keeper, platform: platform, client: customresource.NewClient(), log: log}.handle)
}

func stop(log *slog.Logger, err error) {
	log.Error("the function can't start", "error", err.Error())
	os.Exit(1)
}
