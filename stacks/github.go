package stacks

import (
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"

	"slipway/constructs/githuboidc"
	"slipway/constructs/nag"
	"slipway/internal/config"
	"slipway/internal/contract"
)

// deploySession is longer than the longest deployment: 50 minutes of CodeDeploy, and the stack around it.
const deploySession = 2 * time.Hour

// trustGitHub adds a role for each purpose of the workflows. All are in the registry's account; into the stages' accounts
// they go by the bootstrap roles, as people do. So in an account that several stages share, a role that deploys one of them
// could deploy the others too: who wants them apart gives each an account.
func trustGitHub(stack awscdk.Stack, cfg *config.Config, repository string) {
	provider := githuboidc.New(stack, "GitHub", githuboidc.Props{
		Account:      cfg.Accounts[cfg.Registry.Account],
		Repository:   cfg.GitHub.Repository,
		OwnerID:      cfg.GitHub.OwnerID,
		RepositoryID: cfg.GitHub.RepositoryID,
		Existing:     cfg.GitHub.ExistingProvider,
	})
	add := func(id, purpose, description string, session time.Duration, statements ...githuboidc.Statement) awscdk.IResource {
		return provider.AddRole(id, githuboidc.RoleProps{
			Name: contract.GitHubRole(cfg.Platform, purpose), Description: description,
			Environment: purpose, MaxSession: session, Statements: statements,
		})
	}
	// What a push calls, and what tells whether a tag exists, was scanned, and what was found.
	//
	// https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-push-iam.html
	image := add("Image", contract.GitHubImage, "Builds images and pushes them", 0,
		githuboidc.Statement{Actions: []string{"ecr:GetAuthorizationToken"}, Resources: []string{"*"}},
		githuboidc.Statement{Actions: []string{
			"ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:CompleteLayerUpload", "ecr:DescribeImages", "ecr:DescribeImageScanFindings",
			"ecr:InitiateLayerUpload", "ecr:PutImage", "ecr:UploadLayerPart",
		}, Resources: []string{repository}})
	nag.Suppress(image, "AwsSolutions-IAM5", "ecr:GetAuthorizationToken knows no resource.")

	// `slipway doctor` and `slipway deploy` look into the accounts by the bootstrap's lookup roles, at the image themselves.
	look := githuboidc.Statement{Actions: lookAtImages, Resources: []string{repository}}
	into := func(accounts map[string]bool, kinds ...contract.BootstrapRole) githuboidc.Statement {
		s := githuboidc.Statement{Actions: []string{"sts:AssumeRole"}}
		for _, account := range sorted(accounts) {
			for _, kind := range kinds {
				s.Resources = append(s.Resources, contract.BootstrapRoleARN(kind, account, cfg.Region))
			}
		}
		return s
	}
	every := map[string]bool{cfg.Accounts[cfg.Registry.Account]: true, cfg.Accounts[cfg.DNS.Account]: true}
	for _, stage := range cfg.Stages {
		every[cfg.Accounts[stage.Account]] = true
	}
	for _, stage := range cfg.Stages {
		own := map[string]bool{cfg.Accounts[stage.Account]: true}
		if stage.Name == cfg.QA.Stage {
			add("QA", contract.GitHubQA, "Makes and removes QA environments", 0,
				into(own, contract.BootstrapDeploy, contract.BootstrapFiles, contract.BootstrapLookup), look)
			continue
		}
		// It reads the other accounts too: whether the image ran in the stage before, and what the CDK's own lookups need.
		add("Deploy-"+stage.Name, contract.GitHubDeploy(stage.Name), "Deploys "+stage.Name, deploySession,
			into(own, contract.BootstrapDeploy, contract.BootstrapFiles), into(every, contract.BootstrapLookup), look)
	}
	add("Diff", contract.GitHubDiff, "Compares pull requests with what is deployed", 0, into(every, contract.BootstrapLookup))

	awscdk.NewCfnOutput(stack, jsii.String("GitHubRepository"), &awscdk.CfnOutputProps{
		Value: jsii.String(cfg.GitHub.Repository), Description: jsii.String("Whose workflows may take the roles here"),
	})
}
