// Package mfagroup is a group for people who are IAM users: they may enrol an MFA device and change their password, and
// nothing that other groups allow them works until they have signed in with MFA.
package mfagroup

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"slipway/constructs/nag"
)

// Group is the group and its policy.
type Group struct {
	group  awsiam.Group
	policy awsiam.ManagedPolicy
}

// unenrolled are the only calls without MFA. ChangePassword isn't among them: whoever has found a password could keep
// its owner out with it. So a first password can't be one that must be changed at the first sign-in.
var unenrolled = []string{
	"iam:CreateVirtualMFADevice", "iam:EnableMFADevice", "iam:GetMFADevice", "iam:GetUser", "iam:ListMFADevices", "iam:ListVirtualMFADevices",
	"iam:ResyncMFADevice", "sts:GetSessionToken",
}

// New creates the group. Its policy follows AWS's example for users who manage their own MFA devices:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_examples_aws_my-sec-creds-self-manage-mfa-only.html
func New(scope constructs.Construct, id string) *Group {
	this := constructs.NewConstruct(scope, jsii.String(id))
	account := *awscdk.Stack_Of(this).Account()
	self, device := "arn:aws:iam::"+account+":user/*/${aws:username}", "arn:aws:iam::"+account+":mfa/*"
	selves := []string{"arn:aws:iam::" + account + ":user/${aws:username}", self} // with and without a path

	allow := func(sid string, actions, resources []string) awsiam.PolicyStatement {
		return awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
			Sid: jsii.String(sid), Actions: jsii.Strings(actions...), Resources: jsii.Strings(resources...),
		})
	}
	policy := awsiam.NewManagedPolicy(this, jsii.String("Policy"), &awsiam.ManagedPolicyProps{
		Description: jsii.String("Enrolling an MFA device; everything else only with MFA"),
		Statements: &[]awsiam.PolicyStatement{
			allow("Look", []string{"iam:GetAccountPasswordPolicy", "iam:ListVirtualMFADevices"}, []string{"*"}),
			// A virtual device may have any name, and is nobody's before it is enabled.
			allow("OwnVirtualDevice", []string{"iam:CreateVirtualMFADevice"}, []string{device}),
			allow("OwnDevices", []string{"iam:DeactivateMFADevice", "iam:EnableMFADevice", "iam:GetMFADevice", "iam:ListMFADevices", "iam:ResyncMFADevice"}, selves),
			allow("OwnPassword", []string{"iam:ChangePassword", "iam:GetUser"}, selves),
			awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
				Sid: jsii.String("NothingElseWithoutMFA"), Effect: awsiam.Effect_DENY,
				NotActions: jsii.Strings(unenrolled...), Resources: jsii.Strings("*"),
				// IfExists: a call with an access key says nothing about MFA, and is refused too.
				Conditions: &map[string]any{"BoolIfExists": map[string]any{"aws:MultiFactorAuthPresent": "false"}},
			}),
		},
	})
	nag.Suppress(policy, "AwsSolutions-IAM5", "The user's own name stands for each member; listing devices and the password policy know no resource, and a virtual device has any name.")
	group := awsiam.NewGroup(this, jsii.String("Group"), &awsiam.GroupProps{ManagedPolicies: &[]awsiam.IManagedPolicy{policy}})
	return &Group{group: group, policy: policy}
}

// Name is the group's name, a token.
func (g *Group) Name() string { return *g.group.GroupName() }
