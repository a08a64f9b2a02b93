package threatresponse

import (
	"fmt"
	"strings"

	"slipway/constructs/nag"
	"slipway/internal/contract"
)

// allow grants the function exactly the calls that it makes (lambdas/threatresponse/testdata/actions.txt), as narrowly as the
// service authorization reference knows resources and conditions:
// https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
//
// What will be attacked isn't known beforehand, so most of it reaches every resource of a kind in the account. The tag
// slipway:response = exempt keeps the function away where IAM can look at it; the function looks at it everywhere.
func (r *Response) allow(props Props, ledgerKey string) {
	arn := func(service, resource string) string {
		return fmt.Sprintf("arn:aws:%s:%s:%s:%s", service, props.Region, props.Account, resource)
	}
	iam := func(resource string) string { return fmt.Sprintf("arn:aws:iam::%s:%s", props.Account, resource) }
	allow := r.function.Allow
	unlessExempt := map[string]any{"StringNotEquals": map[string]any{"aws:ResourceTag/" + contract.TagResponse: contract.ResponseExempt}}
	quarantined := map[string]any{"StringLike": map[string]any{"aws:ResourceTag/" + contract.TagQuarantine: "*"}}
	marking := map[string]any{"StringLike": map[string]any{"aws:RequestTag/" + contract.TagQuarantine: "*"}}

	allow([]string{"dynamodb:GetItem", "dynamodb:PutItem"}, []string{*r.ledger.TableArn()}, nil)
	allow([]string{"dynamodb:Query"}, []string{*r.ledger.TableArn() + "/index/" + contract.LedgerIndex}, nil)
	// DynamoDB uses the table's key in the caller's name.
	allow([]string{"kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey", "kms:ReEncryptFrom", "kms:ReEncryptTo"}, []string{ledgerKey},
		map[string]any{"StringEquals": map[string]any{"kms:ViaService": "dynamodb." + props.Region + ".amazonaws.com"}})
	allow([]string{"sns:Publish"}, []string{props.Topic.ARN()}, nil)
	allow([]string{"kms:Decrypt", "kms:GenerateDataKey"}, []string{props.Topic.KeyARN()}, nil)

	// None of these knows a resource.
	allow([]string{
		"ec2:DescribeInstances", "ec2:DescribeNetworkInterfaces", "ec2:DescribeSecurityGroups", "ec2:DescribeSnapshots",
		"autoscaling:DescribeAutoScalingGroups", "autoscaling:DescribeAutoScalingInstances",
		"elasticloadbalancing:DescribeTargetGroups", "elasticloadbalancing:DescribeTargetHealth",
		"application-autoscaling:DescribeScalableTargets", "ecs:DescribeTaskDefinition",
	}, []string{"*"}, nil)

	// Instances.
	allow([]string{"ec2:CreateSecurityGroup"}, []string{arn("ec2", "vpc/*")}, nil)
	allow([]string{"ec2:CreateSecurityGroup"}, []string{arn("ec2", "security-group/*")}, marking)
	allow([]string{"ec2:DeleteSecurityGroup", "ec2:RevokeSecurityGroupEgress", "ec2:RevokeSecurityGroupIngress"}, []string{arn("ec2", "security-group/*")}, quarantined)
	allow([]string{"ec2:ModifyNetworkInterfaceAttribute"}, []string{arn("ec2", "network-interface/*"), arn("ec2", "security-group/*"), arn("ec2", "instance/*")}, nil)
	allow([]string{"ec2:CreateSnapshots"}, []string{arn("ec2", "instance/*"), arn("ec2", "volume/*")}, nil)
	allow([]string{"ec2:CreateSnapshots"}, []string{"arn:aws:ec2:" + props.Region + "::snapshot/*"}, marking)
	allow([]string{"ec2:CreateTags"}, []string{arn("ec2", "security-group/*"), "arn:aws:ec2:" + props.Region + "::snapshot/*"},
		map[string]any{"StringEquals": map[string]any{"ec2:CreateAction": []string{"CreateSecurityGroup", "CreateSnapshots"}}})
	ourTag := map[string]any{"ForAllValues:StringEquals": map[string]any{"aws:TagKeys": []string{contract.TagQuarantine}}, "Null": map[string]any{"aws:TagKeys": "false"}}
	allow([]string{"ec2:CreateTags", "ec2:DeleteTags"}, []string{arn("ec2", "instance/*")}, ourTag)
	allow([]string{"autoscaling:AttachInstances", "autoscaling:DetachInstances"}, []string{arn("autoscaling", "autoScalingGroup:*:autoScalingGroupName/*")}, unlessExempt)
	allow([]string{"elasticloadbalancing:DeregisterTargets", "elasticloadbalancing:RegisterTargets"}, []string{arn("elasticloadbalancing", "targetgroup/*")}, nil)

	// Credentials.
	allow([]string{"iam:GetUser", "iam:GetUserPolicy", "iam:ListAccessKeys"}, []string{iam("user/*")}, nil)
	allow([]string{"iam:DeleteUserPolicy", "iam:PutUserPolicy", "iam:UpdateAccessKey"}, []string{iam("user/*")}, unlessExempt)
	allow([]string{"iam:GetRole", "iam:GetRolePolicy"}, []string{iam("role/*")}, nil)
	allow([]string{"iam:DeleteRolePolicy", "iam:PutRolePolicy"}, []string{iam("role/*")}, unlessExempt)
	untouchable := []string{r.function.RoleARN()}
	for _, name := range props.Config.Protected.Principals {
		for _, kind := range []string{"role/", "role/*/", "user/", "user/*/"} {
			untouchable = append(untouchable, iam(kind+name))
		}
	}
	r.function.Deny([]string{"iam:DeleteRolePolicy", "iam:DeleteUserPolicy", "iam:PutRolePolicy", "iam:PutUserPolicy", "iam:UpdateAccessKey"}, untouchable)

	// Addresses: the block lists of the account's stages.
	var lists, parameters []string
	for _, stage := range props.Config.Stages {
		for _, name := range []string{contract.BlockedIPv4Name(props.Platform, stage), contract.BlockedIPv6Name(props.Platform, stage)} {
			lists = append(lists, arn("wafv2", "regional/ipset/"+name+"/*"))
		}
		parameters = append(parameters, arn("ssm", "parameter"+strings.TrimSuffix(contract.WAFParameter(props.Platform, stage, ""), "/")+"/*"))
	}
	if len(lists) > 0 {
		allow([]string{"wafv2:GetIPSet", "wafv2:UpdateIPSet"}, lists, nil)
		allow([]string{"ssm:GetParameters"}, parameters, nil)
	}

	// Buckets, of this account only.
	allow([]string{"s3:GetBucketPublicAccessBlock", "s3:GetBucketTagging", "s3:PutBucketPublicAccessBlock"}, []string{"arn:aws:s3:::*"},
		map[string]any{"StringEquals": map[string]any{"aws:ResourceAccount": props.Account}})

	// Services.
	allow([]string{"ecs:DescribeServices", "ecs:ListServiceDeployments"}, []string{arn("ecs", "service/*")}, nil)
	allow([]string{"ecs:DescribeServiceRevisions"}, []string{arn("ecs", "service-revision/*")}, nil)
	allow([]string{"ecs:UpdateService"}, []string{arn("ecs", "service/*")}, unlessExempt)
	// UpdateService with a task definition passes the roles of its tasks. Those of other applications stay out of reach.
	toTasks := map[string]any{"StringEquals": map[string]any{"iam:PassedToService": "ecs-tasks.amazonaws.com"}} //nolint:gosec // a condition, no credential
	allow([]string{"iam:PassRole"}, []string{iam("role/" + props.Platform + "-*")}, toTasks)
	allow([]string{"ecs:StopTask"}, []string{arn("ecs", "task/*")}, nil)
	allow([]string{"application-autoscaling:RegisterScalableTarget"}, []string{arn("application-autoscaling", "scalable-target/*")},
		map[string]any{"StringEquals": map[string]any{"application-autoscaling:service-namespace": "ecs"}})

	allow([]string{"guardduty:ArchiveFindings", "guardduty:UnarchiveFindings", "guardduty:UpdateFindingsFeedback"}, []string{arn("guardduty", "detector/*")}, nil)
	nag.Suppress(r.function.Construct(), "AwsSolutions-IAM5",
		"What will be attacked isn't known beforehand. The wildcards lie within the account and the kinds of resources that can be contained, with conditions on tags where IAM knows them; reading actions support no resource.")
}
