package main

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	aatypes "github.com/aws/aws-sdk-go-v2/service/accessanalyzer/types"
	configtypes "github.com/aws/aws-sdk-go-v2/service/configservice/types"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	s3controltypes "github.com/aws/aws-sdk-go-v2/service/s3control/types"
	shtypes "github.com/aws/aws-sdk-go-v2/service/securityhub/types"

	"slipway/internal/contract"
	"slipway/lambdas/accountbaseline/apply"
	"slipway/lambdas/internal/fakeaws"
)

// What the stack asks for by default.
var desired = map[string]map[string]string{
	contract.SettingPasswordPolicy: {
		contract.KeyMinimumLength: "14", contract.KeyReuse: "24", contract.KeyMaxAge: "90", contract.KeyUppercase: "true", contract.KeyLowercase: "true",
		contract.KeyNumbers: "true", contract.KeySymbols: "true", contract.KeyChangeTheirOwn: "true",
	},
	contract.SettingEBSEncryption: {contract.KeyEnabled: "true"},
	contract.SettingS3PublicAccess: {
		contract.KeyBlockACLs: "true", contract.KeyIgnoreACLs: "true", contract.KeyBlockPolicy: "true", contract.KeyRestrictBuckets: "true",
	},
	contract.SettingInstanceMetadata: {contract.KeyHTTPTokens: "required"},
	contract.SettingDetector: {
		contract.KeyEnabled: "true", contract.KeyFrequency: "FIFTEEN_MINUTES",
		"feature/S3_DATA_EVENTS": "ENABLED", "feature/EKS_AUDIT_LOGS": "DISABLED", "feature/EBS_MALWARE_PROTECTION": "ENABLED",
		"feature/RDS_LOGIN_EVENTS": "ENABLED", "feature/LAMBDA_NETWORK_LOGS": "DISABLED", "feature/RUNTIME_MONITORING": "ENABLED",
		"feature/RUNTIME_MONITORING/ECS_FARGATE_AGENT_MANAGEMENT": "ENABLED", "feature/RUNTIME_MONITORING/EC2_AGENT_MANAGEMENT": "DISABLED",
		"feature/RUNTIME_MONITORING/EKS_ADDON_MANAGEMENT": "DISABLED",
	},
	contract.SettingAnalyzer:    {contract.KeyName: "slipway"},
	contract.SettingSecurityHub: {"standard/" + contract.StandardCIS: "true", "standard/" + contract.StandardFSBP: "true"},
	contract.SettingRecorder:    {contract.KeyName: "default", contract.KeyRecording: "true", contract.KeyBucket: "bucket"},
}

// beforehand are accounts with something there already.
var beforehand = map[string]func(*world){
	"a new account": func(*world) {},
	"an account that has all of it, differently": func(w *world) {
		w.account.PasswordPolicy = &iamtypes.PasswordPolicy{MinimumPasswordLength: aws.Int32(8), RequireNumbers: true, HardExpiry: aws.Bool(true), MaxPasswordAge: aws.Int32(365), ExpirePasswords: true}
		w.account.PublicAccess = &s3controltypes.PublicAccessBlockConfiguration{BlockPublicAcls: aws.Bool(true), IgnorePublicAcls: aws.Bool(false), BlockPublicPolicy: aws.Bool(false), RestrictPublicBuckets: aws.Bool(false)}
		w.account.Metadata.HttpTokens = ec2types.HttpTokensStateOptional
		w.guardduty.Detector = w.guardduty.NewDetector("theirs")
		w.analyzers.ByName["theirs"] = aatypes.TypeAccount
		w.analyzers.ByName["everybody"] = aatypes.TypeOrganization
		w.hub.On = true
		w.hub.Standards[contract.StandardFSBP] = shtypes.StandardsStatusReady
		w.hub.Standards["standards/pci-dss/v/4.0.1"] = shtypes.StandardsStatusReady
		w.config.Recorder = &configtypes.ConfigurationRecorder{Name: aws.String("theirs"), RoleARN: aws.String("role")}
		w.config.Channel = &configtypes.DeliveryChannel{Name: aws.String("theirs"), S3BucketName: aws.String("theirs")}
	},
	"an account that is stricter": func(w *world) {
		w.account.PasswordPolicy = &iamtypes.PasswordPolicy{
			MinimumPasswordLength: aws.Int32(20), PasswordReusePrevention: aws.Int32(24), MaxPasswordAge: aws.Int32(30), ExpirePasswords: true, HardExpiry: aws.Bool(false),
			RequireNumbers: true, RequireSymbols: true, RequireLowercaseCharacters: true, RequireUppercaseCharacters: true, AllowUsersToChangePassword: true,
		}
		w.account.EBSEncryption = true
		w.account.Metadata.HttpTokens = ec2types.HttpTokensStateRequired
		w.guardduty.Detector = w.guardduty.NewDetector("theirs")
		w.guardduty.Detector.Features["RUNTIME_MONITORING"], w.guardduty.Detector.Features["EKS_RUNTIME_MONITORING"] = "ENABLED", "DISABLED"
		w.guardduty.Detector.Additional["RUNTIME_MONITORING"]["EC2_AGENT_MANAGEMENT"] = "ENABLED"
		w.config.OfService = "AWSConfigurationRecorderForX"
	},
}

