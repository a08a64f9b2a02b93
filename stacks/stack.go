package stacks

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"slipway/internal/config"
)

// newStack creates a stack whose construct ID, artifact and physical name are all id, in the account of that name in
// platform.yaml. protect switches termination protection on.
func newStack(scope constructs.Construct, cfg *config.Config, account, id, description string, protect bool) awscdk.Stack {
	return newNamedStack(scope, cfg, account, id, id, description, protect)
}

// newNamedStack is newStack for a stack whose name is another's too, in another account: its construct ID differs.
func newNamedStack(scope constructs.Construct, cfg *config.Config, account, id, name, description string, protect bool) awscdk.Stack {
	return awscdk.NewStack(scope, jsii.String(id), &awscdk.StackProps{
		StackName:             jsii.String(name),
		Description:           jsii.String(description),
		Env:                   &awscdk.Environment{Account: jsii.String(cfg.Accounts[account]), Region: jsii.String(cfg.Region)},
		TerminationProtection: jsii.Bool(protect),
	})
}

// after makes a stack wait for another one that the same command deploys. Stacks of different stages of the pipeline follow
// each other anyway, and the CDK refuses a dependency between them.
func after(stack, other awscdk.Stack, reason string) {
	if *awscdk.Stage_Of(stack).StageName() == *awscdk.Stage_Of(other).StageName() {
		stack.AddStackDependency(other, jsii.String(reason))
	}
}
