package stacks

import (
	"maps"
	"slices"
	"strconv"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"

	"slipway/constructs/accountbaseline"
	"slipway/constructs/configbucket"
	"slipway/constructs/gofunction"
	"slipway/constructs/loggroup"
	"slipway/internal/config"
	"slipway/internal/contract"
)

// setBaseline brings the account's settings to what platform.yaml asks for.
func (s *Security) setBaseline(cfg *config.Config, account config.SecurityAccount, code gofunction.Code) {
	wish := cfg.Security
	baseline := accountbaseline.New(s.Stack, "Account", accountbaseline.Props{
		Code: code, Platform: cfg.Platform, Account: account.ID, Region: cfg.Region,
		Logs: loggroup.Props{Name: contract.SecurityLogGroup(cfg.Platform, "account-baseline"), Days: wish.Trail.LogDays, Key: s.LogKey, Retain: s.Retain},
	})
	baseline.Set("PasswordPolicy", contract.SettingPasswordPolicy, map[string]string{
		contract.KeyMinimumLength: strconv.Itoa(wish.Password.MinLength),
		contract.KeyReuse:         strconv.Itoa(wish.Password.Reuse),
		contract.KeyMaxAge:        strconv.Itoa(wish.Password.MaxAgeDays),
		contract.KeyUppercase:     contract.On, contract.KeyLowercase: contract.On, contract.KeyNumbers: contract.On, contract.KeySymbols: contract.On,
		contract.KeyChangeTheirOwn: contract.On,
	})
	baseline.Set("EbsEncryption", contract.SettingEBSEncryption, map[string]string{contract.KeyEnabled: contract.On})
	baseline.Set("InstanceMetadata", contract.SettingInstanceMetadata, map[string]string{contract.KeyHTTPTokens: "required"})
	baseline.Set("AccessAnalyzer", contract.SettingAnalyzer, map[string]string{contract.KeyName: cfg.Platform})
	if *wish.BlockPublicBuckets {
		baseline.Set("PublicBuckets", contract.SettingS3PublicAccess, map[string]string{
			contract.KeyBlockACLs: contract.On, contract.KeyIgnoreACLs: contract.On, contract.KeyBlockPolicy: contract.On, contract.KeyRestrictBuckets: contract.On,
		})
	}
	if *wish.GuardDuty.Enabled {
		detector := baseline.Set("Detector", contract.SettingDetector, detectorValues(wish.GuardDuty))
		awscdk.NewCfnOutput(s.Stack, jsii.String("DetectorId"), &awscdk.CfnOutputProps{
			Value: detector.GetAttString(jsii.String("DetectorId")), Description: jsii.String("GuardDuty's detector, made or adopted"),
		})
	}
	if !wish.RecordConfiguration {
		return
	}
	bucket := configbucket.New(s.Stack, "ConfigBucket", configbucket.Props{
		KeepDays: wish.Trail.KeepDays, LogDays: wish.Trail.LogDays, AccessLogs: s.trail.AccessLogs(), Retain: s.Retain,
	})
	recorder := baseline.SetTokens("Recorder", contract.SettingRecorder, map[string]string{
		contract.KeyName: "default", contract.KeyRecording: contract.On, contract.KeyBucket: bucket.Name(),
	})
	recorder.Node().AddDependency(bucket.Policy())
	if wish.SecurityHub {
		hub := baseline.Set("SecurityHub", contract.SettingSecurityHub, map[string]string{
			contract.StandardKey(contract.StandardCIS): contract.On, contract.StandardKey(contract.StandardFSBP): contract.On,
		})
		hub.Node().AddDependency(recorder)
	}
}

// features are GuardDuty's names: the feature, and for an agent the additional configuration that manages it.
var features = map[config.Feature][]string{
	config.FeatureS3:             {"S3_DATA_EVENTS"},
	config.FeatureMalware:        {"EBS_MALWARE_PROTECTION"},
	config.FeatureRDS:            {"RDS_LOGIN_EVENTS"},
	config.FeatureLambda:         {"LAMBDA_NETWORK_LOGS"},
	config.FeatureEKSAudit:       {"EKS_AUDIT_LOGS"},
	config.FeatureFargateRuntime: {"RUNTIME_MONITORING", "ECS_FARGATE_AGENT_MANAGEMENT"},
	config.FeatureEC2Runtime:     {"RUNTIME_MONITORING", "EC2_AGENT_MANAGEMENT"},
	config.FeatureEKSRuntime:     {"RUNTIME_MONITORING", "EKS_ADDON_MANAGEMENT"},
}

// detectorValues name every feature, on or off: GuardDuty switches on what it isn't told.
func detectorValues(g config.GuardDuty) map[string]string {
	off, on := map[string]string{}, map[string]string{
		contract.KeyEnabled:   contract.On,
		contract.KeyFrequency: map[string]string{"15m0s": "FIFTEEN_MINUTES", "1h0m0s": "ONE_HOUR", "6h0m0s": "SIX_HOURS"}[g.Frequency.String()],
	}
	for _, feature := range config.Features {
		names := features[feature]
		values, status := off, contract.Disabled
		if slices.Contains(g.Features, feature) {
			values, status = on, contract.Enabled
		}
		values[contract.FeatureKey(names[0])] = status
		if len(names) > 1 {
			values[contract.FeatureKey(names[0], names[1:]...)] = status
		}
	}
	all := maps.Clone(off)
	maps.Copy(all, on) // one agent that is asked for switches the feature on, for that agent
	for key := range all {
		// Without the feature, GuardDuty manages no agent of it.
		if feature, additional, _ := contract.ParseFeatureKey(key); additional != "" && all[contract.FeatureKey(feature)] == contract.Disabled {
			delete(all, key)
		}
	}
	return all
}

// runtimeAgent says whether GuardDuty puts an agent beside Fargate tasks.
func runtimeAgent(cfg *config.Config) bool {
	return *cfg.Security.GuardDuty.Enabled && slices.Contains(cfg.Security.GuardDuty.Features, config.FeatureFargateRuntime)
}
