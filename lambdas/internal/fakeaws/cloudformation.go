package fakeaws

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	cfntypes "github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
)

// CloudFormation is the account's stacks.
type CloudFormation struct {
	cloud *Cloud

	Stacks  []*cfntypes.Stack
	known   map[string]*cfntypes.Stack // by name and by ID
	deleted []*cfntypes.Stack
	Events  map[string][]cfntypes.StackEvent // stack ID → events, newest first
	Page    int                              // stacks or events in a page
}

const cloudFormationID = "CloudFormation"

// NewCloudFormation adds CloudFormation to the cloud.
func NewCloudFormation(c *Cloud) *CloudFormation {
	f := &CloudFormation{cloud: c, known: map[string]*cfntypes.Stack{}, Events: map[string][]cfntypes.StackEvent{}, Page: 100}
	On(c, cloudFormationID, f.listStacks)
	On(c, cloudFormationID, f.describeStacks)
	On(c, cloudFormationID, f.describeStackEvents)
	On(c, cloudFormationID, f.deleteStack)
	return f
}

// StackID is the ID that the fake gives a stack.
func StackID(name string) string {
	return fmt.Sprintf("arn:aws:cloudformation:%s:%s:stack/%s/6b1f8a40-0001-11f0-8de9-0242ac120002", Region, Account, name)
}

// Add creates a stack in a state.
func (f *CloudFormation) Add(name string, status cfntypes.StackStatus, created time.Time) *cfntypes.Stack {
	s := &cfntypes.Stack{StackName: &name, StackId: aws.String(StackID(name)), StackStatus: status, CreationTime: &created}
	f.Stacks = append(f.Stacks, s)
	f.known[name], f.known[*s.StackId] = s, s
	f.event(s, cfntypes.ResourceStatus(status), created)
	return s
}

// Stack returns the stack with the name, or nil.
func (f *CloudFormation) Stack(name string) *cfntypes.Stack {
	return f.find(name)
}

// Settle ends all deletions at a time: the stack is gone, or stays with DELETE_FAILED and the reason.
func (f *CloudFormation) Settle(at time.Time, reason string) {
	for _, s := range slices.Clone(f.Stacks) {
		if s.StackStatus != cfntypes.StackStatusDeleteInProgress {
			continue
		}
		if reason == "" {
			s.StackStatus = cfntypes.StackStatusDeleteComplete
			f.deleted = append(f.deleted, s)
			delete(f.known, *s.StackName)
			delete(f.known, *s.StackId)
			f.Stacks = slices.DeleteFunc(f.Stacks, func(x *cfntypes.Stack) bool { return x == s })
			continue
		}
		f.event(s, cfntypes.ResourceStatusDeleteFailed, at)
		s.StackStatus, s.StackStatusReason = cfntypes.StackStatusDeleteFailed, &reason
	}
}

// event adds an event of the stack itself, and before it one of a resource with the same status.
func (f *CloudFormation) event(s *cfntypes.Stack, status cfntypes.ResourceStatus, at time.Time) {
	f.Events[*s.StackId] = slices.Insert(f.Events[*s.StackId], 0,
		cfntypes.StackEvent{
			StackId: s.StackId, StackName: s.StackName, ResourceStatus: status, Timestamp: &at,
			PhysicalResourceId: s.StackId, LogicalResourceId: s.StackName, ResourceType: aws.String("AWS::CloudFormation::Stack"),
		},
		cfntypes.StackEvent{
			StackId: s.StackId, StackName: s.StackName, ResourceStatus: status, Timestamp: &at,
			PhysicalResourceId: aws.String("sg-903004f8"), LogicalResourceId: aws.String("Group"), ResourceType: aws.String("AWS::EC2::SecurityGroup"),
		})
}

func (f *CloudFormation) find(nameOrID string) *cfntypes.Stack {
	return f.known[nameOrID]
}

func (f *CloudFormation) listStacks(in *cloudformation.ListStacksInput) (*cloudformation.ListStacksOutput, error) {
	var all []cfntypes.StackSummary
	for _, s := range slices.Concat(f.Stacks, f.deleted) { // deleted ones are listed for 90 days
		if len(in.StackStatusFilter) == 0 || slices.Contains(in.StackStatusFilter, s.StackStatus) {
			all = append(all, cfntypes.StackSummary{
				StackId: s.StackId, StackName: s.StackName, StackStatus: s.StackStatus, StackStatusReason: s.StackStatusReason,
				CreationTime: s.CreationTime, ParentId: s.ParentId,
			})
		}
	}
	part, next, err := page(f.cloud, all, in.NextToken, f.Page)
	return &cloudformation.ListStacksOutput{StackSummaries: part, NextToken: next}, err
}

// describeStacks takes a name or an ID; without one it would show every stack of the account, which no Lambda may.
func (f *CloudFormation) describeStacks(in *cloudformation.DescribeStacksInput) (*cloudformation.DescribeStacksOutput, error) {
	if in.StackName == nil {
		return nil, f.cloud.refuse(Denied())
	}
	s := f.find(*in.StackName)
	for _, d := range f.deleted {
		if *d.StackId == *in.StackName { // a deleted stack is found by its ID only
			s = d
		}
	}
	if s == nil {
		return nil, Invalid("Stack with id %s does not exist", *in.StackName)
	}
	return &cloudformation.DescribeStacksOutput{Stacks: []cfntypes.Stack{*s}}, nil
}

func (f *CloudFormation) describeStackEvents(in *cloudformation.DescribeStackEventsInput) (*cloudformation.DescribeStackEventsOutput, error) {
	s := f.find(aws.ToString(in.StackName))
	if s == nil {
		return nil, Invalid("Stack [%s] does not exist", aws.ToString(in.StackName))
	}
	part, next, err := page(f.cloud, f.Events[*s.StackId], in.NextToken, f.Page)
	return &cloudformation.DescribeStackEventsOutput{StackEvents: part, NextToken: next}, err
}

func (f *CloudFormation) deleteStack(in *cloudformation.DeleteStackInput) (*cloudformation.DeleteStackOutput, error) {
	if in.RoleARN != nil {
		return nil, f.cloud.refuse(Denied()) // the cleanup may not pass a role
	}
	s := f.find(*in.StackName)
	if s == nil {
		return &cloudformation.DeleteStackOutput{}, nil // deleting what isn't there succeeds
	}
	switch {
	case aws.ToBool(s.EnableTerminationProtection):
		return nil, Invalid("Stack [%s] cannot be deleted while TerminationProtection is enabled", *s.StackName)
	case len(in.RetainResources) > 0 && s.StackStatus != cfntypes.StackStatusDeleteFailed:
		return nil, f.cloud.refuse(Invalid("RetainResources is valid only for a stack in DELETE_FAILED"))
	case strings.HasPrefix(string(s.StackStatus), "UPDATE_") && strings.HasSuffix(string(s.StackStatus), "_IN_PROGRESS"):
		return nil, Invalid("Stack [%s] cannot be deleted while in status %s", *s.StackName, s.StackStatus)
	}
	s.StackStatus = cfntypes.StackStatusDeleteInProgress
	f.event(s, cfntypes.ResourceStatusDeleteInProgress, cmp.Or(aws.ToTime(s.LastUpdatedTime), *s.CreationTime))
	return &cloudformation.DeleteStackOutput{}, nil
}
