package registry

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"slipway/internal/config"
	"slipway/lambdas/imageresolver/scan"
)

const digest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// images is an ECR with the image abc, whose scan goes through the results one look at a time; nil is "not scanned".
type images struct {
	results []*ecr.DescribeImageScanFindingsOutput
}

func (i *images) DescribeImages(_ context.Context, in *ecr.DescribeImagesInput, _ ...func(*ecr.Options)) (*ecr.DescribeImagesOutput, error) {
	if id := in.ImageIds[0]; aws.ToString(id.ImageTag) != "abc" && aws.ToString(id.ImageDigest) != digest {
		return nil, &types.ImageNotFoundException{}
	}
	return &ecr.DescribeImagesOutput{ImageDetails: []types.ImageDetail{{ImageDigest: aws.String(digest)}}}, nil
}

func (i *images) DescribeImageScanFindings(context.Context, *ecr.DescribeImageScanFindingsInput, ...func(*ecr.Options)) (*ecr.DescribeImageScanFindingsOutput, error) {
	result := i.results[0]
	if len(i.results) > 1 {
		i.results = i.results[1:]
	}
	if result == nil {
		return nil, &types.ScanNotFoundException{}
	}
	return result, nil
}

func result(status types.ScanStatus, findings ...types.ImageScanFinding) *ecr.DescribeImageScanFindingsOutput {
	return &ecr.DescribeImageScanFindingsOutput{ImageScanStatus: &types.ImageScanStatus{Status: status}, ImageScanFindings: &types.ImageScanFindings{Findings: findings}}
}

func repository(results ...*ecr.DescribeImageScanFindingsOutput) Repository {
	return Repository{Client: &images{results}, Account: "111111111111", Name: "app", Rule: scan.Rule{Refuse: "high"}}
}

var high = types.ImageScanFinding{Name: aws.String("CVE-2026-1"), Severity: types.FindingSeverityHigh}

func TestDeployable(t *testing.T) {
	for sentence, c := range map[string]struct {
		image  string
		result *ecr.DescribeImageScanFindingsOutput
		fault  string
	}{
		"a tag whose scan is fine":    {"abc", result(types.ScanStatusComplete), ""},
		"a digest whose scan is fine": {digest, result(types.ScanStatusComplete), ""},
		"an image that isn't there":   {"nope", nil, "slipway image"},
		"no tag at all":               {"a b", nil, "is no image tag"},
		"latest":                      {"latest", nil, "is refused"},
		"never scanned":               {"abc", nil, "never scanned"},
		"a severe finding":            {"abc", result(types.ScanStatusComplete, high), "CVE-2026-1"},
	} {
		got, err := repository(c.result).Deployable(t.Context(), c.image, time.Now())
		if (err != nil) != (c.fault != "") || err != nil && !strings.Contains(err.Error(), c.fault) || err == nil && got != digest {
			t.Errorf("%s: %q, %v", sentence, got, err)
		}
	}
	if _, err := repository(nil).Digest(t.Context(), "nope"); !errors.Is(err, ErrNoImage) {
		t.Errorf("absence can't be told from a fault: %v", err)
	}
}

func TestScannedWaitsForTheEnd(t *testing.T) {
	r := repository(nil, result(types.ScanStatusPending), result(types.ScanStatusInProgress), result(types.ScanStatusComplete, high))
	if v, err := r.Scanned(t.Context(), digest, time.Millisecond, time.Minute); err != nil || len(v.Refused) != 1 {
		t.Errorf("%+v, %v", v, err)
	}
	if v, err := repository(nil).Scanned(t.Context(), digest, time.Millisecond, 5*time.Millisecond); err != nil || v.Unscanned == "" {
		t.Errorf("a scan that never comes: %+v, %v", v, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := repository(nil).Scanned(ctx, digest, time.Minute, time.Hour); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestRuleIsTheConfigurations(t *testing.T) {
	got := Rule(&config.Config{Registry: config.Registry{Scan: config.Scan{Refuse: config.SeverityLow, Exceptions: []config.ScanException{{ID: "CVE-1", Until: "2026-12-31", Reason: "x"}}}}})
	if got.Refuse != "low" || len(got.Exceptions) != 1 || got.Exceptions[0] != (scan.Exception{ID: "CVE-1", Until: "2026-12-31"}) {
		t.Errorf("%+v", got)
	}
}
