package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/smithy-go"

	"slipway/internal/contract"
	"slipway/internal/qacluster"
	"slipway/internal/qalease"
	"slipway/tools/slipway/account"
	"slipway/tools/slipway/command"
)

// stackClient sees and deletes stacks.
type stackClient interface {
	DescribeStacks(context.Context, *cloudformation.DescribeStacksInput, ...func(*cloudformation.Options)) (*cloudformation.DescribeStacksOutput, error)
	DescribeStackEvents(context.Context, *cloudformation.DescribeStackEventsInput, ...func(*cloudformation.Options)) (*cloudformation.DescribeStackEventsOutput, error)
	DeleteStack(context.Context, *cloudformation.DeleteStackInput, ...func(*cloudformation.Options)) (*cloudformation.DeleteStackOutput, error)
}

func runPurge(ctx context.Context, args []string, out, log io.Writer) int {
	flags := command.Flags("slipway purge", log)
	branch := flags.String("branch", "", "the branch whose QA environment goes")
	bootstrap := flags.Bool("bootstrap-roles", false, "work in the account by the roles of `cdk bootstrap`, as the CDK does")
	if code, done := command.Parse(flags, args); done {
		return code
	}
	slug, err := slugOf(*branch)
	if err != nil {
		fmt.Fprintln(log, err)
		return command.Usage
	}
	p, err := account.Open(ctx, *bootstrap)
	if err != nil {
		fmt.Fprintln(log, err)
		return command.Failed
	}
	name := contract.QAEnvironmentStack(p.Config.Platform, slug)
	client := cloudformation.NewFromConfig(p.In(p.Config.QAStage().Account, contract.BootstrapDeploy))
	gone, err := purge(ctx, client, name, pollEvery, log)
	if err != nil {
		fmt.Fprintf(log, "purge %s: %v\n", name, err)
		return command.Failed
	}
	fmt.Fprintln(out, gone)
	return command.OK
}

// slugOf refuses refs/heads/x, though it is the same branch: the queue of a branch's deployments and purges is named by what
// was typed.
func slugOf(branch string) (string, error) {
	if strings.HasPrefix(branch, "refs/") {
		return "", fmt.Errorf("-branch is %q; give the branch without refs/heads/, so that everything about it waits in one queue", branch)
	}
	return contract.Slug(branch)
}

// purge deletes a stack and waits until it is gone, with its events as they come. A stack that isn't there is gone.
func purge(ctx context.Context, client stackClient, name string, every time.Duration, log io.Writer) (string, error) {
	stack, err := describe(ctx, client, name)
	switch {
	case err != nil:
		return "", err
	case stack == nil:
		return "there is no " + name, nil
	case aws.ToBool(stack.EnableTerminationProtection):
		return "", errors.New("it is protected from deletion; someone wants to keep it, so ask, then switch that off")
	}
	id, since := aws.ToString(stack.StackId), time.Now().Add(-time.Second)
	// Without a role: CloudFormation deletes with the one that the stack was deployed with.
	if _, err := client.DeleteStack(ctx, &cloudformation.DeleteStackInput{StackName: &id}); err != nil {
		return "", fmt.Errorf("delete it: %w", err)
	}
	seen := map[string]bool{}
	for {
		// By its ID a deleted stack can still be described.
		stack, err := describe(ctx, client, id)
		if err != nil {
			return "", err
		}
		failures, err := printEvents(ctx, client, id, since, seen, log)
		if err != nil {
			return "", err
		}
		switch {
		case stack == nil, stack.StackStatus == types.StackStatusDeleteComplete:
			return name + " is gone", nil
		case stack.StackStatus == types.StackStatusDeleteFailed:
			return "", fmt.Errorf("CloudFormation couldn't delete %s; the scheduled cleanup tries again, and tells if it can't either", strings.Join(failures, "; "))
		}
		select {
		case <-ctx.Done():
			return "", fmt.Errorf("wait for its deletion, which goes on: %w", ctx.Err())
		case <-time.After(every):
		}
	}
}

