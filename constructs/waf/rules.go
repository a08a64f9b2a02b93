package waf

import (
	"github.com/aws/aws-cdk-go/awscdk/v2/awswafv2"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
)

// The rule of the common group against large bodies, and the label that it leaves when it only counts. AWS spells the two
// differently.
const (
	bodySizeRule  = "SizeRestrictions_BODY"
	bodySizeLabel = "awswaf:managed:aws:core-rule-set:SizeRestrictions_Body"
)

// rules in the order in which they are asked. The first that blocks ends the matter, so what costs least comes first.
func (a *ACL) rules(scope constructs.Construct, props Props) *[]any {
	var rules []any
	add := func(name string, rule awswafv2.CfnWebACL_RuleProperty) {
		rule.Name, rule.Priority, rule.VisibilityConfig = jsii.String(name), jsii.Number(len(rules)), visibility(name)
		rules = append(rules, &rule)
	}
	managed := func(group string, overrides ...string) {
		add(group, managedGroup(group, props.CountOnly, overrides))
	}

	if len(props.AllowedCIDRs) > 0 {
		allowed := awswafv2.NewCfnIPSet(scope, jsii.String("Allowed"), &awswafv2.CfnIPSetProps{
			Name:             jsii.String(props.Name + "-allowed"),
			Scope:            jsii.String("REGIONAL"),
			IpAddressVersion: jsii.String("IPV4"), // the load balancer has no IPv6 address
			Addresses:        jsii.Strings(props.AllowedCIDRs...),
		})
		add("NotAllowed", awswafv2.CfnWebACL_RuleProperty{Action: block(), Statement: not(inSet(allowed))})
	}
	add("BlockedAddress", awswafv2.CfnWebACL_RuleProperty{Action: block(), Statement: anyOf(inSet(a.blockedIPv4), inSet(a.blockedIPv6))})
	add("RateLimit", awswafv2.CfnWebACL_RuleProperty{
		Action: blockOrCount(props.CountOnly, 429),
		Statement: &awswafv2.CfnWebACL_StatementProperty{RateBasedStatement: &awswafv2.CfnWebACL_RateBasedStatementProperty{
			AggregateKeyType: jsii.String("IP"), Limit: jsii.Number(props.RateLimit), EvaluationWindowSec: jsii.Number(300),
		}},
	})
	managed("AWSManagedRulesAmazonIpReputationList")
	if len(props.UploadPaths) == 0 {
		managed("AWSManagedRulesCommonRuleSet")
	} else {
		managed("AWSManagedRulesCommonRuleSet", bodySizeRule)
		// What the common group now only labels is blocked here, except where files are uploaded.
		add("LargeBody", awswafv2.CfnWebACL_RuleProperty{
			Action: blockOrCount(props.CountOnly, 413),
			Statement: allOf(
				&awswafv2.CfnWebACL_StatementProperty{LabelMatchStatement: &awswafv2.CfnWebACL_LabelMatchStatementProperty{
					Scope: jsii.String("LABEL"), Key: jsii.String(bodySizeLabel),
				}},
				not(anyOf(underAny(props.UploadPaths)...)),
			),
		})
	}
	managed("AWSManagedRulesKnownBadInputsRuleSet")
	managed("AWSManagedRulesSQLiRuleSet")
	return &rules
}

// managedGroup is a rule group of AWS at its default version; the rules called counted only count and label.
func managedGroup(group string, countOnly bool, counted []string) awswafv2.CfnWebACL_RuleProperty {
	statement := &awswafv2.CfnWebACL_ManagedRuleGroupStatementProperty{VendorName: jsii.String("AWS"), Name: jsii.String(group)}
	if len(counted) > 0 {
		var overrides []any
		for _, rule := range counted {
			overrides = append(overrides, &awswafv2.CfnWebACL_RuleActionOverrideProperty{
				Name:        jsii.String(rule),
				ActionToUse: &awswafv2.CfnWebACL_RuleActionProperty{Count: &awswafv2.CfnWebACL_CountActionProperty{}},
			})
		}
		statement.RuleActionOverrides = &overrides
	}
	override := &awswafv2.CfnWebACL_OverrideActionProperty{None: map[string]any{}}
	if countOnly {
		override = &awswafv2.CfnWebACL_OverrideActionProperty{Count: map[string]any{}}
	}
	return awswafv2.CfnWebACL_RuleProperty{
		OverrideAction: override, Statement: &awswafv2.CfnWebACL_StatementProperty{ManagedRuleGroupStatement: statement},
	}
}

