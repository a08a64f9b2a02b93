// Package gofunction deploys a Lambda function written in Go, with a declared log group and a role that can do nothing
// but write to it until statements are added.
package gofunction

import (
	"path/filepath"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsec2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"slipway/constructs/loggroup"
	"slipway/constructs/nag"
)

// Code says where the built Lambdas are and for which architecture.
type Code struct {
	// Directory holds <architecture>/<name>/bootstrap for each Lambda.
	Directory string
	// Architecture is "arm64" or "x86_64", as Lambda names them.
	Architecture string
}

// Props of a Function.
type Props struct {
	Code Code
	// Name is the Lambda's folder under Code.Directory.
	Name string
	// FunctionName is a name for people and for those who invoke it; default one that CloudFormation makes.
	FunctionName string
	Description  string
	// Timeout is at most 15 minutes; default one minute.
	Timeout time.Duration
	// MemoryMiB is 128–10240; default 256.
	MemoryMiB   int
	Environment map[string]string
	// Logs is the function's log group.
	Logs loggroup.Props
	// DeadLetterQueue receives asynchronous events that failed; nil for functions that answer CloudFormation themselves.
	DeadLetterQueue awssqs.IQueue
	// RetryAttempts for asynchronous events, 0–2; MaxEventAge 1 minute to 6 hours. Used with DeadLetterQueue.
	RetryAttempts int
	MaxEventAge   time.Duration
	// Network puts the function into a VPC; nil leaves it outside.
	Network *Network
}

// Network is where a function in a VPC runs: in the private subnets, with a way out.
type Network struct {
	VPC            awsec2.IVpc
	SecurityGroups []awsec2.ISecurityGroup
}

// Function is a Go Lambda.
type Function struct {
	construct constructs.Construct
	function  awslambda.Function
	role      awsiam.Role
}

// New creates the function, its role and its log group.
func New(scope constructs.Construct, id string, props Props) *Function {
	this := constructs.NewConstruct(scope, jsii.String(id))

	logs := loggroup.New(this, "Logs", props.Logs)
	role := awsiam.NewRole(this, jsii.String("Role"), &awsiam.RoleProps{
		AssumedBy:   awsiam.NewServicePrincipal(jsii.String("lambda.amazonaws.com"), nil),
		Description: jsii.String("Role of " + props.Description),
	})
	// AWSLambdaBasicExecutionRole would allow every log group of the account; this is the one that is needed.
	logs.GrantWrite(role)

	environment := map[string]*string{}
	for key, value := range props.Environment {
		environment[key] = jsii.String(value)
	}
	functionProps := &awslambda.FunctionProps{
		Runtime:      awslambda.Runtime_PROVIDED_AL2023(),
		Architecture: architecture(props.Code.Architecture),
		Handler:      jsii.String("bootstrap"),
		Code:         awslambda.Code_FromAsset(jsii.String(filepath.Join(props.Code.Directory, props.Code.Architecture, props.Name)), nil),
		Description:  jsii.String(props.Description),
		Environment:  &environment,
		LogGroup:     logs,
		Role:         role,
		MemorySize:   jsii.Number(orDefault(props.MemoryMiB, 256)),
		Timeout:      seconds(orDefault(props.Timeout, time.Minute)),
	}
	if props.FunctionName != "" {
		functionProps.FunctionName = jsii.String(props.FunctionName)
	}
	if props.DeadLetterQueue != nil {
		functionProps.DeadLetterQueue = props.DeadLetterQueue
		functionProps.RetryAttempts = jsii.Number(props.RetryAttempts)
		functionProps.MaxEventAge = seconds(props.MaxEventAge)
	}
	if props.Network != nil {
		attach(role, functionProps, *props.Network)
	}
	function := awslambda.NewFunction(this, jsii.String("Function"), functionProps)
	return &Function{construct: this, function: function, role: role}
}

// Construct is the scope of the function, its role and its log group.
func (f *Function) Construct() constructs.Construct { return f.construct }

// Resource is the CDK's function, for targets, alarms and tokens.
func (f *Function) Resource() awslambda.Function { return f.function }

// ARN is the function's ARN, a token.
func (f *Function) ARN() string { return *f.function.FunctionArn() }

// Allow adds one statement to the role. A nil or empty condition is left out.
func (f *Function) Allow(actions, resources []string, condition map[string]any) {
	props := &awsiam.PolicyStatementProps{
		Actions:   jsii.Strings(actions...),
		Resources: jsii.Strings(resources...),
	}
	if len(condition) > 0 {
		props.Conditions = &condition
	}
	f.role.AddToPolicy(awsiam.NewPolicyStatement(props))
}

// attach lets Lambda make the function's network interfaces. These are the actions that Lambda checks for; none of them
// can be narrowed beforehand to interfaces that don't exist yet.
// https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html#configuration-vpc-permissions
func attach(role awsiam.Role, props *awslambda.FunctionProps, network Network) {
	role.AddToPolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Sid: jsii.String("NetworkInterfaces"),
		Actions: jsii.Strings("ec2:CreateNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets", "ec2:DeleteNetworkInterface",
			"ec2:AssignPrivateIpAddresses", "ec2:UnassignPrivateIpAddresses"),
		Resources: jsii.Strings("*"),
	}))
	nag.Suppress(role, "AwsSolutions-IAM5", "Lambda needs these EC2 actions for a function in a VPC, on interfaces that have no name before they exist.")
	props.Vpc = network.VPC
	props.VpcSubnets = &awsec2.SubnetSelection{SubnetType: awsec2.SubnetType_PRIVATE_WITH_EGRESS}
	props.SecurityGroups = &network.SecurityGroups
}

// Deny adds one statement that no other can outweigh.
func (f *Function) Deny(actions, resources []string) {
	f.role.AddToPolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Effect: awsiam.Effect_DENY, Actions: jsii.Strings(actions...), Resources: jsii.Strings(resources...),
	}))
}

// SetEnvironment adds a variable whose value isn't known before the function is, such as its role's name.
func (f *Function) SetEnvironment(name, value string) {
	f.function.AddEnvironment(jsii.String(name), jsii.String(value), nil)
}

// RoleName is the name of the function's role, a token.
func (f *Function) RoleName() string { return *f.role.RoleName() }

// RoleARN is the ARN of the function's role, a token.
func (f *Function) RoleARN() string { return *f.role.RoleArn() }

func architecture(name string) awslambda.Architecture {
	if name == "arm64" {
		return awslambda.Architecture_ARM_64()
	}
	return awslambda.Architecture_X86_64()
}

func seconds(d time.Duration) awscdk.Duration {
	return awscdk.Duration_Seconds(jsii.Number(d.Seconds()))
}

func orDefault[T comparable](value, fallback T) T {
	var zero T
	if value == zero {
		return fallback
	}
	return value
}
