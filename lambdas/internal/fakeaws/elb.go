package fakeaws

import (
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
)

// ELB is one load balancer with one listener, its rules, and the account's target groups.
type ELB struct {
	cloud *Cloud

	Listener     string // ARN
	LoadBalancer string // ARN
	Rules        []elbtypes.Rule
	TargetGroups []elbtypes.TargetGroup
	Tags         map[string]map[string]string // ARN → tags
	RulePage     int                          // rules in a page, if smaller than what is asked for
	made         int                          // rules made by createRule
}

const elbID = "Elastic Load Balancing v2"

// NewELB adds a load balancer to the cloud. Its listener has its default rule.
func NewELB(c *Cloud) *ELB {
	base := fmt.Sprintf("arn:aws:elasticloadbalancing:%s:%s:", Region, Account)
	e := &ELB{
		cloud: c, Listener: base + "listener/app/qa/50dc6c495c0c9188/f2f7dc8efc522ab2",
		LoadBalancer: base + "loadbalancer/app/qa/50dc6c495c0c9188", Tags: map[string]map[string]string{}, RulePage: 400,
	}
	e.Rules = append(e.Rules, elbtypes.Rule{
		RuleArn: aws.String(e.ruleARN("default")), IsDefault: aws.Bool(true), Priority: aws.String("default"),
		Actions: []elbtypes.Action{{Type: elbtypes.ActionTypeEnumFixedResponse}},
	})
	On(c, elbID, e.describeRules)
	On(c, elbID, e.describeTargetGroups)
	On(c, elbID, e.describeTags)
	On(c, elbID, e.deleteRule)
	On(c, elbID, e.deleteTargetGroup)
	return e
}

func (e *ELB) ruleARN(id string) string {
	return fmt.Sprintf("arn:aws:elasticloadbalancing:%s:%s:listener-rule/app/qa/50dc6c495c0c9188/f2f7dc8efc522ab2/%s", Region, Account, id)
}

// AddTargetGroup creates a target group and returns its ARN.
func (e *ELB) AddTargetGroup(name string, tags map[string]string) string {
	arn := fmt.Sprintf("arn:aws:elasticloadbalancing:%s:%s:targetgroup/%s/73e2d6bc24d8a067", Region, Account, name)
	e.TargetGroups = append(e.TargetGroups, elbtypes.TargetGroup{TargetGroupArn: &arn, TargetGroupName: &name})
	e.Tags[arn] = tags
	return arn
}

// AddRule creates a rule that sends requests to the target groups and returns its ARN.
func (e *ELB) AddRule(id string, tags map[string]string, groups ...string) string {
	arn := e.ruleARN(id)
	forward := &elbtypes.ForwardActionConfig{}
	for _, g := range groups {
		forward.TargetGroups = append(forward.TargetGroups, elbtypes.TargetGroupTuple{TargetGroupArn: aws.String(g), Weight: aws.Int32(1)})
	}
	action := elbtypes.Action{Type: elbtypes.ActionTypeEnumForward, ForwardConfig: forward}
	if len(groups) == 1 {
		action.TargetGroupArn = &groups[0] // AWS gives it besides the configuration
	}
	e.Rules = append(e.Rules, elbtypes.Rule{RuleArn: &arn, IsDefault: aws.Bool(false), Actions: []elbtypes.Action{action}})
	e.Tags[arn] = tags
	return arn
}

// HasRule says whether the rule exists.
func (e *ELB) HasRule(arn string) bool { return e.rule(arn) >= 0 }

// HasTargetGroup says whether the target group exists.
func (e *ELB) HasTargetGroup(arn string) bool { return e.group(arn) >= 0 }

func (e *ELB) rule(arn string) int {
	return slices.IndexFunc(e.Rules, func(r elbtypes.Rule) bool { return *r.RuleArn == arn })
}

func (e *ELB) group(arn string) int {
	return slices.IndexFunc(e.TargetGroups, func(g elbtypes.TargetGroup) bool { return *g.TargetGroupArn == arn })
}

func (e *ELB) usedBy(group string) bool {
	return slices.ContainsFunc(e.Rules, func(r elbtypes.Rule) bool {
		return slices.ContainsFunc(r.Actions, func(a elbtypes.Action) bool {
			return aws.ToString(a.TargetGroupArn) == group || a.ForwardConfig != nil && slices.ContainsFunc(a.ForwardConfig.TargetGroups,
				func(t elbtypes.TargetGroupTuple) bool { return *t.TargetGroupArn == group })
		})
	})
}

