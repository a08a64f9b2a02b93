package kinds

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	ecrtypes "github.com/aws/aws-sdk-go-v2/service/ecr/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"slipway/internal/contract"
	"slipway/lambdas/qasweep/decide"
)

// Limits of the APIs.
const (
	revisionPage   = 100 // ListTaskDefinitions and ListTaskDefinitionFamilies
	revisionBatch  = 10  // DeleteTaskDefinitions
	imageBatch     = 100 // DescribeImages and BatchDeleteImage
	parameterBatch = 10  // GetParameters and DeleteParameters
)

// imageRest is how long an image must not have been pushed or pulled before it may go: whoever is about to deploy it has done
// one of these.
const imageRest = 7 * 24 * time.Hour

// Revisions sweeps the environments' task definitions and the images that only these used.
type Revisions struct {
	Platform
	Stages     []string // all stages whose image parameter is in this account
	Repository string   // empty: images are never deleted, for others may use them unseen
	Registry   string   // the repository's account
	Now        func() time.Time
	ECS        interface {
		ListTaskDefinitionFamilies(context.Context, *ecs.ListTaskDefinitionFamiliesInput, ...func(*ecs.Options)) (*ecs.ListTaskDefinitionFamiliesOutput, error)
		ListTaskDefinitions(context.Context, *ecs.ListTaskDefinitionsInput, ...func(*ecs.Options)) (*ecs.ListTaskDefinitionsOutput, error)
		DescribeTaskDefinition(context.Context, *ecs.DescribeTaskDefinitionInput, ...func(*ecs.Options)) (*ecs.DescribeTaskDefinitionOutput, error)
		DeregisterTaskDefinition(context.Context, *ecs.DeregisterTaskDefinitionInput, ...func(*ecs.Options)) (*ecs.DeregisterTaskDefinitionOutput, error)
		DeleteTaskDefinitions(context.Context, *ecs.DeleteTaskDefinitionsInput, ...func(*ecs.Options)) (*ecs.DeleteTaskDefinitionsOutput, error)
	}
	ECR interface {
		DescribeImages(context.Context, *ecr.DescribeImagesInput, ...func(*ecr.Options)) (*ecr.DescribeImagesOutput, error)
		BatchDeleteImage(context.Context, *ecr.BatchDeleteImageInput, ...func(*ecr.Options)) (*ecr.BatchDeleteImageOutput, error)
	}
	SSM interface {
		GetParameters(context.Context, *ssm.GetParametersInput, ...func(*ssm.Options)) (*ssm.GetParametersOutput, error)
	}
	// Gone says which environments have no stack and no service, so that only their revisions are looked into.
	Gone func(ctx context.Context, environments []string) ([]string, error)
}

// Kinds are the kinds it sweeps.
func (*Revisions) Kinds() []decide.Kind {
	return []decide.Kind{decide.ActiveRevision, decide.Image, decide.Revision}
}

// List finds the families by their exact names; those that are wholly deleted are not there any more.
func (r *Revisions) List(ctx context.Context) (pieces []decide.Piece, err error) {
	prefix := contract.TaskFamily(r.Name, "")
	var all []string
	pages := ecs.NewListTaskDefinitionFamiliesPaginator(r.ECS, &ecs.ListTaskDefinitionFamiliesInput{
		FamilyPrefix: &prefix, Status: ecstypes.TaskDefinitionFamilyStatusAll, MaxResults: aws.Int32(revisionPage),
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list the task definition families %s*: %w", prefix, err)
		}
		for _, family := range page.Families {
			if slug := strings.TrimPrefix(family, prefix); contract.IsSlug(slug) && contract.TaskFamily(r.Name, slug) == family {
				all = append(all, slug)
			}
		}
	}
	gone, err := r.Gone(ctx, all)
	if err != nil {
		return nil, err
	}
	images := map[string][]string{} // tag or digest → environments that used it
	for _, slug := range gone {
		for _, status := range []ecstypes.TaskDefinitionStatus{ecstypes.TaskDefinitionStatusActive, ecstypes.TaskDefinitionStatusInactive} {
			arns, err := r.revisions(ctx, contract.TaskFamily(r.Name, slug), status)
			if err != nil {
				return nil, err
			}
			for _, arn := range arns {
				if status == ecstypes.TaskDefinitionStatusActive {
					pieces = append(pieces, decide.Piece{Kind: decide.ActiveRevision, ID: arn, Environment: slug})
				}
				pieces = append(pieces, decide.Piece{Kind: decide.Revision, ID: arn, Environment: slug})
				if err := r.imagesOf(ctx, arn, slug, images); err != nil {
					return nil, err
				}
			}
		}
	}
	found, err := r.images(ctx, images, all, gone)
	return append(pieces, found...), err
}

