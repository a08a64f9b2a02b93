package apply

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/securityhub"
	shtypes "github.com/aws/aws-sdk-go-v2/service/securityhub/types"

	"slipway/internal/contract"
	"slipway/lambdas/accountbaseline/decide"
)

// SecurityHub holds the Region's hub and its standards.
type SecurityHub interface {
	DescribeHub(context.Context, *securityhub.DescribeHubInput, ...func(*securityhub.Options)) (*securityhub.DescribeHubOutput, error)
	EnableSecurityHub(context.Context, *securityhub.EnableSecurityHubInput, ...func(*securityhub.Options)) (*securityhub.EnableSecurityHubOutput, error)
	DisableSecurityHub(context.Context, *securityhub.DisableSecurityHubInput, ...func(*securityhub.Options)) (*securityhub.DisableSecurityHubOutput, error)
	GetEnabledStandards(context.Context, *securityhub.GetEnabledStandardsInput, ...func(*securityhub.Options)) (*securityhub.GetEnabledStandardsOutput, error)
	BatchEnableStandards(context.Context, *securityhub.BatchEnableStandardsInput, ...func(*securityhub.Options)) (*securityhub.BatchEnableStandardsOutput, error)
	BatchDisableStandards(context.Context, *securityhub.BatchDisableStandardsInput, ...func(*securityhub.Options)) (*securityhub.BatchDisableStandardsOutput, error)
}

// hub is Security Hub CSPM: whether it is there, and which standards are on. A standard that is off has no key of its own
// on AWS; here it is absent, or off if it is asked for.
type hub struct {
	hub    SecurityHub
	region string
	Patience
}

func (h hub) Read(ctx context.Context) (decide.State, error) {
	_, err := h.hub.DescribeHub(ctx, &securityhub.DescribeHubInput{})
	var none *shtypes.ResourceNotFoundException
	var invalid *shtypes.InvalidAccessException // how it says that the account isn't subscribed
	if errors.As(err, &none) || errors.As(err, &invalid) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	state := decide.State{}
	// Off unless found below, so that what was off before is restored as off.
	for _, standard := range []string{contract.StandardCIS, contract.StandardFSBP} {
		state[contract.StandardKey(standard)] = contract.Off
	}
	subscriptions, err := h.subscriptions(ctx)
	if err != nil {
		return nil, err
	}
	for standard := range subscriptions {
		state[contract.StandardKey(standard)] = contract.On
	}
	return state, nil
}

// subscriptions are the ARNs of the subscriptions to standards that are on, by the end of the standard's ARN.
func (h hub) subscriptions(ctx context.Context) (map[string]string, error) {
	found := map[string]string{}
	pages := securityhub.NewGetEnabledStandardsPaginator(h.hub, &securityhub.GetEnabledStandardsInput{})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, subscription := range page.StandardsSubscriptions {
			arn := aws.ToString(subscription.StandardsArn)
			if i := strings.LastIndex(arn, ":"); subscription.StandardsStatus != shtypes.StandardsStatusDeleting {
				found[arn[i+1:]] = aws.ToString(subscription.StandardsSubscriptionArn)
			}
		}
	}
	return found, nil
}

func (h hub) Write(ctx context.Context, from, to decide.State) (decide.State, error) {
	if to == nil {
		_, err := h.hub.DisableSecurityHub(ctx, &securityhub.DisableSecurityHubInput{})
		return nil, err
	}
	if from == nil {
		// No default standards: those asked for are all that is paid for.
		_, err := h.hub.EnableSecurityHub(ctx, &securityhub.EnableSecurityHubInput{
			EnableDefaultStandards: aws.Bool(false), ControlFindingGenerator: shtypes.ControlFindingGeneratorSecurityControl,
		})
		var there *shtypes.ResourceConflictException // the same request came twice
		if err != nil && !errors.As(err, &there) {
			return nil, err
		}
	}
	return nil, h.standards(ctx, decide.Changes(from, to))
}

func (h hub) standards(ctx context.Context, changes decide.State) error {
	var enable []shtypes.StandardsSubscriptionRequest
	var disable []string
	for _, key := range changes.Keys() {
		standard, ok := contract.ParseStandardKey(key)
		switch {
		case !ok:
		case changes[key] == contract.On:
			enable = append(enable, shtypes.StandardsSubscriptionRequest{StandardsArn: aws.String("arn:aws:securityhub:" + h.region + "::" + standard)})
		default:
			disable = append(disable, standard)
		}
	}
	if len(enable) > 0 {
		var out *securityhub.BatchEnableStandardsOutput
		err := h.until(ctx, []string{"InvalidAccessException"}, func() (err error) { // a hub of a moment ago
			out, err = h.hub.BatchEnableStandards(ctx, &securityhub.BatchEnableStandardsInput{StandardsSubscriptionRequests: enable})
			return err
		})
		if err != nil {
			return err
		}
		for _, subscription := range out.StandardsSubscriptions {
			if subscription.StandardsStatus == shtypes.StandardsStatusFailed {
				return fmt.Errorf("standard %s could not be enabled", aws.ToString(subscription.StandardsArn))
			}
		}
	}
	if len(disable) == 0 {
		return nil
	}
	subscriptions, err := h.subscriptions(ctx)
	if err != nil {
		return err
	}
	var arns []string
	for _, standard := range disable {
		if arn, on := subscriptions[standard]; on {
			arns = append(arns, arn)
		}
	}
	if len(arns) == 0 {
		return nil
	}
	_, err = h.hub.BatchDisableStandards(ctx, &securityhub.BatchDisableStandardsInput{StandardsSubscriptionArns: arns})
	return err
}
