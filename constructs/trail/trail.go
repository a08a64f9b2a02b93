// Package trail is an account's CloudTrail trail of all Regions: validated log files under a KMS key in a locked bucket,
// and a log group for alarms.
package trail

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudtrail"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"slipway/constructs/accesslogs"
	"slipway/constructs/cdkprovider"
	"slipway/constructs/loggroup"
	"slipway/constructs/nag"
	"slipway/constructs/retention"
)

// Props of a Trail.
type Props struct {
	// Name of the trail. It is fixed, because the policies of bucket and key name the trail before it exists.
	Name string
	// LogGroupName is the log group that the alarms read; LogDays its retention.
	LogGroupName string
	LogDays      int
	// Key encrypts the files and the log group. It must let CloudWatch Logs use it; the statements for CloudTrail are
	// added here.
	Key awskms.Key
	// LockDays is how long nobody can change or delete a file; ArchiveAfterDays when it moves to Glacier Instant
	// Retrieval; KeepDays when it expires.
	LockDays         int
	ArchiveAfterDays int
	KeepDays         int
	// S3Writes and S3Reads record what happens to objects of all buckets but the trail's own.
	S3Writes bool
	S3Reads  bool
	// Retain locks the bucket and keeps it, and the log group, when the stack is deleted; otherwise both go.
	Retain bool
}

// Trail is the trail with its bucket and its log group.
type Trail struct {
	construct constructs.Construct
	bucket    awss3.Bucket
	access    awss3.Bucket
	group     awslogs.LogGroup
}

// New builds the trail.
func New(scope constructs.Construct, id string, props Props) *Trail {
	this := constructs.NewConstruct(scope, jsii.String(id))
	stack := awscdk.Stack_Of(this)
	arn := *stack.FormatArn(&awscdk.ArnComponents{Service: jsii.String("cloudtrail"), Resource: jsii.String("trail"), ResourceName: jsii.String(props.Name)})

	allowKey(props.Key, arn, *stack.Account())
	t := &Trail{construct: this}
	t.addBuckets(props)
	t.allowDelivery(arn, *stack.Account())
	if props.Retain {
		t.denyDeletion()
	}

	t.group = loggroup.New(this, "Logs", loggroup.Props{Name: props.LogGroupName, Days: props.LogDays, Key: props.Key, Retain: props.Retain})
	role := awsiam.NewRole(this, jsii.String("LogRole"), &awsiam.RoleProps{
		Description: jsii.String("CloudTrail writes to " + props.LogGroupName),
		AssumedBy: awsiam.NewServicePrincipal(jsii.String("cloudtrail.amazonaws.com"), &awsiam.ServicePrincipalOpts{
			Conditions: &map[string]any{"StringEquals": map[string]any{"aws:SourceArn": arn}},
		}),
	})
	t.group.GrantWrite(role)
	nag.Suppress(role, "AwsSolutions-IAM5", "CloudTrail names the streams of its log group itself; the wildcard lies within that group.")

	trail := awscloudtrail.NewCfnTrail(this, jsii.String("Trail"), &awscloudtrail.CfnTrailProps{
		TrailName:                  jsii.String(props.Name),
		S3BucketName:               t.bucket.BucketName(),
		IsLogging:                  jsii.Bool(true),
		IsMultiRegionTrail:         jsii.Bool(true),
		IncludeGlobalServiceEvents: jsii.Bool(true),
		EnableLogFileValidation:    jsii.Bool(true),
		KmsKeyId:                   props.Key.KeyArn(),
		CloudWatchLogsLogGroupArn:  t.group.LogGroupArn(),
		CloudWatchLogsRoleArn:      role.RoleArn(),
	})
	if props.S3Writes || props.S3Reads {
		trail.SetAdvancedEventSelectors(t.selectors(props))
	}
	// CreateTrail looks at the bucket's policy and at the role, and fails without them.
	trail.Node().AddDependency(t.bucket.Policy(), role)
	return t
}

// LogGroup is where CloudTrail writes all events, a few minutes after they happen.
func (t *Trail) LogGroup() awslogs.ILogGroup { return t.group }

// AccessLogs takes the access logs of the account's buckets of records.
func (t *Trail) AccessLogs() awss3.IBucket { return t.access }

// allowKey follows CloudTrail's documentation of key policies:
// https://docs.aws.amazon.com/awscloudtrail/latest/userguide/create-kms-key-policy-for-cloudtrail.html
func allowKey(key awskms.Key, trail, account string) {
	allow := func(sid string, actions []string, conditions map[string]any) {
		key.AddToResourcePolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
			Sid:        jsii.String(sid),
			Principals: &[]awsiam.IPrincipal{awsiam.NewServicePrincipal(jsii.String("cloudtrail.amazonaws.com"), nil)},
			Actions:    jsii.Strings(actions...),
			Resources:  jsii.Strings("*"), // in a key policy, * is this key
			Conditions: &conditions,
		}), jsii.Bool(false))
	}
	source := map[string]any{"aws:SourceArn": trail}
	allow("CloudTrailEncrypts", []string{"kms:GenerateDataKey*"}, map[string]any{
		"StringEquals": source,
		"StringLike":   map[string]any{"kms:EncryptionContext:aws:cloudtrail:arn": "arn:aws:cloudtrail:*:" + account + ":trail/*"},
	})
	allow("CloudTrailLooksAtTheKey", []string{"kms:DescribeKey"}, map[string]any{"StringEquals": source})
}