// check says whether the account has what is asked for.
func (w *world) check(setting string) {
	w.t.Helper()
	ok, got := false, any(nil)
	switch setting {
	case contract.SettingPasswordPolicy:
		p := w.account.PasswordPolicy
		got = p
		ok = p != nil && *p.MinimumPasswordLength >= 14 && *p.PasswordReusePrevention == 24 && *p.MaxPasswordAge <= 90 && p.RequireLowercaseCharacters &&
			p.RequireUppercaseCharacters && p.RequireNumbers && p.RequireSymbols && p.AllowUsersToChangePassword
	case contract.SettingEBSEncryption:
		ok = w.account.EBSEncryption
	case contract.SettingS3PublicAccess:
		b := w.account.PublicAccess
		ok = b != nil && *b.BlockPublicAcls && *b.BlockPublicPolicy && *b.IgnorePublicAcls && *b.RestrictPublicBuckets
	case contract.SettingInstanceMetadata:
		ok = w.account.Metadata.HttpTokens == ec2types.HttpTokensStateRequired
	case contract.SettingDetector:
		got = w.guardduty.Detector
		ok = w.guardduty.Detector != nil && w.guardduty.Detector.Enabled && w.guardduty.Detector.Frequency == "FIFTEEN_MINUTES"
		for key, value := range desired[setting] {
			if feature, more, is := contract.ParseFeatureKey(key); is && more == "" {
				ok = ok && string(w.guardduty.Detector.Features[feature]) == value
			} else if is {
				ok = ok && string(w.guardduty.Detector.Additional[feature][more]) == value
			}
		}
		ok = ok && w.guardduty.Detector.Features["EKS_RUNTIME_MONITORING"] == "DISABLED"
	case contract.SettingAnalyzer:
		n := 0
		for _, kind := range w.analyzers.ByName {
			if kind == aatypes.TypeAccount {
				n++
			}
		}
		got, ok = w.analyzers.ByName, n == 1
	case contract.SettingSecurityHub:
		got, ok = w.hub.Standards, w.hub.On && w.standards()[contract.StandardCIS] && w.standards()[contract.StandardFSBP]
	case contract.SettingRecorder:
		got, ok = w.config.Recorder, w.config.Recording && w.config.Channel != nil
	}
	if !ok {
		w.t.Errorf("%s isn't as asked for: %+v", setting, got)
	}
}

// TestTheBaselineIsSetAndItsRemovalRestores is the whole promise, for each setting on each kind of account.
func TestTheBaselineIsSetAndItsRemovalRestores(t *testing.T) {
	for account, prepare := range beforehand {
		for _, setting := range slices.Sorted(maps.Keys(desired)) {
			t.Run(setting+" in "+account, func(t *testing.T) {
				w := newWorld(t)
				prepare(w)
				before := w.snapshot()
				w.must("Create", setting, desired[setting])
				w.check(setting)
				w.must("Create", setting, desired[setting]) // Lambda may deliver twice
				w.check(setting)
				w.must("Update", setting, desired[setting])
				w.check(setting)
				w.must("Delete", setting, desired[setting])
				if after := w.snapshot(); after != before {
					t.Errorf("before %s\nafter  %s", before, after)
				}
				w.must("Delete", setting, desired[setting])
				if after := w.snapshot(); after != before {
					t.Errorf("before %s\nafter the second delete %s", before, after)
				}
			})
		}
	}
}

// TestAFailureAnywhereIsUndone: whatever call fails for good, CloudFormation rolls back with a Delete.
func TestAFailureAnywhereIsUndone(t *testing.T) {
	for account, prepare := range beforehand {
		for _, setting := range slices.Sorted(maps.Keys(desired)) {
			counting := newWorld(t)
			prepare(counting)
			calls := []string{}
			counting.cloud.Before = func(action string) { calls = append(calls, action) }
			counting.must("Create", setting, desired[setting])
			for i, action := range calls {
				w := newWorld(t)
				prepare(w)
				before := w.snapshot()
				n := 0
				w.cloud.Before = func(string) {
					if n == i {
						w.cloud.Fail(action, slices.Repeat([]error{fakeaws.Denied()}, apply.Attempts)...)
					}
					n++
				}
				if a := w.send("Create", setting, desired[setting]); a.Status != "FAILED" || !strings.Contains(a.Reason, "AccessDenied") {
					t.Errorf("%s in %s, call %d (%s) denied: %+v", setting, account, i, action, a)
				}
				w.cloud.Before = nil
				w.cloud.Recover()
				w.must("Delete", setting, desired[setting])
				if after := w.snapshot(); after != before {
					t.Errorf("%s in %s, call %d (%s) denied:\nbefore %s\nafter  %s", setting, account, i, action, before, after)
				}
			}
		}
	}
}

