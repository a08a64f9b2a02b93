package apply

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"

	"slipway/lambdas/qacleanup/decide"
)

type serviceCalls interface {
	DeleteService(context.Context, *ecs.DeleteServiceInput, ...func(*ecs.Options)) (*ecs.DeleteServiceOutput, error)
}

// services deletes ECS services.
type services struct{ client serviceCalls }

func (services) Kind() decide.Kind { return decide.KindService }

// Clean forces the deletion: ECS stops tasks that are left, and the service drains until they are gone.
func (c services) Clean(ctx context.Context, s decide.Step) error {
	cluster, err := clusterOf(s.ID)
	if err != nil {
		return err
	}
	_, err = c.client.DeleteService(ctx, &ecs.DeleteServiceInput{Cluster: &cluster, Service: &s.ID, Force: aws.Bool(true)})
	if err != nil && !isGone(err) {
		return fmt.Errorf("delete service %s: %w", s.ID, err)
	}
	return nil
}

// clusterOf reads the cluster from a service's ARN: …:service/<cluster>/<service>. ARNs of before 2018 have no cluster;
// such a service can't be told from one in another cluster.
func clusterOf(arn string) (string, error) {
	_, path, ok := strings.Cut(arn, ":service/")
	cluster, _, inCluster := strings.Cut(path, "/")
	if !ok || !inCluster {
		return "", fmt.Errorf("delete service %s: its ARN names no cluster; recreate the service with the long ARN format or delete it by hand", arn)
	}
	return cluster, nil
}
