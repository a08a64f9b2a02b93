package apply

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/cloudformation"

	"slipway/lambdas/qacleanup/decide"
)

type stackCalls interface {
	DeleteStack(context.Context, *cloudformation.DeleteStackInput, ...func(*cloudformation.Options)) (*cloudformation.DeleteStackOutput, error)
}

// stacks begins the deletion of stacks. CloudFormation goes on by itself; if it fails, a later run finds DELETE_FAILED.
type stacks struct{ client stackCalls }

func (stacks) Kind() decide.Kind { return decide.KindStack }

// Clean names the stack by its ID, so that a new stack of the same name is never meant, and gives no role: CloudFormation
// then uses the one that the stack was last deployed with.
func (c stacks) Clean(ctx context.Context, s decide.Step) error {
	_, err := c.client.DeleteStack(ctx, &cloudformation.DeleteStackInput{StackName: &s.ID})
	switch {
	case err == nil, isGone(err):
		return nil
	case isProtected(err):
		return &Refused{"its termination protection is on; switch it off or delete it by hand"}
	case isBusyStack(err):
		return &Later{"CloudFormation began to work on it meanwhile"}
	}
	return fmt.Errorf("delete stack %s: %w", s.ID, err)
}
