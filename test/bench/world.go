package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	logs "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"slipway/internal/contract"
	"slipway/local/harness"
)

const (
	platform = "slipway"
	domain   = "example.com"
	routed   = 100 // services behind the listener: what a load balancer's quota of rules allows
	makers   = 8
)

// group is a number of environments in the same state. They are in the world in this order, so the first groups have listener rules.
type group struct {
	name    string
	count   int
	goes    bool   // its lease is over
	expires string // its service's tag, unless it lives
	maximum string // its service's tag of the longest life, if any
	pieces  string // the tag of its other pieces, if somebody has changed the service's since
}

func groups(now time.Time) []group {
	over, living := contract.FormatExpiry(now.Add(-24*time.Hour)), contract.FormatExpiry(now.Add(24*time.Hour))
	return []group{
		{name: "lease over", count: 50, goes: true, expires: over},
		{name: "longest life over", count: 5, goes: true, expires: living, maximum: "1ms"},
		{name: "renewed", count: 5, expires: living, pieces: over},
		{name: "end unreadable", count: 5, expires: "next week"},
		{name: "alive", count: 235, expires: living},
	}
}

// kind is a kind of piece that an environment consists of.
type kind int

const (
	serviceKind kind = iota
	ruleKind
	targetGroupKind
	taskDefinitionKind
	logGroupKind
	kinds
)

func (k kind) String() string {
	return [...]string{"services", "listener rules", "target groups", "task definitions", "log groups"}[k]
}

// count is how many pieces there are, by the environment's slug.
type count [kinds]map[string]int

func (c *count) add(k kind, slug string) {
	if c[k] == nil {
		c[k] = map[string]int{}
	}
	c[k][slug]++
}

// world is a QA account whose services were made by hand, each with what it needs.
type world struct {
	aws      *harness.Local
	cfg      aws.Config
	cluster  string
	listener string
	topic    string
	of       map[string]group // by slug
}

// newWorld fills a running local AWS.
func newWorld(ctx context.Context, local *harness.Local, now time.Time) (*world, error) {
	w := &world{aws: local, cluster: contract.ClusterName("qa"), of: map[string]group{}, cfg: aws.Config{
		Region: harness.Region, BaseEndpoint: aws.String(local.Endpoint()),
		Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
	}}
	vpc, err := w.shared(ctx)
	if err != nil {
		return nil, fmt.Errorf("make what the environments share: %w", err)
	}
	var failed []error
	var mu sync.Mutex
	var wg sync.WaitGroup
	slots := make(chan struct{}, makers)
	for _, g := range groups(now) {
		for i := range g.count {
			slug, err := contract.Slug(fmt.Sprintf("%s/%d", strings.ReplaceAll(g.name, " ", "-"), i))
			if err != nil {
				return nil, err
			}
			w.of[slug] = g
			number := len(w.of)
			slots <- struct{}{}
			wg.Go(func() {
				defer func() { <-slots }()
				if err := w.environment(ctx, slug, g, vpc, number); err != nil {
					mu.Lock()
					defer mu.Unlock()
					failed = append(failed, fmt.Errorf("make environment %s: %w", slug, err))
				}
			})
		}
	}
	wg.Wait()
	return w, errors.Join(failed...)
}

