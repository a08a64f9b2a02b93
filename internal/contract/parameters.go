package contract

// Keys of SharedParameter: what a QA environment's stack reads of the shared stacks of its stage. These are SSM
// parameters rather than exports, so that no environment locks an update of the shared stacks.
const (
	KeyVPCID              = "vpc-id"
	KeyPrivateSubnetIDs   = "private-subnet-ids" // StringList, in the order of the zones
	KeyAppSecurityGroupID = "app-security-group-id"
	KeyListenerARN        = "listener-arn"       // the shared front's HTTPS listener
	KeyImageResolverARN   = "image-resolver-arn" // the custom resource behind every environment's image
	KeyBucketName         = "bucket-name"
	KeyBucketKeyARN       = "bucket-key-arn"
	KeyLogKeyARN          = "log-key-arn"
	KeyDatabaseSecretARN  = "database-secret-arn"
	KeyDatabaseKeyARN     = "database-key-arn"
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
