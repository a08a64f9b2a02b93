package qa

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/applicationautoscaling"
	scalingtypes "github.com/aws/aws-sdk-go-v2/service/applicationautoscaling/types"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	cfntypes "github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"slipway/internal/contract"
	"slipway/internal/qalease"
)

const (
	poll       = 5 * time.Second
	deleteTime = 30 * time.Minute
)

// extend renews the lease by tagging the service, which is where the lease stands.
func extend(ctx context.Context, s *session, o options) error {
	slug, branch, err := s.environment(o.branch)
	if err != nil {
		return err
	}
	ttl, err := s.ttl(o.ttl)
	if err != nil {
		return err
	}
	service, err := s.service(ctx, slug)
	if err != nil {
		return err
	}
	if service == nil {
		return missing(branch, slug)
	}
	stack, err := s.stack(ctx, contract.QAEnvironmentStack(s.cfg.Platform, slug))
	if err != nil {
		return err
	}
	if stack != nil && stack.StackStatus == cfntypes.StackStatusDeleteInProgress {
		return fmt.Errorf("extend %s: it is being deleted; make qa-up BRANCH=%s once it is gone", slug, branch)
	}
	lease, err := qalease.Read(*service)
	if err != nil {
		return fmt.Errorf("extend %s: its lease can't be read: %w; deploy it again", slug, err)
	}
	ends, cut, err := qalease.Extend(lease, s.now(), ttl)
	if err != nil {
		return err
	}
	if ends.Equal(lease.Ends) {
		fmt.Fprintf(s.out, "%s ends at %s already, in %s.\n", slug, contract.FormatExpiry(ends), qalease.Short(ends.Sub(s.now())))
		return nil
	}
	if err := s.expire(ctx, service.ARN, ends); err != nil {
		return err
	}
	fmt.Fprintf(s.out, "%s now ends at %s, in %s.\n", slug, contract.FormatExpiry(ends), qalease.Short(ends.Sub(s.now())))
	if cut {
		fmt.Fprintln(s.out, "That is its longest life, which nothing extends.")
	}
	return nil
}

func (s *session) expire(ctx context.Context, service string, ends time.Time) error {
	_, err := s.aws.ecs.TagResource(ctx, &ecs.TagResourceInput{
		ResourceArn: &service, Tags: []ecstypes.Tag{{Key: aws.String(contract.TagExpires), Value: aws.String(contract.FormatExpiry(ends))}},
	})
	if err != nil {
		return fmt.Errorf("set the end of the lease of %s: %w", service, err)
	}
	return nil
}

func missing(branch, slug string) error {
	return fmt.Errorf("the branch %s has no environment (%s); make qa-list shows all", branch, slug)
}

// down deletes the stack and waits. A service without a stack, made by hand, is left to the cleanup, which knows its pieces.
func down(ctx context.Context, s *session, o options) error {
	slug, branch, err := s.environment(o.branch)
	if err != nil {
		return err
	}
	name := contract.QAEnvironmentStack(s.cfg.Platform, slug)
	stack, err := s.stack(ctx, name)
	if err != nil {
		return err
	}
	if stack == nil {
		service, err := s.service(ctx, slug)
		switch {
		case err != nil:
			return err
		case service == nil:
			fmt.Fprintf(s.out, "The branch %s has no environment; what may be left of one goes with the next sweep.\n", branch)
			return nil
		}
		if err := s.expire(ctx, service.ARN, s.now()); err != nil {
			return err
		}
		fmt.Fprintf(s.out, "%s has no stack: its lease is over now, and the cleanup takes it apart at its next run.\n", slug)
		return nil
	}
	id := aws.ToString(stack.StackId)
	if stack.StackStatus != cfntypes.StackStatusDeleteInProgress {
		if _, err := s.aws.stacks.DeleteStack(ctx, &cloudformation.DeleteStackInput{StackName: &id}); err != nil {
			return fmt.Errorf("delete the stack %s: %w", name, err)
		}
	}
	fmt.Fprintf(s.log, "Deleting %s …\n", name)
	for deadline := s.now().Add(deleteTime); ; {
		stack, err := s.stack(ctx, id)
		if err != nil {
			return err
		}
		if stack == nil {
			fmt.Fprintf(s.out, "%s is gone.\n", slug)
			return nil
		}
		switch status := stack.StackStatus; {
		case status == cfntypes.StackStatusDeleteFailed:
			return fmt.Errorf("delete the stack %s: %s; remove what blocks it and try again", name, s.reasons(ctx, id))
		case s.now().After(deadline):
			return fmt.Errorf("delete the stack %s: it is still %s after %s; the console shows its events", name, status, deleteTime)
		}
		if err := s.wait(ctx, poll); err != nil {
			return fmt.Errorf("wait for the deletion of %s: %w; CloudFormation goes on", name, err)
		}
	}
}

