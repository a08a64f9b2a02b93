package harness

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/accessanalyzer"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/guardduty"
	gdtypes "github.com/aws/aws-sdk-go-v2/service/guardduty/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
)

// GiveAccountSettings gives the account what somebody may have set before the platform came: a weak password policy and a
// detector with other features.
func (l *Local) GiveAccountSettings(ctx context.Context) error {
	cfg := l.Config()
	_, err := iam.NewFromConfig(cfg).UpdateAccountPasswordPolicy(ctx, &iam.UpdateAccountPasswordPolicyInput{
		MinimumPasswordLength: aws.Int32(8), RequireNumbers: true, MaxPasswordAge: aws.Int32(365), PasswordReusePrevention: aws.Int32(3),
	})
	if err != nil {
		return fmt.Errorf("set a password policy: %w", err)
	}
	var features []gdtypes.DetectorFeatureConfiguration
	for _, feature := range []gdtypes.DetectorFeature{
		gdtypes.DetectorFeatureS3DataEvents, gdtypes.DetectorFeatureEksAuditLogs, gdtypes.DetectorFeatureEbsMalwareProtection,
		gdtypes.DetectorFeatureRdsLoginEvents, gdtypes.DetectorFeatureLambdaNetworkLogs,
	} {
		status := gdtypes.FeatureStatusDisabled
		if feature == gdtypes.DetectorFeatureEksAuditLogs {
			status = gdtypes.FeatureStatusEnabled
		}
		features = append(features, gdtypes.DetectorFeatureConfiguration{Name: feature, Status: status})
	}
	features = append(features, gdtypes.DetectorFeatureConfiguration{Name: gdtypes.DetectorFeatureRuntimeMonitoring, Status: gdtypes.FeatureStatusDisabled})
	_, err = guardduty.NewFromConfig(cfg).CreateDetector(ctx, &guardduty.CreateDetectorInput{
		Enable: aws.Bool(true), FindingPublishingFrequency: gdtypes.FindingPublishingFrequencySixHours, Features: features,
	})
	if err != nil {
		return fmt.Errorf("make a detector: %w", err)
	}
	return nil
}

// AccountSettings describes the account's own settings, one a line, in order.
func (l *Local) AccountSettings(ctx context.Context) ([]string, error) {
	cfg := l.Config()
	var found []string
	add := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }

	policy, err := iam.NewFromConfig(cfg).GetAccountPasswordPolicy(ctx, &iam.GetAccountPasswordPolicyInput{})
	var none *iamtypes.NoSuchEntityException
	switch {
	case errors.As(err, &none):
		add("no password policy")
	case err != nil:
		return nil, fmt.Errorf("read the password policy: %w", err)
	default:
		p := policy.PasswordPolicy
		add("passwords: %d characters, %d days, %d earlier, symbols %v", aws.ToInt32(p.MinimumPasswordLength), aws.ToInt32(p.MaxPasswordAge),
			aws.ToInt32(p.PasswordReusePrevention), p.RequireSymbols)
	}
	volumes, err := ec2.NewFromConfig(cfg).GetEbsEncryptionByDefault(ctx, &ec2.GetEbsEncryptionByDefaultInput{})
	if err != nil {
		return nil, fmt.Errorf("read the default of volumes: %w", err)
	}
	add("new volumes encrypted: %v", aws.ToBool(volumes.EbsEncryptionByDefault))
	instances, err := ec2.NewFromConfig(cfg).GetInstanceMetadataDefaults(ctx, &ec2.GetInstanceMetadataDefaultsInput{})
	if err != nil {
		return nil, fmt.Errorf("read the default of instances: %w", err)
	}
	add("new instances' tokens: %s", instances.AccountLevel.HttpTokens)
	analyzers, err := accessanalyzer.NewFromConfig(cfg).ListAnalyzers(ctx, &accessanalyzer.ListAnalyzersInput{})
	if err != nil {
		return nil, fmt.Errorf("list analyzers: %w", err)
	}
	add("analyzers: %d", len(analyzers.Analyzers))
	detectors, err := l.detectors(ctx)
	return append(found, detectors...), err
}

func (l *Local) detectors(ctx context.Context) ([]string, error) {
	client := guardduty.NewFromConfig(l.Config())
	list, err := client.ListDetectors(ctx, &guardduty.ListDetectorsInput{})
	if err != nil {
		return nil, fmt.Errorf("list detectors: %w", err)
	}
	var found []string
	for _, id := range list.DetectorIds {
		detector, err := client.GetDetector(ctx, &guardduty.GetDetectorInput{DetectorId: &id})
		if err != nil {
			return nil, fmt.Errorf("read detector %s: %w", id, err)
		}
		var on []string
		for _, feature := range detector.Features {
			if feature.Status == gdtypes.FeatureStatusEnabled {
				on = append(on, string(feature.Name))
			}
		}
		slices.Sort(on)
		found = append(found, fmt.Sprintf("detector %s: %s, %s", id, detector.FindingPublishingFrequency, strings.Join(on, " ")))
	}
	return found, nil
}
