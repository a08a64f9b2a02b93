package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/smithy-go"

	"slipway/internal/contract"
	"slipway/internal/qalease"
)

const stackID = "arn:aws:cloudformation:eu-west-1:111111111111:stack/slipway-qa-env-x/1"

// stacks is a CloudFormation with at most one stack, which goes through the states one look at a time.
type stacks struct {
	t       *testing.T
	states  []types.StackStatus
	protect bool
	deleted string // what DeleteStack was called with
	events  []types.StackEvent
	fault   error
}

func (s *stacks) DescribeStacks(_ context.Context, in *cloudformation.DescribeStacksInput, _ ...func(*cloudformation.Options)) (*cloudformation.DescribeStacksOutput, error) {
	if s.fault != nil {
		return nil, s.fault
	}
	if len(s.states) == 0 {
		return nil, &smithy.GenericAPIError{Code: "ValidationError", Message: "Stack with id " + *in.StackName + " does not exist"}
	}
	if s.deleted != "" && *in.StackName != stackID {
		s.t.Errorf("a stack that is being deleted is asked for by its name %s, under which another may stand soon", *in.StackName)
	}
	state := s.states[0]
	if s.deleted != "" && len(s.states) > 1 {
		s.states = s.states[1:]
	}
	return &cloudformation.DescribeStacksOutput{Stacks: []types.Stack{{StackId: aws.String(stackID), StackStatus: state, EnableTerminationProtection: &s.protect}}}, nil
}

func (s *stacks) DescribeStackEvents(context.Context, *cloudformation.DescribeStackEventsInput, ...func(*cloudformation.Options)) (*cloudformation.DescribeStackEventsOutput, error) {
	return &cloudformation.DescribeStackEventsOutput{StackEvents: s.events}, nil
}

func (s *stacks) DeleteStack(_ context.Context, in *cloudformation.DeleteStackInput, _ ...func(*cloudformation.Options)) (*cloudformation.DeleteStackOutput, error) {
	if in.RoleARN != nil || in.RetainResources != nil {
		s.t.Error("it is deleted with a role, or leaves something")
	}
	s.deleted = *in.StackName
	return &cloudformation.DeleteStackOutput{}, nil
}

func TestPurge(t *testing.T) {
	now := time.Now()
	event := func(id string, status types.ResourceStatus, reason string, at time.Time) types.StackEvent {
		return types.StackEvent{EventId: &id, LogicalResourceId: &id, ResourceStatus: status, ResourceStatusReason: &reason, Timestamp: &at, ResourceType: aws.String("AWS::X")}
	}
	for sentence, c := range map[string]struct {
		stacks    stacks
		out, log  string
		fault     string
		untouched bool
	}{
		"it goes, and its events are told": {
			stacks: stacks{
				states: []types.StackStatus{types.StackStatusCreateComplete, types.StackStatusDeleteInProgress, types.StackStatusDeleteInProgress, types.StackStatusDeleteComplete},
				events: []types.StackEvent{event("Service", types.ResourceStatusDeleteComplete, "", now.Add(time.Minute)), event("Earlier", types.ResourceStatusCreateComplete, "", now.Add(-time.Hour))},
			}, out: "slipway-qa-env-x is gone", log: "DELETE_COMPLETE AWS::X Service",
		},
		"there is none":   {stacks: stacks{}, out: "there is no slipway-qa-env-x", untouched: true},
		"it is protected": {stacks: stacks{states: []types.StackStatus{types.StackStatusCreateComplete}, protect: true}, fault: "protected", untouched: true},
		"it can't be deleted": {
			stacks: stacks{
				states: []types.StackStatus{types.StackStatusCreateComplete, types.StackStatusDeleteInProgress, types.StackStatusDeleteFailed},
				events: []types.StackEvent{event("Bucket", types.ResourceStatusDeleteFailed, "it isn't empty", now.Add(time.Minute))},
			}, fault: "Bucket (it isn't empty)", log: "DELETE_FAILED",
		},
		"no credentials": {stacks: stacks{fault: errors.New("ExpiredToken")}, fault: "ExpiredToken", untouched: true},
		"another ValidationError isn't an absence": {
			stacks: stacks{fault: &smithy.GenericAPIError{Code: "ValidationError", Message: "1 validation error detected"}}, fault: "validation error", untouched: true,
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			c.stacks.t = t
			var log strings.Builder
			out, err := purge(t.Context(), &c.stacks, "slipway-qa-env-x", time.Millisecond, &log)
			if (err != nil) != (c.fault != "") || err != nil && !strings.Contains(err.Error(), c.fault) {
				t.Errorf("error %v, want %q", err, c.fault)
			}
			if out != c.out || !strings.Contains(log.String(), c.log) || strings.Contains(log.String(), "Earlier") {
				t.Errorf("said %q, log %q", out, &log)
			}
			if (c.stacks.deleted == "") != c.untouched {
				t.Errorf("deleted %q", c.stacks.deleted)
			}
			if n := strings.Count(log.String(), "Service"); n > 1 {
				t.Errorf("an event is told %d times", n)
			}
		})
	}
}

func TestTheQueueIsNamedByWhatWasTyped(t *testing.T) {
	if _, err := slugOf("refs/heads/feature/x"); err == nil {
		t.Error("the same branch would wait in two queues")
	}
	if got, err := slugOf("feature/x"); err != nil || !contract.IsSlug(got) {
		t.Error(got, err)
	}
}

func TestLeftovers(t *testing.T) {
	now := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	service := func(slug string, ends time.Time) qalease.Service {
		return qalease.Service{ARN: "arn/" + slug, Name: slug, CreatedAt: now.Add(-48 * time.Hour), Tags: map[string]string{
			contract.TagEnvironment: slug, contract.TagBranch: "feature", contract.TagOwner: "me", contract.TagExpires: contract.FormatExpiry(ends), contract.TagMaxLifetime: "720h0m0s",
		}}
	}
	got := leftovers([]qalease.Service{
		service("alive-00000000", now.Add(time.Hour)), service("justover-00000000", now.Add(-time.Hour)), service("late-00000000", now.Add(-3*time.Hour)), {ARN: "arn/nolease", Name: "nolease"},
	}, []qalease.Unreadable{{ARN: "arn/x", Reason: "MISSING"}}, now, 2*time.Hour)
	want := []string{"late-00000000: its lease ended 3h0m0s ago (branch feature, owner me)", "arn/x: can't be read: MISSING"}
	if !slices.Equal(got, want) {
		t.Errorf("got %v", fmt.Sprintf("%q", got))
	}
}
