package contract

import (
	"fmt"
	"strings"
)

// GitHubIssuer is the issuer of GitHub's tokens, without https://; GitHubAudience what they must be made out to.
const (
	GitHubIssuer   = "token.actions.githubusercontent.com"
	GitHubAudience = "sts.amazonaws.com"
)

// Purposes of the roles that GitHub's workflows take, and at the same time the GitHub environments of the jobs that may.
// The roles that deploy have one for each stage: GitHubDeploy.
const (
	GitHubImage = "image" // pushes images
	GitHubQA    = "qa"    // makes and removes QA environments
	GitHubDiff  = "diff"  // reads what is deployed
)

// GitHubDeploy is the purpose of deploying a stage.
func GitHubDeploy(stage string) string { return "deploy-" + stage }

// GitHubRole names the role of a purpose, at most 39 of IAM's 64 characters.
func GitHubRole(platform, purpose string) string { return platform + "-github-" + purpose }

// GitHubSubject is the subject of the token that a job gets when it names an environment. Besides the names it holds GitHub's
// numbers of the owner and the repository, which are never given away again, as names are.
//
// https://github.blog/changelog/2026-04-23-immutable-subject-claims-for-github-actions-oidc-tokens
func GitHubSubject(repository, ownerID, repositoryID, environment string) string {
	owner, name, _ := strings.Cut(repository, "/")
	return fmt.Sprintf("repo:%s@%s/%s@%s:environment:%s", owner, ownerID, name, repositoryID, environment)
}

// BootstrapRole is a kind of role that `cdk bootstrap` makes in each account.
type BootstrapRole string

// The bootstrap roles that the CDK CLI takes.
const (
	BootstrapDeploy BootstrapRole = "deploy"          // changes and deletes stacks
	BootstrapFiles  BootstrapRole = "file-publishing" // uploads templates and Lambdas
	BootstrapLookup BootstrapRole = "lookup"          // reads
)

// BootstrapRoleARN is the ARN of a bootstrap role, with the CDK's own qualifier.
//
// https://docs.aws.amazon.com/cdk/v2/guide/bootstrapping-env.html
func BootstrapRoleARN(role BootstrapRole, account, region string) string {
	return fmt.Sprintf("arn:aws:iam::%s:role/cdk-"+BootstrapQualifier+"-%s-role-%s-%s", account, role, account, region)
}
