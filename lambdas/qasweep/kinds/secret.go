package kinds

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	secrets "github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	secrettypes "github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"slipway/internal/contract"
	"slipway/lambdas/qasweep/decide"
)

// Secrets sweeps the environments' secrets, whatever they are called: those that an environment's stack made, or that are tagged
// with an environment.
type Secrets struct {
	Platform
	Client interface {
		secrets.ListSecretsAPIClient
		DeleteSecret(context.Context, *secrets.DeleteSecretInput, ...func(*secrets.Options)) (*secrets.DeleteSecretOutput, error)
	}
}

// Kinds are the kinds it sweeps.
func (Secrets) Kinds() []decide.Kind { return []decide.Kind{decide.Secret} }

// List finds them by the tag that CloudFormation puts on what a stack makes. The filter takes beginnings of values.
func (s Secrets) List(ctx context.Context) (pieces []decide.Piece, err error) {
	pages := secrets.NewListSecretsPaginator(s.Client, &secrets.ListSecretsInput{
		MaxResults: aws.Int32(100),
		Filters:    []secrettypes.Filter{{Key: secrettypes.FilterNameStringTypeTagValue, Values: []string{contract.QAEnvironmentStack(s.Name, "")}}},
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list the secrets of QA environments: %w", err)
		}
		for _, secret := range page.SecretList {
			tags := map[string]string{}
			for _, t := range secret.Tags {
				tags[aws.ToString(t.Key)] = aws.ToString(t.Value)
			}
			environment, known, _ := decide.Owner(s.Name, tags)
			if known && contract.IsSlug(environment) && secret.DeletedDate == nil {
				pieces = append(pieces, decide.Piece{Kind: decide.Secret, ID: aws.ToString(secret.ARN), Environment: environment})
			}
		}
	}
	return pieces, nil
}

// Delete deletes them at once: they open nothing any more.
func (s Secrets) Delete(ctx context.Context, pieces []decide.Piece) error {
	var failed []error
	for _, p := range pieces {
		_, err := s.Client.DeleteSecret(ctx, &secrets.DeleteSecretInput{SecretId: &p.ID, ForceDeleteWithoutRecovery: aws.Bool(true)})
		if err != nil && !isGone(err, "ResourceNotFoundException") {
			failed = append(failed, fmt.Errorf("delete secret %s: %w", p.ID, err))
		}
	}
	return errors.Join(failed...)
}
