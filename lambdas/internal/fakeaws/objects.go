package fakeaws

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
)

// Version is one version of an object in a versioned bucket, or a delete marker.
type Version struct {
	Key, ID string
	Marker  bool
}

// Objects is one versioned bucket.
type Objects struct {
	cloud *Cloud

	Bucket   string
	Versions []Version
	Prefix   string            // the policy's condition: nothing else may be listed
	Page     int               // of a listing; S3's is 1,000
	Failures map[string]string // key → code: what isn't deleted, with HTTP 200
	made     int               // versions and markers so far
}

// S3's limits: https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html and API_ListObjectVersions.html
const objectPage = 1000

// NewObjects adds a versioned bucket to the cloud.
func NewObjects(c *Cloud, bucket string) *Objects {
	o := &Objects{cloud: c, Bucket: bucket, Page: objectPage, Failures: map[string]string{}}
	On(c, "S3", o.list)
	On(c, "S3", o.delete)
	return o
}

// Put adds versions of objects.
func (o *Objects) Put(keys ...string) {
	for _, key := range keys {
		o.made++
		o.Versions = append(o.Versions, Version{Key: key, ID: fmt.Sprintf("v%06d", o.made)})
	}
}

// Hide adds a delete marker, as a deletion without a version does.
func (o *Objects) Hide(key string) {
	o.made++
	o.Versions = append(o.Versions, Version{Key: key, ID: fmt.Sprintf("m%06d", o.made), Marker: true})
}

// Keys are the keys that have any version, sorted.
func (o *Objects) Keys() []string {
	var keys []string
	for _, v := range o.Versions {
		keys = append(keys, v.Key)
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

func (o *Objects) missing(bucket *string) error {
	if aws.ToString(bucket) != o.Bucket {
		return &s3types.NoSuchBucket{Message: aws.String("The specified bucket does not exist")}
	}
	return nil
}

func (o *Objects) list(in *s3.ListObjectVersionsInput) (*s3.ListObjectVersionsOutput, error) {
	if err := o.missing(in.Bucket); err != nil {
		return nil, err
	}
	if n := aws.ToInt32(in.MaxKeys); n < 0 || n > objectPage {
		return nil, o.cloud.refuse(Invalid("%d keys in a page", n))
	}
	prefix, delimiter := aws.ToString(in.Prefix), aws.ToString(in.Delimiter)
	if !strings.HasPrefix(prefix, o.Prefix) {
		return nil, o.cloud.refuse(Denied())
	}
	sorted := slices.Clone(o.Versions)
	slices.SortFunc(sorted, func(a, b Version) int { return cmp.Or(cmp.Compare(a.Key, b.Key), cmp.Compare(b.ID, a.ID)) })
	out := &s3.ListObjectVersionsOutput{IsTruncated: aws.Bool(false)}
	seen, listed := map[string]bool{}, 0
	after := func(v Version) bool { // the marker's
		key, id := aws.ToString(in.KeyMarker), aws.ToString(in.VersionIdMarker)
		return key == "" || v.Key > key || v.Key == key && id != "" && v.ID < id
	}
	for _, v := range sorted {
		if !strings.HasPrefix(v.Key, prefix) || !after(v) {
			continue
		}
		common := ""
		if rest, _, found := strings.Cut(strings.TrimPrefix(v.Key, prefix), delimiter); found && delimiter != "" {
			common = prefix + rest + delimiter
			if seen[common] || common <= aws.ToString(in.KeyMarker) {
				continue
			}
		}
		if listed == o.Page {
			out.IsTruncated = aws.Bool(true)
			return out, nil
		}
		listed++
		switch {
		case common != "":
			seen[common] = true
			out.CommonPrefixes = append(out.CommonPrefixes, s3types.CommonPrefix{Prefix: &common})
			out.NextKeyMarker, out.NextVersionIdMarker = &common, nil
			continue
		case v.Marker:
			out.DeleteMarkers = append(out.DeleteMarkers, s3types.DeleteMarkerEntry{Key: &v.Key, VersionId: &v.ID})
		default:
			out.Versions = append(out.Versions, s3types.ObjectVersion{Key: &v.Key, VersionId: &v.ID})
		}
		out.NextKeyMarker, out.NextVersionIdMarker = &v.Key, &v.ID
	}
	return out, nil
}

func (o *Objects) delete(in *s3.DeleteObjectsInput) (*s3.DeleteObjectsOutput, error) {
	if err := o.missing(in.Bucket); err != nil {
		return nil, err
	}
	if n := len(in.Delete.Objects); n == 0 || n > objectPage {
		return nil, o.cloud.refuse(&smithy.GenericAPIError{Code: "MalformedXML", Message: fmt.Sprintf("%d objects, 1 to %d are allowed", n, objectPage)})
	}
	out := &s3.DeleteObjectsOutput{}
	for _, id := range in.Delete.Objects {
		if aws.ToString(id.VersionId) == "" {
			// Legal, but it leaves everything where it is and adds a marker.
			return nil, o.cloud.refuse(Invalid("the deletion of %s without a version", aws.ToString(id.Key)))
		}
		if code := o.Failures[*id.Key]; code != "" {
			out.Errors = append(out.Errors, s3types.Error{Key: id.Key, VersionId: id.VersionId, Code: &code})
			continue
		}
		o.Versions = slices.DeleteFunc(o.Versions, func(v Version) bool { return v.Key == *id.Key && v.ID == *id.VersionId })
	}
	return out, nil
}
