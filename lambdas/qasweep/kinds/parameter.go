package kinds

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"slipway/internal/contract"
	"slipway/lambdas/qasweep/decide"
)

// Parameters sweeps the environments' image parameters.
type Parameters struct {
	Platform
	Client interface {
		ssm.DescribeParametersAPIClient
		DeleteParameters(context.Context, *ssm.DeleteParametersInput, ...func(*ssm.Options)) (*ssm.DeleteParametersOutput, error)
	}
}

// Kinds are the kinds it sweeps.
func (Parameters) Kinds() []decide.Kind { return []decide.Kind{decide.Parameter} }

// List finds them by their exact names.
func (p Parameters) List(ctx context.Context) (pieces []decide.Piece, err error) {
	prefix := "/" + p.Name + "/"
	pages := ssm.NewDescribeParametersPaginator(p.Client, &ssm.DescribeParametersInput{
		MaxResults:       aws.Int32(50),
		ParameterFilters: []ssmtypes.ParameterStringFilter{{Key: aws.String("Name"), Option: aws.String("BeginsWith"), Values: []string{prefix}}},
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list the parameters %s*: %w", prefix, err)
		}
		for _, found := range page.Parameters {
			name := aws.ToString(found.Name)
			slug, _, _ := strings.Cut(strings.TrimPrefix(name, prefix), "/")
			if contract.IsSlug(slug) && name == contract.ImageParameter(p.Name, slug) {
				pieces = append(pieces, decide.Piece{Kind: decide.Parameter, ID: name, Environment: slug})
			}
		}
	}
	return pieces, nil
}

// Delete deletes ten in a call; those that aren't there come back as invalid, with HTTP 200.
func (p Parameters) Delete(ctx context.Context, pieces []decide.Piece) error {
	var names []string
	for _, piece := range pieces {
		names = append(names, piece.ID)
	}
	var failed []error
	for batch := range slices.Chunk(names, parameterBatch) {
		if _, err := p.Client.DeleteParameters(ctx, &ssm.DeleteParametersInput{Names: batch}); err != nil {
			failed = append(failed, fmt.Errorf("delete the parameters %s: %w", strings.Join(batch, ", "), err))
		}
	}
	return errors.Join(failed...)
}
