// Package githuboidc lets GitHub's workflows take roles without any stored key: GitHub signs a token for each job, and a role
// trusts the tokens of one environment of one repository.
package githuboidc

import (
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"slipway/internal/contract"
)

// Props of a Provider.
type Props struct {
	// Account is the account of the stack.
	Account string
	// Repository is <owner>/<name>; OwnerID and RepositoryID are GitHub's numbers of both.
	Repository, OwnerID, RepositoryID string
	// Existing uses the provider that the account has already: there can be only one for GitHub. Otherwise it is created.
	Existing bool
}

// Provider is the account's trust in GitHub's tokens.
type Provider struct {
	construct constructs.Construct
	props     Props
	arn       string
}

// New creates the provider, or refers to the one that is there.
func New(scope constructs.Construct, id string, props Props) *Provider {
	p := &Provider{construct: constructs.NewConstruct(scope, jsii.String(id)), props: props}
	if props.Existing {
		p.arn = "arn:aws:iam::" + props.Account + ":oidc-provider/" + contract.GitHubIssuer
		return p
	}
	// Without thumbprints: IAM trusts the authorities that sign GitHub's certificate.
	provider := awsiam.NewCfnOIDCProvider(p.construct, jsii.String("Provider"), &awsiam.CfnOIDCProviderProps{
		Url:          jsii.String("https://" + contract.GitHubIssuer),
		ClientIdList: jsii.Strings(contract.GitHubAudience),
	})
	p.arn = *provider.Ref()
	return p
}

// RoleProps of a role for one purpose.
type RoleProps struct {
	Name        string
	Description string
	// Environment is the GitHub environment whose jobs may take the role.
	Environment string
	// MaxSession is how long one job may keep it, 1 to 12 hours; default 1 hour.
	MaxSession time.Duration
	Statements []Statement
}

// Statement allows actions on resources.
type Statement struct {
	Actions   []string
	Resources []string
}

// AddRole creates a role that jobs of the environment may take, and nobody else.
func (p *Provider) AddRole(id string, props RoleProps) awsiam.Role {
	subject := contract.GitHubSubject(p.props.Repository, p.props.OwnerID, p.props.RepositoryID, props.Environment)
	role := awsiam.NewRole(p.construct, jsii.String(id), &awsiam.RoleProps{
		RoleName:    jsii.String(props.Name),
		Description: jsii.String(props.Description),
		// Equal, not like: a pattern would let other environments, or pull requests, in.
		AssumedBy: awsiam.NewWebIdentityPrincipal(jsii.String(p.arn), &map[string]any{
			"StringEquals": map[string]any{
				contract.GitHubIssuer + ":aud": contract.GitHubAudience,
				contract.GitHubIssuer + ":sub": subject,
			},
		}),
		MaxSessionDuration: awscdk.Duration_Seconds(jsii.Number(max(props.MaxSession, time.Hour).Seconds())),
	})
	for _, s := range props.Statements {
		role.AddToPolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
			Actions: jsii.Strings(s.Actions...), Resources: jsii.Strings(s.Resources...),
		}))
	}
	return role
}
