package kinds

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"slipway/internal/contract"
	"slipway/lambdas/qasweep/decide"
)

// Limits of the load balancing API.
const (
	elbPage  = 400
	tagBatch = 20 // DescribeTags
)

// LoadBalancing sweeps rules of the shared listener and target groups.
type LoadBalancing struct {
	Platform
	Listener string
	Client   interface {
		DescribeRules(context.Context, *elb.DescribeRulesInput, ...func(*elb.Options)) (*elb.DescribeRulesOutput, error)
		DescribeTargetGroups(context.Context, *elb.DescribeTargetGroupsInput, ...func(*elb.Options)) (*elb.DescribeTargetGroupsOutput, error)
		DescribeTags(context.Context, *elb.DescribeTagsInput, ...func(*elb.Options)) (*elb.DescribeTagsOutput, error)
		DeleteRule(context.Context, *elb.DeleteRuleInput, ...func(*elb.Options)) (*elb.DeleteRuleOutput, error)
		DeleteTargetGroup(context.Context, *elb.DeleteTargetGroupInput, ...func(*elb.Options)) (*elb.DeleteTargetGroupOutput, error)
	}
}

// Kinds are the kinds it sweeps.
func (LoadBalancing) Kinds() []decide.Kind {
	return []decide.Kind{decide.ListenerRule, decide.TargetGroup}
}

// List finds rules by their host and tags, and target groups by their tags, in two listings and a call for each 20 tags.
func (l LoadBalancing) List(ctx context.Context) ([]decide.Piece, error) {
	var rules []elbtypes.Rule
	rulePages := elb.NewDescribeRulesPaginator(l.Client, &elb.DescribeRulesInput{ListenerArn: &l.Listener, PageSize: aws.Int32(elbPage)})
	for rulePages.HasMorePages() {
		page, err := rulePages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list the rules of the shared listener %s: %w", l.Listener, err)
		}
		for _, r := range page.Rules {
			if !aws.ToBool(r.IsDefault) {
				rules = append(rules, r)
			}
		}
	}
	var groups []elbtypes.TargetGroup
	groupPages := elb.NewDescribeTargetGroupsPaginator(l.Client, &elb.DescribeTargetGroupsInput{PageSize: aws.Int32(elbPage)})
	for groupPages.HasMorePages() {
		page, err := groupPages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list target groups: %w", err)
		}
		groups = append(groups, page.TargetGroups...)
	}
	var arns []string
	for _, r := range rules {
		arns = append(arns, *r.RuleArn)
	}
	for _, g := range groups {
		arns = append(arns, *g.TargetGroupArn)
	}
	tags, err := l.tags(ctx, arns)
	if err != nil {
		return nil, err
	}
	var pieces []decide.Piece
	owners := map[string][]string{} // target group → environments of the rules that use it; "" for somebody else's
	for _, r := range rules {
		environment := l.ownerOfRule(r, tags[*r.RuleArn])
		for _, group := range forwards(r) {
			owners[group] = append(owners[group], environment)
		}
		if environment != "" {
			pieces = append(pieces, decide.Piece{Kind: decide.ListenerRule, ID: *r.RuleArn, Environment: environment})
		}
	}
	balancer := loadBalancerOf(l.Listener)
	for _, g := range groups {
		arn := *g.TargetGroupArn
		environment, known, _ := decide.Owner(l.Name, tags[arn])
		if !known {
			continue
		}
		piece := decide.Piece{Kind: decide.TargetGroup, ID: arn, Environment: environment}
		for _, b := range g.LoadBalancerArns {
			if b != balancer {
				piece.Keep = "another load balancer uses it: " + b
			}
		}
		if slices.ContainsFunc(owners[arn], func(owner string) bool { return owner != environment }) {
			piece.Keep = "a rule of somebody else sends requests to it"
		}
		pieces = append(pieces, piece)
	}
	return pieces, nil
}

// ownerOfRule is the environment to which a rule belongs: its only host is the environment's, within the priorities of
// environments, and no tag speaks against it; or its tags say so.
func (l LoadBalancing) ownerOfRule(r elbtypes.Rule, tags map[string]string) string {
	tagged, known, foreign := decide.Owner(l.Name, tags)
	if foreign {
		return ""
	}
	if known {
		return tagged
	}
	priority, err := strconv.Atoi(aws.ToString(r.Priority))
	if err != nil || priority < contract.MinRulePriority || priority > contract.MaxRulePriority || len(r.Conditions) != 1 {
		return ""
	}
	c := r.Conditions[0]
	if aws.ToString(c.Field) != "host-header" || c.HostHeaderConfig == nil || len(c.HostHeaderConfig.Values) != 1 {
		return ""
	}
	slug, ok := l.slugOfHost(c.HostHeaderConfig.Values[0])
	if !ok {
		return ""
	}
	return slug
}

func forwards(r elbtypes.Rule) (groups []string) {
	for _, a := range r.Actions {
		if a.TargetGroupArn != nil {
			groups = append(groups, *a.TargetGroupArn)
		}
		if a.ForwardConfig != nil {
			for _, g := range a.ForwardConfig.TargetGroups {
				groups = append(groups, aws.ToString(g.TargetGroupArn))
			}
		}
	}
	return groups
}

// loadBalancerOf derives the load balancer's ARN from its listener's.
func loadBalancerOf(listener string) string {
	arn := strings.Replace(listener, ":listener/", ":loadbalancer/", 1)
	if i := strings.LastIndexByte(arn, '/'); i >= 0 {
		arn = arn[:i]
	}
	return arn
}

// tags reads tags, 20 resources in a call. If one of a batch is gone, AWS gives the tags of none; each is then asked for alone.
func (l LoadBalancing) tags(ctx context.Context, arns []string) (map[string]map[string]string, error) {
	tags := map[string]map[string]string{}
	read := func(batch []string) error {
		out, err := l.Client.DescribeTags(ctx, &elb.DescribeTagsInput{ResourceArns: batch})
		if err != nil {
			return err
		}
		for _, d := range out.TagDescriptions {
			own := map[string]string{}
			for _, t := range d.Tags {
				own[aws.ToString(t.Key)] = aws.ToString(t.Value)
			}
			tags[aws.ToString(d.ResourceArn)] = own
		}
		return nil
	}
	for batch := range slices.Chunk(arns, tagBatch) {
		err := read(batch)
		if isGone(err, "TargetGroupNotFound", "RuleNotFound") {
			err = nil
			for _, arn := range batch {
				if e := read([]string{arn}); e != nil && !isGone(e, "TargetGroupNotFound", "RuleNotFound") {
					err = errors.Join(err, e)
				}
			}
		}
		if err != nil {
			return nil, fmt.Errorf("read the tags of rules and target groups: %w", err)
		}
	}
	return tags, nil
}

// Delete deletes rules or target groups.
func (l LoadBalancing) Delete(ctx context.Context, pieces []decide.Piece) error {
	var failed []error
	for _, p := range pieces {
		var err error
		if p.Kind == decide.ListenerRule {
			_, err = l.Client.DeleteRule(ctx, &elb.DeleteRuleInput{RuleArn: &p.ID})
		} else {
			_, err = l.Client.DeleteTargetGroup(ctx, &elb.DeleteTargetGroupInput{TargetGroupArn: &p.ID})
		}
		if err != nil && !isGone(err, "RuleNotFound", "TargetGroupNotFound") {
			failed = append(failed, fmt.Errorf("delete %s %s: %w", p.Kind, p.ID, err))
		}
	}
	return errors.Join(failed...)
}
