package qa

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/applicationautoscaling"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	cfntypes "github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/smithy-go"

	"slipway/internal/contract"
	"slipway/internal/qacluster"
	"slipway/internal/qalease"
)

// clients are the calls of the subcommands.
type clients struct {
	ecs interface {
		qacluster.Client
		TagResource(context.Context, *ecs.TagResourceInput, ...func(*ecs.Options)) (*ecs.TagResourceOutput, error)
		UpdateService(context.Context, *ecs.UpdateServiceInput, ...func(*ecs.Options)) (*ecs.UpdateServiceOutput, error)
	}
	stacks interface {
		cloudformation.ListStacksAPIClient
		cloudformation.DescribeStacksAPIClient
		cloudformation.DescribeStackEventsAPIClient
		DeleteStack(context.Context, *cloudformation.DeleteStackInput, ...func(*cloudformation.Options)) (*cloudformation.DeleteStackOutput, error)
	}
	parameters interface {
		GetParameter(context.Context, *ssm.GetParameterInput, ...func(*ssm.Options)) (*ssm.GetParameterOutput, error)
		PutParameter(context.Context, *ssm.PutParameterInput, ...func(*ssm.Options)) (*ssm.PutParameterOutput, error)
	}
	rules   elb.DescribeRulesAPIClient
	images  ecr.DescribeImagesAPIClient
	scaling interface {
		applicationautoscaling.DescribeScalableTargetsAPIClient
		RegisterScalableTarget(context.Context, *applicationautoscaling.RegisterScalableTargetInput, ...func(*applicationautoscaling.Options)) (*applicationautoscaling.RegisterScalableTargetOutput, error)
	}
}

func newClients(cfg aws.Config) clients {
	return clients{
		ecs: ecs.NewFromConfig(cfg), stacks: cloudformation.NewFromConfig(cfg), parameters: ssm.NewFromConfig(cfg),
		rules: elb.NewFromConfig(cfg), images: ecr.NewFromConfig(cfg), scaling: applicationautoscaling.NewFromConfig(cfg),
	}
}

// facts reads what the list is made of.
func (s *session) facts(ctx context.Context) (qalease.Facts, error) {
	services, unreadable, problems, err := qacluster.Services(ctx, s.aws.ecs, s.cluster(), 8)
	if err != nil {
		return qalease.Facts{}, err
	}
	if problems != nil {
		fmt.Fprintf(s.log, "Some services can't be read: %v\n", problems)
	}
	f := qalease.Facts{Services: services, Unreadable: unreadable}
	var statuses []cfntypes.StackStatus
	for _, status := range cfntypes.StackStatus("").Values() {
		if status != cfntypes.StackStatusDeleteComplete { // of which AWS lists those of 90 days
			statuses = append(statuses, status)
		}
	}
	pages := cloudformation.NewListStacksPaginator(s.aws.stacks, &cloudformation.ListStacksInput{StackStatusFilter: statuses})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return f, fmt.Errorf("list the stacks of the QA environments: %w", err)
		}
		for _, stack := range page.StackSummaries {
			name := aws.ToString(stack.StackName)
			if _, ours := contract.SlugFromStack(s.cfg.Platform, name); ours {
				f.Stacks = append(f.Stacks, qalease.Stack{Name: name, Status: string(stack.StackStatus), CreatedAt: aws.ToTime(stack.CreationTime)})
			}
		}
	}
	return f, nil
}

// service reads the environment's own service; nil if there is none.
func (s *session) service(ctx context.Context, slug string) (*qalease.Service, error) {
	found, failed, err := qacluster.Describe(ctx, s.aws.ecs, s.cluster(), []string{slug})
	if err != nil {
		return nil, err
	}
	for _, service := range found {
		if service.Name == slug && service.Status == "ACTIVE" {
			return &service, nil
		}
	}
	if len(failed) > 0 {
		return nil, fmt.Errorf("describe the service %s: %s", slug, failed[0].Reason)
	}
	return nil, nil
}

// stack reads the environment's stack by its name, or by its ID once it may be gone; nil if there is none.
func (s *session) stack(ctx context.Context, nameOrID string) (*cfntypes.Stack, error) {
	out, err := s.aws.stacks.DescribeStacks(ctx, &cloudformation.DescribeStacksInput{StackName: &nameOrID})
	var api smithy.APIError
	if errors.As(err, &api) && api.ErrorCode() == "ValidationError" && strings.Contains(api.ErrorMessage(), "does not exist") {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("describe the stack %s: %w", nameOrID, err)
	}
	if len(out.Stacks) == 0 || out.Stacks[0].StackStatus == cfntypes.StackStatusDeleteComplete {
		return nil, nil
	}
	return &out.Stacks[0], nil
}

// pausedBecause reads the cleanup's switch, for people.
func (s *session) pausedBecause(ctx context.Context) (note string, err error) {
	name := contract.CleanupSwitch(s.cfg.Platform, s.cfg.QA.Stage)
	out, err := s.aws.parameters.GetParameter(ctx, &ssm.GetParameterInput{Name: &name})
	if err != nil {
		return "", fmt.Errorf("read the cleanup's switch %s: %w; is %s deployed?", name, err, contract.PlatformStack(s.cfg.Platform, contract.StackQALifecycle))
	}
	paused, reason, err := contract.ParseSwitch(aws.ToString(out.Parameter.Value))
	switch {
	case err != nil:
		return "", fmt.Errorf("nothing is deleted: %w", err)
	case paused && reason == "":
		return "The cleanup is paused: nothing is deleted. make qa-resume ends that.", nil
	case paused:
		return "The cleanup is paused (" + reason + "): nothing is deleted. make qa-resume ends that.", nil
	}
	return "", nil
}

func (s *session) setSwitch(ctx context.Context, value string) error {
	name := contract.CleanupSwitch(s.cfg.Platform, s.cfg.QA.Stage)
	_, err := s.aws.parameters.PutParameter(ctx, &ssm.PutParameterInput{Name: &name, Value: &value, Overwrite: aws.Bool(true)})
	if err != nil {
		return fmt.Errorf("write %q to the cleanup's switch %s: %w", value, name, err)
	}
	return nil
}
