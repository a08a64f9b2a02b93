package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	cfntypes "github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"slipway/internal/contract"
	"slipway/lambdas/internal/fakeaws"
)

func TestExpiredEnvironmentGoesAndLivingOneStays(t *testing.T) {
	w := newWorld(t)
	old, _ := w.environment("feature/old", now.Add(-time.Hour))
	young, _ := w.environment("feature/young", now.Add(48*time.Hour))
	w.stacks.Add("slipway-prod-service", cfntypes.StackStatusCreateComplete, now.Add(-time.Hour))

	summary := w.run()
	if !is(summary.Deleted, "stack "+old) || !is(summary.Kept, "stack "+young) {
		t.Errorf("deleted %v, kept %v", summary.Deleted, summary.Kept)
	}
	if w.stacks.Stack(old).StackStatus != cfntypes.StackStatusDeleteInProgress || w.stacks.Stack(young).StackStatus != cfntypes.StackStatusCreateComplete {
		t.Error("the wrong stack is being deleted")
	}
	if got := why(summary.Kept, young); got != "its lease runs until 2026-03-12T12:00:00Z" {
		t.Errorf("kept because %q", got)
	}
	if len(w.sns.Messages) != 1 || w.sns.Messages[0].Subject != "slipway QA cleanup: 1 deleted" ||
		!strings.Contains(w.sns.Messages[0].Body, old+" (branch feature/"+slug(t, "feature/old")+", owner dana): its lease ended at 2026-03-10T11:00:00Z") {
		t.Errorf("message %q", w.sns.Messages)
	}

	if summary = w.run(); !is(summary.Skipped, "stack "+old) || summary.Counts.Deleted != 0 {
		t.Errorf("the second run skips what is being deleted; got %+v", summary)
	}
	if w.stacks.Settle(now, ""); !is(w.run().Kept, "stack "+young) {
		t.Error("the third run keeps what lives")
	}
	if w.cloud.Calls("cloudformation:DeleteStack") != 1 || len(w.sns.Messages) != 1 {
		t.Errorf("%d deletions and %d messages, want one of each", w.cloud.Calls("cloudformation:DeleteStack"), len(w.sns.Messages))
	}
}

func TestHandMadeServiceGoesPieceByPiece(t *testing.T) {
	w := newWorld(t)
	old := w.handMade("demo", now.Add(-time.Minute))
	young := w.handMade("demo-2", now.Add(48*time.Hour))
	for n := 2; n <= 23; n++ {
		status := ecstypes.TaskDefinitionStatusActive
		if n%2 == 0 {
			status = ecstypes.TaskDefinitionStatusInactive
		}
		w.ecs.Register(old.family, n, status, nil)
	}
	longer := w.ecs.Register(old.family+"-2", 1, ecstypes.TaskDefinitionStatusActive, nil)

	// The first run takes it off the load balancer and stops its tasks; it may not take more from under them.
	summary := w.run()
	if got := why(summary.Skipped, "demo"); got != "1 of its tasks are stopping" {
		t.Errorf("skipped because %q", got)
	}
	if w.elb.HasRule(old.rule) || !w.elb.HasTargetGroup(old.group) || w.ecs.Service(old.service).DesiredCount != 0 {
		t.Error("the rule should be gone, the target group there, the service scaled to zero")
	}

	w.ecs.Settle()
	summary = w.run()
	if !is(summary.Deleted, "service demo") || !is(summary.Kept, "service demo-2") {
		t.Errorf("deleted %v, kept %v", summary.Deleted, summary.Kept)
	}
	if w.elb.HasTargetGroup(old.group) || w.ecs.Service(old.service) != nil {
		t.Error("the target group or the service is left")
	}
	for _, r := range w.ecs.Revisions {
		gone := r.Status == ecstypes.TaskDefinitionStatusDeleteInProgress
		if gone != (r.Family == old.family) {
			t.Errorf("%s is %s", r.ARN, r.Status)
		}
	}
	if longer == "" || !w.elb.HasRule(young.rule) || !w.elb.HasTargetGroup(young.group) || w.ecs.Service(young.service).DesiredCount != 1 {
		t.Error("the service that lives lost something")
	}
	if n := w.cloud.Calls("ecs:DeleteTaskDefinitions"); n != 3 {
		t.Errorf("%d calls to delete 23 revisions, ten at a time, want 3", n)
	}
	if summary = w.run(); summary.Counts.Deleted+summary.Counts.Skipped+summary.Counts.Failed != 0 {
		t.Errorf("nothing is left to do, yet %+v", summary)
	}
}