func (e *ELB) describeRules(in *elb.DescribeRulesInput) (*elb.DescribeRulesOutput, error) {
	size := int(aws.ToInt32(in.PageSize))
	if size < 0 || size > 400 {
		return nil, e.cloud.refuse(Invalid("page size %d", size))
	}
	if aws.ToString(in.ListenerArn) != e.Listener {
		return nil, &elbtypes.ListenerNotFoundException{}
	}
	if size == 0 || size > e.RulePage {
		size = e.RulePage
	}
	part, next, err := page(e.cloud, e.Rules, in.Marker, size)
	return &elb.DescribeRulesOutput{Rules: part, NextMarker: next}, err
}

// AllowAll lets all target groups be listed, a page at a time.
func (e *ELB) AllowAll() {
	On(e.cloud, elbID, func(in *elb.DescribeTargetGroupsInput) (*elb.DescribeTargetGroupsOutput, error) {
		size := int(aws.ToInt32(in.PageSize))
		if len(in.TargetGroupArns) > 0 {
			return e.describeTargetGroups(in)
		}
		if size < 1 || size > 400 {
			return nil, e.cloud.refuse(Invalid("page size %d", size))
		}
		part, next, err := page(e.cloud, e.TargetGroups, in.Marker, min(size, e.RulePage))
		if err != nil {
			return nil, err
		}
		out := &elb.DescribeTargetGroupsOutput{NextMarker: next}
		for _, group := range part {
			if e.usedBy(*group.TargetGroupArn) {
				group.LoadBalancerArns = append(slices.Clone(group.LoadBalancerArns), e.LoadBalancer)
			}
			out.TargetGroups = append(out.TargetGroups, group)
		}
		return out, nil
	})
}

func (e *ELB) describeTargetGroups(in *elb.DescribeTargetGroupsInput) (*elb.DescribeTargetGroupsOutput, error) {
	out := &elb.DescribeTargetGroupsOutput{}
	for _, arn := range in.TargetGroupArns {
		i := e.group(arn)
		if i < 0 {
			return nil, &elbtypes.TargetGroupNotFoundException{Message: aws.String("One or more target groups not found")}
		}
		group := e.TargetGroups[i]
		if e.usedBy(arn) {
			group.LoadBalancerArns = append(slices.Clone(group.LoadBalancerArns), e.LoadBalancer)
		}
		out.TargetGroups = append(out.TargetGroups, group)
	}
	return out, nil
}

func (e *ELB) describeTags(in *elb.DescribeTagsInput) (*elb.DescribeTagsOutput, error) {
	if len(in.ResourceArns) == 0 || len(in.ResourceArns) > 20 {
		return nil, e.cloud.refuse(Invalid("%d resources, 1 to 20 are allowed", len(in.ResourceArns)))
	}
	out := &elb.DescribeTagsOutput{}
	for _, arn := range in.ResourceArns {
		if !e.HasRule(arn) && !e.HasTargetGroup(arn) {
			return nil, &elbtypes.TargetGroupNotFoundException{Message: aws.String("One or more resources not found")}
		}
		description := elbtypes.TagDescription{ResourceArn: &arn}
		for k, v := range e.Tags[arn] {
			description.Tags = append(description.Tags, elbtypes.Tag{Key: &k, Value: &v})
		}
		out.TagDescriptions = append(out.TagDescriptions, description)
	}
	return out, nil
}

func (e *ELB) deleteRule(in *elb.DeleteRuleInput) (*elb.DeleteRuleOutput, error) {
	i := e.rule(*in.RuleArn)
	switch {
	case i < 0:
		return nil, &elbtypes.RuleNotFoundException{Message: aws.String("One or more rules not found")}
	case aws.ToBool(e.Rules[i].IsDefault):
		return nil, e.cloud.refuse(&elbtypes.OperationNotPermittedException{Message: aws.String("Default rule cannot be deleted")})
	}
	e.Rules = slices.Delete(e.Rules, i, i+1)
	return &elb.DeleteRuleOutput{}, nil
}

func (e *ELB) deleteTargetGroup(in *elb.DeleteTargetGroupInput) (*elb.DeleteTargetGroupOutput, error) {
	i := e.group(*in.TargetGroupArn)
	switch {
	case i < 0:
		return nil, &elbtypes.TargetGroupNotFoundException{Message: aws.String("One or more target groups not found")}
	case e.usedBy(*in.TargetGroupArn) || len(e.TargetGroups[i].LoadBalancerArns) > 0:
		return nil, &elbtypes.ResourceInUseException{Message: aws.String("Target group is currently in use by a listener or a rule")}
	}
	e.TargetGroups = slices.Delete(e.TargetGroups, i, i+1)
	return &elb.DeleteTargetGroupOutput{}, nil
}
