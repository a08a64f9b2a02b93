// Package cdkprovider tidies the singleton functions that CDK brings along for its own custom resources.
package cdkprovider

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
)

// Resource types of CDK's custom resources, after which it names their providers.
const (
	AutoDeleteObjects = "Custom::S3AutoDeleteObjects"
	ZoneDelegation    = "Custom::CrossAccountZoneDelegation"
)

// DeclareLogGroup gives the provider's function a declared log group. CDK has no option for it, and the group that
// Lambda makes by itself never expires and outlives the stack. Call it after the construct that brings the provider;
// a second call for the same stack and kind does nothing. It panics when the provider isn't there, since CDK has then
// renamed it and the group would silently go missing.
func DeclareLogGroup(scope constructs.Construct, kind string, days int) {
	stack := awscdk.Stack_Of(scope)
	provider := stack.Node().TryFindChild(jsii.String(kind + "CustomResourceProvider"))
	if provider == nil {
		panic("cdkprovider: stack " + *stack.StackName() + " has no provider of " + kind + "; look up what this CDK version calls it")
	}
	if provider.Node().TryFindChild(jsii.String("LogGroup")) != nil {
		return
	}
	// It holds nothing but the provider's own messages, so it goes with the stack in every stage.
	group := awslogs.NewLogGroup(provider.(constructs.Construct), jsii.String("LogGroup"), &awslogs.LogGroupProps{
		RemovalPolicy: awscdk.RemovalPolicy_DESTROY,
	})
	group.Node().DefaultChild().(awslogs.CfnLogGroup).SetRetentionInDays(jsii.Number(days))
	handler := provider.Node().FindChild(jsii.String("Handler")).(awscdk.CfnResource)
	handler.AddPropertyOverride(jsii.String("LoggingConfig"), map[string]any{"LogGroup": group.LogGroupName()})
}
