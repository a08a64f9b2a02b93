package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	cfntypes "github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	ecrtypes "github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"slipway/lambdas/internal/fakeaws"
)

func TestImagesAreRefusedByTheirScan(t *testing.T) {
	inspector := func(id, severity, status string) ecrtypes.EnhancedImageScanFinding {
		return ecrtypes.EnhancedImageScanFinding{
			Severity: &severity, Status: &status, Title: aws.String(id + " - openssl"), Type: aws.String("PACKAGE_VULNERABILITY"),
			PackageVulnerabilityDetails: &ecrtypes.PackageVulnerabilityDetails{VulnerabilityId: &id},
		}
	}
	scanned := func(findings ...ecrtypes.ImageScanFinding) func(*world) {
		return func(w *world) {
			w.ecr.Scans[digest] = fakeaws.Scan{Status: ecrtypes.ScanStatusComplete, Findings: findings}
		}
	}
	status := func(s ecrtypes.ScanStatus) func(*world) {
		return func(w *world) { w.ecr.Scans[digest] = fakeaws.Scan{Status: s} }
	}
	for sentence, c := range map[string]struct {
		prepare func(*world)
		reason  []string // parts of it; none means that the image is taken
	}{
		"never scanned":            {func(w *world) { delete(w.ecr.Scans, digest) }, []string{"abc may not be deployed", "never scanned"}},
		"still being scanned":      {status(ecrtypes.ScanStatusInProgress), []string{"still being scanned", "deploy again"}},
		"waiting for its scan":     {status(ecrtypes.ScanStatusPending), []string{"still being scanned"}},
		"a scan that failed":       {status(ecrtypes.ScanStatusFailed), []string{"its scan is FAILED"}},
		"an image of unknown kind": {status(ecrtypes.ScanStatusUnsupportedImage), []string{"its scan is UNSUPPORTED_IMAGE"}},
		"a scan long ago":          {status(ecrtypes.ScanStatusScanEligibilityExpired), []string{"SCAN_ELIGIBILITY_EXPIRED"}},
		"scanned without findings": {status(ecrtypes.ScanStatusComplete), nil},
		"scanned all the time":     {status(ecrtypes.ScanStatusActive), nil},
		"a medium finding":         {scanned(finding("CVE-2026-0002", ecrtypes.FindingSeverityMedium)), nil},
		"a high finding": {
			scanned(finding("CVE-2026-0003", ecrtypes.FindingSeverityHigh)),
			[]string{"CVE-2026-0003 (high) in openssl 3.0.1", "registry.scan.refuse is high", "registry.scan.exceptions"},
		},
		"an accepted finding on its last day": {scanned(finding("CVE-2026-0001", ecrtypes.FindingSeverityCritical)), nil},
		"an accepted finding beside another": {
			scanned(finding("CVE-2026-0001", ecrtypes.FindingSeverityCritical), finding("CVE-2026-0004", ecrtypes.FindingSeverityHigh)), []string{"CVE-2026-0004"},
		},
		"a severity that we don't know": {scanned(finding("CVE-2026-0005", "CATASTROPHIC")), []string{"CVE-2026-0005"}},
		"a finding of Amazon Inspector": {func(w *world) {
			w.ecr.Scans[digest] = fakeaws.Scan{Status: ecrtypes.ScanStatusActive, Enhanced: []ecrtypes.EnhancedImageScanFinding{inspector("CVE-2026-0006", "HIGH", "ACTIVE")}}
		}, []string{"CVE-2026-0006 (high)"}},
		"one that Inspector was told to suppress": {func(w *world) {
			w.ecr.Scans[digest] = fakeaws.Scan{Status: ecrtypes.ScanStatusActive, Enhanced: []ecrtypes.EnhancedImageScanFinding{inspector("CVE-2026-0006", "HIGH", "SUPPRESSED")}}
		}, []string{"CVE-2026-0006"}},
		"one that Inspector has closed": {func(w *world) {
			w.ecr.Scans[digest] = fakeaws.Scan{Status: ecrtypes.ScanStatusActive, Enhanced: []ecrtypes.EnhancedImageScanFinding{inspector("CVE-2026-0006", "HIGH", "CLOSED")}}
		}, nil},
		"the worst is on the last page": {func(w *world) {
			w.ecr.Page = 2
			var all []ecrtypes.ImageScanFinding
			for i := range 7 {
				all = append(all, finding(fmt.Sprintf("CVE-2025-%d", i), ecrtypes.FindingSeverityLow))
			}
			scanned(append(all, finding("CVE-2026-0007", ecrtypes.FindingSeverityCritical))...)(w)
		}, []string{"CVE-2026-0007 (critical)"}},
		"many findings make a short message": {func(w *world) {
			var all []ecrtypes.ImageScanFinding
			for i := range 60 {
				all = append(all, finding(fmt.Sprintf("CVE-2025-%d", i), ecrtypes.FindingSeverityHigh))
			}
			scanned(append(all, finding("CVE-2026-0008", ecrtypes.FindingSeverityCritical))...)(w)
		}, []string{"found CVE-2026-0008 (critical)", "and 56 more"}},
		"the findings can't be read":       {fail("ecr:DescribeImageScanFindings", fakeaws.Denied()), []string{"read the scan", "AccessDenied"}},
		"the findings are throttled twice": {fail("ecr:DescribeImageScanFindings", fakeaws.Throttled(), fakeaws.Throttled()), nil},
		"a rule that refuses nothing": {func(w *world) {
			w.rule.Refuse = "nothing"
			delete(w.ecr.Scans, digest)
		}, nil},
		"the stack is rolling back": {func(w *world) {
			delete(w.ecr.Scans, digest)
			w.stacks.Stack("slipway-dev-service").StackStatus = cfntypes.StackStatusUpdateRollbackInProgress
		}, nil},
		"the stack can't be read": {func(w *world) {
			delete(w.ecr.Scans, digest)
			w.cloud.Fail("cloudformation:DescribeStacks", fakeaws.Denied())
		}, []string{"never scanned", "rolling back", "AccessDenied"}},
	} {
		t.Run(sentence, func(t *testing.T) {
			w := newWorld(t)
			c.prepare(w)
			a := w.send("Update", map[string]any{"Requested": "abc"})
			if len(c.reason) == 0 {
				if a.Status != "SUCCESS" || a.Data["Digest"] != digest {
					t.Errorf("got %+v, want the image", a)
				}
				return
			}
			if a.Status != "FAILED" || len(a.Reason) > 1500 {
				t.Errorf("got %+v, want a short refusal", a)
			}
			for _, part := range c.reason {
				if !strings.Contains(a.Reason, part) {
					t.Errorf("%q isn't in %q", part, a.Reason)
				}
			}
		})
	}
}

// What runs stays, whatever became known about it: the change at hand may be the one that helps.
func TestWhatRunsIsNotJudged(t *testing.T) {
	w := newWorld(t)
	w.ssm.Parameters[parameter] = "abc"
	delete(w.ecr.Scans, digest)
	if a := w.send("Update", nil); a.Status != "SUCCESS" || w.cloud.Calls("ecr:DescribeImageScanFindings") != 0 {
		t.Errorf("got %+v", a)
	}
}

func TestAnExceptionEndsWithItsDay(t *testing.T) {
	w := newWorld(t)
	w.rule.Exceptions[0].Until = "2026-03-01"
	w.ecr.Scans[digest] = fakeaws.Scan{Status: ecrtypes.ScanStatusComplete, Findings: []ecrtypes.ImageScanFinding{finding("CVE-2026-0001", ecrtypes.FindingSeverityHigh)}}
	if a := w.send("Update", map[string]any{"Requested": "abc"}); a.Status != "FAILED" || !strings.Contains(a.Reason, "CVE-2026-0001") {
		t.Errorf("got %+v", a)
	}
}
