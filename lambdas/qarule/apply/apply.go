// Package apply makes, changes and deletes the host rules of the QA environments.
package apply

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/aws/aws-lambda-go/cfn"
	"github.com/aws/aws-sdk-go-v2/aws"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"slipway/internal/contract"
	"slipway/lambdas/internal/customresource"
	"slipway/lambdas/qarule/decide"
)

// ELB is what the rules need of Elastic Load Balancing.
type ELB interface {
	DescribeRules(context.Context, *elb.DescribeRulesInput, ...func(*elb.Options)) (*elb.DescribeRulesOutput, error)
	DescribeTags(context.Context, *elb.DescribeTagsInput, ...func(*elb.Options)) (*elb.DescribeTagsOutput, error)
	CreateRule(context.Context, *elb.CreateRuleInput, ...func(*elb.Options)) (*elb.CreateRuleOutput, error)
	ModifyRule(context.Context, *elb.ModifyRuleInput, ...func(*elb.Options)) (*elb.ModifyRuleOutput, error)
	DeleteRule(context.Context, *elb.DeleteRuleInput, ...func(*elb.Options)) (*elb.DeleteRuleOutput, error)
}

const (
	rulePage = 400 // DescribeRules
	tagBatch = 20  // DescribeTags
	// attempts bounds the race for a priority. A lost one means that another environment got its rule, and a load balancer
	// takes 100 rules unless its quota was raised.
	attempts = 100
)

// Router keeps one host rule for each environment on the shared listener.
type Router struct {
	ELB         ELB
	ListenerARN string
	Platform    string
	Domain      string
	// SignIn is the provider before each environment; nil without one. Secrets reads its client's secret.
	SignIn  *contract.SignIn
	Secrets Secrets
}

// Handle handles one request of CloudFormation. Whose rule it is follows from the stack that asks, not from its properties:
// no branch's template can take another environment's host.
func (r Router) Handle(ctx context.Context, request customresource.Request) (map[string]string, error) {
	stack := customresource.StackName(request.StackID)
	slug, ok := contract.SlugFromStack(r.Platform, stack)
	owner := decide.Owner{Platform: r.Platform, Slug: slug, Host: contract.HostName(slug, r.Domain)}
	switch {
	case request.Type == cfn.RequestDelete && !ok:
		return nil, nil // it was refused a rule, so it has none
	case request.Type == cfn.RequestDelete:
		return nil, r.remove(ctx, owner)
	case !ok:
		return nil, fmt.Errorf("make a host rule: the stack %q is no QA environment of %s; deploy one with -c branch=…", stack, r.Platform)
	}
	group, err := decide.Parse(request.Properties)
	if err != nil {
		return nil, fmt.Errorf("make the host rule of %s: %w", owner.Host, err)
	}
	rule, err := r.ensure(ctx, owner, group)
	if err != nil {
		return nil, err
	}
	return map[string]string{decide.AttributeRule: rule.ARN, decide.AttributePriority: strconv.Itoa(rule.Priority)}, nil
}

// ensure makes the rule or sends the one that is there to the target group. A rule keeps its priority for its whole life.
func (r Router) ensure(ctx context.Context, owner decide.Owner, group string) (decide.Rule, error) {
	actions, err := r.actions(ctx, group)
	if err != nil {
		return decide.Rule{}, fmt.Errorf("make the host rule of %s: %w", owner.Host, err)
	}
	// What a race has shown to be taken, for a listing may lag behind.
	taken := map[int]bool{}
	for range attempts {
		rules, err := r.rules(ctx, owner)
		if err != nil {
			return decide.Rule{}, err
		}
		if foreign, there := decide.Foreign(owner, rules); there {
			return decide.Rule{}, fmt.Errorf("make the host rule of %s: the rule %s of the shared listener, which this environment didn't make, is for that host; delete it or change its host",
				owner.Host, foreign.ARN)
		}
		if own := decide.Own(owner, rules); len(own) > 0 {
			return own[0], r.settle(ctx, own, actions)
		}
		priority, ok := decide.Free(rules, taken)
		if !ok {
			return decide.Rule{}, fmt.Errorf("make the host rule of %s: no priority from %d to %d is free on the shared listener; delete rules that nothing needs",
				owner.Host, contract.MinRulePriority, contract.MaxRulePriority)
		}
		// Creation itself is the atomic step: a listener has one rule for each priority.
		out, err := r.ELB.CreateRule(ctx, &elb.CreateRuleInput{
			ListenerArn: &r.ListenerARN, Priority: aws.Int32(int32(priority)), //nolint:gosec // at most 49,999
			Conditions: []elbtypes.RuleCondition{{
				Field: aws.String("host-header"), HostHeaderConfig: &elbtypes.HostHeaderConditionConfig{Values: []string{owner.Host}},
			}},
			Actions: actions, Tags: tags(owner),
		})
		var inUse *elbtypes.PriorityInUseException
		var full *elbtypes.TooManyRulesException
		switch {
		case errors.As(err, &inUse):
			taken[priority] = true // by another environment, or by ourselves if only the answer was lost; the next listing tells
			continue
		case errors.As(err, &full):
			return decide.Rule{}, fmt.Errorf("make the host rule of %s: the shared load balancer has all the rules that its quota allows (%d on this listener); end a QA environment that nobody needs, or raise the quota of rules per Application Load Balancer",
				owner.Host, len(rules)-1)
		case err != nil:
			return decide.Rule{}, fmt.Errorf("make the host rule of %s with priority %d: %w; deploy again, and check the target group", owner.Host, priority, err)
		}
		return decide.Rule{ARN: aws.ToString(out.Rules[0].RuleArn), Priority: priority}, nil
	}
	return decide.Rule{}, fmt.Errorf("make the host rule of %s: others were faster %d times; deploy again", owner.Host, attempts)
}

