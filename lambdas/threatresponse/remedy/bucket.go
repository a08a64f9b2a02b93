package remedy

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"

	"slipway/internal/contract"
	"slipway/lambdas/threatresponse/decide"
	"slipway/lambdas/threatresponse/finding"
)

// S3 are the calls for buckets.
type S3 interface {
	GetBucketTagging(context.Context, *s3.GetBucketTaggingInput, ...func(*s3.Options)) (*s3.GetBucketTaggingOutput, error)
	GetPublicAccessBlock(context.Context, *s3.GetPublicAccessBlockInput, ...func(*s3.Options)) (*s3.GetPublicAccessBlockOutput, error)
	PutPublicAccessBlock(context.Context, *s3.PutPublicAccessBlockInput, ...func(*s3.Options)) (*s3.PutPublicAccessBlockOutput, error)
	DeletePublicAccessBlock(context.Context, *s3.DeletePublicAccessBlockInput, ...func(*s3.Options)) (*s3.DeletePublicAccessBlockOutput, error)
}

// bucket blocks public access to a bucket. The bucket's policy and its access control lists stay as they are; as long as the
// block is there, they give nothing to the public.
type bucket struct {
	s3 S3
	Settings
}

type bucketBefore struct {
	// Block is the setting that the bucket had; nil for none.
	Block *publicAccess `json:"block,omitempty"`
}

type publicAccess struct {
	BlockACLs      bool `json:"blockPublicAcls"`
	IgnoreACLs     bool `json:"ignorePublicAcls"`
	BlockPolicy    bool `json:"blockPublicPolicy"`
	RestrictPublic bool `json:"restrictPublicBuckets"`
}

func (bucket) Action() string { return contract.ActionBlockPublicAccess }

func (bucket) Families() []finding.Family { return []finding.Family{finding.S3} }

func (bucket) Targets(f finding.Finding, _ decide.Place) ([]decide.Target, []decide.Spared) {
	var targets []decide.Target
	for _, b := range f.Buckets {
		targets = append(targets, decide.Target{Kind: "bucket", ID: b.Name, Detail: exemptDetail(b.Tags)})
	}
	return targets, nil
}

func (r bucket) Capture(ctx context.Context, w Work) (json.RawMessage, error) {
	name := w.Target.ID
	tags, err := r.s3.GetBucketTagging(ctx, &s3.GetBucketTaggingInput{Bucket: &name, ExpectedBucketOwner: &r.Account})
	switch {
	case hasCode(err, "NoSuchBucket"):
		return nil, &Spare{"the bucket isn't there any more"}
	case hasCode(err, "NoSuchTagSet"):
	case err != nil:
		return nil, fmt.Errorf("read the tags of bucket %s: %w", name, err)
	default:
		for _, t := range tags.TagSet {
			if aws.ToString(t.Key) == contract.TagResponse && aws.ToString(t.Value) == contract.ResponseExempt {
				return nil, exempt()
			}
		}
	}
	out, err := r.s3.GetPublicAccessBlock(ctx, &s3.GetPublicAccessBlockInput{Bucket: &name, ExpectedBucketOwner: &r.Account})
	if hasCode(err, "NoSuchPublicAccessBlockConfiguration") {
		return remember(bucketBefore{})
	}
	if err != nil {
		return nil, fmt.Errorf("read the public access block of bucket %s: %w", name, err)
	}
	c := out.PublicAccessBlockConfiguration
	return remember(bucketBefore{Block: &publicAccess{
		aws.ToBool(c.BlockPublicAcls), aws.ToBool(c.IgnorePublicAcls), aws.ToBool(c.BlockPublicPolicy), aws.ToBool(c.RestrictPublicBuckets),
	}})
}

func (r bucket) put(ctx context.Context, name string, p publicAccess) error {
	_, err := r.s3.PutPublicAccessBlock(ctx, &s3.PutPublicAccessBlockInput{
		Bucket: &name, ExpectedBucketOwner: &r.Account, PublicAccessBlockConfiguration: &s3types.PublicAccessBlockConfiguration{
			BlockPublicAcls: &p.BlockACLs, IgnorePublicAcls: &p.IgnoreACLs, BlockPublicPolicy: &p.BlockPolicy, RestrictPublicBuckets: &p.RestrictPublic,
		},
	})
	return err
}

func (r bucket) Apply(ctx context.Context, w Work) ([]string, error) {
	before, err := recall[bucketBefore](w)
	if err != nil {
		return nil, err
	}
	all := publicAccess{true, true, true, true}
	if before.Block != nil && *before.Block == all {
		return []string{"public access was blocked already"}, nil
	}
	err = r.put(ctx, w.Target.ID, all)
	if hasCode(err, "NoSuchBucket") {
		return []string{"the bucket isn't there any more"}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("block public access to bucket %s: %w", w.Target.ID, err)
	}
	return []string{"public access blocked; policy and ACLs are as they were"}, nil
}

func (r bucket) Undo(ctx context.Context, w Work) ([]string, error) {
	before, err := recall[bucketBefore](w)
	if err != nil {
		return nil, err
	}
	name := w.Target.ID
	if before.Block != nil {
		err = r.put(ctx, name, *before.Block)
	} else {
		_, err = r.s3.DeletePublicAccessBlock(ctx, &s3.DeletePublicAccessBlockInput{Bucket: &name, ExpectedBucketOwner: &r.Account})
	}
	if hasCode(err, "NoSuchBucket") {
		return []string{"the bucket isn't there any more"}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("restore the public access block of bucket %s: %w", name, err)
	}
	return []string{"the public access block is as it was"}, nil
}
