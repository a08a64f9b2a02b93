package fakeaws

import (
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	ecrtypes "github.com/aws/aws-sdk-go-v2/service/ecr/types"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"
)

// ECR is the account's image repositories.
type ECR struct {
	cloud *Cloud

	Repositories map[string][]ecrtypes.ImageDetail
}

// NewECR adds image repositories to the cloud.
func NewECR(c *Cloud) *ECR {
	e := &ECR{cloud: c, Repositories: map[string][]ecrtypes.ImageDetail{}}
	On(c, "ECR", e.describeImages)
	return e
}

// Push adds an image to a repository, which it creates.
func (e *ECR) Push(repository, digest string, status ecrtypes.ImageStatus, tags ...string) {
	e.Repositories[repository] = append(e.Repositories[repository], ecrtypes.ImageDetail{
		RegistryId: aws.String(Account), RepositoryName: &repository, ImageDigest: &digest, ImageTags: tags, ImageStatus: status,
	})
}

func (e *ECR) describeImages(in *ecr.DescribeImagesInput) (*ecr.DescribeImagesOutput, error) {
	images, ok := e.Repositories[*in.RepositoryName]
	if !ok || in.RegistryId != nil && *in.RegistryId != Account {
		return nil, &ecrtypes.RepositoryNotFoundException{Message: aws.String(fmt.Sprintf(
			"The repository with name '%s' does not exist in the registry with id '%s'", *in.RepositoryName, aws.ToString(in.RegistryId)))}
	}
	if n := len(in.ImageIds); n == 0 || n > 100 {
		return nil, e.cloud.refuse(&ecrtypes.InvalidParameterException{Message: aws.String(fmt.Sprintf("%d image IDs", n))})
	}
	out := &ecr.DescribeImagesOutput{}
	for _, id := range in.ImageIds {
		i := slices.IndexFunc(images, func(d ecrtypes.ImageDetail) bool {
			return id.ImageDigest != nil && *d.ImageDigest == *id.ImageDigest || id.ImageTag != nil && slices.Contains(d.ImageTags, *id.ImageTag)
		})
		if i < 0 {
			return nil, &ecrtypes.ImageNotFoundException{Message: aws.String("The image requested does not exist")}
		}
		out.ImageDetails = append(out.ImageDetails, images[i])
	}
	return out, nil
}

// SSM is the account's parameters.
type SSM struct{ Parameters map[string]string }

// NewSSM adds the parameter store to the cloud.
func NewSSM(c *Cloud) *SSM {
	s := &SSM{Parameters: map[string]string{}}
	On(c, "SSM", func(in *ssm.GetParameterInput) (*ssm.GetParameterOutput, error) {
		value, ok := s.Parameters[*in.Name]
		if !ok {
			return nil, &ssmtypes.ParameterNotFound{}
		}
		return &ssm.GetParameterOutput{Parameter: &ssmtypes.Parameter{Name: in.Name, Value: &value, Type: ssmtypes.ParameterTypeString}}, nil
	})
	return s
}
