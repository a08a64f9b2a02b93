package test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"slipway/internal/config"
)

// guarded is a synthesis in which every choice about security differs from the default, and nothing is retained.
var guarded = sync.OnceValues(func() (*assembly, error) {
	return synthesize(func(cfg *config.Config) {
		for i := range cfg.Stages {
			cfg.Stages[i].Retain = false
		}
		cfg.Security.Trail = config.Trail{LockDays: 30, ArchiveAfterDays: 10, KeepDays: 400, LogDays: 30, S3Events: config.S3EventsAll}
	}, nil)
})

func security(t *testing.T) template { return shippedAssembly(t).stack(t, "slipway-security") }

// statement is the statement of that Sid in a policy document.
func statement(t *testing.T, document any, sid string) map[string]any {
	t.Helper()
	for _, s := range list(at(document, "Statement")) {
		if at(s, "Sid") == sid {
			return s.(map[string]any)
		}
	}
	t.Fatalf("no statement %s in %s", sid, text(document))
	return nil
}

const trailARN = "arn:aws:cloudtrail:eu-west-1:111111111111:trail/slipway"

func trailOf(t *testing.T, stack template) (trail, bucket, policy resource) {
	t.Helper()
	trail = stack.one(t, "AWS::CloudTrail::Trail")
	id := fmt.Sprint(at(trail.at("S3BucketName"), "Ref"))
	bucket = stack.Resources[id]
	for _, policy = range stack.all("AWS::S3::BucketPolicy") {
		if at(policy.at("Bucket"), "Ref") == id {
			return trail, bucket, policy
		}
	}
	t.Fatal("the trail's bucket has no policy")
	return
}

func TestTheTrailRecordsAllRegionsAndCanBeTrusted(t *testing.T) {
	trail, bucket, _ := trailOf(t, security(t))
	for _, property := range []string{"IsLogging", "IsMultiRegionTrail", "IncludeGlobalServiceEvents", "EnableLogFileValidation"} {
		trail.want(t, property, true)
	}
	// Without selectors a trail records all management events, reads and writes.
	if trail.at("AdvancedEventSelectors") != nil || trail.at("EventSelectors") != nil {
		t.Error("something is left out of the management events")
	}
	key := fmt.Sprint(at(trail.at("KMSKeyId"), "Fn::GetAtt.0"))
	if security(t).Resources[key].Type != "AWS::KMS::Key" || at(bucket.at("BucketEncryption"), "ServerSideEncryptionConfiguration.0.ServerSideEncryptionByDefault.KMSMasterKeyID.Fn::GetAtt.0") != key {
		t.Errorf("trail and bucket aren't under one key of the stack: %s", text(bucket.at("BucketEncryption")))
	}
	group := security(t).Resources[fmt.Sprint(at(trail.at("CloudWatchLogsLogGroupArn"), "Fn::GetAtt.0"))]
	group.want(t, "LogGroupName", "/slipway/security/trail")
	group.want(t, "RetentionInDays", 90)
	if at(group.at("KmsKeyId"), "Fn::GetAtt.0") != key {
		t.Error("the log group isn't encrypted with the trail's key")
	}
}

// TestOnlyThisTrailUsesBucketAndKey: without aws:SourceArn, a trail of another account could write here (a confused deputy).
func TestOnlyThisTrailUsesBucketAndKey(t *testing.T) {
	stack := security(t)
	trail, _, policy := trailOf(t, stack)
	trail.want(t, "TrailName", "slipway")
	write := statement(t, policy.at("PolicyDocument"), "CloudTrailWrites")
	if got := text(at(write, "Condition.StringEquals")); got != `{"aws:SourceArn":"`+trailARN+`","s3:x-amz-acl":"bucket-owner-full-control"}` {
		t.Errorf("delivery under %s", got)
	}
	if got := text(at(write, "Resource")); !strings.Contains(got, "/AWSLogs/111111111111/*") {
		t.Errorf("delivery to %s", got)
	}
	look := statement(t, policy.at("PolicyDocument"), "CloudTrailLooksAtTheBucket")
	if got := text(at(look, "Condition")); got != `{"StringEquals":{"aws:SourceArn":"`+trailARN+`"}}` || at(look, "Action") != "s3:GetBucketAcl" {
		t.Errorf("look at the bucket: %s", text(look))
	}
	if !slices.Contains(list(trail.DependsOn), any(policy.LogicalID)) {
		t.Errorf("the trail depends on %s: CreateTrail fails before the bucket's policy", text(trail.DependsOn))
	}
	key := stack.Resources[fmt.Sprint(at(trail.at("KMSKeyId"), "Fn::GetAtt.0"))]
	encrypt := statement(t, key.at("KeyPolicy"), "CloudTrailEncrypts")
	if got := text(at(encrypt, "Condition")); got != `{"StringEquals":{"aws:SourceArn":"`+trailARN+`"},"StringLike":{"kms:EncryptionContext:aws:cloudtrail:arn":"arn:aws:cloudtrail:*:111111111111:trail/*"}}` {
		t.Errorf("encryption under %s", got)
	}
	if got := statement(t, key.at("KeyPolicy"), "CloudWatchLogs"); !strings.Contains(text(got), "kms:EncryptionContext:aws:logs:arn") {
		t.Errorf("the log group's use of the key: %s", text(got))
	}
}

