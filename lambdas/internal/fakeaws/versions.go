package fakeaws

import (
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// Versions is a bucket with versions: "key version", a version that begins with "marker" is a deletion marker.
type Versions struct {
	cloud *Cloud

	Bucket   string
	Objects  []string          // in S3's order
	Failures map[string]string // key → code: what S3 doesn't delete, with HTTP 200
	Page     int
}

// NewVersions adds a bucket with versions to the cloud.
func NewVersions(c *Cloud, bucket string) *Versions {
	v := &Versions{cloud: c, Bucket: bucket, Failures: map[string]string{}, Page: 1000}
	On(c, "S3", v.list)
	On(c, "S3", v.delete)
	return v
}

func (v *Versions) list(in *s3.ListObjectVersionsInput) (*s3.ListObjectVersionsOutput, error) {
	prefix, delimiter := aws.ToString(in.Prefix), aws.ToString(in.Delimiter)
	if *in.Bucket != v.Bucket {
		return nil, &s3types.NoSuchBucket{}
	}
	if !strings.HasPrefix(prefix, "qa/") {
		return nil, v.cloud.refuse(Denied()) // the policy's condition
	}
	out := &s3.ListObjectVersionsOutput{IsTruncated: aws.Bool(false)}
	n := 0
	after := aws.ToString(in.KeyMarker) + " " + aws.ToString(in.VersionIdMarker)
	for _, object := range slices.Sorted(slices.Values(v.Objects)) {
		key, version, _ := strings.Cut(object, " ")
		if !strings.HasPrefix(key, prefix) || in.KeyMarker != nil && object <= after {
			continue
		}
		if rest := strings.TrimPrefix(key, prefix); delimiter != "" && strings.Contains(rest, delimiter) {
			common := prefix + rest[:strings.Index(rest, delimiter)+1]
			if slices.ContainsFunc(out.CommonPrefixes, func(p s3types.CommonPrefix) bool { return *p.Prefix == common }) || in.KeyMarker != nil && strings.HasPrefix(*in.KeyMarker, common) {
				continue
			}
			if n == v.Page {
				out.IsTruncated = aws.Bool(true)
				return out, nil
			}
			n++
			out.CommonPrefixes = append(out.CommonPrefixes, s3types.CommonPrefix{Prefix: &common})
			out.NextKeyMarker = &common
			continue
		}
		if n == v.Page {
			out.IsTruncated = aws.Bool(true)
			return out, nil
		}
		n++
		if strings.HasPrefix(version, "marker") {
			out.DeleteMarkers = append(out.DeleteMarkers, s3types.DeleteMarkerEntry{Key: &key, VersionId: &version})
		} else {
			out.Versions = append(out.Versions, s3types.ObjectVersion{Key: &key, VersionId: &version})
		}
		out.NextKeyMarker, out.NextVersionIdMarker = &key, &version
	}
	return out, nil
}

func (v *Versions) delete(in *s3.DeleteObjectsInput) (*s3.DeleteObjectsOutput, error) {
	if n := len(in.Delete.Objects); n == 0 || n > 1000 {
		return nil, v.cloud.refuse(Invalid("%d objects, 1 to 1000 are allowed", n))
	}
	out := &s3.DeleteObjectsOutput{}
	for _, o := range in.Delete.Objects {
		if o.VersionId == nil {
			return nil, v.cloud.refuse(fmt.Errorf("%s: deleting without a version leaves a marker", *o.Key))
		}
		if code := v.Failures[*o.Key]; code != "" {
			out.Errors = append(out.Errors, s3types.Error{Key: o.Key, VersionId: o.VersionId, Code: &code})
			continue
		}
		v.Objects = slices.DeleteFunc(v.Objects, func(object string) bool { return object == *o.Key+" "+*o.VersionId })
	}
	return out, nil
}
