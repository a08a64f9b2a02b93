package kinds

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	logs "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"

	"slipway/internal/contract"
	"slipway/lambdas/qasweep/decide"
)

// LogGroups sweeps the environments' log groups.
type LogGroups struct {
	Platform
	Client interface {
		logs.DescribeLogGroupsAPIClient
		DeleteLogGroup(context.Context, *logs.DeleteLogGroupInput, ...func(*logs.Options)) (*logs.DeleteLogGroupOutput, error)
	}
}

// Kinds are the kinds it sweeps.
func (LogGroups) Kinds() []decide.Kind { return []decide.Kind{decide.LogGroup} }

// List finds them by their exact names.
func (l LogGroups) List(ctx context.Context) (pieces []decide.Piece, err error) {
	prefix := contract.LogGroupNameOfEnvironment(l.Name, "")
	pages := logs.NewDescribeLogGroupsPaginator(l.Client, &logs.DescribeLogGroupsInput{LogGroupNamePrefix: &prefix, Limit: aws.Int32(50)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list the log groups %s*: %w", prefix, err)
		}
		for _, g := range page.LogGroups {
			name := aws.ToString(g.LogGroupName)
			if slug := name[min(len(name), len(prefix)):]; contract.IsSlug(slug) {
				pieces = append(pieces, decide.Piece{Kind: decide.LogGroup, ID: name, Environment: slug})
			}
		}
	}
	return pieces, nil
}

// Delete deletes them.
func (l LogGroups) Delete(ctx context.Context, pieces []decide.Piece) error {
	var failed []error
	for _, p := range pieces {
		_, err := l.Client.DeleteLogGroup(ctx, &logs.DeleteLogGroupInput{LogGroupName: &p.ID})
		if err != nil && !isGone(err, "ResourceNotFoundException") {
			failed = append(failed, fmt.Errorf("delete log group %s: %w", p.ID, err))
		}
	}
	return errors.Join(failed...)
}
