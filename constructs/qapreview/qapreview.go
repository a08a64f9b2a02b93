// Package qapreview answers the QA domain itself with the list of environments.
package qapreview

import (
	"fmt"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awselasticloadbalancingv2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"slipway/constructs/gofunction"
	"slipway/constructs/loggroup"
	"slipway/constructs/nag"
	"slipway/internal/contract"
)

// Props of a Page.
type Props struct {
	Code gofunction.Code
	// ListSettings is what the list needs besides the facts, as JSON.
	ListSettings string
	// Cluster is the name, ClusterARN the ARN, and ServicesARN covers the services, of the QA cluster.
	Cluster     string
	ClusterARN  string
	ServicesARN string
	// ListenerARN is the shared HTTPS listener, Host the name that the page answers.
	ListenerARN string
	Host        string
	// SignIn is the provider at which people sign in; nil lets everyone through.
	SignIn *contract.SignIn
	Logs   loggroup.Props
}

// New makes the function, its target group and its rule.
func New(scope constructs.Construct, id string, props Props) *gofunction.Function {
	function := gofunction.New(scope, id, gofunction.Props{
		Code:        props.Code,
		Name:        "qapreview",
		Description: "Page with the list of QA environments",
		Timeout:     15 * time.Second, // a person waits
		Environment: map[string]string{contract.EnvCluster: props.Cluster, contract.EnvList: props.ListSettings},
		Logs:        props.Logs,
	})
	inCluster := map[string]any{"ArnEquals": map[string]any{"ecs:cluster": props.ClusterARN}}
	function.Allow([]string{"ecs:ListServices"}, []string{"*"}, inCluster) // knows no resource, only the condition
	function.Allow([]string{"ecs:DescribeServices"}, []string{props.ServicesARN}, inCluster)
	function.Allow([]string{"cloudformation:ListStacks"}, []string{"*"}, nil) // knows no resource
	nag.Suppress(function.Construct(), "AwsSolutions-IAM5", "Services of the QA cluster only, whose names are not known beforehand; the two listings support no resource.")

	stack := awscdk.Stack_Of(scope)
	permission := awslambda.NewCfnPermission(function.Construct(), jsii.String("Permission"), &awslambda.CfnPermissionProps{
		Action:       jsii.String("lambda:InvokeFunction"),
		FunctionName: jsii.String(function.ARN()),
		Principal:    jsii.String("elasticloadbalancing.amazonaws.com"),
		// Of this account. The one target group doesn't exist yet: it is made with the function in it, which asks for this.
		SourceArn: jsii.String(fmt.Sprintf("arn:aws:elasticloadbalancing:%s:%s:targetgroup/*", *stack.Region(), *stack.Account())),
	})
	targets := awselasticloadbalancingv2.NewCfnTargetGroup(function.Construct(), jsii.String("Targets"), &awselasticloadbalancingv2.CfnTargetGroupProps{
		TargetType: jsii.String("lambda"),
		Targets:    &[]any{&awselasticloadbalancingv2.CfnTargetGroup_TargetDescriptionProperty{Id: jsii.String(function.ARN())}},
	})
	targets.AddResourceDependency(permission, nil)
	awselasticloadbalancingv2.NewCfnListenerRule(function.Construct(), jsii.String("Rule"), &awselasticloadbalancingv2.CfnListenerRuleProps{
		ListenerArn: jsii.String(props.ListenerARN),
		Priority:    jsii.Number(contract.PreviewRulePriority),
		Conditions: &[]any{&awselasticloadbalancingv2.CfnListenerRule_RuleConditionProperty{
			Field:            jsii.String("host-header"),
			HostHeaderConfig: &awselasticloadbalancingv2.CfnListenerRule_HostHeaderConfigProperty{Values: jsii.Strings(props.Host)},
		}},
		Actions: actions(props.SignIn, targets.Ref()),
	})
	return function
}

func actions(signIn *contract.SignIn, group *string) *[]any {
	forward := &awselasticloadbalancingv2.CfnListenerRule_ActionProperty{Type: jsii.String("forward"), TargetGroupArn: group}
	if signIn == nil {
		return &[]any{forward}
	}
	forward.Order = jsii.Number(2)
	return &[]any{
		&awselasticloadbalancingv2.CfnListenerRule_ActionProperty{
			Type: jsii.String("authenticate-oidc"), Order: jsii.Number(1),
			AuthenticateOidcConfig: &awselasticloadbalancingv2.CfnListenerRule_AuthenticateOidcConfigProperty{
				Issuer: &signIn.Issuer, AuthorizationEndpoint: &signIn.AuthorizationEndpoint, TokenEndpoint: &signIn.TokenEndpoint,
				UserInfoEndpoint: &signIn.UserInfoEndpoint, ClientId: &signIn.ClientID, Scope: &signIn.Scope,
				SessionTimeout: jsii.Number(signIn.SessionSeconds), OnUnauthenticatedRequest: jsii.String("authenticate"),
				// CloudFormation puts the secret in when it makes the rule; the template holds this reference only.
				ClientSecret: jsii.String("{{resolve:secretsmanager:" + signIn.SecretARN + ":SecretString}}"),
			},
		},
		forward,
	}
}
