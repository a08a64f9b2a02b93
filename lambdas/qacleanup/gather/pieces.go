package gather

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"slipway/lambdas/qacleanup/decide"
)

// ELB are the calls that reading needs.
type ELB interface {
	DescribeRules(context.Context, *elb.DescribeRulesInput, ...func(*elb.Options)) (*elb.DescribeRulesOutput, error)
	DescribeTargetGroups(context.Context, *elb.DescribeTargetGroupsInput, ...func(*elb.Options)) (*elb.DescribeTargetGroupsOutput, error)
	DescribeTags(context.Context, *elb.DescribeTagsInput, ...func(*elb.Options)) (*elb.DescribeTagsOutput, error)
}

// Limits of the load balancing API.
const (
	rulePage = 400 // DescribeRules
	tagBatch = 20  // DescribeTags; the same bounds a question for target groups by ARN
)

// pieces reads what the services consist of, into f.
func (r Reader) pieces(ctx context.Context, services []decide.Service, f *decide.Facts) error {
	f.LoadBalancer = loadBalancerOf(r.ListenerARN)
	var groups []string
	for _, s := range services {
		groups = append(groups, s.TargetGroups...)
	}
	slices.Sort(groups)
	groups = slices.Compact(groups)
	if len(groups) > 0 {
		if err := r.targetGroups(ctx, groups, f); err != nil {
			return err
		}
		if err := r.rules(ctx, groups, f); err != nil {
			return err
		}
	}
	return r.families(ctx, services, f)
}

// loadBalancerOf derives the load balancer's ARN from a listener's:
// …:listener/app/<name>/<id>/<listener> belongs to …:loadbalancer/app/<name>/<id>.
func loadBalancerOf(listener string) string {
	arn := strings.Replace(listener, ":listener/", ":loadbalancer/", 1)
	if i := strings.LastIndexByte(arn, '/'); i >= 0 {
		arn = arn[:i]
	}
	return arn
}

func (r Reader) targetGroups(ctx context.Context, arns []string, f *decide.Facts) error {
	describe := func(arns []string) error {
		out, err := r.ELB.DescribeTargetGroups(ctx, &elb.DescribeTargetGroupsInput{TargetGroupArns: arns})
		if err != nil {
			return err
		}
		for _, g := range out.TargetGroups {
			f.TargetGroups = append(f.TargetGroups, decide.TargetGroup{
				ARN: aws.ToString(g.TargetGroupArn), Name: aws.ToString(g.TargetGroupName), LoadBalancers: g.LoadBalancerArns,
			})
		}
		return nil
	}
	for batch := range slices.Chunk(arns, tagBatch) {
		err := describe(batch)
		if isNoTargetGroup(err) { // one of them is gone, and AWS then describes none
			err = nil
			for _, arn := range batch {
				if e := describe([]string{arn}); e != nil && !isNoTargetGroup(e) {
					err = errors.Join(err, e)
				}
			}
		}
		if err != nil {
			return fmt.Errorf("describe target groups: %w", err)
		}
	}
	var found []string
	for _, g := range f.TargetGroups {
		found = append(found, g.ARN)
	}
	tags, err := r.tags(ctx, found)
	if err != nil {
		return err
	}
	for i := range f.TargetGroups {
		f.TargetGroups[i].Tags = tags[f.TargetGroups[i].ARN]
	}
	return nil
}

// rules reads the rules of the shared listener that send requests to one of the target groups.
func (r Reader) rules(ctx context.Context, groups []string, f *decide.Facts) error {
	in := &elb.DescribeRulesInput{ListenerArn: &r.ListenerARN, PageSize: aws.Int32(rulePage)}
	pages := elb.NewDescribeRulesPaginator(r.ELB, in)
	var arns []string
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return fmt.Errorf("read the rules of the shared listener %s: %w", r.ListenerARN, err)
		}
		for _, item := range page.Rules {
			rule := ruleOf(item)
			if slices.ContainsFunc(rule.Forwards, func(arn string) bool { return slices.Contains(groups, arn) }) {
				f.Rules = append(f.Rules, rule)
				arns = append(arns, rule.ARN)
			}
		}
	}
	tags, err := r.tags(ctx, arns)
	if err != nil {
		return err
	}
	for i := range f.Rules {
		f.Rules[i].Tags = tags[f.Rules[i].ARN]
	}
	return nil
}

