// Package apply empties the QA environments' prefixes in the stage's artifacts bucket.
package apply

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"

	"slipway/internal/contract"
)

// S3 is what emptying needs of S3.
type S3 interface {
	ListObjectVersions(context.Context, *s3.ListObjectVersionsInput, ...func(*s3.Options)) (*s3.ListObjectVersionsOutput, error)
	DeleteObjects(context.Context, *s3.DeleteObjectsInput, ...func(*s3.Options)) (*s3.DeleteObjectsOutput, error)
}

// passes bounds how often a prefix is gone through: a task that is still stopping may write behind the first one.
const passes = 5

// maxNamed is how many of the objects that can't be deleted an error names.
const maxNamed = 3

// Cleaner empties prefixes.
type Cleaner struct {
	S3     S3
	Bucket string
}

// Empty deletes every version and every delete marker under the environment's prefix. Unfinished uploads have no version; the
// bucket's lifecycle ends them.
func (c Cleaner) Empty(ctx context.Context, slug string) (deleted int, err error) {
	if !contract.IsSlug(slug) {
		return 0, fmt.Errorf("empty a prefix: %q is no QA environment's name", slug)
	}
	for range passes {
		n, err := c.pass(ctx, contract.EnvironmentPrefix(slug))
		deleted += n
		if err != nil || n == 0 {
			return deleted, err
		}
	}
	return deleted, fmt.Errorf("empty %s in bucket %s: something still writes there; stop it, and delete the stack again", contract.EnvironmentPrefix(slug), c.Bucket)
}

// pass goes through the prefix once, a page of at most 1,000 versions at a time, which is also what one deletion takes.
func (c Cleaner) pass(ctx context.Context, prefix string) (deleted int, err error) {
	pages := s3.NewListObjectVersionsPaginator(c.S3, &s3.ListObjectVersionsInput{Bucket: &c.Bucket, Prefix: &prefix})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return deleted, fmt.Errorf("list %s in bucket %s: %w; try again", prefix, c.Bucket, err)
		}
		var found []s3types.ObjectIdentifier
		for _, v := range page.Versions {
			found = append(found, s3types.ObjectIdentifier{Key: v.Key, VersionId: v.VersionId})
		}
		for _, m := range page.DeleteMarkers {
			found = append(found, s3types.ObjectIdentifier{Key: m.Key, VersionId: m.VersionId})
		}
		if len(found) == 0 {
			continue
		}
		out, err := c.S3.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: &c.Bucket, Delete: &s3types.Delete{Objects: found, Quiet: aws.Bool(true)}})
		if err != nil {
			return deleted, fmt.Errorf("delete %d versions under %s in bucket %s: %w; try again", len(found), prefix, c.Bucket, err)
		}
		deleted += len(found) - len(out.Errors)
		if err := refused(out.Errors); err != nil { // with HTTP 200
			return deleted, fmt.Errorf("delete objects under %s in bucket %s: %w; try again", prefix, c.Bucket, err)
		}
	}
	return deleted, nil
}

func refused(faults []s3types.Error) error {
	var named []error
	for _, f := range faults[:min(len(faults), maxNamed)] {
		named = append(named, fmt.Errorf("%s: %s %s", aws.ToString(f.Key), aws.ToString(f.Code), aws.ToString(f.Message)))
	}
	if more := len(faults) - len(named); more > 0 {
		named = append(named, fmt.Errorf("and %d more", more))
	}
	return errors.Join(named...)
}
