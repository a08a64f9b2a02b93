package test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"slipway/internal/config"
)

// guarded is a synthesis in which every choice about security differs from the default, and nothing is retained.
var guarded = sync.OnceValues(func() (*assembly, error) {
	return synthesize(func(cfg *config.Config) {
		for i := range cfg.Stages {
			cfg.Stages[i].Retain = false
		}
		cfg.Security.Trail = config.Trail{LockDays: 30, ArchiveAfterDays: 10, KeepDays: 400, LogDays: 30, S3Events: config.S3EventsAll}
		cfg.Security.Password = config.Password{MinLength: 16, Reuse: 12, MaxAgeDays: 0}
		cfg.Security.GuardDuty.Frequency = config.Duration(6 * time.Hour)
		cfg.Security.GuardDuty.Features = []config.Feature{config.FeatureEKSAudit, config.FeatureEC2Runtime}
		no := false
		cfg.Security.BlockPublicBuckets = &no
		cfg.Security.RecordConfiguration, cfg.Security.SecurityHub = true, true
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

// setting is the custom resource of a setting, and what it asks for.
func setting(t *testing.T, stack template, name string) (resource, map[string]string) {
	t.Helper()
	for _, r := range stack.all("Custom::SlipwayAccountSetting") {
		if r.at("Setting") != name {
			continue
		}
		r.want(t, "Memory", "/slipway/security/before/"+name)
		var desired map[string]string
		written := r.at("Desired")
		if joined := list(at(written, "Fn::Join.1")); joined != nil { // with tokens in it
			written = ""
			for _, part := range joined {
				if literal, ok := part.(string); ok {
					written = fmt.Sprint(written, literal)
				} else {
					written = fmt.Sprint(written, ref(part))
				}
			}
		}
		if err := json.Unmarshal([]byte(fmt.Sprint(written)), &desired); err != nil {
			t.Fatalf("%s: %v in %s", name, err, text(written))
		}
		return r, desired
	}
	t.Fatalf("no setting %s", name)
	return resource{}, nil
}

func wantSetting(t *testing.T, stack template, name string, want map[string]string) {
	t.Helper()
	if _, got := setting(t, stack, name); !maps.Equal(got, want) {
		t.Errorf("%s: %v, want %v", name, got, want)
	}
}

// TestThePasswordPolicyIsCISs: CIS 5.0 1.7 and 1.8, and the age that the platform's description asks for.
func TestThePasswordPolicyIsCISs(t *testing.T) {
	classes := map[string]string{"uppercase": "true", "lowercase": "true", "numbers": "true", "symbols": "true", "usersChangeTheirOwn": "true"}
	want := maps.Clone(classes)
	maps.Copy(want, map[string]string{"minimumLength": "14", "reusePrevention": "24", "maxAgeDays": "90"})
	wantSetting(t, security(t), "password-policy", want)
	maps.Copy(classes, map[string]string{"minimumLength": "16", "reusePrevention": "12", "maxAgeDays": "0"})
	wantSetting(t, must(t, guarded).stack(t, "slipway-security"), "password-policy", classes)
}

func TestNewVolumesAreEncrypted(t *testing.T) {
	wantSetting(t, security(t), "ebs-encryption", map[string]string{"enabled": "true"})
}

func TestNewInstancesDemandIMDSv2(t *testing.T) {
	wantSetting(t, security(t), "instance-metadata", map[string]string{"httpTokens": "required"})
}

func TestNoBucketOfTheAccountIsPublic(t *testing.T) {
	wantSetting(t, security(t), "s3-public-access", map[string]string{
		"blockPublicAcls": "true", "ignorePublicAcls": "true", "blockPublicPolicy": "true", "restrictPublicBuckets": "true",
	})
	if raw := text(must(t, guarded).stack(t, "slipway-security")); strings.Contains(raw, "s3-public-access") {
		t.Error("public buckets are blocked against the configuration")
	}
}

func TestTheAccountHasAnAnalyzer(t *testing.T) {
	wantSetting(t, security(t), "access-analyzer", map[string]string{"name": "slipway"})
}

// TestEveryFeatureOfGuardDutyIsOnOrOff: what GuardDuty isn't told is on.
func TestEveryFeatureOfGuardDutyIsOnOrOff(t *testing.T) {
	wantSetting(t, security(t), "guardduty-detector", map[string]string{
		"enabled": "true", "frequency": "FIFTEEN_MINUTES",
		"feature/S3_DATA_EVENTS": "ENABLED", "feature/EBS_MALWARE_PROTECTION": "ENABLED", "feature/RDS_LOGIN_EVENTS": "ENABLED",
		"feature/LAMBDA_NETWORK_LOGS": "ENABLED", "feature/EKS_AUDIT_LOGS": "DISABLED", "feature/RUNTIME_MONITORING": "ENABLED",
		"feature/RUNTIME_MONITORING/ECS_FARGATE_AGENT_MANAGEMENT": "ENABLED",
		"feature/RUNTIME_MONITORING/EC2_AGENT_MANAGEMENT":         "DISABLED",
		"feature/RUNTIME_MONITORING/EKS_ADDON_MANAGEMENT":         "DISABLED",
	})
	wantSetting(t, must(t, guarded).stack(t, "slipway-security"), "guardduty-detector", map[string]string{
		"enabled": "true", "frequency": "SIX_HOURS",
		"feature/S3_DATA_EVENTS": "DISABLED", "feature/EBS_MALWARE_PROTECTION": "DISABLED", "feature/RDS_LOGIN_EVENTS": "DISABLED",
		"feature/LAMBDA_NETWORK_LOGS": "DISABLED", "feature/EKS_AUDIT_LOGS": "ENABLED", "feature/RUNTIME_MONITORING": "ENABLED",
		"feature/RUNTIME_MONITORING/ECS_FARGATE_AGENT_MANAGEMENT": "DISABLED",
		"feature/RUNTIME_MONITORING/EC2_AGENT_MANAGEMENT":         "ENABLED",
		"feature/RUNTIME_MONITORING/EKS_ADDON_MANAGEMENT":         "DISABLED",
	})
	// An account can have one detector only, so a template that declares one fails where there is one already.
	eachResource(t, func(t *testing.T, stack string, _ template, r resource) {
		for _, single := range []string{"AWS::GuardDuty::Detector", "AWS::AccessAnalyzer::Analyzer", "AWS::SecurityHub::Hub", "AWS::Config::ConfigurationRecorder"} {
			if r.Type == single {
				t.Errorf("%s: %s can't be adopted", stack, r.LogicalID)
			}
		}
	})
}

func TestWithoutRuntimeMonitoringNoAgentIsManaged(t *testing.T) {
	off := must(t, func() (*assembly, error) {
		return synthesize(func(cfg *config.Config) {
			cfg.Security.GuardDuty.Features = nil
			cfg.Accounts["shared"] = "222222222222"
		}, nil)
	})
	_, desired := setting(t, off.stack(t, "slipway-security-111111111111"), "guardduty-detector")
	for key, value := range desired {
		if strings.HasPrefix(key, "feature/") && value != "DISABLED" || strings.Count(key, "/") > 1 {
			t.Errorf("%s is %s", key, value)
		}
	}
	if len(desired) != 8 {
		t.Errorf("%d values: %v", len(desired), desired)
	}
}

func TestWhatCostsByUseIsASwitch(t *testing.T) {
	for _, name := range []string{"config-recorder", "security-hub"} {
		if strings.Contains(text(security(t)), name) {
			t.Errorf("%s is on by default", name)
		}
	}
	stack := must(t, guarded).stack(t, "slipway-security")
	hub, standards := setting(t, stack, "security-hub")
	if !maps.Equal(standards, map[string]string{
		"standard/standards/cis-aws-foundations-benchmark/v/5.0.0":            "true",
		"standard/standards/aws-foundational-security-best-practices/v/1.0.0": "true",
	}) {
		t.Errorf("standards %v", standards)
	}
	recorder, values := setting(t, stack, "config-recorder")
	bucket := stack.Resources[values["bucket"]]
	if bucket.Type != "AWS::S3::Bucket" || bucket.at("ObjectLockEnabled") != nil || values["recording"] != "true" {
		t.Errorf("the recorder gets %v", values)
	}
	if !slices.Contains(list(hub.DependsOn), any(recorder.LogicalID)) {
		t.Error("the hub doesn't wait for the recorder")
	}
	for _, policy := range stack.all("AWS::S3::BucketPolicy") {
		if at(policy.at("Bucket"), "Ref") != values["bucket"] {
			continue
		}
		if !slices.Contains(list(recorder.DependsOn), any(policy.LogicalID)) {
			t.Error("AWS Config looks at the bucket before its policy is there")
		}
		write := statement(t, policy.at("PolicyDocument"), "ConfigWrites")
		if got := text(at(write, "Condition.StringEquals")); got != `{"aws:SourceAccount":"111111111111","s3:x-amz-acl":"bucket-owner-full-control"}` {
			t.Errorf("AWS Config writes under %s", got)
		}
	}
}

// TestTheBaselineMayDoExactlyWhatItDoes compares the policy with the calls recorded from the handler's own tests.
func TestTheBaselineMayDoExactlyWhatItDoes(t *testing.T) {
	// What AWS asks of the caller within other calls: to hand a role to AWS Config, and to see that of malware protection.
	onBehalf := []string{"iam:GetRole", "iam:PassRole"}
	called := calledActions(t, "lambdas", "accountbaseline")
	granted := keys(policyActions(security(t), "AccountSettingsRole"))
	for _, action := range called {
		if !slices.Contains(granted, action) {
			t.Errorf("calls %s without a grant", action)
		}
	}
	for _, action := range granted {
		if !slices.Contains(slices.Concat(called, grantedByTheCDK, onBehalf), action) {
			t.Errorf("is granted %s and never calls it", action)
		}
	}
	if len(called) < 30 {
		t.Errorf("%d calls only", len(called))
	}
}

// TestARemovedSettingCanStillRestore: CloudFormation changes policies before it deletes resources, so a switch may take no
// permission away.
func TestARemovedSettingCanStillRestore(t *testing.T) {
	on := policyActions(must(t, guarded).stack(t, "slipway-security"), "AccountSettingsRole")
	off := policyActions(security(t), "AccountSettingsRole")
	for action := range on {
		if _, granted := off[action]; !granted {
			t.Errorf("%s goes with a switch", action)
		}
	}
	for _, r := range security(t).all("Custom::SlipwayAccountSetting") {
		if at(r.at("ServiceToken"), "Fn::GetAtt.0") == nil {
			t.Errorf("%s doesn't depend on its function, whose role might go first", r.LogicalID)
		}
	}
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
