// Package hostrule sends requests for a QA environment's host to its target group. The rule is a custom resource rather than
// CloudFormation's own, for that one wants a priority beforehand, and only its creation tells which one is free.
package hostrule

import (
	"encoding/json"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"slipway/constructs/gofunction"
	"slipway/constructs/loggroup"
	"slipway/constructs/nag"
	"slipway/internal/contract"
)

// ProviderProps of a Provider.
type ProviderProps struct {
	Code gofunction.Code
	// Platform and Domain give the environments' names and hosts.
	Platform string
	Domain   string
	// ListenerARN is the shared HTTPS listener.
	ListenerARN string
	// SignIn is the provider at which people sign in; nil lets everyone through.
	SignIn *contract.SignIn
	// SecretKeyARN is the KMS key of the sign-in's secret; empty for AWS's own.
	SecretKeyARN string
	Logs         loggroup.Props
}

// Provider is the Lambda behind all host rules of a listener. It outlives the environments, whose stacks ask it to delete
// their rules.
type Provider struct {
	function *gofunction.Function
}

// NewProvider deploys the Lambda.
func NewProvider(scope constructs.Construct, id string, props ProviderProps) *Provider {
	environment := map[string]string{
		contract.EnvPlatform: props.Platform, contract.EnvDomain: props.Domain, contract.EnvListenerARN: props.ListenerARN,
	}
	if props.SignIn != nil {
		raw, err := json.Marshal(props.SignIn)
		if err != nil {
			panic(err) // strings and a number
		}
		environment[contract.EnvSignIn] = string(raw)
	}
	function := gofunction.New(scope, id, gofunction.Props{
		Code:        props.Code,
		Name:        "qarule",
		Description: "Host rules of the QA environments",
		Timeout:     2 * time.Minute,
		Environment: environment,
		Logs:        props.Logs,
	})
	// Neither of these two knows a resource.
	function.Allow([]string{"elasticloadbalancing:DescribeRules", "elasticloadbalancing:DescribeTags"}, []string{"*"}, nil)
	rules := ruleARN(props.ListenerARN)
	function.Allow([]string{"elasticloadbalancing:CreateRule"}, []string{props.ListenerARN}, nil)
	function.Allow([]string{"elasticloadbalancing:ModifyRule", "elasticloadbalancing:DeleteRule"}, []string{rules}, nil)
	// Elastic Load Balancing asks for this when CreateRule gives tags.
	function.Allow([]string{"elasticloadbalancing:AddTags"}, []string{rules}, map[string]any{
		"StringEquals": map[string]any{"elasticloadbalancing:CreateAction": "CreateRule"},
	})
	if props.SignIn != nil {
		function.Allow([]string{"secretsmanager:GetSecretValue"}, []string{props.SignIn.SecretARN}, nil)
		if props.SecretKeyARN != "" {
			function.Allow([]string{"kms:Decrypt"}, []string{props.SecretKeyARN}, map[string]any{
				"StringEquals": map[string]any{"kms:EncryptionContext:SecretARN": props.SignIn.SecretARN},
			})
		}
	}
	nag.Suppress(function.Construct(), "AwsSolutions-IAM5", "Rules of the one shared listener only, whose names Elastic Load Balancing makes; its listings support no resource.")
	return &Provider{function: function}
}

// ARN is the Lambda's ARN, the service token of New.
func (p *Provider) ARN() string { return p.function.ARN() }

// ruleARN covers the listener's rules: …:listener/app/… has them at …:listener-rule/app/…/<rule>.
func ruleARN(listener string) string {
	parts := awscdk.Fn_Split(jsii.String(":listener/"), jsii.String(listener), nil)
	return *awscdk.Fn_Select(jsii.Number(0), parts) + ":listener-rule/" + *awscdk.Fn_Select(jsii.Number(1), parts) + "/*"
}

// Props of a rule.
type Props struct {
	// ServiceToken is Provider.ARN.
	ServiceToken string
	// TargetGroupARN is where the requests go. The host follows from the stack's name.
	TargetGroupARN string
}

// New makes the rule when the stack is deployed, and deletes it with the stack.
func New(scope constructs.Construct, id string, props Props) awscdk.CustomResource {
	return awscdk.NewCustomResource(scope, jsii.String(id), &awscdk.CustomResourceProps{
		ServiceToken:   jsii.String(props.ServiceToken),
		ResourceType:   jsii.String("Custom::SlipwayHostRule"),
		ServiceTimeout: awscdk.Duration_Minutes(jsii.Number(3)),
		Properties:     &map[string]any{"TargetGroupArn": props.TargetGroupARN},
	})
}