// describe is the stack, or nil where there is none.
func describe(ctx context.Context, client stackClient, name string) (*types.Stack, error) {
	out, err := client.DescribeStacks(ctx, &cloudformation.DescribeStacksInput{StackName: &name})
	var fault smithy.APIError
	if errors.As(err, &fault) && fault.ErrorCode() == "ValidationError" && strings.Contains(fault.ErrorMessage(), "does not exist") {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look at the stack: %w; check the credentials", err)
	}
	if len(out.Stacks) == 0 {
		return nil, nil
	}
	return &out.Stacks[0], nil
}

// printEvents prints the events since a time that weren't seen, oldest first, and returns what failed.
func printEvents(ctx context.Context, client stackClient, id string, since time.Time, seen map[string]bool, log io.Writer) (failed []string, err error) {
	var news []types.StackEvent
	pages := cloudformation.NewDescribeStackEventsPaginator(client, &cloudformation.DescribeStackEventsInput{StackName: &id})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("read its events: %w", err)
		}
		old := false
		for _, e := range page.StackEvents {
			if old = aws.ToTime(e.Timestamp).Before(since); old {
				break // the rest is older
			}
			if e.ResourceStatus == types.ResourceStatusDeleteFailed {
				failed = append(failed, fmt.Sprintf("%s (%s)", aws.ToString(e.LogicalResourceId), aws.ToString(e.ResourceStatusReason)))
			}
			if !seen[aws.ToString(e.EventId)] {
				seen[aws.ToString(e.EventId)] = true
				news = append(news, e)
			}
		}
		if old {
			break
		}
	}
	for _, e := range slices.Backward(news) {
		fmt.Fprintf(log, "%s  %s %s %s %s\n", aws.ToTime(e.Timestamp).UTC().Format(time.TimeOnly), e.ResourceStatus,
			aws.ToString(e.ResourceType), aws.ToString(e.LogicalResourceId), aws.ToString(e.ResourceStatusReason))
	}
	return failed, nil
}

func runExpired(ctx context.Context, args []string, out, log io.Writer) int {
	flags := command.Flags("slipway expired", log)
	late := flags.Duration("late", 2*time.Hour, "how long after the end of its lease an environment may still be there")
	bootstrap := flags.Bool("bootstrap-roles", false, "look into the account by the roles of `cdk bootstrap`, as the CDK does")
	if code, done := command.Parse(flags, args); done {
		return code
	}
	p, err := account.Open(ctx, *bootstrap)
	if err != nil {
		fmt.Fprintln(log, err)
		return command.Failed
	}
	client := ecs.NewFromConfig(p.In(p.Config.QAStage().Account, contract.BootstrapLookup))
	services, unreadable, problems, err := qacluster.Services(ctx, client, contract.ClusterName(p.Config.QA.Stage), 4)
	if err = errors.Join(err, problems); err != nil {
		fmt.Fprintf(log, "look for expired environments: %v\n", err)
		return command.Failed
	}
	left := leftovers(services, unreadable, time.Now(), *late)
	for _, line := range left {
		fmt.Fprintln(out, line)
	}
	if len(left) > 0 {
		fmt.Fprintf(log, "These environments should be gone (%d); look at the cleanup's log and alarms, and whether it is paused (`slipway qa list`)\n", len(left))
		return command.Failed
	}
	fmt.Fprintf(out, "nothing expired is left among %d services\n", len(services))
	return command.OK
}

// leftovers are the services whose lease ended too long ago, and those that can't be read.
func leftovers(services []qalease.Service, unreadable []qalease.Unreadable, now time.Time, late time.Duration) (lines []string) {
	for _, s := range services {
		lease, err := qalease.Read(s)
		if err != nil {
			continue // without a lease nothing ends; the cleanup reports it
		}
		if over := now.Sub(lease.Ends); over > late {
			lines = append(lines, fmt.Sprintf("%s: its lease ended %s ago (branch %s, owner %s)", lease.Environment, over.Round(time.Minute), lease.Branch, lease.Owner))
		}
	}
	for _, u := range unreadable {
		lines = append(lines, u.ARN+": can't be read: "+u.Reason)
	}
	return lines
}
