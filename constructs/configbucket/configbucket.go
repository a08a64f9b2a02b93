// Package configbucket is where AWS Config puts its history: private, encrypted, for one account's recorder only.
package configbucket

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"slipway/constructs/cdkprovider"
	"slipway/constructs/retention"
)

// Props of a Bucket.
type Props struct {
	// KeepDays is when the history expires; LogDays how long the CDK's function that empties the bucket keeps its log.
	KeepDays int
	LogDays  int
	// AccessLogs takes the bucket's access logs.
	AccessLogs awss3.IBucket
	// Retain keeps the bucket when the stack is deleted; otherwise it is emptied and deleted.
	Retain bool
}

// Bucket takes AWS Config's history.
type Bucket struct{ bucket awss3.Bucket }

// New builds the bucket. It has no object lock: AWS Config can't write to a bucket that locks by default.
// https://docs.aws.amazon.com/config/latest/developerguide/manage-delivery-channel.html
func New(scope constructs.Construct, id string, props Props) *Bucket {
	this := constructs.NewConstruct(scope, jsii.String(id))
	bucket := awss3.NewBucket(this, jsii.String("Bucket"), &awss3.BucketProps{
		Encryption:        awss3.BucketEncryption_S3_MANAGED,
		BlockPublicAccess: awss3.BlockPublicAccess_BLOCK_ALL(),
		ObjectOwnership:   awss3.ObjectOwnership_BUCKET_OWNER_ENFORCED,
		EnforceSSL:        jsii.Bool(true),
		MinimumTLSVersion: jsii.Number(1.2),
		Versioned:         jsii.Bool(true),

		ServerAccessLogsBucket: props.AccessLogs,
		ServerAccessLogsPrefix: jsii.String("config/"),
		LifecycleRules: &[]*awss3.LifecycleRule{{
			Id:                                  jsii.String("expire"),
			Expiration:                          awscdk.Duration_Days(jsii.Number(props.KeepDays)),
			NoncurrentVersionExpiration:         awscdk.Duration_Days(jsii.Number(30)),
			AbortIncompleteMultipartUploadAfter: awscdk.Duration_Days(jsii.Number(7)),
		}},
		RemovalPolicy:     retention.Policy(props.Retain),
		AutoDeleteObjects: jsii.Bool(!props.Retain),
	})
	if !props.Retain {
		cdkprovider.DeclareLogGroup(this, cdkprovider.AutoDeleteObjects, props.LogDays)
	}

	// https://docs.aws.amazon.com/config/latest/developerguide/s3-bucket-policy.html
	account := *awscdk.Stack_Of(this).Account()
	allow := func(sid string, actions []string, resource string, conditions map[string]any) {
		conditions["aws:SourceAccount"] = account
		bucket.AddToResourcePolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
			Sid:        jsii.String(sid),
			Principals: &[]awsiam.IPrincipal{awsiam.NewServicePrincipal(jsii.String("config.amazonaws.com"), nil)},
			Actions:    jsii.Strings(actions...),
			Resources:  jsii.Strings(resource),
			Conditions: &map[string]any{"StringEquals": conditions},
		}))
	}
	allow("ConfigLooksAtTheBucket", []string{"s3:GetBucketAcl", "s3:ListBucket"}, *bucket.BucketArn(), map[string]any{})
	allow("ConfigWrites", []string{"s3:PutObject"}, *bucket.ArnForObjects(jsii.String("AWSLogs/" + account + "/Config/*")),
		map[string]any{"s3:x-amz-acl": "bucket-owner-full-control"})
	return &Bucket{bucket: bucket}
}

// Name is the bucket's name, a token.
func (b *Bucket) Name() string { return *b.bucket.BucketName() }

// Policy must be there before AWS Config is told of the bucket.
func (b *Bucket) Policy() constructs.IConstruct { return b.bucket.Policy() }
