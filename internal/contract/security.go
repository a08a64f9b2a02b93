package contract

import "strings"

// TrailName is the account's CloudTrail trail.
func TrailName(platform string) string { return platform }

// SecurityLogGroup is a log group of an account's security stack.
func SecurityLogGroup(platform, name string) string { return "/" + platform + "/security/" + name }

// Properties of the custom resource behind each setting of the account; all are strings.
const (
	PropertySetting = "Setting" // one of the settings below
	PropertyMemory  = "Memory"  // SSM parameter that keeps what was before
	PropertyDesired = "Desired" // JSON object of strings
)

// Settings of an account that have no CloudFormation type, or of which an account can have only one.
const (
	SettingPasswordPolicy   = "password-policy"
	SettingEBSEncryption    = "ebs-encryption"
	SettingS3PublicAccess   = "s3-public-access"
	SettingInstanceMetadata = "instance-metadata"
	SettingDetector         = "guardduty-detector"
	SettingAnalyzer         = "access-analyzer"
	SettingSecurityHub      = "security-hub"
	SettingRecorder         = "config-recorder"
)

// SettingMemory is the SSM parameter that keeps what an account's setting was before; * stands for all of them.
func SettingMemory(platform, setting string) string {
	return "/" + platform + "/security/before/" + setting
}

// Keys of desired values. A feature of GuardDuty is FeatureKey.
const (
	KeyMinimumLength  = "minimumLength"
	KeyReuse          = "reusePrevention"
	KeyMaxAge         = "maxAgeDays" // 0: passwords don't expire
	KeyUppercase      = "uppercase"
	KeyLowercase      = "lowercase"
	KeyNumbers        = "numbers"
	KeySymbols        = "symbols"
	KeyChangeTheirOwn = "usersChangeTheirOwn"
	KeyHardExpiry     = "hardExpiry"

	KeyEnabled   = "enabled"
	KeyFrequency = "frequency"

	KeyBlockACLs       = "blockPublicAcls"
	KeyIgnoreACLs      = "ignorePublicAcls"
	KeyBlockPolicy     = "blockPublicPolicy"
	KeyRestrictBuckets = "restrictPublicBuckets"

	KeyHTTPTokens = "httpTokens"
	KeyName       = "name"
	KeyRecording  = "recording"
	KeyBucket     = "bucket"
)

// Values of features, tokens and switches.
const (
	On       = "true"
	Off      = "false"
	Enabled  = "ENABLED"
	Disabled = "DISABLED"
)

// FeatureKey is the key of a feature of GuardDuty, or of an additional configuration of it, such as
// feature/RUNTIME_MONITORING/ECS_FARGATE_AGENT_MANAGEMENT.
func FeatureKey(feature string, additional ...string) string {
	key := featurePrefix + feature
	for _, part := range additional {
		key += "/" + part
	}
	return key
}

const featurePrefix = "feature/"

// ParseFeatureKey is the inverse of FeatureKey; additional is empty for the feature itself.
func ParseFeatureKey(key string) (feature, additional string, ok bool) {
	rest, ok := strings.CutPrefix(key, featurePrefix)
	if !ok {
		return "", "", false
	}
	feature, additional, _ = strings.Cut(rest, "/")
	return feature, additional, feature != ""
}

// StandardKey is the key of a standard of Security Hub, by the end of its ARN.
func StandardKey(standard string) string { return standardPrefix + standard }

const standardPrefix = "standard/"

// ParseStandardKey is the inverse of StandardKey.
func ParseStandardKey(key string) (standard string, ok bool) {
	return strings.CutPrefix(key, standardPrefix)
}

// Standards of Security Hub: the ends of their ARNs.
const (
	StandardCIS  = "standards/cis-aws-foundations-benchmark/v/5.0.0"
	StandardFSBP = "standards/aws-foundational-security-best-practices/v/1.0.0"
)
