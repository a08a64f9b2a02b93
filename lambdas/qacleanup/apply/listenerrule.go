package apply

import (
	"context"
	"fmt"

	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"

	"slipway/lambdas/qacleanup/decide"
)

type ruleCalls interface {
	DeleteRule(context.Context, *elb.DeleteRuleInput, ...func(*elb.Options)) (*elb.DeleteRuleOutput, error)
}

// listenerRules deletes rules of the shared listener.
type listenerRules struct{ client ruleCalls }

func (listenerRules) Kind() decide.Kind { return decide.KindListenerRule }

func (c listenerRules) Clean(ctx context.Context, s decide.Step) error {
	if _, err := c.client.DeleteRule(ctx, &elb.DeleteRuleInput{RuleArn: &s.ID}); err != nil && !isGone(err) {
		return fmt.Errorf("delete listener rule %s: %w", s.ID, err)
	}
	return nil
}