// Killed anywhere: each call of a run is made to fail for good once, and the runs after it still end with nothing left.
func TestInterruptedRunIsFinishedByTheNextOnes(t *testing.T) {
	for _, action := range []string{
		"elasticloadbalancing:DeleteRule", "ecs:UpdateService", "elasticloadbalancing:DeleteTargetGroup", "ecs:DeregisterTaskDefinition",
		"ecs:DeleteTaskDefinitions", "ecs:DeleteService", "elasticloadbalancing:DescribeRules", "elasticloadbalancing:DescribeTags",
		"elasticloadbalancing:DescribeTargetGroups", "ecs:DescribeTaskDefinition", "ecs:ListTaskDefinitions", "ecs:DescribeServices",
		"ecs:ListServices", "cloudformation:ListStacks", "cloudformation:DeleteStack", "sns:Publish", "ssm:GetParameter",
	} {
		t.Run(action, func(t *testing.T) {
			w := newWorld(t)
			stack, _ := w.environment("feature/old", now.Add(-time.Hour))
			h := w.handMade("demo", now.Add(-time.Hour))
			w.ecs.Service(h.service).RunningCount, w.ecs.Service(h.service).DesiredCount = 0, 1
			w.cloud.Fail(action, fakeaws.Denied())
			if _, err := w.invoke(context.Background()); err == nil {
				t.Error("the run hides a failure from the alarms")
			}
			if len(w.sns.Messages) != 1 && action != "sns:Publish" {
				t.Error("nobody was told")
			}
			w.run()
			if w.elb.HasRule(h.rule) || w.elb.HasTargetGroup(h.group) || w.ecs.Service(h.service) != nil {
				t.Error("pieces of the service are left")
			}
			if w.stacks.Stack(stack).StackStatus != cfntypes.StackStatusDeleteInProgress {
				t.Error("the stack is left")
			}
			for _, r := range w.ecs.Revisions {
				if r.Status != ecstypes.TaskDefinitionStatusDeleteInProgress {
					t.Errorf("%s is %s", r.ARN, r.Status)
				}
			}
		})
	}
}

func TestDryRunSaysWhatItWouldDeleteAndChangesNothing(t *testing.T) {
	w := newWorld(t)
	w.dryRun = true
	stack, _ := w.environment("feature/old", now.Add(-time.Hour))
	h := w.handMade("demo", now.Add(-2*time.Hour))
	summary := w.run()
	if !summary.DryRun || !is(summary.WouldDelete, "service demo", "stack "+stack) || summary.Counts.Deleted != 0 {
		t.Errorf("got %+v", summary)
	}
	for _, a := range w.cloud.Actions() {
		if verb := a[strings.IndexByte(a, ':')+1:]; !strings.HasPrefix(verb, "List") && !strings.HasPrefix(verb, "Describe") && !strings.HasPrefix(verb, "Get") && verb != "Publish" {
			t.Errorf("a dry run calls %s", a)
		}
	}
	if !w.elb.HasRule(h.rule) || w.sns.Messages[0].Subject != "slipway QA cleanup: 2 would be deleted (dry run)" {
		t.Errorf("message %q", w.sns.Messages)
	}
	// The plan is the same one: the run that isn't dry deletes exactly that.
	w.dryRun = false
	if w.run(); w.stacks.Stack(stack).StackStatus != cfntypes.StackStatusDeleteInProgress || w.elb.HasRule(h.rule) {
		t.Error("the real run did something else")
	}
}

