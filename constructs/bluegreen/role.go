package bluegreen

import (
	"fmt"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awselasticloadbalancingv2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"slipway/constructs/nag"
)

// newRole is what CodeDeploy works with. The actions are those of the managed policy AWSCodeDeployRoleForECS, which
// allows them on everything in the account; here they are narrowed to this service, these listeners and this hook. Those
// for AppSecs in S3 and for SNS triggers are left out: neither is used.
// https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AWSCodeDeployRoleForECS.html
func newRole(scope constructs.Construct, props Props) awsiam.Role {
	role := awsiam.NewRole(scope, jsii.String("Role"), &awsiam.RoleProps{
		Description: jsii.String("Lets CodeDeploy deploy " + props.Name),
		AssumedBy: awsiam.NewServicePrincipal(jsii.String("codedeploy.amazonaws.com"), &awsiam.ServicePrincipalOpts{
			// Not for another account's deployment group that was given this role's ARN.
			Conditions: &map[string]any{"StringEquals": map[string]any{"aws:SourceAccount": props.Account}},
		}),
	})
	allow := func(sid string, actions, resources []string, condition map[string]any) {
		statement := &awsiam.PolicyStatementProps{Sid: jsii.String(sid), Actions: jsii.Strings(actions...), Resources: jsii.Strings(resources...)}
		if condition != nil {
			statement.Conditions = &condition
		}
		role.AddToPolicy(awsiam.NewPolicyStatement(statement))
	}
	taskSets := strings.Replace(props.ServiceARN, ":service/", ":task-set/", 1) + "/*"
	allow("TaskSets", []string{"ecs:DescribeServices", "ecs:CreateTaskSet", "ecs:UpdateServicePrimaryTaskSet", "ecs:DeleteTaskSet"},
		[]string{props.ServiceARN, taskSets}, nil)
	toTasks := map[string]any{"StringEquals": map[string]any{"iam:PassedToService": "ecs-tasks.amazonaws.com"}} //nolint:gosec // a condition, no credential
	allow("PassTaskRoles", []string{"iam:PassRole"}, []string{*props.TaskDefinition.TaskRole().RoleArn(), *props.TaskDefinition.ExecutionRole().RoleArn()}, toTasks)
	// None of these knows a resource.
	allow("ReadLoadBalancers", []string{"elasticloadbalancing:DescribeTargetGroups", "elasticloadbalancing:DescribeListeners", "elasticloadbalancing:DescribeRules"},
		[]string{"*"}, nil)
	allow("MoveTraffic", []string{"elasticloadbalancing:ModifyListener", "elasticloadbalancing:ModifyRule"},
		[]string{*props.Production.ListenerArn(), rulesOf(props.Production), *props.Test.ListenerArn(), rulesOf(props.Test)}, nil)
	allow("Hook", []string{"lambda:InvokeFunction"}, []string{props.HookARN}, nil)
	if len(props.Alarms) > 0 {
		// CodeDeploy asks for several alarms at a time, by name; DescribeAlarms for names is checked against all of them.
		allow("Alarms", []string{"cloudwatch:DescribeAlarms"}, []string{fmt.Sprintf("arn:aws:cloudwatch:%s:%s:alarm:*", props.Region, props.Account)}, nil)
	}
	nag.Suppress(role, "AwsSolutions-IAM5", "Task sets and rules get their names later, within this service and these listeners; the actions that describe load balancers know no resource.")
	return role
}

// rulesOf is the ARN of all rules of a listener: …:listener/app/… has them at …:listener-rule/app/…/<rule>.
func rulesOf(listener awselasticloadbalancingv2.IApplicationListener) string {
	parts := awscdk.Fn_Split(jsii.String(":listener/"), listener.ListenerArn(), jsii.Number(2))
	return *awscdk.Fn_Select(jsii.Number(0), parts) + ":listener-rule/" + *awscdk.Fn_Select(jsii.Number(1), parts) + "/*"
}
