package contract

import (
	"fmt"
	"strings"
)

// Keys of SharedParameter: what a QA environment's stack reads of the shared stacks of its stage. These are SSM
// parameters rather than exports, so that no environment locks an update of the shared stacks.
const (
	KeyVPCID              = "vpc-id"
	KeyPrivateSubnetIDs   = "private-subnet-ids" // StringList, in the order of the zones
	KeyAppSecurityGroupID = "app-security-group-id"
	KeyListenerARN        = "listener-arn"       // the shared front's HTTPS listener
	KeyImageResolverARN   = "image-resolver-arn" // the custom resource behind every environment's image
	KeyRuleARN            = "rule-arn"           // the custom resource behind every environment's host rule
	KeyBucketName         = "bucket-name"
	KeyBucketKeyARN       = "bucket-key-arn"
	KeyLogKeyARN          = "log-key-arn"
	KeyDatabaseHost       = "database-host"
	KeyDatabasePort       = "database-port"
	KeyDatabaseKeyARN     = "database-key-arn"   // encrypts the environments' database secrets
	KeyDatabaseMakerARN   = "database-maker-arn" // the custom resource behind every environment's database
	KeyPrefixCleanerARN   = "prefix-cleaner-arn" // the custom resource that empties an environment's prefix
)

// ImageParameter holds the image tag or digest that runs in an environment, a stage's name or a QA slug. A slug has a
// hyphen and a stage's name has none, so the two never meet.
func ImageParameter(platform, environment string) string {
	return "/" + platform + "/" + environment + "/image"
}

// SharedParameter holds a value that a stage's shared stacks publish under one of the keys above.
func SharedParameter(platform, stage, key string) string {
	return "/" + platform + "/" + stage + "/shared/" + key
}

// CleanupSwitch is the parameter by which people pause all deletion of QA environments.
func CleanupSwitch(platform, stage string) string { return "/" + platform + "/" + stage + "/cleanup" }

// The values of CleanupSwitch: on, or paused with a reason for people. SwitchPattern is what it may hold.
const (
	SwitchOn      = "on"
	SwitchPaused  = "paused"
	SwitchPattern = `^(on|paused(: .{1,200})?)$`
)

// ParseSwitch reads the value of CleanupSwitch. Anything else than the values above is an error: nothing may be deleted then.
func ParseSwitch(value string) (paused bool, reason string, err error) {
	if value == SwitchOn {
		return false, "", nil
	}
	if value == SwitchPaused {
		return true, "", nil
	}
	if reason, ok := strings.CutPrefix(value, SwitchPaused+": "); ok {
		return true, reason, nil
	}
	return false, "", fmt.Errorf("the cleanup's switch says %q; set it to %s, or to %s: <why>", shortened(value), SwitchOn, SwitchPaused)
}