func (r *Revisions) revisions(ctx context.Context, family string, status ecstypes.TaskDefinitionStatus) (arns []string, err error) {
	pages := ecs.NewListTaskDefinitionsPaginator(r.ECS, &ecs.ListTaskDefinitionsInput{FamilyPrefix: &family, Status: status, MaxResults: aws.Int32(revisionPage)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list the revisions of task definition %s: %w", family, err)
		}
		for _, arn := range page.TaskDefinitionArns {
			if strings.Contains(arn, ":task-definition/"+family+":") { // what the API calls a prefix may match longer names too
				arns = append(arns, arn)
			}
		}
	}
	return arns, nil
}

// imagesOf notes the images of our repository that a revision names.
func (r *Revisions) imagesOf(ctx context.Context, arn, slug string, images map[string][]string) error {
	if r.Repository == "" {
		return nil
	}
	out, err := r.ECS.DescribeTaskDefinition(ctx, &ecs.DescribeTaskDefinitionInput{TaskDefinition: &arn})
	if isGone(err, "ClientException") {
		return nil
	}
	if err != nil {
		return fmt.Errorf("describe task definition %s: %w", arn, err)
	}
	for _, c := range out.TaskDefinition.ContainerDefinitions {
		if id, ours := r.imageID(aws.ToString(c.Image)); ours && !slices.Contains(images[id], slug) {
			images[id] = append(images[id], slug)
		}
	}
	return nil
}

// imageID is the tag or digest of an image of our repository: <account>.dkr.ecr.<region>.<suffix>/<repository>:<tag> or @<digest>.
func (r *Revisions) imageID(image string) (id string, ours bool) {
	host, rest, ok := strings.Cut(image, "/")
	if !ok || !strings.HasPrefix(host, r.Registry+".dkr.ecr.") {
		return "", false
	}
	if digest, cut := strings.CutPrefix(rest, r.Repository+"@"); cut {
		return digest, true
	}
	return strings.CutPrefix(rest, r.Repository+":")
}

// images judges the images that gone environments used.
func (r *Revisions) images(ctx context.Context, used map[string][]string, all, gone []string) (pieces []decide.Piece, err error) {
	if len(used) == 0 {
		return nil, nil
	}
	wanted, err := r.wanted(ctx, all, gone)
	if err != nil {
		return nil, err
	}
	ids := slices.Sorted(func(yield func(string) bool) {
		for id := range used {
			if !yield(id) {
				return
			}
		}
	})
	details := map[string]ecrtypes.ImageDetail{}
	for _, id := range ids { // one by one: if one of a batch is gone, ECR describes none
		out, err := r.ECR.DescribeImages(ctx, &ecr.DescribeImagesInput{RegistryId: &r.Registry, RepositoryName: &r.Repository, ImageIds: []ecrtypes.ImageIdentifier{identifier(id)}})
		if isGone(err, "ImageNotFoundException") {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("describe the image %s:%s: %w", r.Repository, id, err)
		}
		if len(out.ImageDetails) == 1 {
			details[id] = out.ImageDetails[0]
		}
	}
	for _, id := range ids {
		d, exists := details[id]
		if !exists {
			continue
		}
		keep, wait := r.keepImage(d, id, wanted)
		for _, slug := range used[id] {
			piece := decide.Piece{Kind: decide.Image, ID: aws.ToString(d.ImageDigest), Environment: slug, Keep: keep}
			for _, other := range used[id] {
				if other != slug {
					piece.Also = append(piece.Also, other)
				}
			}
			if wait { // the revisions are the only trace of it
				piece.Holds = []decide.Kind{decide.Revision}
			}
			pieces = append(pieces, piece)
		}
	}
	return pieces, nil
}

