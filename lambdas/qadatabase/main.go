// Command qadatabase is the custom resource behind the database of each QA environment, and drops databases that the cleanup
// finds without an environment.
package main

import (
	"log/slog"
	"os"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"slipway/internal/contract"
	"slipway/lambdas/internal/customresource"
	"slipway/lambdas/internal/environ"
	"slipway/lambdas/internal/serve"
	"slipway/lambdas/qadatabase/apply"
	"slipway/lambdas/qadatabase/certificates"
)

// caFile is the variable by which the local AWS names its own authority; the application knows it too.
const caFile = "DATABASE_CA_FILE"

func main() { serve.With(build) }

func build(cfg aws.Config, log *slog.Logger) (any, error) {
	from := environ.Reader{Get: os.Getenv}
	platform, secret := from.Required(contract.EnvPlatform, ""), from.Required(contract.EnvMaster, "arn:")
	if err := from.Err(); err != nil {
		return nil, err
	}
	roots, err := certificates.Roots(os.Getenv(caFile))
	if err != nil {
		return nil, err
	}
	keeper := apply.Keeper{Secrets: secretsmanager.NewFromConfig(cfg), MasterSecret: secret, Roots: roots, Platform: platform}
	return handler{keeper: keeper, platform: platform, client: customresource.NewClient(), log: log}.handle, nil
}
