package rollout

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"slipway/internal/contract"
)

// ECS knows services and tasks.
type ECS interface {
	DescribeServices(context.Context, *ecs.DescribeServicesInput, ...func(*ecs.Options)) (*ecs.DescribeServicesOutput, error)
	ListTasks(context.Context, *ecs.ListTasksInput, ...func(*ecs.Options)) (*ecs.ListTasksOutput, error)
	DescribeTasks(context.Context, *ecs.DescribeTasksInput, ...func(*ecs.Options)) (*ecs.DescribeTasksOutput, error)
}

// Target is a service.
type Target struct {
	Cluster string
	Service string
}

// service is the service, or nil before it is created.
func (t Target) service(ctx context.Context, client ECS) (*types.Service, error) {
	out, err := client.DescribeServices(ctx, &ecs.DescribeServicesInput{Cluster: &t.Cluster, Services: []string{t.Service}})
	var noCluster *types.ClusterNotFoundException
	if errors.As(err, &noCluster) {
		return nil, nil // as before the first deployment
	}
	if err != nil {
		return nil, fmt.Errorf("look at service %s of cluster %s: %w; check that it may be read", t.Service, t.Cluster, err)
	}
	for _, s := range out.Services {
		if aws.ToString(s.Status) != "INACTIVE" {
			return &s, nil
		}
	}
	for _, f := range out.Failures { // with HTTP 200
		if reason := aws.ToString(f.Reason); reason != "MISSING" {
			return nil, fmt.Errorf("look at service %s of cluster %s: ECS says %s", t.Service, t.Cluster, reason)
		}
	}
	return nil, nil
}

// Read says what a service serves.
func (t Target) Read(ctx context.Context, client ECS) (Serving, error) {
	service, err := t.service(ctx, client)
	if err != nil {
		return Serving{}, err
	}
	if service == nil {
		return Serving{}, fmt.Errorf("there is no service %s in cluster %s; deploy its stack first", t.Service, t.Cluster)
	}
	serving := primary(service)
	serving.Digests, err = t.digests(ctx, client, serving.Revision)
	return serving, err
}

// Tag is the value of one of the service's tags.
func (t Target) Tag(ctx context.Context, client ECS, key string) (string, error) {
	out, err := client.DescribeServices(ctx, &ecs.DescribeServicesInput{
		Cluster: &t.Cluster, Services: []string{t.Service}, Include: []types.ServiceField{types.ServiceFieldTags},
	})
	if err != nil || len(out.Services) == 0 {
		return "", fmt.Errorf("read the tags of service %s: %w", t.Service, errors.Join(err, failures(out)))
	}
	for _, tag := range out.Services[0].Tags {
		if aws.ToString(tag.Key) == key {
			return aws.ToString(tag.Value), nil
		}
	}
	return "", fmt.Errorf("service %s has no tag %s", t.Service, key)
}

// failures are what ECS couldn't describe, which it says with HTTP 200.
func failures(out *ecs.DescribeServicesOutput) error {
	if out == nil {
		return nil
	}
	var all []error
	for _, f := range out.Failures {
		all = append(all, errors.New(aws.ToString(f.Reason)))
	}
	return errors.Join(all...)
}

// primary is the revision that takes the requests. With CodeDeploy as the controller it is that of the primary task set, and
// the service's own field stays at what the template said.
func primary(s *types.Service) Serving {
	if c := s.DeploymentController; c != nil && c.Type == types.DeploymentControllerTypeCodeDeploy {
		serving := Serving{Unsettled: "the service has no primary task set"}
		for _, set := range s.TaskSets {
			switch aws.ToString(set.Status) {
			case "PRIMARY":
				serving.Revision, serving.Unsettled = aws.ToString(set.TaskDefinition), ""
				if set.StabilityStatus == types.StabilityStatusStabilizing {
					serving.Unsettled = "the tasks that serve aren't stable yet"
				}
			}
		}
		return serving
	}
	var serving Serving
	for _, d := range s.Deployments {
		switch {
		case aws.ToString(d.Status) == "PRIMARY":
			serving.Revision = aws.ToString(d.TaskDefinition)
			if d.RolloutState == types.DeploymentRolloutStateInProgress {
				serving.Unsettled = aws.ToString(d.RolloutStateReason)
			}
		case d.RolloutState == types.DeploymentRolloutStateFailed:
			serving.Failed = fmt.Sprintf("ECS gave up %s: %s", aws.ToString(d.TaskDefinition), aws.ToString(d.RolloutStateReason))
		}
	}
	return serving
}

// digests counts the running tasks of a revision by the digest of the application's image.
func (t Target) digests(ctx context.Context, client ECS, revision string) (map[string]int, error) {
	found := map[string]int{}
	pages := ecs.NewListTasksPaginator(client, &ecs.ListTasksInput{
		Cluster: &t.Cluster, ServiceName: &t.Service, DesiredStatus: types.DesiredStatusRunning, MaxResults: aws.Int32(100),
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list the tasks of service %s: %w", t.Service, err)
		}
		if len(page.TaskArns) == 0 {
			continue
		}
		out, err := client.DescribeTasks(ctx, &ecs.DescribeTasksInput{Cluster: &t.Cluster, Tasks: page.TaskArns}) // 100 at most
		if err != nil {
			return nil, fmt.Errorf("look at the tasks of service %s: %w", t.Service, err)
		}
		for _, task := range out.Tasks {
			if aws.ToString(task.TaskDefinitionArn) != revision || aws.ToString(task.LastStatus) != "RUNNING" {
				continue
			}
			for _, c := range task.Containers {
				if aws.ToString(c.Name) == contract.ContainerName {
					found[aws.ToString(c.ImageDigest)]++
				}
			}
		}
	}
	return found, nil
}
