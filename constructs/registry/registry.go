// Package registry builds the image repository that all stages deploy from.
package registry

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsecr"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"slipway/constructs/retention"
)

// Props of a Registry.
type Props struct {
	// Name of the repository.
	Name string
	// KeepImages is how many tagged images stay with the documents about them, UntaggedDays how long untagged ones do.
	KeepImages   int
	UntaggedDays int
	// PullAccounts are other accounts whose roles may pull; default none.
	PullAccounts []string
	// Retain keeps the images when the stack is deleted; otherwise they go with it.
	Retain bool
}

// Registry is the repository and its key.
type Registry struct {
	construct  constructs.Construct
	repository awsecr.Repository
}

// New builds the repository.
func New(scope constructs.Construct, id string, props Props) *Registry {
	construct := constructs.NewConstruct(scope, jsii.String(id))
	// A repository's encryption can't be changed later, so it has its own key from the start: its use is logged and it
	// can be disabled. ECR decrypts through grants of its own: who pulls, from any account, needs no right to the key.
	key := awskms.NewKey(construct, jsii.String("Key"), &awskms.KeyProps{
		Description:       jsii.String("Images of " + props.Name),
		EnableKeyRotation: jsii.Bool(true),
		RemovalPolicy:     retention.Policy(props.Retain),
	})
	repository := awsecr.NewRepository(construct, jsii.String("Repository"), &awsecr.RepositoryProps{
		RepositoryName:     jsii.String(props.Name),
		ImageTagMutability: awsecr.TagMutability_IMMUTABLE,
		ImageScanOnPush:    jsii.Bool(true),
		Encryption:         awsecr.RepositoryEncryption_KMS(),
		EncryptionKey:      key,
		LifecycleRules: &[]*awsecr.LifecycleRule{
			{
				RulePriority: jsii.Number(1),
				Description:  jsii.String("Untagged images expire"),
				TagStatus:    awsecr.TagStatus_UNTAGGED,
				MaxImageAge:  awscdk.Duration_Days(jsii.Number(props.UntaggedDays)),
			},
			{
				RulePriority:   jsii.Number(2),
				Description:    jsii.String("The newest tagged images stay"),
				TagStatus:      awsecr.TagStatus_TAGGED,
				TagPatternList: jsii.Strings("*"),
				MaxImageCount:  jsii.Number(2 * props.KeepImages), // beside each image lie the documents about it
			},
		},
		EmptyOnDelete: jsii.Bool(!props.Retain), // a repository with images can't be deleted
		RemovalPolicy: retention.Policy(props.Retain),
	})
	if len(props.PullAccounts) > 0 {
		principals := make([]awsiam.IPrincipal, len(props.PullAccounts))
		for i, account := range props.PullAccounts {
			principals[i] = awsiam.NewAccountPrincipal(account)
		}
		repository.AddToResourcePolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
			Sid:        jsii.String("PullFromTheStages"),
			Principals: &principals,
			Actions: jsii.Strings("ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage",
				"ecr:DescribeImages", "ecr:DescribeImageScanFindings", "ecr:GetDownloadUrlForLayer"),
		}))
	}
	return &Registry{construct: construct, repository: repository}
}

// Repository is the image repository.
func (r *Registry) Repository() awsecr.Repository { return r.repository }