// reasons are the failures of the last deletion, newest first.
func (s *session) reasons(ctx context.Context, id string) string {
	out, err := s.aws.stacks.DescribeStackEvents(ctx, &cloudformation.DescribeStackEventsInput{StackName: &id})
	if err != nil {
		return "it failed, and its events can't be read: " + err.Error()
	}
	var reasons []string
	for _, e := range out.StackEvents {
		if e.ResourceStatus == cfntypes.ResourceStatusDeleteFailed && aws.ToString(e.PhysicalResourceId) != id {
			reasons = append(reasons, aws.ToString(e.LogicalResourceId)+": "+aws.ToString(e.ResourceStatusReason))
		}
		if e.ResourceStatus == cfntypes.ResourceStatusDeleteInProgress && aws.ToString(e.PhysicalResourceId) == id {
			break // where this deletion began
		}
	}
	if len(reasons) == 0 {
		return "it failed without a reason"
	}
	return strings.Join(reasons, "; ")
}

// wake lets the service run again until the office hours next end: their schedule acts at its times only.
func wake(ctx context.Context, s *session, o options) error {
	slug, branch, err := s.environment(o.branch)
	if err != nil {
		return err
	}
	service, err := s.service(ctx, slug)
	if err != nil {
		return err
	}
	if service == nil {
		return missing(branch, slug)
	}
	resource := contract.ScalableService(s.cluster(), slug)
	targets, err := s.aws.scaling.DescribeScalableTargets(ctx, &applicationautoscaling.DescribeScalableTargetsInput{
		ServiceNamespace: scalingtypes.ServiceNamespaceEcs, ScalableDimension: scalingtypes.ScalableDimensionECSServiceDesiredCount, ResourceIds: []string{resource},
	})
	if err != nil {
		return fmt.Errorf("read the office hours of %s: %w", slug, err)
	}
	if len(targets.ScalableTargets) > 0 { // without one it never sleeps, and none may be made
		_, err := s.aws.scaling.RegisterScalableTarget(ctx, &applicationautoscaling.RegisterScalableTargetInput{
			ServiceNamespace: scalingtypes.ServiceNamespaceEcs, ScalableDimension: scalingtypes.ScalableDimensionECSServiceDesiredCount,
			ResourceId: &resource, MinCapacity: aws.Int32(1), MaxCapacity: aws.Int32(1),
		})
		if err != nil {
			return fmt.Errorf("let %s have a task: %w", slug, err)
		}
	}
	if service.Desired == 0 {
		cluster := s.cluster()
		if _, err := s.aws.ecs.UpdateService(ctx, &ecs.UpdateServiceInput{Cluster: &cluster, Service: &service.ARN, DesiredCount: aws.Int32(1)}); err != nil {
			return fmt.Errorf("wake %s: %w", slug, err)
		}
	}
	fmt.Fprintf(s.log, "Waiting until %s answers …\n", slug)
	if err := s.answers(ctx, slug, ""); err != nil {
		return err
	}
	fmt.Fprintf(s.out, "https://%s is awake.\n", contract.HostName(slug, s.cfg.Domain))
	return nil
}
