package evidence

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
)

const digest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// registry is an ECR that keeps what it gets and refuses what ECR refuses.
type registry struct {
	images  map[string]string // digest → manifest
	tags    map[string]string
	blobs   map[string]bool
	uploads map[string][]byte
}

func newRegistry() *registry {
	return &registry{images: map[string]string{digest: `{"an":"image"}`}, tags: map[string]string{}, blobs: map[string]bool{}, uploads: map[string][]byte{}}
}

func (r *registry) BatchGetImage(_ context.Context, in *ecr.BatchGetImageInput, _ ...func(*ecr.Options)) (*ecr.BatchGetImageOutput, error) {
	out := &ecr.BatchGetImageOutput{}
	for _, id := range in.ImageIds {
		if manifest, ok := r.images[*id.ImageDigest]; ok {
			out.Images = append(out.Images, types.Image{ImageManifest: &manifest, ImageManifestMediaType: aws.String("application/vnd.docker.distribution.manifest.v2+json")})
		} else {
			out.Failures = append(out.Failures, types.ImageFailure{FailureCode: types.ImageFailureCodeImageNotFound})
		}
	}
	return out, nil
}

func (r *registry) InitiateLayerUpload(context.Context, *ecr.InitiateLayerUploadInput, ...func(*ecr.Options)) (*ecr.InitiateLayerUploadOutput, error) {
	id := fmt.Sprint("upload-", len(r.uploads))
	r.uploads[id] = nil
	return &ecr.InitiateLayerUploadOutput{UploadId: &id, PartSize: aws.Int64(10 << 20)}, nil
}

func (r *registry) UploadLayerPart(_ context.Context, in *ecr.UploadLayerPartInput, _ ...func(*ecr.Options)) (*ecr.UploadLayerPartOutput, error) {
	if *in.PartFirstByte != int64(len(r.uploads[*in.UploadId])) || *in.PartLastByte != int64(len(in.LayerPartBlob))-1 {
		return nil, &types.InvalidLayerPartException{}
	}
	r.uploads[*in.UploadId] = in.LayerPartBlob
	return &ecr.UploadLayerPartOutput{}, nil
}

func (r *registry) CompleteLayerUpload(_ context.Context, in *ecr.CompleteLayerUploadInput, _ ...func(*ecr.Options)) (*ecr.CompleteLayerUploadOutput, error) {
	got := fmt.Sprintf("sha256:%x", sha256.Sum256(r.uploads[*in.UploadId]))
	switch {
	case len(r.uploads[*in.UploadId]) == 0:
		return nil, &types.EmptyUploadException{}
	case len(in.LayerDigests) != 1 || in.LayerDigests[0] != got:
		return nil, &types.InvalidLayerException{}
	case r.blobs[got]:
		return nil, &types.LayerAlreadyExistsException{}
	}
	r.blobs[got] = true
	return &ecr.CompleteLayerUploadOutput{}, nil
}

func (r *registry) PutImage(_ context.Context, in *ecr.PutImageInput, _ ...func(*ecr.Options)) (*ecr.PutImageOutput, error) {
	var m struct {
		Config struct{ Digest string }
		Layers []struct{ Digest string }
	}
	if err := json.Unmarshal([]byte(*in.ImageManifest), &m); err != nil {
		return nil, err
	}
	for _, d := range append(m.Layers, m.Config) {
		if !r.blobs[d.Digest] {
			return nil, &types.LayersNotFoundException{}
		}
	}
	got := fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(*in.ImageManifest)))
	switch known, taken := r.tags[*in.ImageTag]; {
	case taken && known == got:
		return nil, &types.ImageAlreadyExistsException{}
	case taken:
		return nil, &types.ImageTagAlreadyExistsException{}
	}
	r.tags[*in.ImageTag], r.images[got] = got, *in.ImageManifest
	return &ecr.PutImageOutput{}, nil
}

var files = []File{{"sbom.cdx.json", TypeSBOM, []byte(`{"bomFormat":"CycloneDX"}`)}, {"provenance.json", TypeProvenance, []byte(`{"_type":"x"}`)}}

func TestDocumentsAreStoredBesideTheImage(t *testing.T) {
	r := newRegistry()
	got, err := Attach(t.Context(), r, "111111111111", "app", "c0ffee", digest, files)
	if err != nil || r.tags["c0ffee.evidence"] != got {
		t.Fatalf("%v: %v", err, r.tags)
	}
	var m struct {
		MediaType, ArtifactType string
		Subject                 struct {
			MediaType, Digest string
			Size              int
		}
		Layers []struct{ MediaType string }
	}
	if err := json.Unmarshal([]byte(r.images[got]), &m); err != nil {
		t.Fatal(err)
	}
	// The subject must be described as the registry has it, or it is no referrer.
	if m.Subject.Digest != digest || m.Subject.Size != len(r.images[digest]) || m.Subject.MediaType != "application/vnd.docker.distribution.manifest.v2+json" {
		t.Errorf("subject %+v", m.Subject)
	}
	if m.MediaType != "application/vnd.oci.image.manifest.v1+json" || m.ArtifactType == "" || len(m.Layers) != 2 || m.Layers[0].MediaType != "application/vnd.cyclonedx+json" {
		t.Errorf("manifest %+v", m)
	}
	if again, err := Attach(t.Context(), r, "111111111111", "app", "c0ffee", digest, files); err != nil || again != got {
		t.Errorf("a second time: %v", err)
	}
}

func TestOtherDocumentsNeverReplaceThem(t *testing.T) {
	r := newRegistry()
	if _, err := Attach(t.Context(), r, "111111111111", "app", "c0ffee", digest, files); err != nil {
		t.Fatal(err)
	}
	if _, err := Attach(t.Context(), r, "111111111111", "app", "c0ffee", digest, files[:1]); err == nil {
		t.Error("the documents about an image were replaced")
	}
	if _, err := Attach(t.Context(), r, "111111111111", "app", "x", strings.Replace(digest, "e3", "00", 1), files); err == nil || !strings.Contains(err.Error(), "push it first") {
		t.Errorf("an image that isn't there: %v", err)
	}
}

func TestProvenance(t *testing.T) {
	text, err := Provenance(Build{
		Repository: "registry/app", Digest: digest, Commit: "c0ffee", Source: "https://github.com/o/r", BaseImage: "docker.io/library/python:3.13@" + digest,
		Builder: "https://github.com/o/r/.github/workflows/x.yml@refs/heads/main", Run: "https://github.com/o/r/actions/runs/7",
		Started: time.Date(2026, 3, 2, 9, 30, 0, 5, time.FixedZone("", 3600)), Finished: time.Date(2026, 3, 2, 9, 31, 0, 0, time.UTC),
	})
	if err != nil {
		t.Fatal(err)
	}
	// The field names of the in-toto statement and of SLSA's provenance, version 1.
	for _, want := range []string{
		`"_type": "https://in-toto.io/Statement/v1"`, `"predicateType": "https://slsa.dev/provenance/v1"`, `"buildType": `, `"externalParameters": `,
		`"gitCommit": "c0ffee"`, `"uri": "git+https://github.com/o/r"`, `"uri": "docker://docker.io/library/python:3.13"`, `"sha256": "` + strings.TrimPrefix(digest, "sha256:") + `"`,
		`"id": "https://github.com/o/r/.github/workflows/x.yml@refs/heads/main"`, `"invocationId": "https://github.com/o/r/actions/runs/7"`, `"startedOn": "2026-03-02T08:30:00Z"`,
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%s isn't in\n%s", want, text)
		}
	}
}
