package contract

// The CDK's bootstrap stack, with the qualifier that it has unless somebody chose another.
// https://docs.aws.amazon.com/cdk/v2/guide/bootstrapping-env.html
const (
	BootstrapQualifier = "hnb659fds"
	// BootstrapVersionParameter is the SSM parameter with the version of an account's bootstrap stack.
	BootstrapVersionParameter = "/cdk-bootstrap/" + BootstrapQualifier + "/version"
	// BootstrapVersion is the least that the stacks need: CDK Pipelines' own minimum is 12, and stacks with assets ask for 6.
	BootstrapVersion = 21
)

// LookupRoleARN is the bootstrap role with which another account may read, and nothing else.
func LookupRoleARN(account, region string) string {
	return "arn:aws:iam::" + account + ":role/cdk-" + BootstrapQualifier + "-lookup-role-" + account + "-" + region
}
