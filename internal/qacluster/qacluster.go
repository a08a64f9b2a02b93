// Package qacluster reads the services of the QA cluster, with the fewest calls that ECS's page and batch limits allow.
package qacluster

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

	"slipway/internal/qalease"
)

// Limits of the ECS API.
const (
	page  = 100 // ListServices gives 10 unless asked
	Batch = 10  // DescribeServices
)

// Describer is the call of Describe.
type Describer interface {
	DescribeServices(context.Context, *ecs.DescribeServicesInput, ...func(*ecs.Options)) (*ecs.DescribeServicesOutput, error)
}

// Client are the calls of Services.
type Client interface {
	Describer
	ListServices(context.Context, *ecs.ListServicesInput, ...func(*ecs.Options)) (*ecs.ListServicesOutput, error)
}

// Services reads all services of a cluster, with at most limit calls at once. If the listing fails, nothing is known, and err
// says so. Services that can't be described are unreadable; problems has the calls that failed.
func Services(ctx context.Context, client Client, cluster string, limit int) (services []qalease.Service, unreadable []qalease.Unreadable, problems, err error) {
	var arns []string
	pages := ecs.NewListServicesPaginator(client, &ecs.ListServicesInput{Cluster: &cluster, MaxResults: aws.Int32(page)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, nil, nil, fmt.Errorf("list the services of cluster %s: %w; check that the cluster exists and the role may read it", cluster, err)
		}
		arns = append(arns, page.ServiceArns...)
	}
	slices.Sort(arns)
	arns = slices.Compact(arns) // a listing that changes between two pages may name one twice

	var mu sync.Mutex
	var wg sync.WaitGroup
	slots := make(chan struct{}, limit)
	for batch := range slices.Chunk(arns, Batch) {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			found, failed, err := Describe(ctx, client, cluster, batch)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				problems = errors.Join(problems, err)
				for _, arn := range batch {
					unreadable = append(unreadable, qalease.Unreadable{ARN: arn, Reason: "the call failed"})
				}
				return
			}
			services = append(services, found...)
			unreadable = append(unreadable, failed...)
		})
	}
	wg.Wait()
	if err := ctx.Err(); err != nil {
		return nil, nil, nil, fmt.Errorf("describe the %d services of cluster %s: %w; give the function more time", len(arns), cluster, err)
	}
	slices.SortFunc(services, func(a, b qalease.Service) int { return strings.Compare(a.ARN, b.ARN) })
	slices.SortFunc(unreadable, func(a, b qalease.Unreadable) int { return strings.Compare(a.ARN, b.ARN) })
	return services, unreadable, problems, nil
}

// Describe reads at most Batch services, named by their ARNs or names, with their tags. AWS answers with HTTP 200 even when it can't describe some; those
// are failed. A service that is missing or inactive is gone, and neither found nor failed.
func Describe(ctx context.Context, client Describer, cluster string, arns []string) (found []qalease.Service, failed []qalease.Unreadable, err error) {
	out, err := client.DescribeServices(ctx, &ecs.DescribeServicesInput{
		Cluster: &cluster, Services: arns, Include: []ecstypes.ServiceField{ecstypes.ServiceFieldTags},
	})
	if err != nil {
		return nil, nil, fmt.Errorf("describe %d services of cluster %s: %w", len(arns), cluster, err)
	}
	answered := map[string]bool{}
	for _, s := range out.Services {
		answered[aws.ToString(s.ServiceArn)], answered[aws.ToString(s.ServiceName)] = true, true
		if aws.ToString(s.Status) != "INACTIVE" {
			found = append(found, service(s))
		}
	}
	for _, f := range out.Failures {
		arn := aws.ToString(f.Arn)
		answered[arn], answered[arn[strings.LastIndexByte(arn, '/')+1:]] = true, true // AWS makes an ARN of a name
		if reason := aws.ToString(f.Reason); reason != "MISSING" {
			failed = append(failed, qalease.Unreadable{ARN: arn, Reason: reason})
		}
	}
	for _, arn := range arns {
		if !answered[arn] {
			failed = append(failed, qalease.Unreadable{ARN: arn, Reason: "the answer left it out"})
		}
	}
	return found, failed, nil
}

func service(s ecstypes.Service) qalease.Service {
	out := qalease.Service{
		ARN:            aws.ToString(s.ServiceArn),
		Name:           aws.ToString(s.ServiceName),
		Status:         aws.ToString(s.Status),
		CreatedAt:      aws.ToTime(s.CreatedAt),
		Tags:           make(map[string]string, len(s.Tags)),
		TaskDefinition: aws.ToString(s.TaskDefinition),
		Desired:        int(s.DesiredCount),
		Running:        int(s.RunningCount),
		Starting:       int(s.PendingCount),
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