func ruleOf(r elbtypes.Rule) decide.Rule {
	rule := decide.Rule{ARN: aws.ToString(r.RuleArn), Default: aws.ToBool(r.IsDefault)}
	add := func(arn *string) {
		if arn != nil && !slices.Contains(rule.Forwards, *arn) {
			rule.Forwards = append(rule.Forwards, *arn)
		}
	}
	for _, a := range r.Actions {
		switch a.Type {
		case elbtypes.ActionTypeEnumForward:
			add(a.TargetGroupArn)
			if a.ForwardConfig != nil {
				for _, g := range a.ForwardConfig.TargetGroups {
					add(g.TargetGroupArn)
				}
			}
		case elbtypes.ActionTypeEnumFixedResponse, elbtypes.ActionTypeEnumRedirect:
			rule.Answers = true
		default: // it signs people in; where requests go is another action
		}
	}
	return rule
}

func (r Reader) tags(ctx context.Context, arns []string) (map[string]map[string]string, error) {
	tags := map[string]map[string]string{}
	for batch := range slices.Chunk(arns, tagBatch) {
		out, err := r.ELB.DescribeTags(ctx, &elb.DescribeTagsInput{ResourceArns: batch})
		if err != nil {
			return nil, fmt.Errorf("read the tags of target groups and rules: %w", err)
		}
		for _, d := range out.TagDescriptions {
			own := map[string]string{}
			for _, t := range d.Tags {
				own[aws.ToString(t.Key)] = aws.ToString(t.Value)
			}
			tags[aws.ToString(d.ResourceArn)] = own
		}
	}
	for _, arn := range arns {
		if tags[arn] == nil {
			return nil, fmt.Errorf("read the tags of %s: the answer left it out", arn)
		}
	}
	return tags, nil
}

func (r Reader) families(ctx context.Context, services []decide.Service, f *decide.Facts) error {
	for _, s := range services {
		name := decide.FamilyOf(s.TaskDefinition)
		if name == "" || slices.ContainsFunc(f.Families, func(f decide.Family) bool { return f.Name == name }) {
			continue
		}
		out, err := r.ECS.DescribeTaskDefinition(ctx, &ecs.DescribeTaskDefinitionInput{
			TaskDefinition: &s.TaskDefinition, Include: []ecstypes.TaskDefinitionField{ecstypes.TaskDefinitionFieldTags},
		})
		var gone *ecstypes.ClientException
		if errors.As(err, &gone) {
			continue // AWS's answer for a task definition that it doesn't have; without its tags nothing is sure
		}
		if err != nil {
			return fmt.Errorf("describe task definition %s: %w", s.TaskDefinition, err)
		}
		family := decide.Family{Name: name, Tags: map[string]string{}}
		for _, t := range out.Tags {
			family.Tags[aws.ToString(t.Key)] = aws.ToString(t.Value)
		}
		if family.Active, err = r.revisions(ctx, name, ecstypes.TaskDefinitionStatusActive); err != nil {
			return err
		}
		if family.Inactive, err = r.revisions(ctx, name, ecstypes.TaskDefinitionStatusInactive); err != nil {
			return err
		}
		f.Families = append(f.Families, family)
	}
	return nil
}

// revisions lists a family's revisions. What the API calls a prefix may match longer names too, so each is compared.
func (r Reader) revisions(ctx context.Context, family string, status ecstypes.TaskDefinitionStatus) ([]string, error) {
	var arns []string
	pages := ecs.NewListTaskDefinitionsPaginator(r.ECS, &ecs.ListTaskDefinitionsInput{
		FamilyPrefix: &family, Status: status, MaxResults: aws.Int32(pageSize),
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list the revisions of task definition %s: %w", family, err)
		}
		for _, arn := range page.TaskDefinitionArns {
			if decide.FamilyOf(arn) == family {
				arns = append(arns, arn)
			}
		}
	}
	return arns, nil
}

func isNoTargetGroup(err error) bool {
	var gone *elbtypes.TargetGroupNotFoundException
	return errors.As(err, &gone)
}
