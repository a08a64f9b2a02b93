// Package qaprefix empties a QA environment's prefix in the stage's artifacts bucket when the environment goes.
package qaprefix

import (
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"slipway/constructs/gofunction"
	"slipway/constructs/loggroup"
	"slipway/constructs/nag"
	"slipway/internal/contract"
)

// limit is Lambda's longest time: some million versions. What is left then goes at the next deletion of the stack.
const limit = 15 * time.Minute

// CleanerProps of a Cleaner.
type CleanerProps struct {
	Code       gofunction.Code
	Platform   string
	BucketName string
	Logs       loggroup.Props
}

// Cleaner is the Lambda behind all environments' prefixes. It outlives the environments, whose stacks ask it to empty theirs.
type Cleaner struct {
	function *gofunction.Function
}

// NewCleaner deploys the Lambda.
func NewCleaner(scope constructs.Construct, id string, props CleanerProps) *Cleaner {
	function := gofunction.New(scope, id, gofunction.Props{
		Code:        props.Code,
		Name:        "qaprefix",
		Description: "Empties the bucket's prefixes of QA environments that go",
		Timeout:     limit,
		Environment: map[string]string{contract.EnvPlatform: props.Platform, contract.EnvBucket: props.BucketName},
		Logs:        props.Logs,
	})
	bucket := "arn:aws:s3:::" + props.BucketName
	function.Allow([]string{"s3:ListBucketVersions"}, []string{bucket}, map[string]any{
		"StringLike": map[string]any{"s3:prefix": contract.EnvironmentsPrefix + "*"},
	})
	// Each deletion names a version; nothing may add delete markers.
	function.Allow([]string{"s3:DeleteObjectVersion"}, []string{bucket + "/" + contract.EnvironmentsPrefix + "*"}, nil)
	nag.Suppress(function.Construct(), "AwsSolutions-IAM5", "Objects of the QA environments only, whose names are not known beforehand.")
	return &Cleaner{function: function}
}

// ARN is the Lambda's ARN, the service token of New.
func (c *Cleaner) ARN() string { return c.function.ARN() }

// New empties the prefix when the stack is deleted. What writes to it must depend on it, so that it goes first. The prefix
// follows from the stack's name.
func New(scope constructs.Construct, id, serviceToken string) awscdk.CustomResource {
	return awscdk.NewCustomResource(scope, jsii.String(id), &awscdk.CustomResourceProps{
		ServiceToken:   jsii.String(serviceToken),
		ResourceType:   jsii.String("Custom::SlipwayPrefix"),
		ServiceTimeout: awscdk.Duration_Minutes(jsii.Number(limit.Minutes() + 1)),
	})
}
