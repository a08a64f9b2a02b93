package contract

// The CDK's bootstrap stack, with the qualifier that it has unless somebody chose another.
// https://docs.aws.amazon.com/cdk/v2/guide/bootstrapping-env.html
const (
	BootstrapQualifier = "hnb659fds"
	// BootstrapVersionParameter is the SSM parameter with the version of an account's bootstrap stack.
	BootstrapVersionParameter = "/cdk-bootstrap/" + BootstrapQualifier + "/version"
	// BootstrapVersion is the least that Slipway needs: templates ask for 6, and the role that only reads is there from 8 on.
	// https://github.com/aws/aws-cdk/blob/main/packages/aws-cdk-lib/core/lib/stack-synthesizers/default-synthesizer.ts
	BootstrapVersion = 8
)