func TestOneFailureDoesNotStopTheOthers(t *testing.T) {
	w := newWorld(t)
	for i := range 30 {
		w.environment(fmt.Sprintf("feature/%d", i), now.Add(-time.Hour))
	}
	w.cloud.Fail("cloudformation:DeleteStack", nil, nil, fakeaws.Denied(), nil, fakeaws.Denied())
	summary, err := w.invoke(context.Background())
	if err == nil || !strings.Contains(err.Error(), "delete stack") {
		t.Errorf("error %v, want the deletion that failed", err)
	}
	if summary.Counts.Deleted != 28 || summary.Counts.Failed != 2 {
		t.Errorf("%+v", summary.Counts)
	}
	if w.sns.Messages[0].Subject != "slipway QA cleanup: 28 deleted, 2 failed" || !strings.Contains(w.sns.Messages[0].Body, "and 3 more") {
		t.Errorf("message %q", w.sns.Messages[0])
	}
	if summary = w.run(); summary.Counts.Deleted != 2 || summary.Counts.Skipped != 28 {
		t.Errorf("the next run: %+v", summary.Counts)
	}
}

func TestLeaseRenewedDuringTheRunIsRespected(t *testing.T) {
	w := newWorld(t)
	stack, service := w.environment("feature/old", now.Add(-time.Hour))
	h := w.handMade("demo", now.Add(-time.Hour))
	described := 0
	w.cloud.Before = func(action string) {
		if action != "ecs:DescribeServices" {
			return
		}
		if described++; described == 2 { // the first one reads the facts
			w.cloud.Do(func() {
				w.ecs.Retag(service, lease(slug(t, "feature/old"), now.Add(time.Hour)))
				w.ecs.Retag(h.service, map[string]string{})
			})
		}
	}
	summary := w.run()
	if !is(summary.Kept, "service demo", "stack "+stack) && !is(summary.Kept, "stack "+stack, "service demo") {
		t.Errorf("kept %v", summary.Kept)
	}
	if w.cloud.Calls("cloudformation:DeleteStack")+w.cloud.Calls("elasticloadbalancing:DeleteRule") != 0 {
		t.Error("deleted although the lease was renewed")
	}
}

func TestFailedDeletionIsTriedThreeTimesThenLeftToAPerson(t *testing.T) {
	w := newWorld(t)
	w.stacks.Page = 2 // events of one attempt in a page
	stack, _ := w.environment("feature/old", now.Add(-time.Hour))
	for attempt := 1; attempt <= 3; attempt++ {
		if summary := w.run(); !is(summary.Deleted, "stack "+stack) {
			t.Fatalf("attempt %d: %+v", attempt, summary)
		}
		w.stacks.Settle(w.now, "The following resource(s) failed to delete: [Group].")
		w.now = w.now.Add(15 * time.Minute)
	}
	summary := w.run()
	if !is(summary.Stuck, "stack "+stack) || !strings.Contains(summary.Stuck[0].Why, "failed 3 times") || !strings.Contains(summary.Stuck[0].Why, "[Group]") {
		t.Errorf("stuck %v", summary.Stuck)
	}
	if w.cloud.Calls("cloudformation:DeleteStack") != 3 {
		t.Errorf("%d attempts, want 3", w.cloud.Calls("cloudformation:DeleteStack"))
	}
	if n := len(w.sns.Messages); n != 4 || w.sns.Messages[3].Subject != "slipway QA cleanup: 1 stuck" {
		t.Errorf("messages %q", w.sns.Messages)
	}
	w.now = w.now.Add(2 * time.Hour)
	if summary = w.run(); summary.Counts.Stuck != 1 || len(w.sns.Messages) != 4 {
		t.Error("it stays in the summary and the metric, without the same message at each run")
	}
}

