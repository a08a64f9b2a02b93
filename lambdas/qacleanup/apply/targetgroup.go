package apply

import (
	"context"
	"fmt"

	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"

	"slipway/lambdas/qacleanup/decide"
)

type targetGroupCalls interface {
	DeleteTargetGroup(context.Context, *elb.DeleteTargetGroupInput, ...func(*elb.Options)) (*elb.DeleteTargetGroupOutput, error)
}

// targetGroups deletes target groups.
type targetGroups struct{ client targetGroupCalls }

func (targetGroups) Kind() decide.Kind { return decide.KindTargetGroup }

func (c targetGroups) Clean(ctx context.Context, s decide.Step) error {
	_, err := c.client.DeleteTargetGroup(ctx, &elb.DeleteTargetGroupInput{TargetGroupArn: &s.ID})
	switch {
	case err == nil, isGone(err):
		return nil
	case isInUse(err):
		return &Later{"target group " + s.ID + " is still in use"}
	}
	return fmt.Errorf("delete target group %s: %w", s.ID, err)
}