// settle makes the first of the environment's rules its only one.
func (r Router) settle(ctx context.Context, own []decide.Rule, actions []elbtypes.Action) error {
	if _, err := r.ELB.ModifyRule(ctx, &elb.ModifyRuleInput{RuleArn: &own[0].ARN, Actions: actions}); err != nil {
		return fmt.Errorf("change the rule %s: %w; deploy again", own[0].ARN, err)
	}
	return r.delete(ctx, own[1:])
}

func (r Router) remove(ctx context.Context, owner decide.Owner) error {
	rules, err := r.rules(ctx, owner)
	var gone *elbtypes.ListenerNotFoundException
	switch {
	case errors.As(err, &gone):
		return nil // and its rules with it
	case err != nil:
		return err
	}
	return r.delete(ctx, decide.Own(owner, rules))
}

func (r Router) delete(ctx context.Context, rules []decide.Rule) error {
	var faults []error
	for _, rule := range rules {
		_, err := r.ELB.DeleteRule(ctx, &elb.DeleteRuleInput{RuleArn: &rule.ARN})
		var gone *elbtypes.RuleNotFoundException
		if err != nil && !errors.As(err, &gone) {
			faults = append(faults, fmt.Errorf("delete the rule %s: %w; delete the stack again", rule.ARN, err))
		}
	}
	return errors.Join(faults...)
}

// rules lists the listener's rules, with the tags of those for the environment's host.
func (r Router) rules(ctx context.Context, owner decide.Owner) ([]decide.Rule, error) {
	var rules []decide.Rule
	pages := elb.NewDescribeRulesPaginator(r.ELB, &elb.DescribeRulesInput{ListenerArn: &r.ListenerARN, PageSize: aws.Int32(rulePage)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list the rules of %s: %w; try again, and check that the shared load balancer is deployed", r.ListenerARN, err)
		}
		for _, rule := range page.Rules {
			rules = append(rules, ruleOf(rule))
		}
	}
	concerned := map[string]int{}
	for i, rule := range rules {
		if owner.Concerns(rule) {
			concerned[rule.ARN] = i
		}
	}
	for batch := range slices.Chunk(slices.Sorted(maps.Keys(concerned)), tagBatch) {
		out, err := r.ELB.DescribeTags(ctx, &elb.DescribeTagsInput{ResourceArns: batch})
		if err != nil {
			return nil, fmt.Errorf("read the tags of the rules for %s: %w; try again", owner.Host, err)
		}
		for _, described := range out.TagDescriptions {
			found := map[string]string{}
			for _, tag := range described.Tags {
				found[aws.ToString(tag.Key)] = aws.ToString(tag.Value)
			}
			if i, ok := concerned[aws.ToString(described.ResourceArn)]; ok {
				rules[i].Tags = found
			}
		}
	}
	return rules, nil
}

func ruleOf(r elbtypes.Rule) decide.Rule {
	rule := decide.Rule{ARN: aws.ToString(r.RuleArn)}
	rule.Priority, _ = strconv.Atoi(aws.ToString(r.Priority)) // "default" is none
	for _, condition := range r.Conditions {
		switch {
		case aws.ToString(condition.Field) != "host-header":
		case condition.HostHeaderConfig != nil:
			rule.Hosts = append(rule.Hosts, condition.HostHeaderConfig.Values...)
		default:
			rule.Hosts = append(rule.Hosts, condition.Values...)
		}
	}
	return rule
}

func tags(owner decide.Owner) (tags []elbtypes.Tag) {
	all := owner.Tags()
	for _, key := range slices.Sorted(maps.Keys(all)) {
		tags = append(tags, elbtypes.Tag{Key: aws.String(key), Value: aws.String(all[key])})
	}
	return tags
}