// keepImage says why an image stays, and whether that may change with time.
func (r *Revisions) keepImage(d ecrtypes.ImageDetail, id string, wanted map[string]string) (keep string, wait bool) {
	names := append(slices.Clone(d.ImageTags), aws.ToString(d.ImageDigest), id)
	for _, name := range names {
		if by := wanted[name]; by != "" {
			return by + " runs it", false
		}
	}
	if len(d.ImageTags) > 1 {
		return "it has other tags too: " + strings.Join(d.ImageTags, ", "), false
	}
	last := aws.ToTime(d.ImagePushedAt)
	if pulled := aws.ToTime(d.LastRecordedPullTime); pulled.After(last) {
		last = pulled
	}
	if last.IsZero() || r.Now().Sub(last) < imageRest {
		return "it was pushed or pulled less than " + imageRest.String() + " ago", true
	}
	return "", false
}

// wanted is who runs what, as the image parameters of all stages and living environments say: tag or digest → name.
func (r *Revisions) wanted(ctx context.Context, all, gone []string) (map[string]string, error) {
	var names []string
	owner := map[string]string{}
	for _, environment := range slices.Concat(r.Stages, all) {
		if !slices.Contains(gone, environment) {
			name := contract.ImageParameter(r.Name, environment)
			names = append(names, name)
			owner[name] = environment
		}
	}
	wanted := map[string]string{}
	for batch := range slices.Chunk(names, parameterBatch) {
		out, err := r.SSM.GetParameters(ctx, &ssm.GetParametersInput{Names: batch})
		if err != nil {
			return nil, fmt.Errorf("read which images run: %w", err)
		}
		for _, p := range out.Parameters { // what isn't there was never deployed
			wanted[aws.ToString(p.Value)] = owner[aws.ToString(p.Name)]
		}
	}
	return wanted, nil
}

func identifier(id string) ecrtypes.ImageIdentifier {
	if strings.HasPrefix(id, "sha256:") {
		return ecrtypes.ImageIdentifier{ImageDigest: &id}
	}
	return ecrtypes.ImageIdentifier{ImageTag: &id}
}

// Delete deregisters, deletes images, or deletes revisions.
func (r *Revisions) Delete(ctx context.Context, pieces []decide.Piece) error {
	var ids []string
	for _, p := range pieces {
		ids = append(ids, p.ID)
	}
	switch pieces[0].Kind {
	case decide.ActiveRevision:
		var failed []error
		for _, arn := range ids {
			if _, err := r.ECS.DeregisterTaskDefinition(ctx, &ecs.DeregisterTaskDefinitionInput{TaskDefinition: &arn}); err != nil {
				failed = append(failed, fmt.Errorf("deregister task definition %s: %w", arn, err))
			}
		}
		return errors.Join(failed...)
	case decide.Image:
		return r.deleteImages(ctx, ids)
	default:
		return r.deleteRevisions(ctx, ids)
	}
}

func (r *Revisions) deleteRevisions(ctx context.Context, arns []string) error {
	var failed []error
	for batch := range slices.Chunk(arns, revisionBatch) {
		out, err := r.ECS.DeleteTaskDefinitions(ctx, &ecs.DeleteTaskDefinitionsInput{TaskDefinitions: batch})
		if err != nil {
			failed = append(failed, fmt.Errorf("delete %d task definitions: %w", len(batch), err))
			continue
		}
		for _, f := range out.Failures { // with HTTP 200
			if reason := aws.ToString(f.Reason); reason != "TASK_DEFINITION_NOT_FOUND" && reason != "MISSING" {
				failed = append(failed, fmt.Errorf("delete task definition %s: %s %s", aws.ToString(f.Arn), reason, aws.ToString(f.Detail)))
			}
		}
	}
	return errors.Join(failed...)
}

func (r *Revisions) deleteImages(ctx context.Context, digests []string) error {
	var failed []error
	for batch := range slices.Chunk(digests, imageBatch) {
		in := &ecr.BatchDeleteImageInput{RegistryId: &r.Registry, RepositoryName: &r.Repository}
		for _, digest := range batch {
			in.ImageIds = append(in.ImageIds, identifier(digest))
		}
		out, err := r.ECR.BatchDeleteImage(ctx, in)
		if err != nil {
			failed = append(failed, fmt.Errorf("delete %d images of %s: %w", len(batch), r.Repository, err))
			continue
		}
		for _, f := range out.Failures { // with HTTP 200
			if f.FailureCode != ecrtypes.ImageFailureCodeImageNotFound {
				failed = append(failed, fmt.Errorf("delete an image of %s: %s %s", r.Repository, f.FailureCode, aws.ToString(f.FailureReason)))
			}
		}
	}
	return errors.Join(failed...)
}
