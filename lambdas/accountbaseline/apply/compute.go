package apply

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"slipway/internal/contract"
	"slipway/lambdas/accountbaseline/decide"
)

// EC2 holds the account's defaults for volumes and instances in this Region.
type EC2 interface {
	GetEbsEncryptionByDefault(context.Context, *ec2.GetEbsEncryptionByDefaultInput, ...func(*ec2.Options)) (*ec2.GetEbsEncryptionByDefaultOutput, error)
	EnableEbsEncryptionByDefault(context.Context, *ec2.EnableEbsEncryptionByDefaultInput, ...func(*ec2.Options)) (*ec2.EnableEbsEncryptionByDefaultOutput, error)
	DisableEbsEncryptionByDefault(context.Context, *ec2.DisableEbsEncryptionByDefaultInput, ...func(*ec2.Options)) (*ec2.DisableEbsEncryptionByDefaultOutput, error)
	GetInstanceMetadataDefaults(context.Context, *ec2.GetInstanceMetadataDefaultsInput, ...func(*ec2.Options)) (*ec2.GetInstanceMetadataDefaultsOutput, error)
	ModifyInstanceMetadataDefaults(context.Context, *ec2.ModifyInstanceMetadataDefaultsInput, ...func(*ec2.Options)) (*ec2.ModifyInstanceMetadataDefaultsOutput, error)
}

type ebsEncryption struct{ ec2 EC2 }

func (e ebsEncryption) Read(ctx context.Context) (decide.State, error) {
	out, err := e.ec2.GetEbsEncryptionByDefault(ctx, &ec2.GetEbsEncryptionByDefaultInput{})
	if err != nil {
		return nil, err
	}
	enabled := contract.Off
	if aws.ToBool(out.EbsEncryptionByDefault) {
		enabled = contract.On
	}
	return decide.State{contract.KeyEnabled: enabled}, nil
}

func (e ebsEncryption) Write(ctx context.Context, _, to decide.State) (decide.State, error) {
	if to[contract.KeyEnabled] == contract.On {
		_, err := e.ec2.EnableEbsEncryptionByDefault(ctx, &ec2.EnableEbsEncryptionByDefaultInput{})
		return nil, err
	}
	_, err := e.ec2.DisableEbsEncryptionByDefault(ctx, &ec2.DisableEbsEncryptionByDefaultInput{})
	return nil, err
}

// instanceMetadata is whether new instances demand IMDSv2. The account's other defaults (hop limit, tags) are left alone.
type instanceMetadata struct{ ec2 EC2 }

const noPreference = string(ec2types.MetadataDefaultHttpTokensStateNoPreference)

func (i instanceMetadata) Read(ctx context.Context) (decide.State, error) {
	out, err := i.ec2.GetInstanceMetadataDefaults(ctx, &ec2.GetInstanceMetadataDefaultsInput{})
	if err != nil {
		return nil, err
	}
	tokens := noPreference // an account without a preference has no such field
	if out.AccountLevel != nil && out.AccountLevel.HttpTokens != "" {
		tokens = string(out.AccountLevel.HttpTokens)
	}
	return decide.State{contract.KeyHTTPTokens: tokens}, nil
}

func (i instanceMetadata) Write(ctx context.Context, _, to decide.State) (decide.State, error) {
	_, err := i.ec2.ModifyInstanceMetadataDefaults(ctx, &ec2.ModifyInstanceMetadataDefaultsInput{
		HttpTokens: ec2types.MetadataDefaultHttpTokensState(to[contract.KeyHTTPTokens]),
	})
	return nil, err
}