// shared makes the cluster, the load balancer with its listener, the topic and the cleanup's switch.
func (w *world) shared(ctx context.Context) (vpc *string, err error) {
	made, err := ec2.NewFromConfig(w.cfg).CreateVpc(ctx, &ec2.CreateVpcInput{CidrBlock: aws.String("10.0.0.0/16")})
	if err != nil {
		return nil, err
	}
	vpc = made.Vpc.VpcId
	if _, err := w.ecs().CreateCluster(ctx, &ecs.CreateClusterInput{ClusterName: &w.cluster}); err != nil {
		return nil, err
	}
	balancer, err := w.elb().CreateLoadBalancer(ctx, &elb.CreateLoadBalancerInput{Name: aws.String("front")})
	if err != nil {
		return nil, err
	}
	listener, err := w.elb().CreateListener(ctx, &elb.CreateListenerInput{
		LoadBalancerArn: balancer.LoadBalancers[0].LoadBalancerArn, Port: aws.Int32(443), Protocol: elbtypes.ProtocolEnumHttp,
		DefaultActions: []elbtypes.Action{{Type: elbtypes.ActionTypeEnumFixedResponse, FixedResponseConfig: &elbtypes.FixedResponseActionConfig{StatusCode: aws.String("404")}}},
	})
	if err != nil {
		return nil, err
	}
	w.listener = aws.ToString(listener.Listeners[0].ListenerArn)
	topic, err := sns.NewFromConfig(w.cfg).CreateTopic(ctx, &sns.CreateTopicInput{Name: aws.String("cleanup")})
	if err != nil {
		return nil, err
	}
	w.topic = aws.ToString(topic.TopicArn)
	_, err = ssm.NewFromConfig(w.cfg).PutParameter(ctx, &ssm.PutParameterInput{
		Name: aws.String(contract.CleanupSwitch(platform, "qa")), Value: aws.String(contract.SwitchOn), Type: ssmtypes.ParameterTypeString,
	})
	return vpc, err
}

// environment makes a service with a task definition of two revisions, the older one deregistered, and a log group; of the
// first ones also a target group and its listener rule. Cloud Custodian needs the lease on each piece, so each has it.
func (w *world) environment(ctx context.Context, slug string, g group, vpc *string, number int) error {
	lease := map[string]string{contract.TagEnvironment: slug, contract.TagExpires: g.expires}
	pieces := map[string]string{contract.TagEnvironment: slug, contract.TagExpires: g.expires}
	if g.pieces != "" {
		pieces[contract.TagExpires] = g.pieces
	}
	if g.maximum != "" {
		lease[contract.TagMaxLifetime] = g.maximum
	}
	_, err := logs.NewFromConfig(w.cfg).CreateLogGroup(ctx, &logs.CreateLogGroupInput{
		LogGroupName: aws.String(contract.LogGroupNameOfEnvironment(platform, slug)), Tags: pieces,
	})
	if err != nil {
		return err
	}
	var revisions []*string
	for range 2 {
		out, err := w.ecs().RegisterTaskDefinition(ctx, &ecs.RegisterTaskDefinitionInput{
			Family: aws.String(contract.TaskFamily(platform, slug)), Tags: ecsTags(pieces),
			ContainerDefinitions: []ecstypes.ContainerDefinition{{Name: aws.String("app"), Image: aws.String("app"), Memory: aws.Int32(128)}},
		})
		if err != nil {
			return err
		}
		revisions = append(revisions, out.TaskDefinition.TaskDefinitionArn)
	}
	if _, err := w.ecs().DeregisterTaskDefinition(ctx, &ecs.DeregisterTaskDefinitionInput{TaskDefinition: revisions[0]}); err != nil {
		return err
	}
	service := &ecs.CreateServiceInput{
		Cluster: &w.cluster, ServiceName: &slug, TaskDefinition: revisions[1], DesiredCount: aws.Int32(1), Tags: ecsTags(lease),
	}
	if number <= routed {
		target, err := w.route(ctx, slug, elbTags(pieces), vpc, number)
		if err != nil {
			return err
		}
		service.LoadBalancers = []ecstypes.LoadBalancer{{TargetGroupArn: target, ContainerName: aws.String("app"), ContainerPort: aws.Int32(8000)}}
	}
	_, err = w.ecs().CreateService(ctx, service)
	return err
}