// TestAFailedDeleteIsFinishedByTheNext: nothing is forgotten before it is restored.
func TestAFailedDeleteIsFinishedByTheNext(t *testing.T) {
	for account, prepare := range beforehand {
		for _, setting := range slices.Sorted(maps.Keys(desired)) {
			counting := newWorld(t)
			prepare(counting)
			counting.must("Create", setting, desired[setting])
			calls := []string{}
			counting.cloud.Before = func(action string) { calls = append(calls, action) }
			counting.must("Delete", setting, desired[setting])
			for i, action := range calls {
				w := newWorld(t)
				prepare(w)
				before := w.snapshot()
				w.must("Create", setting, desired[setting])
				n := 0
				w.cloud.Before = func(string) {
					if n == i {
						w.cloud.Fail(action, slices.Repeat([]error{fakeaws.Denied()}, apply.Attempts)...)
					}
					n++
				}
				if a := w.send("Delete", setting, desired[setting]); a.Status != "FAILED" {
					t.Errorf("%s in %s, call %d (%s) denied: %+v", setting, account, i, action, a)
				}
				w.cloud.Before = nil
				w.cloud.Recover()
				w.must("Delete", setting, desired[setting])
				if after := w.snapshot(); after != before {
					t.Errorf("%s in %s, call %d (%s) denied:\nbefore %s\nafter  %s", setting, account, i, action, before, after)
				}
			}
		}
	}
}

func TestNothingIsWrittenWhereAllIsAsAskedFor(t *testing.T) {
	w := newWorld(t)
	for setting := range desired {
		w.must("Create", setting, desired[setting])
	}
	writes := 0
	w.cloud.Before = func(action string) {
		if _, operation, _ := strings.Cut(action, ":"); !strings.HasPrefix(operation, "Get") && !strings.HasPrefix(operation, "List") && !strings.HasPrefix(operation, "Describe") {
			writes++
			t.Errorf("%s", action)
		}
	}
	for setting := range desired {
		w.must("Update", setting, desired[setting])
	}
	if writes > 0 {
		t.Errorf("%d writes", writes)
	}
}

func TestASwitchedOffFeatureIsReallyOff(t *testing.T) {
	w := newWorld(t)
	w.guardduty.Offered = append(w.guardduty.Offered, "AI_PROTECTION") // newer than the configuration, on in a new detector
	a := w.must("Create", contract.SettingDetector, desired[contract.SettingDetector])
	w.check(contract.SettingDetector)
	if w.guardduty.Detector.Features["AI_PROTECTION"] != "DISABLED" {
		t.Error("a feature that nobody asked for is on")
	}
	if a.Data["DetectorId"] != w.guardduty.Detector.ID {
		t.Errorf("attributes %v", a.Data)
	}
	w.must("Delete", contract.SettingDetector, desired[contract.SettingDetector])
	if w.guardduty.Detector != nil {
		t.Error("the detector that wasn't there before is still there")
	}
}

func TestAFeatureThatNobodyCanSwitchOffStopsNothing(t *testing.T) {
	w := newWorld(t)
	w.guardduty.Detector = w.guardduty.NewDetector("theirs")
	w.guardduty.Detector.Features["NEW_FOUNDATION"], w.guardduty.Detector.Features["NEW_FEATURE"] = "ENABLED", "ENABLED"
	w.guardduty.Detector.Fixed = []string{"NEW_FOUNDATION"}
	before := w.snapshot()
	a := w.must("Create", contract.SettingDetector, desired[contract.SettingDetector])
	w.check(contract.SettingDetector)
	if f := w.guardduty.Detector.Features; f["NEW_FEATURE"] != "DISABLED" || f["NEW_FOUNDATION"] != "ENABLED" || a.Data["FeaturesThatStay"] != "NEW_FOUNDATION" {
		t.Errorf("features %v, attributes %v", f, a.Data)
	}
	w.must("Update", contract.SettingDetector, desired[contract.SettingDetector])
	w.must("Delete", contract.SettingDetector, desired[contract.SettingDetector])
	if after := w.snapshot(); after != before {
		t.Errorf("before %s\nafter  %s", before, after)
	}
}

