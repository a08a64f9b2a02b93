package scan

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
)

// ECR knows what was found in images.
type ECR interface {
	DescribeImageScanFindings(context.Context, *ecr.DescribeImageScanFindingsInput, ...func(*ecr.Options)) (*ecr.DescribeImageScanFindingsOutput, error)
}

// Read gets what the registry says about a digest, whichever of its two scanners looked.
func Read(ctx context.Context, client ECR, registry, repository, digest string) (Result, error) {
	pages := ecr.NewDescribeImageScanFindingsPaginator(client, &ecr.DescribeImageScanFindingsInput{
		RegistryId: &registry, RepositoryName: &repository, ImageId: &types.ImageIdentifier{ImageDigest: &digest},
		MaxResults: aws.Int32(1000), // the most
	})
	var result Result
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		var none *types.ScanNotFoundException
		if errors.As(err, &none) {
			return Result{}, nil
		}
		if err != nil {
			return Result{}, fmt.Errorf("read the scan of image %s in repository %s of account %s: %w; try again, and check that it may be read", digest, repository, registry, err)
		}
		if s := page.ImageScanStatus; s != nil {
			result.Status, result.Description = string(s.Status), aws.ToString(s.Description)
		}
		if page.ImageScanFindings == nil {
			continue
		}
		for _, f := range page.ImageScanFindings.Findings {
			result.Findings = append(result.Findings, basic(f))
		}
		for _, f := range page.ImageScanFindings.EnhancedFindings {
			if aws.ToString(f.Status) != "CLOSED" {
				result.Findings = append(result.Findings, enhanced(f))
			}
		}
	}
	return result, nil
}

func basic(f types.ImageScanFinding) Finding {
	found := Finding{ID: aws.ToString(f.Name), Severity: string(f.Severity)}
	var name, version string
	for _, a := range f.Attributes {
		switch aws.ToString(a.Key) {
		case "package_name":
			name = aws.ToString(a.Value)
		case "package_version":
			version = aws.ToString(a.Value)
		}
	}
	found.Package = joined(name, version)
	return found
}

// enhanced also takes a finding that is suppressed in Amazon Inspector: what may pass is written in platform.yaml, with a day
// and a reason.
func enhanced(f types.EnhancedImageScanFinding) Finding {
	found := Finding{ID: aws.ToString(f.Title), Severity: aws.ToString(f.Severity)}
	if d := f.PackageVulnerabilityDetails; d != nil {
		found.ID = aws.ToString(d.VulnerabilityId)
		if len(d.VulnerablePackages) > 0 {
			found.Package = joined(aws.ToString(d.VulnerablePackages[0].Name), aws.ToString(d.VulnerablePackages[0].Version))
		}
	}
	return found
}

func joined(name, version string) string {
	if name == "" || version == "" {
		return name
	}
	return name + " " + version
}