func TestRunStopsBeforeTheDeadlineAndTheNextOneGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		for i := range 200 {
			w.environment(fmt.Sprintf("feature/%d", i), now.Add(-time.Hour))
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		w.cloud.Before = func(action string) {
			if action == "cloudformation:DeleteStack" {
				time.Sleep(4 * time.Second)
			}
		}
		began := time.Now()
		summary, err := w.invoke(ctx)
		if err != nil {
			t.Errorf("running out of time is no failure: %v", err)
		}
		// Eight at once, each for four seconds: 12 rounds end before the margin, the one after it is begun in time.
		if took := time.Since(began); took < 48*time.Second || took > 52*time.Second {
			t.Errorf("took %s, want the minute less the margin", took)
		}
		c := summary.Counts
		if c.Deleted < 12*8 || c.Left == 0 || c.Deleted+c.Left != 200 {
			t.Errorf("%+v", c)
		}
		if len(w.sns.Messages) != 1 || !strings.Contains(w.sns.Messages[0].Body, fmt.Sprintf("Left for lack of time: %d.", c.Left)) {
			t.Errorf("message %q", w.sns.Messages)
		}
		w.cloud.Before = nil
		next := w.run()
		if next.Counts.Left != 0 || next.Counts.Deleted+next.Counts.Skipped != 200 {
			t.Errorf("the next run: %+v", next.Counts)
		}
	})
}

func TestPartialFailuresKeepWhatIsUnknown(t *testing.T) {
	w := newWorld(t)
	stack, service := w.environment("feature/unreadable", now.Add(-time.Hour))
	gone, missing := w.environment("feature/gone", now.Add(-time.Hour))
	w.ecs.Failures[service] = "ACCESS_DENIED"
	w.ecs.Failures[missing] = "MISSING"
	dead := contract.QAEnvironmentStack(platform, slug(t, "feature/dead"))
	w.stacks.Add(dead, cfntypes.StackStatusRollbackComplete, now.Add(-48*time.Hour))
	summary := w.run()
	if summary.Counts.Deleted != 0 || summary.Counts.Unclear != 4 {
		t.Errorf("%+v", summary)
	}
	for _, name := range []string{stack, gone, dead} {
		if got := why(summary.Kept, name); got != "1 services of the cluster could not be read, one of them may be its own" {
			t.Errorf("%s is kept because %q", name, got)
		}
	}
	delete(w.ecs.Failures, service)
	if summary = w.run(); !is(summary.Deleted, "stack "+dead, "stack "+stack) {
		t.Errorf("once readable: %+v", summary)
	}
}

func TestThrottlingIsRetried(t *testing.T) {
	w := newWorld(t)
	stack, _ := w.environment("feature/old", now.Add(-time.Hour))
	for _, a := range []string{"ecs:ListServices", "ecs:DescribeServices", "cloudformation:ListStacks", "cloudformation:DeleteStack", "sns:Publish", "ssm:GetParameter"} {
		w.cloud.Fail(a, fakeaws.Throttled(), fakeaws.Throttled())
	}
	if summary := w.run(); !is(summary.Deleted, "stack "+stack) {
		t.Errorf("%+v", summary)
	}
	if w.cloud.Calls("cloudformation:DeleteStack") != 3 {
		t.Errorf("%d calls, want two throttled and one that worked", w.cloud.Calls("cloudformation:DeleteStack"))
	}
}

func TestWhatChangesMeanwhileIsLeftToTheNextRun(t *testing.T) {
	w := newWorld(t)
	updating, _ := w.environment("feature/updating", now.Add(-time.Hour))
	protected, _ := w.environment("feature/protected", now.Add(-time.Hour))
	w.cloud.Before = func(action string) {
		if action == "cloudformation:DeleteStack" {
			w.cloud.Do(func() {
				if s := w.stacks.Stack(updating); s.StackStatus == cfntypes.StackStatusCreateComplete {
					s.StackStatus = cfntypes.StackStatusUpdateInProgress
				}
				w.stacks.Stack(protected).EnableTerminationProtection = aws.Bool(true)
			})
		}
	}
	if summary := w.run(); !is(summary.Skipped, "stack "+updating) || !is(summary.Kept, "stack "+protected) || summary.Counts.Unclear != 1 || summary.Counts.Deleted != 0 {
		t.Errorf("%+v", summary)
	}
}