func (w *world) route(ctx context.Context, slug string, tags []elbtypes.Tag, vpc *string, priority int) (target *string, err error) {
	made, err := w.elb().CreateTargetGroup(ctx, &elb.CreateTargetGroupInput{
		Name: &slug, Port: aws.Int32(8000), Protocol: elbtypes.ProtocolEnumHttp, TargetType: elbtypes.TargetTypeEnumIp, VpcId: vpc, Tags: tags,
	})
	if err != nil {
		return nil, err
	}
	target = made.TargetGroups[0].TargetGroupArn
	_, err = w.elb().CreateRule(ctx, &elb.CreateRuleInput{
		ListenerArn: &w.listener, Priority: aws.Int32(int32(priority)), Tags: tags, //nolint:gosec // at most a hundred
		Conditions: []elbtypes.RuleCondition{{Field: aws.String("host-header"), Values: []string{slug + "." + contract.QADomain(domain)}}},
		Actions:    []elbtypes.Action{{Type: elbtypes.ActionTypeEnumForward, TargetGroupArn: target}},
	})
	return target, err
}

// count looks at what is there. A revision that is being deleted counts as gone: AWS does that by itself.
func (w *world) count(ctx context.Context) (c count, err error) {
	services := ecs.NewListServicesPaginator(w.ecs(), &ecs.ListServicesInput{Cluster: &w.cluster, MaxResults: aws.Int32(100)})
	for services.HasMorePages() {
		page, err := services.NextPage(ctx)
		if err != nil {
			return c, err
		}
		for _, arn := range page.ServiceArns {
			c.add(serviceKind, arn[strings.LastIndexByte(arn, '/')+1:])
		}
	}
	rules := elb.NewDescribeRulesPaginator(w.elb(), &elb.DescribeRulesInput{ListenerArn: &w.listener})
	for rules.HasMorePages() {
		page, err := rules.NextPage(ctx)
		if err != nil {
			return c, err
		}
		for _, r := range page.Rules {
			if len(r.Conditions) == 1 { // the default rule has none
				slug, _, _ := strings.Cut(r.Conditions[0].Values[0], ".")
				c.add(ruleKind, slug)
			}
		}
	}
	targets := elb.NewDescribeTargetGroupsPaginator(w.elb(), &elb.DescribeTargetGroupsInput{})
	for targets.HasMorePages() {
		page, err := targets.NextPage(ctx)
		if err != nil {
			return c, err
		}
		for _, g := range page.TargetGroups {
			c.add(targetGroupKind, aws.ToString(g.TargetGroupName))
		}
	}
	for _, status := range []ecstypes.TaskDefinitionStatus{ecstypes.TaskDefinitionStatusActive, ecstypes.TaskDefinitionStatusInactive} {
		revisions := ecs.NewListTaskDefinitionsPaginator(w.ecs(), &ecs.ListTaskDefinitionsInput{Status: status})
		for revisions.HasMorePages() {
			page, err := revisions.NextPage(ctx)
			if err != nil {
				return c, err
			}
			for _, arn := range page.TaskDefinitionArns {
				_, family, _ := strings.Cut(arn, ":task-definition/"+contract.TaskFamily(platform, ""))
				slug, _, _ := strings.Cut(family, ":")
				c.add(taskDefinitionKind, slug)
			}
		}
	}
	groups := logs.NewDescribeLogGroupsPaginator(logs.NewFromConfig(w.cfg), &logs.DescribeLogGroupsInput{})
	for groups.HasMorePages() {
		page, err := groups.NextPage(ctx)
		if err != nil {
			return c, err
		}
		for _, g := range page.LogGroups {
			c.add(logGroupKind, strings.TrimPrefix(aws.ToString(g.LogGroupName), contract.LogGroupNameOfEnvironment(platform, "")))
		}
	}
	return c, nil
}

func (w *world) ecs() *ecs.Client { return ecs.NewFromConfig(w.cfg) }
func (w *world) elb() *elb.Client { return elb.NewFromConfig(w.cfg) }

func ecsTags(tags map[string]string) (all []ecstypes.Tag) {
	for key, value := range tags {
		all = append(all, ecstypes.Tag{Key: &key, Value: &value})
	}
	return all
}

func elbTags(tags map[string]string) (all []elbtypes.Tag) {
	for key, value := range tags {
		all = append(all, elbtypes.Tag{Key: &key, Value: &value})
	}
	return all
}
