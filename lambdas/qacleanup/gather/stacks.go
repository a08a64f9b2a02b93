package gather

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	cfntypes "github.com/aws/aws-sdk-go-v2/service/cloudformation/types"

	"slipway/internal/contract"
	"slipway/lambdas/internal/bounded"
	"slipway/lambdas/qacleanup/decide"
)

// CloudFormation are the calls that reading needs.
type CloudFormation interface {
	ListStacks(context.Context, *cloudformation.ListStacksInput, ...func(*cloudformation.Options)) (*cloudformation.ListStacksOutput, error)
	DescribeStacks(context.Context, *cloudformation.DescribeStacksInput, ...func(*cloudformation.Options)) (*cloudformation.DescribeStacksOutput, error)
	DescribeStackEvents(context.Context, *cloudformation.DescribeStackEventsInput, ...func(*cloudformation.Options)) (*cloudformation.DescribeStackEventsOutput, error)
}

// maxEventPages bounds how far back the events of a stack are read. Three failed deletions of an environment are some
// hundred events; AWS gives them newest first.
const maxEventPages = 10

// stacks lists the stacks of the environments. DescribeStacks without a name would tell more in as many calls, but show
// the parameters and outputs of every stack in the account, for which the function has no permission.
func (r Reader) stacks(ctx context.Context) ([]decide.Stack, error) {
	prefix := contract.QAEnvironmentStack(r.Platform, "")
	var statuses []cfntypes.StackStatus
	for _, s := range cfntypes.StackStatus("").Values() {
		if s != cfntypes.StackStatusDeleteComplete { // of which AWS lists those of 90 days
			statuses = append(statuses, s)
		}
	}
	var stacks []decide.Stack
	pages := cloudformation.NewListStacksPaginator(r.Stack, &cloudformation.ListStacksInput{StackStatusFilter: statuses})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list the stacks %s*: %w", prefix, err)
		}
		for _, s := range page.StackSummaries {
			if strings.HasPrefix(aws.ToString(s.StackName), prefix) {
				stacks = append(stacks, decide.Stack{
					ID:           aws.ToString(s.StackId),
					Name:         aws.ToString(s.StackName),
					Status:       string(s.StackStatus),
					StatusReason: aws.ToString(s.StackStatusReason),
					CreatedAt:    aws.ToTime(s.CreationTime),
					ParentID:     aws.ToString(s.ParentId),
				})
			}
		}
	}
	return stacks, nil
}

// details reads what the listing doesn't say of the stacks with the IDs, and what it says once more, for it may be old. A run
// that deletes needs it only where a deletion failed before.
func (r Reader) details(ctx context.Context, stacks []decide.Stack, ids []string) (problems error) {
	var doomed []*decide.Stack
	for i := range stacks {
		if (r.Thorough || stacks[i].Status == string(cfntypes.StackStatusDeleteFailed)) && slices.Contains(ids, stacks[i].ID) {
			doomed = append(doomed, &stacks[i])
		}
	}
	var mu sync.Mutex
	bounded.Each(r.Concurrency, doomed, func(s *decide.Stack) {
		if err := r.detail(ctx, s); err != nil {
			s.ReadError = err.Error()
			mu.Lock()
			defer mu.Unlock()
			problems = errors.Join(problems, fmt.Errorf("describe stack %s: %w", s.Name, err))
		}
	})
	return problems
}

func (r Reader) detail(ctx context.Context, s *decide.Stack) error {
	out, err := r.Stack.DescribeStacks(ctx, &cloudformation.DescribeStacksInput{StackName: &s.ID})
	if err != nil {
		return err
	}
	if len(out.Stacks) != 1 {
		return fmt.Errorf("the answer has %d stacks", len(out.Stacks))
	}
	s.Status = string(out.Stacks[0].StackStatus)
	s.StatusReason = aws.ToString(out.Stacks[0].StackStatusReason)
	s.ParentID = aws.ToString(out.Stacks[0].ParentId)
	s.Protected = aws.ToBool(out.Stacks[0].EnableTerminationProtection)
	if out.Stacks[0].StackStatus == cfntypes.StackStatusDeleteFailed {
		s.FailedDeletions, s.LastFailure, err = r.failedDeletions(ctx, s.ID)
	}
	return err
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