func TestTargetGroupInUseKeepsTheServiceForTheNextRun(t *testing.T) {
	w := newWorld(t)
	h := w.handMade("demo", now.Add(-3*time.Hour))
	var late string
	w.cloud.Before = func(action string) {
		if action == "elasticloadbalancing:DeleteTargetGroup" && late == "" {
			w.cloud.Do(func() { late = w.elb.AddRule("late", nil, h.group) })
		}
	}
	if summary := w.run(); !strings.Contains(why(summary.Skipped, "demo"), "still in use") {
		t.Errorf("%+v", summary)
	}
	if w.ecs.Service(h.service) == nil {
		t.Fatal("the service is gone, and with it the only trace of its target group")
	}
	if summary := w.run(); !is(summary.Deleted, "service demo") || w.elb.HasRule(late) || w.elb.HasTargetGroup(h.group) {
		t.Errorf("%+v", summary)
	}
}

func TestServiceThatKeepsStartingTasksGoesAfterTheGracePeriod(t *testing.T) {
	w := newWorld(t)
	h := w.handMade("scaled", now.Add(-time.Minute))
	for range 3 {
		if summary := w.run(); !is(summary.Skipped, "service scaled") {
			t.Errorf("%+v", summary)
		}
		w.ecs.Service(h.service).DesiredCount = 1 // autoscaling
	}
	w.now = now.Add(2 * time.Hour)
	if summary := w.run(); !is(summary.Deleted, "service scaled") || w.ecs.Service(h.service).RunningCount != 1 {
		t.Errorf("%+v", summary)
	}
	w.ecs.Settle()
	if w.ecs.Service(h.service) != nil || w.elb.HasTargetGroup(h.group) {
		t.Error("something is left")
	}
}

func TestRevisionThatCannotBeDeletedIsAFailure(t *testing.T) {
	w := newWorld(t)
	h := w.handMade("demo", now.Add(-3*time.Hour))
	arn := w.ecs.Register(h.family, 2, ecstypes.TaskDefinitionStatusInactive, nil)
	w.ecs.Failures[arn] = "INTERNAL"
	summary, err := w.invoke(context.Background())
	if err == nil || summary.Counts.Failed != 1 || !strings.Contains(summary.Failed[0].Why, "demo-family:2: INTERNAL") {
		t.Errorf("%v %+v", err, summary)
	}
	if w.ecs.Service(h.service) == nil {
		t.Error("the service is gone before its revisions")
	}
}

func TestNothingIsDecidedWithoutAListing(t *testing.T) {
	for _, action := range []string{"ecs:ListServices", "cloudformation:ListStacks"} {
		w := newWorld(t)
		w.environment("feature/old", now.Add(-time.Hour))
		w.cloud.Fail(action, fakeaws.Denied())
		summary, err := w.invoke(context.Background())
		if err == nil || w.cloud.Calls("cloudformation:DeleteStack") != 0 || summary.Counts.Failed != 1 || len(w.sns.Messages) != 1 {
			t.Errorf("%s: %v %+v %q", action, err, summary, w.sns.Messages)
		}
	}
}

func TestMessageThatCannotBeSentIsAFailureAfterTheWork(t *testing.T) {
	w := newWorld(t)
	stack, _ := w.environment("feature/old", now.Add(-time.Hour))
	denied := fakeaws.Denied()
	w.cloud.Fail("sns:Publish", denied)
	summary, err := w.invoke(context.Background())
	if !errors.Is(err, denied) || !is(summary.Deleted, "stack "+stack) {
		t.Errorf("%v %+v", err, summary)
	}
}
