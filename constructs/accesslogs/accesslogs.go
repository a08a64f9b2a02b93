// Package accesslogs is the bucket that takes the access logs of other buckets.
package accesslogs

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"slipway/constructs/nag"
	"slipway/constructs/retention"
)

// Props of a bucket.
type Props struct {
	// Days is how long the logs are kept.
	Days int
	// Retain keeps the bucket when the stack is deleted; otherwise it is emptied and goes.
	Retain bool
}

// NewBucket builds it. S3 can't deliver access logs to a bucket with object lock, or whose default encryption is a KMS key.
func NewBucket(scope constructs.Construct, id string, props Props) awss3.Bucket {
	days := func(n int) awscdk.Duration { return awscdk.Duration_Days(jsii.Number(n)) }
	bucket := awss3.NewBucket(scope, jsii.String(id), &awss3.BucketProps{
		Encryption:        awss3.BucketEncryption_S3_MANAGED,
		BlockPublicAccess: awss3.BlockPublicAccess_BLOCK_ALL(),
		ObjectOwnership:   awss3.ObjectOwnership_BUCKET_OWNER_ENFORCED,
		EnforceSSL:        jsii.Bool(true),
		MinimumTLSVersion: jsii.Number(1.2),
		LifecycleRules: &[]*awss3.LifecycleRule{{
			Id: jsii.String("expire"), Expiration: days(props.Days), AbortIncompleteMultipartUploadAfter: days(7),
		}},
		RemovalPolicy:     retention.Policy(props.Retain),
		AutoDeleteObjects: jsii.Bool(!props.Retain),
	})
	nag.Suppress(bucket, "AwsSolutions-S1", "It is itself the target of access logs; logging into itself would never end.")
	return bucket
}