func TestTheTrailsFilesAreLockedAndAge(t *testing.T) {
	_, bucket, policy := trailOf(t, security(t))
	bucket.want(t, "ObjectLockEnabled", true)
	bucket.want(t, "ObjectLockConfiguration.Rule.DefaultRetention", map[string]any{"Mode": "GOVERNANCE", "Days": 365})
	bucket.want(t, "VersioningConfiguration.Status", "Enabled")
	bucket.want(t, "LifecycleConfiguration.Rules.0.ExpirationInDays", 1096)
	bucket.want(t, "LifecycleConfiguration.Rules.0.Transitions", []any{map[string]any{"StorageClass": "GLACIER_IR", "TransitionInDays": 90}})
	if bucket.at("LoggingConfiguration.DestinationBucketName") == nil {
		t.Error("who reads the files is not recorded")
	}
	deny := statement(t, policy.at("PolicyDocument"), "NobodyDeletes")
	if at(deny, "Effect") != "Deny" || text(at(deny, "Principal")) != `{"AWS":"*"}` || deny["Condition"] != nil ||
		text(at(deny, "Action")) != `["s3:BypassGovernanceRetention","s3:DeleteObject","s3:DeleteObjectVersion"]` {
		t.Errorf("deletion: %s", text(deny))
	}

	// Where nothing is retained, the stack must be able to empty the bucket.
	stack := must(t, guarded).stack(t, "slipway-security")
	_, free, open := trailOf(t, stack)
	if free.at("ObjectLockEnabled") != nil || strings.Contains(text(open.at("PolicyDocument")), "NobodyDeletes") || free.DeletionPolicy != "Delete" {
		t.Errorf("the bucket can't be emptied: %s", text(free))
	}
}

func TestObjectEventsLeaveOutTheTrailsOwnBucket(t *testing.T) {
	trail, bucket, _ := trailOf(t, must(t, guarded).stack(t, "slipway-security"))
	trail.want(t, "AdvancedEventSelectors.0.FieldSelectors", []any{map[string]any{"Field": "eventCategory", "Equals": []string{"Management"}}})
	fields := list(trail.at("AdvancedEventSelectors.1.FieldSelectors"))
	if len(fields) != 3 || at(fields[2], "Field") != "resources.ARN" ||
		text(at(fields[2], "NotStartsWith")) != fmt.Sprintf(`[{"Fn::Join":["",[{"Fn::GetAtt":["%s","Arn"]},"/"]]}]`, bucketID(t, trail)) {
		t.Errorf("object events are %s, bucket %s", text(fields), text(bucket))
	}
}

func bucketID(t *testing.T, trail resource) string {
	t.Helper()
	return fmt.Sprint(at(trail.at("S3BucketName"), "Ref"))
}

// TestEachAccountHasItsSecurityStack: the same name in each, for the account is in the stack's environment.
func TestEachAccountHasItsSecurityStack(t *testing.T) {
	all := must(t, several)
	for _, account := range []string{"111111111111", "222222222222", "333333333333"} {
		trail := all.stack(t, "slipway-security-"+account).one(t, "AWS::CloudTrail::Trail")
		trail.want(t, "TrailName", "slipway")
	}
	for name, stack := range all.templates {
		if strings.HasPrefix(name, "slipway-security") && strings.Contains(text(stack), "Fn::ImportValue") {
			t.Errorf("%s depends on another stack", name)
		}
	}
}

func TestCfnLintTakesTheGuardedStack(t *testing.T) {
	all := must(t, guarded)
	for _, message := range append(cfnLint(t, all.files["slipway-security"]), append(all.errors, all.warnings...)...) {
		t.Error(message)
	}
}