// addBuckets makes the bucket of the files and that of its access logs.
func (t *Trail) addBuckets(props Props) {
	t.access = accesslogs.NewBucket(t.construct, "AccessLogs", accesslogs.Props{Days: props.KeepDays, Retain: props.Retain})

	bucketProps := &awss3.BucketProps{
		Encryption:             awss3.BucketEncryption_KMS,
		EncryptionKey:          props.Key,
		BucketKeyEnabled:       jsii.Bool(true),
		Versioned:              jsii.Bool(true),
		BlockPublicAccess:      awss3.BlockPublicAccess_BLOCK_ALL(),
		ObjectOwnership:        awss3.ObjectOwnership_BUCKET_OWNER_ENFORCED,
		EnforceSSL:             jsii.Bool(true),
		MinimumTLSVersion:      jsii.Number(1.2),
		ServerAccessLogsBucket: t.access,
		ServerAccessLogsPrefix: jsii.String("trail/"),
		LifecycleRules: &[]*awss3.LifecycleRule{
			{
				Id: jsii.String("archive-and-expire"),
				Transitions: &[]*awss3.Transition{{
					StorageClass: awss3.StorageClass_GLACIER_INSTANT_RETRIEVAL(), TransitionAfter: days(props.ArchiveAfterDays),
				}},
				Expiration:                          days(props.KeepDays),
				NoncurrentVersionExpiration:         days(7), // object lock comes first
				AbortIncompleteMultipartUploadAfter: days(7),
			},
			{Id: jsii.String("drop-empty-markers"), ExpiredObjectDeleteMarker: jsii.Bool(true)},
		},
		RemovalPolicy:     retention.Policy(props.Retain),
		AutoDeleteObjects: jsii.Bool(!props.Retain),
	}
	if props.Retain {
		// Governance and not compliance: compliance mode would bind even the root user to what was configured by mistake.
		// The bucket's policy closes governance mode's back door.
		bucketProps.ObjectLockEnabled = jsii.Bool(true)
		bucketProps.ObjectLockDefaultRetention = awss3.ObjectLockRetention_Governance(days(props.LockDays))
	}
	t.bucket = awss3.NewBucket(t.construct, jsii.String("Bucket"), bucketProps)
	if !props.Retain {
		cdkprovider.DeclareLogGroup(t.construct, cdkprovider.AutoDeleteObjects, props.LogDays)
	}
}

// allowDelivery lets this trail write, and no other: a bucket's name is no secret.
// https://docs.aws.amazon.com/awscloudtrail/latest/userguide/create-s3-bucket-policy-for-cloudtrail.html
func (t *Trail) allowDelivery(trail, account string) {
	allow := func(sid, action, resource string, conditions map[string]any) {
		conditions["aws:SourceArn"] = trail
		t.bucket.AddToResourcePolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
			Sid:        jsii.String(sid),
			Principals: &[]awsiam.IPrincipal{awsiam.NewServicePrincipal(jsii.String("cloudtrail.amazonaws.com"), nil)},
			Actions:    jsii.Strings(action),
			Resources:  jsii.Strings(resource),
			Conditions: &map[string]any{"StringEquals": conditions},
		}))
	}
	allow("CloudTrailLooksAtTheBucket", "s3:GetBucketAcl", *t.bucket.BucketArn(), map[string]any{})
	allow("CloudTrailWrites", "s3:PutObject", *t.bucket.ArnForObjects(jsii.String("AWSLogs/" + account + "/*")),
		map[string]any{"s3:x-amz-acl": "bucket-owner-full-control"})
}

// denyDeletion holds for administrators too, until they change this policy, which the trail records. Lifecycle rules
// aren't requests, so they go on.
func (t *Trail) denyDeletion() {
	t.bucket.AddToResourcePolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Sid:        jsii.String("NobodyDeletes"),
		Effect:     awsiam.Effect_DENY,
		Principals: &[]awsiam.IPrincipal{awsiam.NewAnyPrincipal()},
		Actions:    jsii.Strings("s3:DeleteObject", "s3:DeleteObjectVersion", "s3:BypassGovernanceRetention"),
		Resources:  jsii.Strings(*t.bucket.ArnForObjects(jsii.String("*"))),
	}))
}

// selectors add object-level events to the management events. The trail's own bucket is left out: recording each delivery
// would be an event to deliver.
func (t *Trail) selectors(props Props) *[]any {
	field := func(name string, equal string) any {
		return &awscloudtrail.CfnTrail_AdvancedFieldSelectorProperty{Field: jsii.String(name), EqualTo: jsii.Strings(equal)}
	}
	fields := []any{
		field("eventCategory", "Data"),
		field("resources.type", "AWS::S3::Object"),
		&awscloudtrail.CfnTrail_AdvancedFieldSelectorProperty{
			Field: jsii.String("resources.ARN"), NotStartsWith: jsii.Strings(*t.bucket.ArnForObjects(jsii.String(""))),
		},
	}
	if !props.S3Reads {
		fields = append(fields, field("readOnly", "false"))
	}
	return &[]any{
		&awscloudtrail.CfnTrail_AdvancedEventSelectorProperty{
			Name: jsii.String("Management events"), FieldSelectors: []any{field("eventCategory", "Management")},
		},
		&awscloudtrail.CfnTrail_AdvancedEventSelectorProperty{Name: jsii.String("Objects in S3"), FieldSelectors: fields},
	}
}

func days(n int) awscdk.Duration { return awscdk.Duration_Days(jsii.Number(n)) }