func block() *awswafv2.CfnWebACL_RuleActionProperty {
	return &awswafv2.CfnWebACL_RuleActionProperty{Block: &awswafv2.CfnWebACL_BlockActionProperty{}}
}

// blockOrCount answers with the status that says what is wrong, rather than with WAF's 403.
func blockOrCount(countOnly bool, status int) *awswafv2.CfnWebACL_RuleActionProperty {
	if countOnly {
		return &awswafv2.CfnWebACL_RuleActionProperty{Count: &awswafv2.CfnWebACL_CountActionProperty{}}
	}
	return &awswafv2.CfnWebACL_RuleActionProperty{Block: &awswafv2.CfnWebACL_BlockActionProperty{
		CustomResponse: &awswafv2.CfnWebACL_CustomResponseProperty{ResponseCode: jsii.Number(status)},
	}}
}

func inSet(set awswafv2.CfnIPSet) *awswafv2.CfnWebACL_StatementProperty {
	return &awswafv2.CfnWebACL_StatementProperty{IpSetReferenceStatement: &awswafv2.CfnWebACL_IPSetReferenceStatementProperty{Arn: set.AttrArn()}}
}

func not(statement *awswafv2.CfnWebACL_StatementProperty) *awswafv2.CfnWebACL_StatementProperty {
	return &awswafv2.CfnWebACL_StatementProperty{NotStatement: &awswafv2.CfnWebACL_NotStatementProperty{Statement: statement}}
}

func anyOf(statements ...*awswafv2.CfnWebACL_StatementProperty) *awswafv2.CfnWebACL_StatementProperty {
	return &awswafv2.CfnWebACL_StatementProperty{OrStatement: &awswafv2.CfnWebACL_OrStatementProperty{Statements: list(statements)}}
}

func allOf(statements ...*awswafv2.CfnWebACL_StatementProperty) *awswafv2.CfnWebACL_StatementProperty {
	return &awswafv2.CfnWebACL_StatementProperty{AndStatement: &awswafv2.CfnWebACL_AndStatementProperty{Statements: list(statements)}}
}

// list is what jsii takes for a list.
func list[T any](items []T) *[]any {
	var all []any
	for _, item := range items {
		all = append(all, item)
	}
	return &all
}

// underAny are statements for each path itself and for what lies below it; /artifacts doesn't cover /artifactsx.
func underAny(paths []string) []*awswafv2.CfnWebACL_StatementProperty {
	var statements []*awswafv2.CfnWebACL_StatementProperty
	for _, path := range paths {
		statements = append(statements, pathIs("EXACTLY", path), pathIs("STARTS_WITH", path+"/"))
	}
	return statements
}

// pathIs compares the path as a server understands it: decoded, and without the dots that lead out of an upload path.
func pathIs(constraint, text string) *awswafv2.CfnWebACL_StatementProperty {
	return &awswafv2.CfnWebACL_StatementProperty{ByteMatchStatement: &awswafv2.CfnWebACL_ByteMatchStatementProperty{
		FieldToMatch:         &awswafv2.CfnWebACL_FieldToMatchProperty{UriPath: map[string]any{}},
		PositionalConstraint: jsii.String(constraint),
		SearchString:         jsii.String(text),
		TextTransformations: &[]any{
			&awswafv2.CfnWebACL_TextTransformationProperty{Priority: jsii.Number(0), Type: jsii.String("URL_DECODE")},
			&awswafv2.CfnWebACL_TextTransformationProperty{Priority: jsii.Number(1), Type: jsii.String("NORMALIZE_PATH")},
		},
	}}
}
