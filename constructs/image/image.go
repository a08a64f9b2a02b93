// Package image decides which image a service runs. An image asked for by -c imageTag is checked to exist and used; without
// one, the image that ran last stays. The reference that ran last is an SSM parameter, written by the stack after its
// service is stable, so a rolled-back deployment keeps the earlier one.
package image

import (
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsecr"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsssm"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"slipway/constructs/gofunction"
	"slipway/constructs/loggroup"
	"slipway/constructs/nag"
	"slipway/internal/contract"
)

// ResolverProps of a Resolver.
type ResolverProps struct {
	Code gofunction.Code
	// RepositoryARN is the only repository that it may look into.
	RepositoryARN string
	// ParameterARN covers the SSM parameters that it may read; a trailing * spans the QA environments.
	ParameterARN string
	// StackARN covers the stacks whose deployments ask it; it looks whether they are rolling back.
	StackARN string
	// Rule, as JSON, says which scanned images may be deployed.
	Rule string
	Logs loggroup.Props
}

// Resolver is the custom-resource Lambda behind Image.
type Resolver struct {
	function *gofunction.Function
}

// NewResolver deploys the Lambda.
func NewResolver(scope constructs.Construct, id string, props ResolverProps) *Resolver {
	function := gofunction.New(scope, id, gofunction.Props{
		Code:        props.Code,
		Name:        "imageresolver",
		Description: "Image resolver: checks the image to deploy, or finds the one that runs",
		Timeout:     time.Minute,
		Environment: map[string]string{contract.EnvImageRule: props.Rule},
		Logs:        props.Logs,
	})
	function.Allow([]string{"ecr:DescribeImages", "ecr:DescribeImageScanFindings"}, []string{props.RepositoryARN}, nil)
	function.Allow([]string{"cloudformation:DescribeStacks"}, []string{props.StackARN}, nil)
	function.Allow([]string{"ssm:GetParameter"}, []string{props.ParameterARN}, nil)
	nag.Suppress(function.Construct(), "AwsSolutions-IAM5", "The only wildcards are the log group's streams, the ends of stacks' ARNs and, in the QA stage, the stacks and the image parameters of the QA environments.")
	return &Resolver{function: function}
}

// ARN is the Lambda's ARN, the service token of Image.
func (r *Resolver) ARN() string { return r.function.ARN() }

// Props of an Image.
type Props struct {
	// ServiceToken is Resolver.ARN.
	ServiceToken string
	Repository   awsecr.IRepository
	// RegistryID is the account of the repository.
	RegistryID string
	// Requested is a tag, a digest, or empty.
	Requested string
	// Parameter is the name of the SSM parameter with the reference that ran last.
	Parameter string
}

// Image is the image to run.
type Image struct {
	construct constructs.Construct
	resource  awscdk.CustomResource
	parameter string
}

// New resolves the image during the deployment.
func New(scope constructs.Construct, id string, props Props) *Image {
	this := constructs.NewConstruct(scope, jsii.String(id))
	resource := awscdk.NewCustomResource(this, jsii.String("Resolved"), &awscdk.CustomResourceProps{
		ServiceToken:   jsii.String(props.ServiceToken),
		ResourceType:   jsii.String("Custom::SlipwayImage"),
		ServiceTimeout: awscdk.Duration_Minutes(jsii.Number(2)),
		Properties: &map[string]any{
			"RepositoryName": props.Repository.RepositoryName(),
			"RepositoryUri":  props.Repository.RepositoryUri(),
			"RegistryId":     props.RegistryID,
			"Requested":      props.Requested,
			"Parameter":      props.Parameter,
		},
	})
	return &Image{construct: this, resource: resource, parameter: props.Parameter}
}

// Construct is the scope of the image and its parameter.
func (i *Image) Construct() constructs.Construct { return i.construct }

// URI is the full image name for a container definition, a token.
func (i *Image) URI() string { return *i.resource.GetAttString(jsii.String("ImageUri")) }

// RecordAfter writes the image's reference to the SSM parameter once the service is stable.
func (i *Image) RecordAfter(service constructs.IConstruct) {
	parameter := awsssm.NewStringParameter(i.construct, jsii.String("Running"), &awsssm.StringParameterProps{
		ParameterName: jsii.String(i.parameter),
		Description:   jsii.String("Image reference that was deployed last"),
		StringValue:   i.resource.GetAttString(jsii.String("Reference")),
	})
	parameter.Node().AddDependency(service)
}