func TestWhatAPolicyOfTheOrganizationManagesIsLeftAlone(t *testing.T) {
	w := newWorld(t)
	w.guardduty.Detector = w.guardduty.NewDetector("theirs")
	w.guardduty.Detector.Policy = []string{"EKS_RUNTIME_MONITORING"}
	off := maps.Clone(desired[contract.SettingDetector])
	for key := range off {
		if strings.HasPrefix(key, "feature/RUNTIME_MONITORING") {
			delete(off, key)
		}
	}
	if a := w.must("Create", contract.SettingDetector, off); w.guardduty.Detector.Features["EKS_RUNTIME_MONITORING"] != "ENABLED" || a.Data["DetectorId"] != "theirs" {
		t.Errorf("%+v, attributes %v", w.guardduty.Detector, a.Data)
	}
}

func TestAMemberOfAnOrganizationLearnsWhatToDo(t *testing.T) {
	w := newWorld(t)
	w.guardduty.Detector = w.guardduty.NewDetector("theirs")
	w.guardduty.Administered = true
	if a := w.send("Create", contract.SettingDetector, desired[contract.SettingDetector]); a.Status != "FAILED" || !strings.Contains(a.Reason, "security.guardDuty.enabled: false") {
		t.Errorf("%+v", a)
	}
	// Where the administrator's settings are those asked for, there is nothing to refuse.
	w = newWorld(t)
	w.must("Create", contract.SettingDetector, desired[contract.SettingDetector])
	w.guardduty.Administered = true
	w.must("Update", contract.SettingDetector, desired[contract.SettingDetector])
}

func TestAStricterPasswordPolicyStays(t *testing.T) {
	w := newWorld(t)
	beforehand["an account that is stricter"](w)
	w.must("Create", contract.SettingPasswordPolicy, desired[contract.SettingPasswordPolicy])
	if p := w.account.PasswordPolicy; *p.MinimumPasswordLength != 20 || *p.MaxPasswordAge != 30 {
		t.Errorf("weakened to %d characters and %d days", *p.MinimumPasswordLength, *p.MaxPasswordAge)
	}
}

// TestWhatSomebodyChangedSinceStays: the removal restores only what is still ours.
func TestWhatSomebodyChangedSinceStays(t *testing.T) {
	w := newWorld(t)
	beforehand["an account that has all of it, differently"](w)
	w.must("Create", contract.SettingPasswordPolicy, desired[contract.SettingPasswordPolicy])
	w.account.PasswordPolicy.MinimumPasswordLength = aws.Int32(30)
	w.must("Delete", contract.SettingPasswordPolicy, desired[contract.SettingPasswordPolicy])
	if p := w.account.PasswordPolicy; *p.MinimumPasswordLength != 30 || *p.MaxPasswordAge != 365 || p.RequireSymbols {
		t.Errorf("got %d characters, %d days, symbols %v", *p.MinimumPasswordLength, *p.MaxPasswordAge, p.RequireSymbols)
	}
	// A policy that wasn't there before, and that somebody made stricter, isn't deleted.
	w = newWorld(t)
	w.must("Create", contract.SettingPasswordPolicy, desired[contract.SettingPasswordPolicy])
	w.account.PasswordPolicy.MinimumPasswordLength = aws.Int32(30)
	w.must("Delete", contract.SettingPasswordPolicy, desired[contract.SettingPasswordPolicy])
	if p := w.account.PasswordPolicy; p == nil || *p.MinimumPasswordLength != 30 || !p.RequireSymbols {
		t.Errorf("got %+v", p)
	}
	// Something that somebody removed altogether isn't made again.
	w = newWorld(t)
	beforehand["an account that has all of it, differently"](w)
	w.must("Create", contract.SettingDetector, desired[contract.SettingDetector])
	w.guardduty.Detector = nil
	w.must("Delete", contract.SettingDetector, desired[contract.SettingDetector])
	if w.guardduty.Detector != nil {
		t.Error("a detector came back")
	}
}

// TestAnUpdateThatFailsHalfWay leaves values of both templates; the rollback and a removal cope with it.
func TestAnUpdateThatFailsHalfWay(t *testing.T) {
	w := newWorld(t)
	beforehand["an account that has all of it, differently"](w)
	before := w.snapshot()
	w.must("Create", contract.SettingPasswordPolicy, desired[contract.SettingPasswordPolicy])
	longer := maps.Clone(desired[contract.SettingPasswordPolicy])
	longer[contract.KeyMinimumLength], longer[contract.KeyMaxAge] = "16", "60"
	w.cloud.Fail("iam:UpdateAccountPasswordPolicy", fakeaws.Denied())
	if a := w.send("Update", contract.SettingPasswordPolicy, longer); a.Status != "FAILED" {
		t.Fatalf("%+v", a)
	}
	w.account.PasswordPolicy.MaxPasswordAge = aws.Int32(60) // the half that was done
	w.must("Delete", contract.SettingPasswordPolicy, longer)
	if after := w.snapshot(); after != before {
		t.Errorf("before %s\nafter  %s", before, after)
	}
}
