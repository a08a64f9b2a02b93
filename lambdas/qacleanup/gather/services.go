package gather

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"slipway/lambdas/internal/bounded"
	"slipway/lambdas/qacleanup/decide"
)

// ECS are the calls that reading needs.
type ECS interface {
	ListServices(context.Context, *ecs.ListServicesInput, ...func(*ecs.Options)) (*ecs.ListServicesOutput, error)
	DescribeServices(context.Context, *ecs.DescribeServicesInput, ...func(*ecs.Options)) (*ecs.DescribeServicesOutput, error)
	DescribeTaskDefinition(context.Context, *ecs.DescribeTaskDefinitionInput, ...func(*ecs.Options)) (*ecs.DescribeTaskDefinitionOutput, error)
	ListTaskDefinitions(context.Context, *ecs.ListTaskDefinitionsInput, ...func(*ecs.Options)) (*ecs.ListTaskDefinitionsOutput, error)
}

// Limits of the ECS API.
const (
	pageSize     = 100 // ListServices and ListTaskDefinitions give 10, or nothing sensible, unless asked
	ServiceBatch = 10  // DescribeServices
)

func (r Reader) services(ctx context.Context) (services []decide.Service, unreadable []decide.Unreadable, problems, err error) {
	var arns []string
	pages := ecs.NewListServicesPaginator(r.ECS, &ecs.ListServicesInput{
		Cluster: &r.Cluster, MaxResults: aws.Int32(pageSize),
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, nil, nil, fmt.Errorf("list the services of cluster %s: %w; check that the cluster exists and the role may read it", r.Cluster, err)
		}
		arns = append(arns, page.ServiceArns...)
	}
	slices.Sort(arns)
	arns = slices.Compact(arns) // a listing that changes between two pages may name one twice

	var mu sync.Mutex
	bounded.Each(r.Concurrency, slices.Collect(slices.Chunk(arns, ServiceBatch)), func(batch []string) {
		found, failed, err := Describe(ctx, r.ECS, r.Cluster, batch)
		mu.Lock()
		defer mu.Unlock()
		if err != nil {
			problems = errors.Join(problems, err)
			for _, arn := range batch {
				unreadable = append(unreadable, decide.Unreadable{ARN: arn, Reason: "the call failed"})
			}
			return
		}
		services = append(services, found...)
		unreadable = append(unreadable, failed...)
	})
	if err := ctx.Err(); err != nil {
		return nil, nil, nil, fmt.Errorf("describe the %d services of cluster %s: %w; give the function more time", len(arns), r.Cluster, err)
	}
	slices.SortFunc(services, func(a, b decide.Service) int { return strings.Compare(a.ARN, b.ARN) })
	slices.SortFunc(unreadable, func(a, b decide.Unreadable) int { return strings.Compare(a.ARN, b.ARN) })
	return services, unreadable, problems, nil
}

// Describer is the call of Describe.
type Describer interface {
	DescribeServices(context.Context, *ecs.DescribeServicesInput, ...func(*ecs.Options)) (*ecs.DescribeServicesOutput, error)
}

// Describe reads at most ServiceBatch services with their tags. AWS answers with HTTP 200 even when it can't describe
// some; those are failed. A service that is missing or inactive is gone, and neither found nor failed.
func Describe(ctx context.Context, client Describer, cluster string, arns []string) (found []decide.Service, failed []decide.Unreadable, err error) {
	out, err := client.DescribeServices(ctx, &ecs.DescribeServicesInput{
		Cluster: &cluster, Services: arns, Include: []ecstypes.ServiceField{ecstypes.ServiceFieldTags},
	})
	if err != nil {
		return nil, nil, fmt.Errorf("describe %d services of cluster %s: %w", len(arns), cluster, err)
	}
	answered := map[string]bool{}
	for _, s := range out.Services {
		answered[aws.ToString(s.ServiceArn)] = true
		if aws.ToString(s.Status) != "INACTIVE" {
			found = append(found, service(s))
		}
	}
	for _, f := range out.Failures {
		arn := aws.ToString(f.Arn)
		answered[arn] = true
		if reason := aws.ToString(f.Reason); reason != "MISSING" {
			failed = append(failed, decide.Unreadable{ARN: arn, Reason: reason})
		}
	}
	for _, arn := range arns {
		if !answered[arn] {
			failed = append(failed, decide.Unreadable{ARN: arn, Reason: "the answer left it out"})
		}
	}
	return found, failed, nil
}

func service(s ecstypes.Service) decide.Service {
	out := decide.Service{
		ARN:            aws.ToString(s.ServiceArn),
		Name:           aws.ToString(s.ServiceName),
		Status:         aws.ToString(s.Status),
		CreatedAt:      aws.ToTime(s.CreatedAt),
		Tags:           make(map[string]string, len(s.Tags)),
		TaskDefinition: aws.ToString(s.TaskDefinition),
		Desired:        int(s.DesiredCount),
		Running:        int(s.RunningCount + s.PendingCount),
		Daemon:         s.SchedulingStrategy == ecstypes.SchedulingStrategyDaemon,
	}
	if _, name, ok := strings.Cut(aws.ToString(s.ClusterArn), ":cluster/"); ok {
		out.Cluster = name
	}
	for _, t := range s.Tags {
		out.Tags[aws.ToString(t.Key)] = aws.ToString(t.Value)
	}
	add := func(arn *string) {
		if arn != nil && !slices.Contains(out.TargetGroups, *arn) {
			out.TargetGroups = append(out.TargetGroups, *arn)
		}
	}
	addAll := func(lbs []ecstypes.LoadBalancer) {
		for _, lb := range lbs {
			add(lb.TargetGroupArn)
			if lb.AdvancedConfiguration != nil {
				add(lb.AdvancedConfiguration.AlternateTargetGroupArn)
			}
		}
	}
	addAll(s.LoadBalancers)
	for _, set := range s.TaskSets {
		addAll(set.LoadBalancers)
	}
	return out
}
