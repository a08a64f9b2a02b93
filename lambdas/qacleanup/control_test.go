package main

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"slipway/internal/contract"
	"slipway/lambdas/internal/fakeaws"
)

func TestPeopleHearOfTheEndOnceAndTwice(t *testing.T) {
	w := newWorld(t)
	_, arn := w.environment("feature/x", now.Add(30*time.Hour))
	w.environment("feature/y", now.Add(30*time.Hour))
	hear := func(at time.Duration, want string) {
		t.Helper()
		before := len(w.sns.Messages)
		w.now = now.Add(at)
		w.run()
		got := ""
		if len(w.sns.Messages) > before {
			got = w.sns.Messages[before].Subject
		}
		if got != want {
			t.Errorf("after %s: %q, want %q", at, w.sns.Messages[before:], want)
		}
	}
	hear(0, "")
	hear(7*time.Hour, "slipway QA: 2 environments end soon")
	hear(8*time.Hour, "")
	w.cloud.Do(func() { // make qa-extend
		w.ecs.Retag(arn, lease(slug(t, "feature/x"), now.Add(60*time.Hour)))
	})
	hear(28*time.Hour+time.Minute, "slipway QA: an environment ends soon")
	hear(29*time.Hour, "")
	if body := w.sns.Messages[1].Body; !strings.Contains(body, slug(t, "feature/y")+" in 1h 59m, at 2026-03-11T18:00:00Z") || !strings.Contains(body, "owner dana") || strings.Contains(body, slug(t, "feature/x")) {
		t.Errorf("message %q", body)
	}
	hear(37*time.Hour, "slipway QA: an environment ends soon") // the renewed lease
}

func TestWarningThatSNSRefusesIsToldByTheNextRun(t *testing.T) {
	w := newWorld(t)
	_, arn := w.environment("feature/x", now.Add(time.Hour))
	w.cloud.Fail("sns:Publish", fakeaws.Denied())
	if summary, err := w.invoke(context.Background()); err == nil || !strings.Contains(err.Error(), "warn of 1 environments") || summary.Counts.Warned != 0 {
		t.Errorf("%v %+v", err, summary)
	}
	if got := w.ecs.Tag(arn, contract.TagWarned); got != "unsent" {
		t.Errorf("the tag says %q", got)
	}
	w.sns.Messages = nil
	if summary := w.run(); summary.Counts.Warned != 1 || len(w.sns.Messages) != 1 {
		t.Errorf("%+v %v", summary.Counts, w.sns.Messages)
	}
	if summary := w.run(); summary.Counts.Warned != 0 || len(w.sns.Messages) != 1 {
		t.Error("told twice")
	}
}

func TestServiceThatCannotBeMarkedIsNotWarnedOf(t *testing.T) {
	w := newWorld(t)
	w.environment("feature/x", now.Add(time.Hour))
	w.environment("feature/y", now.Add(time.Hour))
	w.cloud.Fail("ecs:TagResource", fakeaws.Denied())
	if summary, err := w.invoke(context.Background()); err == nil || summary.Counts.Warned != 1 || summary.Counts.Failed != 1 {
		t.Errorf("%v %+v", err, summary)
	}
	if summary := w.run(); summary.Counts.Warned != 1 {
		t.Errorf("%+v", summary)
	}
}

func TestServiceDeletedMeanwhileIsNotWarnedOf(t *testing.T) {
	w := newWorld(t)
	_, arn := w.environment("feature/x", now.Add(time.Hour))
	w.cloud.Before = func(action string) {
		if action == "ecs:TagResource" {
			w.cloud.Do(func() { w.ecs.Service(arn).Status = aws.String("DRAINING") })
		}
	}
	if summary := w.run(); summary.Counts.Warned != 0 || summary.Counts.Failed != 0 || len(w.sns.Messages) != 0 {
		t.Errorf("%+v", summary)
	}
}

func TestOneMessageNamesSoManyThatItFitsAndTheNextRunTellsOfTheOthers(t *testing.T) {
	w := newWorld(t)
	for i := range 350 {
		_, arn := w.environment(fmt.Sprintf("feature/%d", i), now.Add(time.Hour))
		tags := lease(slug(t, fmt.Sprintf("feature/%d", i)), now.Add(time.Hour))
		tags[contract.TagBranch], tags[contract.TagOwner] = strings.Repeat("b", 256), strings.Repeat("o", 256)
		w.ecs.Retag(arn, tags)
	}
	first, second := w.run().Counts.Warned, w.run().Counts.Warned
	if first != 300 || second != 50 || len(w.sns.Messages) != 2 {
		t.Errorf("%d, then %d, in %d messages", first, second, len(w.sns.Messages))
	}
}

func TestPausedCleanupDeletesNothingAndSaysSo(t *testing.T) {
	w := newWorld(t)
	old, _ := w.environment("feature/old", now.Add(-time.Hour))
	w.handMade("demo", now.Add(-3*time.Hour))
	w.environment("feature/soon", now.Add(time.Hour))
	w.ssm.Parameters[switchName] = "paused: a demo is on"
	summary := w.run()
	if !summary.Paused || summary.Reason != "a demo is on" || summary.Counts.WouldDelete != 2 || summary.Counts.Deleted != 0 {
		t.Errorf("%+v", summary)
	}
	for _, action := range w.cloud.Actions() {
		if strings.Contains(action, ":Delete") || strings.Contains(action, ":Update") || strings.Contains(action, ":Deregister") {
			t.Errorf("a paused cleanup calls %s", action)
		}
	}
	if len(w.sns.Messages) != 1 || !strings.Contains(w.sns.Messages[0].Subject, "ends soon") {
		t.Errorf("people who paused it hear only what is new: %v", w.sns.Messages)
	}
	if !strings.Contains(w.metrics.String(), `"Paused":1`) {
		t.Errorf("metrics %s", w.metrics.String())
	}
	w.ssm.Parameters[switchName] = "on"
	if summary = w.run(); !is(summary.Deleted, "service demo", "stack "+old) || summary.Paused {
		t.Errorf("resumed: %+v", summary)
	}
}

func TestSwitchThatCannotBeReadDeletesNothing(t *testing.T) {
	for sentence, value := range map[string]string{"it isn't there": "", "nobody knows the word": "off"} {
		w := newWorld(t)
		w.environment("feature/old", now.Add(-time.Hour))
		w.ssm.Parameters[switchName] = value
		if value == "" {
			delete(w.ssm.Parameters, switchName)
		}
		summary, err := w.invoke(context.Background())
		if err == nil || w.cloud.Calls("cloudformation:DeleteStack") != 0 || summary.Counts.Failed != 1 || len(w.sns.Messages) != 1 {
			t.Errorf("%s: %v %+v", sentence, err, summary)
		}
	}
}

func TestSummarySaysWhatItCost(t *testing.T) {
	w := newWorld(t)
	w.environment("feature/old", now.Add(-time.Hour)) // created 72 hours ago, at half a dollar an hour
	summary := w.run()
	if summary.Cost != 36 || summary.Deleted[0].Cost != 36 || !strings.Contains(w.sns.Messages[0].Body, "they cost at most 36.00 USD") {
		t.Errorf("%f %+v %q", summary.Cost, summary.Deleted, w.sns.Messages)
	}
}
