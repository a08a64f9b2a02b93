package artifacts

import (
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3"
	"github.com/aws/jsii-runtime-go"

	"slipway/constructs/nag"
)

// replicate copies new versions and delete markers to a bucket in another Region. The role and the rule are written
// here because the L2 construct's grants are wider than replication needs.
func (a *Artifacts) replicate(props Props) {
	account := awscdk.Stack_Of(a.construct).Account()
	role := awsiam.NewRole(a.construct, jsii.String("ReplicationRole"), &awsiam.RoleProps{
		Description: jsii.String("S3 replicates the artifacts bucket with it"),
		AssumedBy: awsiam.NewServicePrincipal(jsii.String("s3.amazonaws.com"), &awsiam.ServicePrincipalOpts{
			Conditions: &map[string]any{"StringEquals": map[string]any{"aws:SourceAccount": account}},
		}),
	})
	allow := func(conditions *map[string]any, resource string, actions ...string) {
		role.AddToPolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
			Actions: jsii.Strings(actions...), Resources: jsii.Strings(resource), Conditions: conditions,
		}))
	}
	via := func(region, context, arn string) *map[string]any {
		return &map[string]any{
			"StringEquals": map[string]any{"kms:ViaService": "s3." + region + ".amazonaws.com"},
			// With a bucket key the context is the bucket, without one the object.
			"StringLike": map[string]any{"kms:EncryptionContext:" + context: []string{arn, arn + "/*"}},
		}
	}
	source, replica := *a.bucket.BucketArn(), props.ReplicaBucketARN
	allow(nil, source, "s3:GetReplicationConfiguration", "s3:ListBucket")
	allow(nil, source+"/*", "s3:GetObjectVersionForReplication", "s3:GetObjectVersionAcl", "s3:GetObjectVersionTagging")
	allow(nil, replica+"/*", "s3:ReplicateObject", "s3:ReplicateDelete", "s3:ReplicateTags")
	allow(via(*awscdk.Stack_Of(a.construct).Region(), "aws:s3:arn", source), *a.key.KeyArn(), "kms:Decrypt")
	allow(via(regionOf(props.ReplicaKeyARN), "aws:s3:arn", replica), props.ReplicaKeyARN, "kms:Encrypt", "kms:GenerateDataKey")
	nag.Suppress(role, "AwsSolutions-IAM5", "Replication reads and writes every object of these two buckets, and of no other.")

	resource := a.bucket.Node().DefaultChild().(awss3.CfnBucket)
	resource.SetReplicationConfiguration(&awss3.CfnBucket_ReplicationConfigurationProperty{
		Role: role.RoleArn(),
		Rules: []any{&awss3.CfnBucket_ReplicationRuleProperty{
			Id:       jsii.String("artifacts"),
			Status:   jsii.String("Enabled"),
			Priority: jsii.Number(1),
			Filter:   &awss3.CfnBucket_ReplicationRuleFilterProperty{Prefix: jsii.String("")},
			DeleteMarkerReplication: &awss3.CfnBucket_DeleteMarkerReplicationProperty{
				Status: jsii.String("Enabled"),
			},
			SourceSelectionCriteria: &awss3.CfnBucket_SourceSelectionCriteriaProperty{
				SseKmsEncryptedObjects: &awss3.CfnBucket_SseKmsEncryptedObjectsProperty{Status: jsii.String("Enabled")},
			},
			Destination: &awss3.CfnBucket_ReplicationDestinationProperty{
				Bucket: jsii.String(replica),
				EncryptionConfiguration: &awss3.CfnBucket_EncryptionConfigurationProperty{
					ReplicaKmsKeyId: jsii.String(props.ReplicaKeyARN),
				},
			},
		}},
	})
}

// regionOf is the fourth part of an ARN.
func regionOf(arn string) string { return strings.Split(arn, ":")[3] }
