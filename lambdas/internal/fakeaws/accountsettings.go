package fakeaws

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/s3control"
	s3controltypes "github.com/aws/aws-sdk-go-v2/service/s3control/types"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/aws/smithy-go"
)

// AccountSettings are the settings of the account itself: IAM's password policy and service-linked roles, EC2's defaults,
// S3's public-access block.
type AccountSettings struct {
	cloud *Cloud

	PasswordPolicy *iamtypes.PasswordPolicy // nil: none
	LinkedRoles    []string                 // services that have their role
	EBSEncryption  bool
	Metadata       ec2types.InstanceMetadataDefaultsResponse
	PublicAccess   *s3controltypes.PublicAccessBlockConfiguration // nil: none
}

// NewAccountSettings adds an account without any settings to the cloud.
func NewAccountSettings(c *Cloud) *AccountSettings {
	s := &AccountSettings{cloud: c}
	s.addIAM()
	s.addEC2()
	s.addS3()
	return s
}

func (s *AccountSettings) addIAM() {
	On(s.cloud, "IAM", func(*iam.GetAccountPasswordPolicyInput) (*iam.GetAccountPasswordPolicyOutput, error) {
		if s.PasswordPolicy == nil {
			return nil, noPasswordPolicy()
		}
		policy := *s.PasswordPolicy
		return &iam.GetAccountPasswordPolicyOutput{PasswordPolicy: &policy}, nil
	})
	On(s.cloud, "IAM", func(in *iam.UpdateAccountPasswordPolicyInput) (*iam.UpdateAccountPasswordPolicyOutput, error) {
		// https://docs.aws.amazon.com/IAM/latest/APIReference/API_UpdateAccountPasswordPolicy.html
		for field, limit := range map[string]struct {
			value       *int32
			least, most int32
		}{
			"minimumPasswordLength": {in.MinimumPasswordLength, 6, 128}, "maxPasswordAge": {in.MaxPasswordAge, 1, 1095}, "passwordReusePrevention": {in.PasswordReusePrevention, 1, 24},
		} {
			if limit.value != nil && (*limit.value < limit.least || *limit.value > limit.most) {
				return nil, s.cloud.refuse(Invalid("%s is %d", field, *limit.value))
			}
		}
		if in.MinimumPasswordLength == nil {
			in.MinimumPasswordLength = aws.Int32(6) // IAM's default for what it isn't told
		}
		s.PasswordPolicy = &iamtypes.PasswordPolicy{
			MinimumPasswordLength: in.MinimumPasswordLength, MaxPasswordAge: in.MaxPasswordAge, PasswordReusePrevention: in.PasswordReusePrevention,
			ExpirePasswords: in.MaxPasswordAge != nil, HardExpiry: in.HardExpiry, AllowUsersToChangePassword: in.AllowUsersToChangePassword,
			RequireLowercaseCharacters: in.RequireLowercaseCharacters, RequireUppercaseCharacters: in.RequireUppercaseCharacters,
			RequireNumbers: in.RequireNumbers, RequireSymbols: in.RequireSymbols,
		}
		return &iam.UpdateAccountPasswordPolicyOutput{}, nil
	})
	On(s.cloud, "IAM", func(*iam.DeleteAccountPasswordPolicyInput) (*iam.DeleteAccountPasswordPolicyOutput, error) {
		if s.PasswordPolicy == nil {
			return nil, noPasswordPolicy()
		}
		s.PasswordPolicy = nil
		return &iam.DeleteAccountPasswordPolicyOutput{}, nil
	})
	On(s.cloud, "IAM", func(in *iam.CreateServiceLinkedRoleInput) (*iam.CreateServiceLinkedRoleOutput, error) {
		service := aws.ToString(in.AWSServiceName)
		if slices.Contains(s.LinkedRoles, service) {
			return nil, &iamtypes.InvalidInputException{Message: aws.String(fmt.Sprintf(
				"Service role name AWSServiceRoleFor%s has been taken in this account, please try a different suffix.", service))}
		}
		s.LinkedRoles = append(s.LinkedRoles, service)
		return &iam.CreateServiceLinkedRoleOutput{}, nil
	})
}

func noPasswordPolicy() error {
	return &iamtypes.NoSuchEntityException{Message: aws.String("The Password Policy with domain name " + Account + " cannot be found.")}
}

