package stacks

import (
	"maps"
	"slices"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsecr"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"slipway/constructs/registry"
	"slipway/internal/config"
	"slipway/internal/contract"
)

// Registry is the stack <platform>-registry: the image repository that all stages share.
type Registry struct {
	Stack      awscdk.Stack
	Repository awsecr.IRepository
}

// NewRegistry adds the registry stack. Its images are kept when any stage keeps its data.
func NewRegistry(scope constructs.Construct, cfg *config.Config) *Registry {
	retain := retainsAny(cfg.Stages)
	stack := newStack(scope, cfg, cfg.Registry.Account, contract.PlatformStack(cfg.Platform, contract.StackRegistry),
		"Image repository", retain)
	repository := registry.New(stack, "Registry", registry.Props{
		Name:         cfg.Registry.Repository,
		KeepImages:   cfg.Registry.KeepImages,
		UntaggedDays: cfg.Registry.UntaggedDays,
		PullAccounts: otherAccounts(cfg, cfg.Registry.Account),
		Retain:       retain,
	}).Repository()
	awscdk.NewCfnOutput(stack, jsii.String("RepositoryUri"), &awscdk.CfnOutputProps{
		Value: repository.RepositoryUri(), Description: jsii.String("Where images are pushed"),
	})
	awscdk.NewCfnOutput(stack, jsii.String("RepositoryArn"), &awscdk.CfnOutputProps{
		Value: repository.RepositoryArn(), Description: jsii.String("For policies of those who push or pull"),
	})
	if cfg.GitHub.Enabled() {
		trustGitHub(stack, cfg, *repository.RepositoryArn())
	}
	return &Registry{Stack: stack, Repository: repository}
}

// repositoryARN is the image repository's for other stacks, by its configured name.
func repositoryARN(cfg *config.Config) string {
	return "arn:aws:ecr:" + cfg.Region + ":" + cfg.Account(cfg.Registry.Account) + ":repository/" + cfg.Registry.Repository
}

// lookAtImages are the actions that tell whether an image is there and may be deployed.
var lookAtImages = []string{"ecr:DescribeImages", "ecr:DescribeImageScanFindings"}

// otherAccounts are the IDs of the stages' accounts, without that of the account of this name; sorted, each once.
func otherAccounts(cfg *config.Config, name string) []string {
	ids := map[string]bool{}
	for _, stage := range cfg.Stages {
		ids[cfg.Accounts[stage.Account]] = true
	}
	delete(ids, cfg.Accounts[name])
	return sorted(ids)
}

func sorted(set map[string]bool) []string { return slices.Sorted(maps.Keys(set)) }

func retainsAny(stages []config.Stage) bool {
	return slices.ContainsFunc(stages, func(s config.Stage) bool { return s.Retain })
}
