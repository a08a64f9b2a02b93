package evidence

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
)

// Client puts things into a repository.
type Client interface {
	BatchGetImage(context.Context, *ecr.BatchGetImageInput, ...func(*ecr.Options)) (*ecr.BatchGetImageOutput, error)
	InitiateLayerUpload(context.Context, *ecr.InitiateLayerUploadInput, ...func(*ecr.Options)) (*ecr.InitiateLayerUploadOutput, error)
	UploadLayerPart(context.Context, *ecr.UploadLayerPartInput, ...func(*ecr.Options)) (*ecr.UploadLayerPartOutput, error)
	CompleteLayerUpload(context.Context, *ecr.CompleteLayerUploadInput, ...func(*ecr.Options)) (*ecr.CompleteLayerUploadOutput, error)
	PutImage(context.Context, *ecr.PutImageInput, ...func(*ecr.Options)) (*ecr.PutImageOutput, error)
}

// File is a document about an image.
type File struct {
	Name string
	Type string // media type
	Body []byte
}

// Media types of the documents, and of the artifact that holds them.
const (
	TypeSBOM       = "application/vnd.cyclonedx+json"
	TypeProvenance = "application/vnd.in-toto+json"
	artifactType   = "application/vnd.slipway.evidence.v1"

	manifestType = "application/vnd.oci.image.manifest.v1+json"
	emptyType    = "application/vnd.oci.empty.v1+json"
)

// Tag is the tag of the documents about the image with this tag. With a tag they stay as long as images do; without one they
// would expire like images that nothing names.
func Tag(image string) string { return image + ".evidence" }

type descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int               `json:"size"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

// Attach stores documents beside an image, as an artifact whose subject is the image: the registry lists it as the image's
// referrer, and removes it with the image.
//
// https://github.com/opencontainers/image-spec/blob/v1.1.0/manifest.md
func Attach(ctx context.Context, client Client, account, repository, tag, digest string, files []File) (string, error) {
	subject, err := image(ctx, client, account, repository, digest)
	if err != nil {
		return "", err
	}
	config := File{Type: emptyType, Body: []byte("{}")}
	layers := make([]descriptor, len(files))
	for i, f := range append([]File{config}, files...) {
		if err := upload(ctx, client, account, repository, f.Body); err != nil {
			return "", fmt.Errorf("upload %s of image %s: %w", f.Name, tag, err)
		}
		if i > 0 {
			layers[i-1] = f.descriptor()
		}
	}
	manifest, err := json.Marshal(struct {
		SchemaVersion int          `json:"schemaVersion"`
		MediaType     string       `json:"mediaType"`
		ArtifactType  string       `json:"artifactType"`
		Config        descriptor   `json:"config"`
		Layers        []descriptor `json:"layers"`
		Subject       descriptor   `json:"subject"`
	}{2, manifestType, artifactType, config.descriptor(), layers, subject})
	if err != nil {
		return "", fmt.Errorf("write the manifest of the documents: %w", err)
	}
	_, err = client.PutImage(ctx, &ecr.PutImageInput{
		RegistryId: &account, RepositoryName: &repository, ImageTag: aws.String(Tag(tag)),
		ImageManifest: aws.String(string(manifest)), ImageManifestMediaType: aws.String(manifestType),
	})
	var exists *types.ImageAlreadyExistsException
	if err != nil && !errors.As(err, &exists) { // the very same is there already
		return "", fmt.Errorf("store the documents about image %s as %s: %w", tag, Tag(tag), err)
	}
	return sum(manifest), nil
}

func (f File) descriptor() descriptor {
	d := descriptor{MediaType: f.Type, Digest: sum(f.Body), Size: len(f.Body)}
	if f.Name != "" {
		d.Annotations = map[string]string{"org.opencontainers.image.title": f.Name}
	}
	return d
}

// image describes the image that is the documents' subject.
func image(ctx context.Context, client Client, account, repository, digest string) (descriptor, error) {
	out, err := client.BatchGetImage(ctx, &ecr.BatchGetImageInput{
		RegistryId: &account, RepositoryName: &repository, ImageIds: []types.ImageIdentifier{{ImageDigest: &digest}},
	})
	if err != nil {
		return descriptor{}, fmt.Errorf("look up image %s: %w", digest, err)
	}
	if len(out.Images) != 1 { // failures come with HTTP 200
		return descriptor{}, fmt.Errorf("look up image %s in repository %s: it isn't there; push it first", digest, repository)
	}
	found := out.Images[0]
	return descriptor{MediaType: aws.ToString(found.ImageManifestMediaType), Digest: digest, Size: len(aws.ToString(found.ImageManifest))}, nil
}

// upload stores one blob. It is far smaller than one part may be.
func upload(ctx context.Context, client Client, account, repository string, body []byte) error {
	begun, err := client.InitiateLayerUpload(ctx, &ecr.InitiateLayerUploadInput{RegistryId: &account, RepositoryName: &repository})
	if err != nil {
		return err
	}
	if size := aws.ToInt64(begun.PartSize); int64(len(body)) > size {
		return fmt.Errorf("%d bytes, but a part may have %d", len(body), size)
	}
	_, err = client.UploadLayerPart(ctx, &ecr.UploadLayerPartInput{
		RegistryId: &account, RepositoryName: &repository, UploadId: begun.UploadId,
		PartFirstByte: aws.Int64(0), PartLastByte: aws.Int64(int64(len(body)) - 1), LayerPartBlob: bytes.Clone(body),
	})
	if err != nil {
		return err
	}
	_, err = client.CompleteLayerUpload(ctx, &ecr.CompleteLayerUploadInput{
		RegistryId: &account, RepositoryName: &repository, UploadId: begun.UploadId, LayerDigests: []string{sum(body)},
	})
	var exists *types.LayerAlreadyExistsException
	if errors.As(err, &exists) { // the empty configuration is everyone's
		return nil
	}
	return err
}

func sum(body []byte) string {
	s := sha256.Sum256(body)
	return "sha256:" + hex.EncodeToString(s[:])
}
