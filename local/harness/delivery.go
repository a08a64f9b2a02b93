package harness

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	ecrtypes "github.com/aws/aws-sdk-go-v2/service/ecr/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"slipway/internal/contract"
)

// Digest is the digest that the instance's registry has for a tag.
func (l *Local) Digest(ctx context.Context, repository, tag string) (string, error) {
	found, err := ecr.NewFromConfig(l.Config()).DescribeImages(ctx, &ecr.DescribeImagesInput{
		RepositoryName: &repository, ImageIds: []ecrtypes.ImageIdentifier{{ImageTag: &tag}},
	})
	if err != nil {
		return "", fmt.Errorf("find the image %s:%s: %w", repository, tag, err)
	}
	return aws.ToString(found.ImageDetails[0].ImageDigest), nil
}

// TrustedSubjects are the subjects of GitHub's tokens that each role of the account trusts, by the role's name.
func (l *Local) TrustedSubjects(ctx context.Context) (map[string][]string, error) {
	trusted := map[string][]string{}
	pages := iam.NewListRolesPaginator(iam.NewFromConfig(l.Config()), &iam.ListRolesInput{})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list the roles: %w", err)
		}
		for _, role := range page.Roles {
			text, err := url.QueryUnescape(aws.ToString(role.AssumeRolePolicyDocument))
			if err != nil {
				return nil, fmt.Errorf("read who is trusted by %s: %w", aws.ToString(role.RoleName), err)
			}
			var policy struct {
				Statement []struct {
					Condition struct{ StringEquals map[string]any }
				}
			}
			if err := json.Unmarshal([]byte(text), &policy); err != nil {
				return nil, fmt.Errorf("read who is trusted by %s: %w", aws.ToString(role.RoleName), err)
			}
			for _, s := range policy.Statement {
				if subject, ok := s.Condition.StringEquals[contract.GitHubIssuer+":sub"].(string); ok {
					trusted[aws.ToString(role.RoleName)] = append(trusted[aws.ToString(role.RoleName)], subject)
				}
			}
		}
	}
	return trusted, nil
}
