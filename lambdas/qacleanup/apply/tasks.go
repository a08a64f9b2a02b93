package apply

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"

	"slipway/lambdas/qacleanup/decide"
)

type taskCalls interface {
	UpdateService(context.Context, *ecs.UpdateServiceInput, ...func(*ecs.Options)) (*ecs.UpdateServiceOutput, error)
}

// tasks scales services to zero.
type tasks struct{ client taskCalls }

func (tasks) Kind() decide.Kind { return decide.KindTasks }

func (c tasks) Clean(ctx context.Context, s decide.Step) error {
	cluster, err := clusterOf(s.ID)
	if err != nil {
		return err
	}
	out, err := c.client.UpdateService(ctx, &ecs.UpdateServiceInput{Cluster: &cluster, Service: &s.ID, DesiredCount: aws.Int32(0)})
	switch {
	case isGone(err):
		return nil
	case err != nil:
		return fmt.Errorf("scale service %s to zero: %w", s.ID, err)
	case s.Wait && out.Service != nil && out.Service.RunningCount+out.Service.PendingCount > 0:
		return &Later{fmt.Sprintf("%d of its tasks are stopping", out.Service.RunningCount+out.Service.PendingCount)}
	}
	return nil
}
