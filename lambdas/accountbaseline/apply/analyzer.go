package apply

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/accessanalyzer"
	aatypes "github.com/aws/aws-sdk-go-v2/service/accessanalyzer/types"

	"slipway/internal/contract"
	"slipway/lambdas/accountbaseline/decide"
)

// AccessAnalyzer holds the Region's analyzers; an account has one for external access.
type AccessAnalyzer interface {
	ListAnalyzers(context.Context, *accessanalyzer.ListAnalyzersInput, ...func(*accessanalyzer.Options)) (*accessanalyzer.ListAnalyzersOutput, error)
	CreateAnalyzer(context.Context, *accessanalyzer.CreateAnalyzerInput, ...func(*accessanalyzer.Options)) (*accessanalyzer.CreateAnalyzerOutput, error)
	DeleteAnalyzer(context.Context, *accessanalyzer.DeleteAnalyzerInput, ...func(*accessanalyzer.Options)) (*accessanalyzer.DeleteAnalyzerOutput, error)
}

type analyzer struct{ analyzers AccessAnalyzer }

func (a analyzer) Read(ctx context.Context) (decide.State, error) {
	pages := accessanalyzer.NewListAnalyzersPaginator(a.analyzers, &accessanalyzer.ListAnalyzersInput{Type: aatypes.TypeAccount})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, found := range page.Analyzers {
			return decide.State{contract.KeyName: aws.ToString(found.Name)}, nil
		}
	}
	return nil, nil
}

// Write makes or removes the analyzer; a name can't be changed, and needn't.
func (a analyzer) Write(ctx context.Context, from, to decide.State) (decide.State, error) {
	var err error
	switch {
	case from == nil:
		_, err = a.analyzers.CreateAnalyzer(ctx, &accessanalyzer.CreateAnalyzerInput{AnalyzerName: aws.String(to[contract.KeyName]), Type: aatypes.TypeAccount})
	case to == nil:
		_, err = a.analyzers.DeleteAnalyzer(ctx, &accessanalyzer.DeleteAnalyzerInput{AnalyzerName: aws.String(from[contract.KeyName])})
		var none *aatypes.ResourceNotFoundException
		if errors.As(err, &none) {
			err = nil
		}
	}
	return nil, err
}
