package apply

import (
	"context"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3control"
	s3controltypes "github.com/aws/aws-sdk-go-v2/service/s3control/types"

	"slipway/internal/contract"
	"slipway/lambdas/accountbaseline/decide"
)

// S3Control holds the account's public-access block, which counts in all Regions.
type S3Control interface {
	GetPublicAccessBlock(context.Context, *s3control.GetPublicAccessBlockInput, ...func(*s3control.Options)) (*s3control.GetPublicAccessBlockOutput, error)
	PutPublicAccessBlock(context.Context, *s3control.PutPublicAccessBlockInput, ...func(*s3control.Options)) (*s3control.PutPublicAccessBlockOutput, error)
	DeletePublicAccessBlock(context.Context, *s3control.DeletePublicAccessBlockInput, ...func(*s3control.Options)) (*s3control.DeletePublicAccessBlockOutput, error)
}

type s3PublicAccess struct {
	s3      S3Control
	account string
}

func (s s3PublicAccess) Read(ctx context.Context) (decide.State, error) {
	out, err := s.s3.GetPublicAccessBlock(ctx, &s3control.GetPublicAccessBlockInput{AccountId: &s.account})
	if code(err) == "NoSuchPublicAccessBlockConfiguration" {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	block := out.PublicAccessBlockConfiguration
	if block == nil {
		block = &s3controltypes.PublicAccessBlockConfiguration{}
	}
	state := decide.State{}
	for key, field := range blockFields(block) {
		state[key] = strconv.FormatBool(aws.ToBool(*field))
	}
	return state, nil
}

func (s s3PublicAccess) Write(ctx context.Context, from, to decide.State) (decide.State, error) {
	if to == nil {
		_, err := s.s3.DeletePublicAccessBlock(ctx, &s3control.DeletePublicAccessBlockInput{AccountId: &s.account})
		return nil, err
	}
	block := &s3controltypes.PublicAccessBlockConfiguration{}
	all := decide.Over(from, to)
	for key, field := range blockFields(block) {
		*field = aws.Bool(all[key] == contract.On)
	}
	_, err := s.s3.PutPublicAccessBlock(ctx, &s3control.PutPublicAccessBlockInput{AccountId: &s.account, PublicAccessBlockConfiguration: block})
	return nil, err
}

func blockFields(block *s3controltypes.PublicAccessBlockConfiguration) map[string]**bool {
	return map[string]**bool{
		contract.KeyBlockACLs: &block.BlockPublicAcls, contract.KeyIgnoreACLs: &block.IgnorePublicAcls,
		contract.KeyBlockPolicy: &block.BlockPublicPolicy, contract.KeyRestrictBuckets: &block.RestrictPublicBuckets,
	}
}