func (s *AccountSettings) addEC2() {
	On(s.cloud, "EC2", func(*ec2.GetEbsEncryptionByDefaultInput) (*ec2.GetEbsEncryptionByDefaultOutput, error) {
		return &ec2.GetEbsEncryptionByDefaultOutput{EbsEncryptionByDefault: aws.Bool(s.EBSEncryption)}, nil
	})
	On(s.cloud, "EC2", func(*ec2.EnableEbsEncryptionByDefaultInput) (*ec2.EnableEbsEncryptionByDefaultOutput, error) {
		s.EBSEncryption = true
		return &ec2.EnableEbsEncryptionByDefaultOutput{EbsEncryptionByDefault: aws.Bool(true)}, nil
	})
	On(s.cloud, "EC2", func(*ec2.DisableEbsEncryptionByDefaultInput) (*ec2.DisableEbsEncryptionByDefaultOutput, error) {
		s.EBSEncryption = false
		return &ec2.DisableEbsEncryptionByDefaultOutput{EbsEncryptionByDefault: aws.Bool(false)}, nil
	})
	On(s.cloud, "EC2", func(*ec2.GetInstanceMetadataDefaultsInput) (*ec2.GetInstanceMetadataDefaultsOutput, error) {
		level := s.Metadata
		return &ec2.GetInstanceMetadataDefaultsOutput{AccountLevel: &level}, nil
	})
	On(s.cloud, "EC2", func(in *ec2.ModifyInstanceMetadataDefaultsInput) (*ec2.ModifyInstanceMetadataDefaultsOutput, error) {
		if in.HttpTokens == "" && in.HttpPutResponseHopLimit == nil && in.HttpEndpoint == "" && in.InstanceMetadataTags == "" && in.HttpTokensEnforced == "" {
			return nil, s.cloud.refuse(Invalid("no default to modify"))
		}
		if in.HttpTokens != "" && !slices.Contains(in.HttpTokens.Values(), in.HttpTokens) {
			return nil, s.cloud.refuse(Invalid("httpTokens is %q", in.HttpTokens))
		}
		switch in.HttpTokens {
		case "":
		case ec2types.MetadataDefaultHttpTokensStateNoPreference:
			s.Metadata.HttpTokens = ""
		default:
			s.Metadata.HttpTokens = ec2types.HttpTokensState(in.HttpTokens)
		}
		return &ec2.ModifyInstanceMetadataDefaultsOutput{Return: aws.Bool(true)}, nil
	})
}

func (s *AccountSettings) addS3() {
	check := func(account *string) error {
		if aws.ToString(account) != Account {
			return s.cloud.refuse(Denied())
		}
		return nil
	}
	On(s.cloud, "S3 Control", func(in *s3control.GetPublicAccessBlockInput) (*s3control.GetPublicAccessBlockOutput, error) {
		if err := check(in.AccountId); err != nil {
			return nil, err
		}
		if s.PublicAccess == nil {
			return nil, &smithy.GenericAPIError{Code: "NoSuchPublicAccessBlockConfiguration", Message: "The public access block configuration was not found"}
		}
		block := *s.PublicAccess
		return &s3control.GetPublicAccessBlockOutput{PublicAccessBlockConfiguration: &block}, nil
	})
	On(s.cloud, "S3 Control", func(in *s3control.PutPublicAccessBlockInput) (*s3control.PutPublicAccessBlockOutput, error) {
		s.PublicAccess = in.PublicAccessBlockConfiguration
		return &s3control.PutPublicAccessBlockOutput{}, check(in.AccountId)
	})
	On(s.cloud, "S3 Control", func(in *s3control.DeletePublicAccessBlockInput) (*s3control.DeletePublicAccessBlockOutput, error) {
		s.PublicAccess = nil
		return &s3control.DeletePublicAccessBlockOutput{}, check(in.AccountId)
	})
}

// AllowDelete lets parameters be deleted.
func (s *SSM) AllowDelete(c *Cloud) {
	On(c, "SSM", func(in *ssm.DeleteParameterInput) (*ssm.DeleteParameterOutput, error) {
		if _, there := s.Parameters[aws.ToString(in.Name)]; !there {
			return nil, &ssmtypes.ParameterNotFound{}
		}
		delete(s.Parameters, *in.Name)
		return &ssm.DeleteParameterOutput{}, nil
	})
}

var roleARN = regexp.MustCompile(`^arn:aws:iam::` + Account + `:role/aws-service-role/([a-z.-]+)/`)

// linkedRole says whether a role is the service-linked role of a service that has one.
func (s *AccountSettings) linkedRole(arn string) bool {
	match := roleARN.FindStringSubmatch(arn)
	return match != nil && slices.Contains(s.LinkedRoles, match[1]) && strings.Contains(arn, "AWSServiceRole")
}
