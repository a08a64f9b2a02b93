// Package waf protects a public load balancer with a web ACL: AWS's managed rules, a limit of requests for each address, a
// list of blocked addresses, and logs without credentials.
package waf

import (
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/aws-cdk-go/awscdk/v2/awswafv2"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"slipway/internal/contract"
)

// Props of an ACL.
type Props struct {
	// Name of the web ACL, and of its metrics; at most 64 letters, digits and hyphens.
	Name string
	// BlockedIPv4Name and BlockedIPv6Name are the IP sets that the response to findings writes to.
	BlockedIPv4Name string
	BlockedIPv6Name string
	// LoadBalancerARN is what the web ACL protects.
	LoadBalancerARN string
	// CountOnly lets everything pass that the managed rules, the limit or the body-size rule match, and counts it. Blocked
	// addresses and AllowedCIDRs aren't a matter of tuning: they hold all the same.
	CountOnly bool
	// RateLimit is the number of requests that one address may make in five minutes.
	RateLimit int
	// UploadPaths take bodies that are larger than 8 KB, and so does everything below them.
	UploadPaths []string
	// AllowedCIDRs are the only IPv4 networks that may pass; default everyone.
	AllowedCIDRs []string
	// LogDays is the retention of the log group, LogKey its KMS key; Retain keeps it when the stack is deleted.
	LogDays int
	LogKey  awskms.IKey
	Retain  bool
}

// ACL is the web ACL with its IP sets.
type ACL struct {
	acl         awswafv2.CfnWebACL
	blockedIPv4 awswafv2.CfnIPSet
	blockedIPv6 awswafv2.CfnIPSet
}

// New creates the web ACL and associates it with the load balancer.
func New(scope constructs.Construct, id string, props Props) *ACL {
	this := constructs.NewConstruct(scope, jsii.String(id))
	a := &ACL{
		blockedIPv4: blockList(this, "BlockedIPv4", props.BlockedIPv4Name, "IPV4"),
		blockedIPv6: blockList(this, "BlockedIPv6", props.BlockedIPv6Name, "IPV6"),
	}
	a.acl = awswafv2.NewCfnWebACL(this, jsii.String("Acl"), &awswafv2.CfnWebACLProps{
		Name:             jsii.String(props.Name),
		Description:      jsii.String("Public load balancer of " + props.Name),
		Scope:            jsii.String("REGIONAL"),
		DefaultAction:    &awswafv2.CfnWebACL_DefaultActionProperty{Allow: &awswafv2.CfnWebACL_AllowActionProperty{}},
		VisibilityConfig: visibility(props.Name),
		Rules:            a.rules(this, props),
		// The console shows sampled requests to everyone who may look at the web ACL. Redaction of the logs doesn't reach
		// those; this does.
		DataProtectionConfig: &awswafv2.CfnWebACL_DataProtectionConfigProperty{
			DataProtections: &[]any{&awswafv2.CfnWebACL_DataProtectProperty{
				Field:  &awswafv2.CfnWebACL_FieldToProtectProperty{FieldType: jsii.String("SINGLE_HEADER"), FieldKeys: jsii.Strings(credentialHeaders...)},
				Action: jsii.String("SUBSTITUTION"),
			}},
		},
	})
	awswafv2.NewCfnWebACLAssociation(this, jsii.String("Association"), &awswafv2.CfnWebACLAssociationProps{
		WebAclArn: a.acl.AttrArn(), ResourceArn: jsii.String(props.LoadBalancerARN),
	})
	addLogs(this, a.acl, props)
	return a
}

// blockList is an IP set whose addresses belong to the response to findings, not to the template.
//
// CloudFormation compares the template with the last one, not with what is there, and leaves the set alone as long as
// nothing of this resource changes. But whatever changes, a tag or the description, makes it write all properties, and the
// empty list with them. So nothing here may depend on the configuration, and the set takes no part in tagging.
func blockList(scope constructs.Construct, id, name, version string) awswafv2.CfnIPSet {
	set := awswafv2.NewCfnIPSet(scope, jsii.String(id), &awswafv2.CfnIPSetProps{
		Name:             jsii.String(name),
		Description:      jsii.String(contract.BlockListDescription),
		Scope:            jsii.String("REGIONAL"),
		IpAddressVersion: jsii.String(version),
		Addresses:        &[]*string{},
	})
	set.AddPropertyDeletionOverride(jsii.String("Tags"))
	return set
}

// ARN is the web ACL's ARN, a token.
func (a *ACL) ARN() string { return *a.acl.AttrArn() }

// List is an IP set of blocked addresses; its values are tokens but for the name.
type List struct{ Name, ID, ARN string }

// BlockedIPv4 holds IPv4 addresses.
func (a *ACL) BlockedIPv4() List { return listOf(a.blockedIPv4) }

// BlockedIPv6 holds IPv6 addresses.
func (a *ACL) BlockedIPv6() List { return listOf(a.blockedIPv6) }

func listOf(set awswafv2.CfnIPSet) List {
	return List{Name: *set.Name(), ID: *set.AttrId(), ARN: *set.AttrArn()}
}

func visibility(metric string) *awswafv2.CfnWebACL_VisibilityConfigProperty {
	return &awswafv2.CfnWebACL_VisibilityConfigProperty{
		CloudWatchMetricsEnabled: jsii.Bool(true), SampledRequestsEnabled: jsii.Bool(true), MetricName: jsii.String(metric),
	}
}
