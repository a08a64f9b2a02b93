package kinds

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"

	"slipway/internal/contract"
	"slipway/lambdas/qasweep/decide"
)

// Objects sweeps the environments' prefixes in the QA stage's artifacts bucket, with all versions.
type Objects struct {
	Platform
	Bucket string
	Client interface {
		ListObjectVersions(context.Context, *s3.ListObjectVersionsInput, ...func(*s3.Options)) (*s3.ListObjectVersionsOutput, error)
		DeleteObjects(context.Context, *s3.DeleteObjectsInput, ...func(*s3.Options)) (*s3.DeleteObjectsOutput, error)
	}
}

// Kinds are the kinds it sweeps.
func (Objects) Kinds() []decide.Kind { return []decide.Kind{decide.Objects} }

// List finds the prefixes, also those of which only old versions and deletion markers are left.
func (o Objects) List(ctx context.Context) (pieces []decide.Piece, err error) {
	root := contract.EnvironmentsPrefix
	in := &s3.ListObjectVersionsInput{Bucket: &o.Bucket, Prefix: &root, Delimiter: aws.String("/")}
	for {
		page, err := o.Client.ListObjectVersions(ctx, in)
		if err != nil {
			return nil, fmt.Errorf("list the prefixes of QA environments in the bucket %s: %w", o.Bucket, err)
		}
		for _, p := range page.CommonPrefixes {
			prefix := aws.ToString(p.Prefix)
			slug := strings.TrimSuffix(strings.TrimPrefix(prefix, root), "/")
			if contract.IsSlug(slug) && contract.EnvironmentPrefix(slug) == prefix {
				pieces = append(pieces, decide.Piece{Kind: decide.Objects, ID: prefix, Environment: slug})
			}
		}
		if !aws.ToBool(page.IsTruncated) {
			return pieces, nil
		}
		in.KeyMarker, in.VersionIdMarker = page.NextKeyMarker, page.NextVersionIdMarker
	}
}

// Delete deletes a thousand versions in a call, which is S3's most. S3 answers with HTTP 200 even for those it didn't delete.
func (o Objects) Delete(ctx context.Context, pieces []decide.Piece) error {
	for _, p := range pieces {
		if !strings.HasSuffix(p.ID, "/") || p.ID != contract.EnvironmentPrefix(p.Environment) {
			return fmt.Errorf("empty %s of the bucket %s: it isn't the prefix of %s", p.ID, o.Bucket, p.Environment)
		}
		in := &s3.ListObjectVersionsInput{Bucket: &o.Bucket, Prefix: &p.ID}
		for {
			page, err := o.Client.ListObjectVersions(ctx, in)
			if err != nil {
				return fmt.Errorf("list what is below %s in the bucket %s: %w", p.ID, o.Bucket, err)
			}
			var ids []s3types.ObjectIdentifier
			for _, v := range page.Versions {
				ids = append(ids, s3types.ObjectIdentifier{Key: v.Key, VersionId: v.VersionId})
			}
			for _, m := range page.DeleteMarkers {
				ids = append(ids, s3types.ObjectIdentifier{Key: m.Key, VersionId: m.VersionId})
			}
			if err := o.delete(ctx, ids); err != nil {
				return err
			}
			if !aws.ToBool(page.IsTruncated) {
				break
			}
			in.KeyMarker, in.VersionIdMarker = page.NextKeyMarker, page.NextVersionIdMarker
		}
	}
	return nil
}

func (o Objects) delete(ctx context.Context, ids []s3types.ObjectIdentifier) error {
	if len(ids) == 0 {
		return nil
	}
	out, err := o.Client.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: &o.Bucket, Delete: &s3types.Delete{Objects: ids, Quiet: aws.Bool(true)}})
	if err != nil {
		return fmt.Errorf("delete %d versions in the bucket %s: %w", len(ids), o.Bucket, err)
	}
	var failed []error
	for _, e := range out.Errors {
		if code := aws.ToString(e.Code); code != "NoSuchKey" && code != "NoSuchVersion" {
			failed = append(failed, fmt.Errorf("delete %s in the bucket %s: %s: %s", aws.ToString(e.Key), o.Bucket, code, aws.ToString(e.Message)))
		}
	}
	return errors.Join(failed...)
}
