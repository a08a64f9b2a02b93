// Package nag suppresses cdk-nag findings, each with the reason why it does not apply.
package nag

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
	"github.com/cdklabs/cdk-nag-go/cdknag/v2"
)

// Suppress accepts the finding of one rule on a construct and its children, for a written reason of at least ten
// characters (cdk-nag's minimum).
func Suppress(scope constructs.IConstruct, rule, reason string) {
	cdknag.NagSuppressions_AddResourceSuppressions(scope, &[]*cdknag.NagPackSuppression{
		{Id: jsii.String(rule), Reason: jsii.String(reason)},
	}, jsii.Bool(true))
}

// SuppressOnStack accepts the finding of one rule on a whole stack; only where the construct cannot be reached, such as
// CDK's singleton custom-resource providers.
func SuppressOnStack(stack awscdk.Stack, rule, reason string) {
	cdknag.NagSuppressions_AddStackSuppressions(stack, &[]*cdknag.NagPackSuppression{
		{Id: jsii.String(rule), Reason: jsii.String(reason)},
	}, jsii.Bool(false))
}
