package fakeaws

import (
	"cmp"
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
	Scans        map[string]Scan // by digest
	Page         int             // findings in a page
}

// Scan is what a scan of an image says.
type Scan struct {
	Status   ecrtypes.ScanStatus
	Findings []ecrtypes.ImageScanFinding
	Enhanced []ecrtypes.EnhancedImageScanFinding
}

// NewECR adds image repositories to the cloud.
func NewECR(c *Cloud) *ECR {
	e := &ECR{cloud: c, Repositories: map[string][]ecrtypes.ImageDetail{}, Scans: map[string]Scan{}, Page: 100}
	On(c, "ECR", e.describeImages)
	On(c, "ECR", e.describeFindings)
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

// describeFindings pages through both kinds of findings, and knows no scan of an image that was never scanned.
func (e *ECR) describeFindings(in *ecr.DescribeImageScanFindingsInput) (*ecr.DescribeImageScanFindingsOutput, error) {
	if n := aws.ToInt32(in.MaxResults); n < 0 || n > 1000 {
		return nil, e.cloud.refuse(&ecrtypes.InvalidParameterException{Message: aws.String(fmt.Sprintf("maxResults %d", n))})
	}
	images, err := e.describeImages(&ecr.DescribeImagesInput{
		RegistryId: in.RegistryId, RepositoryName: in.RepositoryName, ImageIds: []ecrtypes.ImageIdentifier{*in.ImageId},
	})
	if err != nil {
		return nil, err
	}
	scan, ok := e.Scans[*images.ImageDetails[0].ImageDigest]
	if !ok {
		return nil, &ecrtypes.ScanNotFoundException{Message: aws.String("Image scan does not exist for the image")}
	}
	out := &ecr.DescribeImageScanFindingsOutput{ImageScanStatus: &ecrtypes.ImageScanStatus{Status: scan.Status}}
	if len(scan.Findings)+len(scan.Enhanced) == 0 {
		return out, nil // ECR leaves the block out while it scans, and where there is nothing
	}
	size := min(e.Page, int(cmp.Or(aws.ToInt32(in.MaxResults), 100)))
	var all []any
	for _, f := range scan.Findings {
		all = append(all, f)
	}
	for _, f := range scan.Enhanced {
		all = append(all, f)
	}
	part, next, err := page(e.cloud, all, in.NextToken, size)
	out.NextToken, out.ImageScanFindings = next, &ecrtypes.ImageScanFindings{}
	for _, f := range part {
		switch f := f.(type) {
		case ecrtypes.ImageScanFinding:
			out.ImageScanFindings.Findings = append(out.ImageScanFindings.Findings, f)
		case ecrtypes.EnhancedImageScanFinding:
			out.ImageScanFindings.EnhancedFindings = append(out.ImageScanFindings.EnhancedFindings, f)
		}
	}
	return out, err
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
