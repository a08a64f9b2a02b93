// Package artifacts builds a stage's artifacts bucket: private, encrypted, versioned, cheaper with age.
package artifacts

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"slipway/constructs/accesslogs"
	"slipway/constructs/cdkprovider"
	"slipway/constructs/retention"
)

// Props of Artifacts.
type Props struct {
	// InfrequentAfterDays moves objects to S3 Standard-IA (at least 30, S3's minimum), ArchiveAfterDays to Glacier
	// Instant Retrieval, from where they are still read at once.
	InfrequentAfterDays int
	ArchiveAfterDays    int
	// NoncurrentDays expires replaced and deleted versions.
	NoncurrentDays int
	// LogDays expires the access logs.
	LogDays int
	// ReplicaBucketARN and ReplicaKeyARN name a versioned bucket of this account in another Region, and its KMS key;
	// default no replication.
	ReplicaBucketARN string
	ReplicaKeyARN    string
	// Retain keeps the buckets and the key when the stack is deleted; otherwise they are emptied and deleted.
	Retain bool
}

// Artifacts is the artifacts bucket with its key, and the bucket of its access logs.
type Artifacts struct {
	construct constructs.Construct
	bucket    awss3.Bucket
	key       awskms.Key
	logBucket awss3.Bucket
}

// New builds the buckets. Their names are generated: bucket names are global, and a fixed one can be taken by others.
func New(scope constructs.Construct, id string, props Props) *Artifacts {
	construct := constructs.NewConstruct(scope, jsii.String(id))
	a := &Artifacts{construct: construct}

	a.logBucket = accesslogs.NewBucket(construct, "AccessLogs", accesslogs.Props{Days: props.LogDays, Retain: props.Retain})

	a.key = awskms.NewKey(construct, jsii.String("Key"), &awskms.KeyProps{
		Description:       jsii.String("Artifacts bucket of " + *awscdk.Stack_Of(construct).StackName()),
		EnableKeyRotation: jsii.Bool(true),
		RemovalPolicy:     retention.Policy(props.Retain),
	})
	a.bucket = awss3.NewBucket(construct, jsii.String("Bucket"), &awss3.BucketProps{
		Encryption:             awss3.BucketEncryption_KMS,
		EncryptionKey:          a.key,
		BucketKeyEnabled:       jsii.Bool(true), // one KMS call for many objects
		Versioned:              jsii.Bool(true),
		BlockPublicAccess:      awss3.BlockPublicAccess_BLOCK_ALL(),
		ObjectOwnership:        awss3.ObjectOwnership_BUCKET_OWNER_ENFORCED,
		EnforceSSL:             jsii.Bool(true),
		MinimumTLSVersion:      jsii.Number(1.2),
		ServerAccessLogsBucket: a.logBucket,
		ServerAccessLogsPrefix: jsii.String("artifacts/"),
		LifecycleRules:         lifecycle(props),
		RemovalPolicy:          retention.Policy(props.Retain),
		AutoDeleteObjects:      jsii.Bool(!props.Retain),
	})
	a.denyOtherEncryption()
	if !props.Retain {
		cdkprovider.DeclareLogGroup(construct, cdkprovider.AutoDeleteObjects, props.LogDays)
	}
	if props.ReplicaBucketARN != "" {
		a.replicate(props)
	}
	return a
}

// Bucket is the artifacts bucket.
func (a *Artifacts) Bucket() awss3.Bucket { return a.bucket }

// Key encrypts the artifacts bucket.
func (a *Artifacts) Key() awskms.Key { return a.key }

// LogBucket takes the stage's access logs.
func (a *Artifacts) LogBucket() awss3.Bucket { return a.logBucket }

func lifecycle(props Props) *[]*awss3.LifecycleRule {
	return &[]*awss3.LifecycleRule{
		{
			Id: jsii.String("cheaper-with-age"),
			Transitions: &[]*awss3.Transition{
				{StorageClass: awss3.StorageClass_INFREQUENT_ACCESS(), TransitionAfter: awscdk.Duration_Days(jsii.Number(props.InfrequentAfterDays))},
				{StorageClass: awss3.StorageClass_GLACIER_INSTANT_RETRIEVAL(), TransitionAfter: awscdk.Duration_Days(jsii.Number(props.ArchiveAfterDays))},
			},
		},
		{
			Id:                          jsii.String("expire-noncurrent"),
			NoncurrentVersionExpiration: awscdk.Duration_Days(jsii.Number(props.NoncurrentDays)),
			// A marker whose last version has expired hides nothing and only slows listings down.
			ExpiredObjectDeleteMarker: jsii.Bool(true),
		},
		{
			// Parts of an upload that never finished are paid for and seen in no listing.
			Id:                                  jsii.String("abort-incomplete-uploads"),
			AbortIncompleteMultipartUploadAfter: awscdk.Duration_Days(jsii.Number(7)),
		},
	}
}

// denyOtherEncryption refuses uploads that ask for anything but the bucket's own key. Uploads that ask for nothing get
// that key by the bucket's default.
func (a *Artifacts) denyOtherEncryption() {
	deny := func(sid, condition string, value any) {
		a.bucket.AddToResourcePolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
			Sid:        jsii.String(sid),
			Effect:     awsiam.Effect_DENY,
			Principals: &[]awsiam.IPrincipal{awsiam.NewAnyPrincipal()},
			Actions:    jsii.Strings("s3:PutObject"),
			Resources:  jsii.Strings(*a.bucket.ArnForObjects(jsii.String("*"))),
			Conditions: &map[string]any{
				// A negated operator also matches a request without the header, IfExists or not; that one is welcome.
				"Null":            map[string]any{condition: "false"},
				"StringNotEquals": map[string]any{condition: value},
			},
		}))
	}
	deny("DenyOtherEncryption", "s3:x-amz-server-side-encryption", "aws:kms")
	deny("DenyOtherKey", "s3:x-amz-server-side-encryption-aws-kms-key-id", a.key.KeyArn())
}
