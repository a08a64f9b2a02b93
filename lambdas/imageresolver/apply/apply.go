// Package apply looks up the image that a deployment uses.
package apply

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/cfn"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	ecrtypes "github.com/aws/aws-sdk-go-v2/service/ecr/types"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"slipway/lambdas/imageresolver/decide"
	"slipway/lambdas/imageresolver/scan"
	"slipway/lambdas/internal/customresource"
)

// ECR finds images, and what their scans found.
type ECR interface {
	scan.ECR
	DescribeImages(context.Context, *ecr.DescribeImagesInput, ...func(*ecr.Options)) (*ecr.DescribeImagesOutput, error)
}

// SSM tells which image runs now.
type SSM interface {
	GetParameter(context.Context, *ssm.GetParameterInput, ...func(*ssm.Options)) (*ssm.GetParameterOutput, error)
}

// CloudFormation tells whether the stack goes forward or back.
type CloudFormation interface {
	DescribeStacks(context.Context, *cloudformation.DescribeStacksInput, ...func(*cloudformation.Options)) (*cloudformation.DescribeStacksOutput, error)
}

// Resolver resolves a deployment's wish to an image that exists and may be deployed.
type Resolver struct {
	ECR   ECR
	SSM   SSM
	Stack CloudFormation
	// Rule is for images that are asked for. What runs already isn't judged: a change of infrastructure, maybe the one that
	// helps, must not fail for what became known since.
	Rule scan.Rule
	Log  *slog.Logger
	Now  func() time.Time
}

// Resolve handles one request of CloudFormation. It only reads: the stack itself writes the parameter, after the service
// is stable, so a deployment that is rolled back leaves the parameter as it was. A Delete therefore has nothing to do.
func (r Resolver) Resolve(ctx context.Context, request customresource.Request) (map[string]string, error) {
	if request.Type == cfn.RequestDelete {
		return nil, nil
	}
	wish, err := decide.Parse(request.Properties)
	if err != nil {
		return nil, fmt.Errorf("resolve the image: %w", err)
	}
	asked, source := wish.Requested, "asked for with -c imageTag"
	if asked == "" {
		source = "running now by parameter " + wish.Parameter
		if asked, err = r.running(ctx, wish); err != nil {
			return nil, err
		}
	}
	reference, err := decide.ParseReference(asked)
	if err != nil {
		return nil, fmt.Errorf("resolve the image %s: %w", source, err)
	}
	image, err := r.find(ctx, wish, reference, source)
	if err != nil {
		return nil, err
	}
	attributes, err := decide.Attributes(wish, reference, image)
	if err != nil {
		return nil, err
	}
	if wish.Requested != "" {
		if err := r.judge(ctx, request.StackID, wish, reference, image.Digest); err != nil {
			return nil, err
		}
	}
	return attributes, nil
}

// judge refuses an image by its scan, unless the stack is on its way back to that very image: refused then, it would leave
// the stack in UPDATE_ROLLBACK_FAILED.
func (r Resolver) judge(ctx context.Context, stack string, w decide.Wish, ref decide.Reference, digest string) error {
	if r.Rule.Off() {
		return nil
	}
	result, err := scan.Read(ctx, r.ECR, w.Registry, w.Repository, digest)
	if err == nil {
		err = r.Rule.Judge(result, r.Now()).Err(ref.String(), r.Rule)
	}
	if err == nil {
		return nil
	}
	out, lookup := r.Stack.DescribeStacks(ctx, &cloudformation.DescribeStacksInput{StackName: &stack})
	if lookup != nil {
		return errors.Join(err, fmt.Errorf("look whether stack %s is rolling back: %w", stack, lookup))
	}
	if len(out.Stacks) == 1 && strings.Contains(string(out.Stacks[0].StackStatus), "ROLLBACK") {
		r.Log.WarnContext(ctx, "the stack rolls back, so the image isn't refused", "refusal", err.Error())
		return nil
	}
	return err
}

func (r Resolver) running(ctx context.Context, w decide.Wish) (string, error) {
	out, err := r.SSM.GetParameter(ctx, &ssm.GetParameterInput{Name: &w.Parameter})
	var none *ssmtypes.ParameterNotFound
	switch {
	case errors.As(err, &none), err == nil && (out.Parameter == nil || aws.ToString(out.Parameter.Value) == ""):
		return "", fmt.Errorf("no image was asked for, and none has run here yet (parameter %s is not there); push an image to repository %s and deploy with -c imageTag=<tag>",
			w.Parameter, w.Repository)
	case err != nil:
		return "", fmt.Errorf("read parameter %s, which says what runs now: %w; try again, or deploy with -c imageTag=<tag>", w.Parameter, err)
	}
	return *out.Parameter.Value, nil
}

func (r Resolver) find(ctx context.Context, w decide.Wish, ref decide.Reference, source string) (decide.Image, error) {
	id := ecrtypes.ImageIdentifier{}
	if ref.Digest != "" {
		id.ImageDigest = &ref.Digest
	} else {
		id.ImageTag = &ref.Tag
	}
	out, err := r.ECR.DescribeImages(ctx, &ecr.DescribeImagesInput{
		RepositoryName: &w.Repository, RegistryId: &w.Registry, ImageIds: []ecrtypes.ImageIdentifier{id},
	})
	var noImage *ecrtypes.ImageNotFoundException
	var noRepository *ecrtypes.RepositoryNotFoundException
	switch {
	case errors.As(err, &noImage), err == nil && len(out.ImageDetails) == 0:
		return decide.Image{}, fmt.Errorf("there is no image %s in repository %s of account %s (%s); push it first, or choose one of the tags that `aws ecr list-images --registry-id %s --repository-name %s` shows and deploy with -c imageTag=<tag>",
			ref, w.Repository, w.Registry, source, w.Registry, w.Repository)
	case errors.As(err, &noRepository):
		return decide.Image{}, fmt.Errorf("there is no repository %s in account %s; deploy the registry stack and push an image first", w.Repository, w.Registry)
	case err != nil:
		return decide.Image{}, fmt.Errorf("look up image %s in repository %s of account %s: %w; try again, and check that the function may read the repository", ref, w.Repository, w.Registry, err)
	}
	return decide.Image{Digest: aws.ToString(out.ImageDetails[0].ImageDigest), Status: string(out.ImageDetails[0].ImageStatus)}, nil
}
