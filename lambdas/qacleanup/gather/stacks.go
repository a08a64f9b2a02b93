package gather

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	cfntypes "github.com/aws/aws-sdk-go-v2/service/cloudformation/types"

	"slipway/internal/contract"
	"slipway/lambdas/qacleanup/decide"
)

// CloudFormation are the calls that reading needs.
type CloudFormation interface {
	DescribeStacks(context.Context, *cloudformation.DescribeStacksInput, ...func(*cloudformation.Options)) (*cloudformation.DescribeStacksOutput, error)
	DescribeStackEvents(context.Context, *cloudformation.DescribeStackEventsInput, ...func(*cloudformation.Options)) (*cloudformation.DescribeStackEventsOutput, error)
}

// maxEventPages bounds how far back the events of a stack are read. Three failed deletions of an environment are some
// hundred events; AWS gives them newest first.
const maxEventPages = 10

// stacks pages through all stacks. ListStacks would name fewer facts (no termination protection, and the deleted stacks
// of 90 days besides), and asking for each stack by name would be one call for each.
func (r Reader) stacks(ctx context.Context) ([]decide.Stack, error) {
	prefix := contract.QAEnvironmentStack(r.Platform, "")
	var stacks []decide.Stack
	pages := cloudformation.NewDescribeStacksPaginator(r.Stack, &cloudformation.DescribeStacksInput{})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list the stacks %s*: %w", prefix, err)
		}
		for _, s := range page.Stacks {
			if !strings.HasPrefix(aws.ToString(s.StackName), prefix) {
				continue
			}
			stack := decide.Stack{
				ID:           aws.ToString(s.StackId),
				Name:         aws.ToString(s.StackName),
				Status:       string(s.StackStatus),
				StatusReason: aws.ToString(s.StackStatusReason),
				CreatedAt:    aws.ToTime(s.CreationTime),
				Protected:    aws.ToBool(s.EnableTerminationProtection),
				ParentID:     aws.ToString(s.ParentId),
			}
			_, ours := contract.SlugFromStack(r.Platform, stack.Name)
			if ours && s.StackStatus == cfntypes.StackStatusDeleteFailed {
				var err error
				if stack.FailedDeletions, stack.LastFailure, err = r.failedDeletions(ctx, stack.ID); err != nil {
					stack.EventsError = err.Error()
				}
			}
			stacks = append(stacks, stack)
		}
	}
	return stacks, nil
}

// failedDeletions counts how often in a row the deletion of a stack failed, as its events tell it.
func (r Reader) failedDeletions(ctx context.Context, id string) (count int, last time.Time, err error) {
	pages := cloudformation.NewDescribeStackEventsPaginator(r.Stack, &cloudformation.DescribeStackEventsInput{StackName: &id})
	for n := 0; pages.HasMorePages() && n < maxEventPages; n++ {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return 0, time.Time{}, err
		}
		for _, e := range page.StackEvents {
			if aws.ToString(e.PhysicalResourceId) != id {
				continue // an event of one of the stack's resources
			}
			switch e.ResourceStatus {
			case cfntypes.ResourceStatusDeleteFailed:
				count++
				if last.IsZero() {
					last = aws.ToTime(e.Timestamp)
				}
				if count == decide.MaxFailedDeletions {
					return count, last, nil // more would change nothing
				}
			case cfntypes.ResourceStatusDeleteInProgress:
			default:
				return count, last, nil
			}
		}
	}
	return count, last, nil
}
