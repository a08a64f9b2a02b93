// Package retention says what becomes of data, keys and logs when their stack goes.
package retention

import "github.com/aws/aws-cdk-go/awscdk/v2"

// Policy keeps a resource when its stack is deleted, or lets it go with it.
func Policy(retain bool) awscdk.RemovalPolicy {
	if retain {
		return awscdk.RemovalPolicy_RETAIN
	}
	return awscdk.RemovalPolicy_DESTROY
}
