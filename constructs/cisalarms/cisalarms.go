// Package cisalarms tells people of the calls that the CIS AWS Foundations Benchmark (section 4) wants somebody to look at:
// a metric filter on the trail's log group and an alarm for each.
package cisalarms

import (
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"slipway/constructs/monitoring"
)

// Namespace of the metrics; each is called like its alarm.
const Namespace = "Slipway/Trail"

// Watched is a kind of call. Its filter is CIS's, in CloudWatch Logs' own language.
type Watched struct {
	Name    string // ends the alarm's name
	Tells   string
	Pattern string
}

// Table is what CIS 5.0 lists as 4.1 to 4.15, in its order.
var Table = []Watched{
	{"unauthorised-calls", "Somebody was refused a call. A role that lacks a permission, or somebody trying doors.",
		`{ (($.errorCode = "*UnauthorizedOperation") || ($.errorCode = "AccessDenied*")) && ($.sourceIPAddress != "delivery.logs.amazonaws.com") && ($.eventName != "HeadBucket") }`},
	{"sign-in-without-mfa", "A user signed in to the console with the password alone. Put the user into the group that demands MFA.",
		`{ ($.eventName = "ConsoleLogin") && ($.additionalEventData.MFAUsed != "Yes") && ($.userIdentity.type = "IAMUser") && ($.responseElements.ConsoleLogin = "Success") }`},
	{"root-use", "The root user did something. It is for emergencies only: ask who it was.",
		`{ ($.userIdentity.type = "Root") && ($.userIdentity.invokedBy NOT EXISTS) && ($.eventType != "AwsServiceEvent") }`},
	{"iam-policy-changes", "Somebody changed IAM policies. A deployment does that; anybody else should be asked.",
		calls("iam", "DeleteGroupPolicy", "DeleteRolePolicy", "DeleteUserPolicy", "PutGroupPolicy", "PutRolePolicy", "PutUserPolicy", "CreatePolicy", "DeletePolicy",
			"CreatePolicyVersion", "DeletePolicyVersion", "AttachRolePolicy", "DetachRolePolicy", "AttachUserPolicy", "DetachUserPolicy", "AttachGroupPolicy", "DetachGroupPolicy")},
	{"trail-changes", "Somebody changed a trail, or stopped it from logging.",
		calls("cloudtrail", "CreateTrail", "UpdateTrail", "DeleteTrail", "StartLogging", "StopLogging")},
	{"sign-in-failures", "Somebody failed to sign in to the console.",
		`{ ($.eventName = "ConsoleLogin") && ($.errorMessage = "Failed authentication") }`},
	{"key-deletion", "A KMS key was disabled, or is going to be deleted: what it encrypts can't be read any more. It can be cancelled for some days.",
		calls("kms", "DisableKey", "ScheduleKeyDeletion")},
	{"bucket-policy-changes", "Somebody changed who may use a bucket.",
		calls("s3", "PutBucketAcl", "PutBucketPolicy", "PutBucketCors", "PutBucketLifecycle", "PutBucketReplication",
			"DeleteBucketPolicy", "DeleteBucketCors", "DeleteBucketLifecycle", "DeleteBucketReplication")},
	{"config-changes", "Somebody changed what AWS Config records, or stopped it.",
		calls("config", "StopConfigurationRecorder", "DeleteDeliveryChannel", "PutDeliveryChannel", "PutConfigurationRecorder")},
	{"security-group-changes", "Somebody changed a security group. A deployment does that; anybody else should be asked.",
		calls("ec2", "AuthorizeSecurityGroupIngress", "AuthorizeSecurityGroupEgress", "RevokeSecurityGroupIngress", "RevokeSecurityGroupEgress",
			"ModifySecurityGroupRules", "CreateSecurityGroup", "DeleteSecurityGroup")},
	{"network-acl-changes", "Somebody changed a network ACL.",
		calls("ec2", "CreateNetworkAcl", "CreateNetworkAclEntry", "DeleteNetworkAcl", "DeleteNetworkAclEntry", "ReplaceNetworkAclEntry", "ReplaceNetworkAclAssociation")},
	{"gateway-changes", "Somebody changed a gateway to other networks.",
		calls("ec2", "CreateCustomerGateway", "DeleteCustomerGateway", "AttachInternetGateway", "CreateInternetGateway", "DeleteInternetGateway", "DetachInternetGateway")},
	{"route-changes", "Somebody changed a route table.",
		calls("ec2", "CreateRoute", "CreateRouteTable", "ReplaceRoute", "ReplaceRouteTableAssociation", "DeleteRouteTable", "DeleteRoute", "DisassociateRouteTable")},
	{"vpc-changes", "Somebody changed a VPC, or its peering.",
		calls("ec2", "CreateVpc", "DeleteVpc", "ModifyVpcAttribute", "AcceptVpcPeeringConnection", "CreateVpcPeeringConnection", "DeleteVpcPeeringConnection",
			"RejectVpcPeeringConnection", "AttachClassicLinkVpc", "DetachClassicLinkVpc", "DisableVpcClassicLink", "EnableVpcClassicLink")},
	{"organization-changes", "Somebody changed the organization.",
		calls("organizations", "AcceptHandshake", "AttachPolicy", "CreateAccount", "CreateOrganizationalUnit", "CreatePolicy", "DeclineHandshake", "DeleteOrganization",
			"DeleteOrganizationalUnit", "DeletePolicy", "DetachPolicy", "DisablePolicyType", "EnablePolicyType", "InviteAccountToOrganization", "LeaveOrganization",
			"MoveAccount", "RemoveAccountFromOrganization", "UpdatePolicy", "UpdateOrganizationalUnit")},
}

// calls is the filter of any of these operations of a service.
func calls(service string, operations ...string) string {
	terms := make([]string, len(operations))
	for i, operation := range operations {
		terms[i] = "($.eventName = " + operation + ")"
	}
	return "{ ($.eventSource = " + service + ".amazonaws.com) && (" + strings.Join(terms, " || ") + ") }"
}

// Props of New.
type Props struct {
	// LogGroup is where CloudTrail writes.
	LogGroup awslogs.ILogGroup
	// Monitoring names the alarms and whom they tell.
	Monitoring monitoring.Props
}

// New makes the filters and the alarms of Table. A metric has values only when something was found: CloudWatch charges a
// metric by the hours in which it has any.
func New(scope constructs.Construct, id string, props Props) []awscloudwatch.Alarm {
	this := constructs.NewConstruct(scope, jsii.String(id))
	var alarms []monitoring.Alarm
	for _, watched := range Table {
		filter := awslogs.NewMetricFilter(this, jsii.String("Filter-"+watched.Name), &awslogs.MetricFilterProps{
			LogGroup:        props.LogGroup,
			FilterPattern:   awslogs.FilterPattern_Literal(jsii.String(watched.Pattern)),
			MetricNamespace: jsii.String(Namespace),
			MetricName:      jsii.String(watched.Name),
			MetricValue:     jsii.String("1"),
		})
		alarms = append(alarms, monitoring.Alarm{
			Name: watched.Name, Tells: watched.Tells + " The trail's log group and CloudTrail's event history show the call.",
			Metric:    filter.Metric(&awscloudwatch.MetricOptions{Statistic: jsii.String("Sum"), Period: awscdk.Duration_Minutes(jsii.Number(5))}),
			Threshold: 1, Periods: 1, Datapoints: 1,
			Missing: awscloudwatch.TreatMissingData_NOT_BREACHING, // nothing was found
		})
	}
	return monitoring.Watch(this, props.Monitoring, alarms)
}
