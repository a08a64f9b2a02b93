// Package registry looks at images in ECR as the deployments do: which digest a tag names, and whether it may be deployed.
package registry

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"slipway/internal/config"
	"slipway/lambdas/imageresolver/decide"
	"slipway/lambdas/imageresolver/scan"
)

// Client finds images and their scans.
type Client interface {
	scan.ECR
	DescribeImages(context.Context, *ecr.DescribeImagesInput, ...func(*ecr.Options)) (*ecr.DescribeImagesOutput, error)
}

// Repository is the image repository, and the rule for what may leave it.
type Repository struct {
	Client  Client
	Account string
	Name    string
	Rule    scan.Rule
}

// Rule is the one that the image resolver applies again in the deployment.
func Rule(cfg *config.Config) scan.Rule {
	rule := scan.Rule{Refuse: string(cfg.Registry.Scan.Refuse)}
	for _, e := range cfg.Registry.Scan.Exceptions {
		rule.Exceptions = append(rule.Exceptions, scan.Exception{ID: e.ID, Until: e.Until})
	}
	return rule
}

// ErrNoImage says that the repository has no such image.
var ErrNoImage = errors.New("there is no such image")

// Digest is the digest that a tag or digest names. The error wraps ErrNoImage if there is none.
func (r Repository) Digest(ctx context.Context, image string) (string, error) {
	return Digest(ctx, r.Client, r.Account, r.Name, image)
}

// Digest is that of an image in a repository, by a client that can do nothing but look; ErrNoImage if it isn't there.
func Digest(ctx context.Context, client ecr.DescribeImagesAPIClient, account, name, image string) (string, error) {
	reference, err := decide.ParseReference(image)
	if err != nil {
		return "", err
	}
	id := types.ImageIdentifier{}
	if reference.Digest != "" {
		id.ImageDigest = &reference.Digest
	} else {
		id.ImageTag = &reference.Tag
	}
	out, err := client.DescribeImages(ctx, &ecr.DescribeImagesInput{
		RegistryId: &account, RepositoryName: &name, ImageIds: []types.ImageIdentifier{id},
	})
	var none *types.ImageNotFoundException
	switch {
	case errors.As(err, &none), err == nil && len(out.ImageDetails) == 0:
		return "", fmt.Errorf("image %s in repository %s of account %s: %w; `slipway image` builds and pushes it", image, name, account, ErrNoImage)
	case err != nil:
		return "", fmt.Errorf("look up image %s in repository %s of account %s: %w; check that the registry is deployed and may be read", image, name, account, err)
	}
	return aws.ToString(out.ImageDetails[0].ImageDigest), nil
}

// Deployable is the digest of an image that may be deployed at a time.
func (r Repository) Deployable(ctx context.Context, image string, now time.Time) (string, error) {
	digest, err := r.Digest(ctx, image)
	if err != nil || r.Rule.Off() {
		return digest, err
	}
	result, err := scan.Read(ctx, r.Client, r.Account, r.Name, digest)
	if err != nil {
		return "", err
	}
	return digest, r.Rule.Judge(result, now).Err(image, r.Rule)
}

// Scanned waits until the scan of a digest is over, at most for a time, and gives its verdict.
func (r Repository) Scanned(ctx context.Context, digest string, every, limit time.Duration) (scan.Verdict, error) {
	deadline := time.Now().Add(limit)
	for {
		result, err := scan.Read(ctx, r.Client, r.Account, r.Name, digest)
		if err != nil {
			return scan.Verdict{}, err
		}
		verdict := r.Rule.Judge(result, time.Now())
		// Right after the push ECR doesn't know the scan yet.
		waiting := verdict.Pending || result.Status == "" && !r.Rule.Off()
		if !waiting || time.Now().After(deadline) {
			return verdict, nil
		}
		select {
		case <-ctx.Done():
			return scan.Verdict{}, fmt.Errorf("wait for the scan of %s: %w", digest, ctx.Err())
		case <-time.After(every):
		}
	}
}

// URI is the repository's address.
func (r Repository) URI(region string) string {
	return strings.Join([]string{r.Account, "dkr.ecr", region, "amazonaws.com/" + r.Name}, ".")
}
