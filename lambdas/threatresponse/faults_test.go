package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"slipway/internal/contract"
	"slipway/lambdas/internal/fakeaws"
	"slipway/lambdas/threatresponse/corpus"
	"slipway/lambdas/threatresponse/ledger"
)

// scenarios are a finding for each action that changes something.
var scenarios = map[string]string{
	contract.ActionIsolateInstance: "instance-attacks", contract.ActionDisableAccessKeys: "user-key", contract.ActionRevokeSessions: "role-session",
	contract.ActionBlockAddress: "database", contract.ActionBlockPublicAccess: "object", contract.ActionStopService: "task", contract.ActionRollBackService: "task-malware",
}

func scenario(t *testing.T, action string) *world {
	w := newWorld(t, policy(contract.ModeAuto, action))
	w.groups.Named["nat"].Max = 1
	w.tasks.Good = []string{"arn:aws:ecs:eu-west-1:111111111111:task-definition/slipway-prod-app:0"}
	return w
}

// TestInterruptedAnywhereItIsFinishedOnce cuts the work off after each call in turn, as a crash does, and lets Lambda try again.
// Whatever the moment: contained once, and what it was before is restored.
func TestInterruptedAnywhereItIsFinishedOnce(t *testing.T) {
	for action, shape := range scenarios {
		t.Run(action, func(t *testing.T) {
			raw, err := corpus.Event(shape, nil)
			if err != nil {
				t.Fatal(err)
			}
			whole := scenario(t, action)
			whole.request = "same"
			if _, err := whole.invoke(raw); err != nil {
				t.Fatal(err)
			}
			want, calls := whole.snapshot(), whole.cloud.TotalCalls()
			for cut := range calls {
				for _, sweeper := range []bool{false, true} { // who comes back: Lambda with the same event, or the clock
					w := scenario(t, action)
					before := w.snapshot()
					w.request = "same"
					crash(w, raw, cut)
					if sweeper {
						w.now = w.now.Add(ledger.Lease)
						w.command(contract.ResponseCommandSweep, "")
						w.now = now
					}
					if _, err := w.invoke(raw); err != nil {
						t.Fatalf("cut after %d calls, sweeper %v: %v", cut, sweeper, err)
					}
					if got := withoutMoments(w.snapshot()); got != withoutMoments(want) {
						t.Fatalf("cut after %d calls, sweeper %v: it is\n%s\nwant\n%s", cut, sweeper, got, want)
					}
					if n := len(w.ec2.Snapshots); action == contract.ActionIsolateInstance && n != 2 {
						t.Errorf("cut after %d calls, sweeper %v: %d snapshots of 2 volumes", cut, sweeper, n)
					}
					if len(w.sns.Messages) == 0 {
						t.Errorf("cut after %d calls, sweeper %v: nobody was told", cut, sweeper)
					}
					for id := range w.ledger.Items {
						if !strings.HasPrefix(id, "finding-") {
							w.command(contract.ResponseCommandUndo, id)
						}
					}
					w.tasks.Tasks[theTask] = "RUNNING"
					if got := w.snapshot(); got != before {
						t.Fatalf("cut after %d calls, sweeper %v, undone: it is\n%s\nwant\n%s", cut, sweeper, got, before)
					}
				}
			}
		})
	}
}

// withoutMoments leaves out when something was done: the mark of an instance and its snapshots.
func withoutMoments(s string) string {
	return strings.NewReplacer("20260310T120600Z", "20260310T120000Z", "12:06:00Z", "12:00:00Z").Replace(s)
}

type crashed struct{}

// crash lets an invocation die after a number of calls.
func crash(w *world, raw []byte, after int) {
	n := 0
	w.cloud.Before = func(string) {
		if n == after {
			panic(crashed{})
		}
		n++
	}
	defer func() {
		w.cloud.Before = nil
		if p := recover(); p != nil && p != (crashed{}) {
			panic(p)
		}
	}()
	// The engine catches panics of a remedy, and would write the failure down; a crash leaves nobody to write.
	_, _ = w.invoke(raw)
}

func TestFaultsThatPassAreTriedAgain(t *testing.T) {
	for action, shape := range scenarios {
		t.Run(action, func(t *testing.T) {
			whole := scenario(t, action)
			whole.found(shape, nil)
			want := whole.snapshot()
			for _, called := range whole.cloud.Actions() {
				if called == "sns:Publish" || whole.cloud.Calls(called) == 0 { // the latter is a right that a call needs
					continue
				}
				w := scenario(t, action)
				// More than the SDK itself tries: the invocation fails, and Lambda asks again.
				w.cloud.Fail(called, fakeaws.Internal(), fakeaws.Internal(), fakeaws.Internal(), fakeaws.Internal(), fakeaws.Internal())
				raw, err := corpus.Event(shape, nil)
				if err != nil {
					t.Fatal(err)
				}
				w.request = "same"
				_, err = w.invoke(raw)
				if err == nil && called != "guardduty:ArchiveFindings" {
					t.Errorf("%s failed, and the invocation didn't", called)
				}
				if _, err := w.invoke(raw); err != nil {
					t.Errorf("%s failed once, and then: %v", called, err)
				}
				if got := w.snapshot(); got != want {
					t.Errorf("%s failed once: it is\n%s\nwant\n%s", called, got, want)
				}
				if len(w.sns.Messages) == 0 {
					t.Errorf("%s failed once: nobody was told", called)
				}
			}
		})
	}
}

func TestARefusalIsForAPerson(t *testing.T) {
	w := newWorld(t, policy(contract.ModeAuto, contract.ActionIsolateInstance, contract.ActionBlockAddress))
	w.cloud.Fail("ec2:CreateSnapshots", fakeaws.Denied())
	out := w.found("instance-attacked", nil)
	states := map[ledger.State]string{}
	for id, state := range out.Entries {
		states[state] = id
	}
	if len(states) != 2 || states[ledger.Active] == "" || states[ledger.Failed] == "" {
		t.Fatalf("%v: one failure stopped the other action, or was tried again", out.Entries)
	}
	w.says("FAILED", "a person must look", "not authorized", "approve "+states[ledger.Failed], "undo "+states[ledger.Failed])
	if w.ec2.Instances[theInstance].Interfaces[theInterface][0] == theGroup {
		t.Error("the instance wasn't cut off before its snapshots failed")
	}
	if !strings.Contains(w.metrics.String(), `"Uncontained":1`) {
		t.Errorf("no metric: %s", w.metrics.String())
	}
	if answer := w.command(contract.ResponseCommandApprove, states[ledger.Failed]); answer.Failed || w.state(states[ledger.Failed]) != ledger.Active || len(w.ec2.Snapshots) != 2 {
		t.Errorf("tried again by a person: %+v", answer)
	}
}

func TestAMessageThatCouldNotBeSentIsSentByTheRetry(t *testing.T) {
	w := newWorld(t, policy(contract.ModeAuto, contract.ActionBlockAddress))
	raw, err := corpus.Event("instance-attacked", nil)
	if err != nil {
		t.Fatal(err)
	}
	w.request = "same"
	w.cloud.Fail("sns:Publish", fakeaws.Denied())
	if _, err := w.invoke(raw); err == nil {
		t.Error("nobody was told, and the invocation succeeded")
	}
	if _, err := w.invoke(raw); err != nil || len(w.sns.Messages) != 1 || w.cloud.Calls("wafv2:UpdateIPSet") != 2 {
		t.Errorf("%v, %d messages, %d updates", err, len(w.sns.Messages), w.cloud.Calls("wafv2:UpdateIPSet"))
	}
}

// A write may take effect and its answer be lost: the SDK's second try then finds the entry changed, by itself.
func TestALostAnswerOfTheLedger(t *testing.T) {
	w := newWorld(t, policy(contract.ModeAuto, contract.ActionDisableAccessKeys))
	raw, err := corpus.Event("user-key", nil)
	if err != nil {
		t.Fatal(err)
	}
	w.request, w.ledger.Lost = "same", 1
	if _, err := w.invoke(raw); err != nil {
		t.Fatal(err)
	}
	if w.iam.Users["deploy"].Keys[0].Status != "Inactive" {
		t.Error("not contained")
	}
}

func TestASecondDeliveryAtTheSameTimeLeavesItToTheFirst(t *testing.T) {
	w := newWorld(t, policy(contract.ModeAuto, contract.ActionIsolateInstance))
	raw, err := corpus.Event("instance-attacks", nil)
	if err != nil {
		t.Fatal(err)
	}
	second := false
	w.cloud.Before = func(action string) {
		if action == "ec2:CreateSnapshots" && !second {
			second = true
			w.request = "second"
			out, err := w.invoke(raw)
			if err != nil || out.(outcome).Told {
				t.Errorf("the second delivery: %+v, %v", out, err)
			}
		}
	}
	w.request = "first"
	if _, err := w.invoke(raw); err != nil {
		t.Fatal(err)
	}
	if !second || len(w.ec2.Snapshots) != 2 || w.cloud.Calls("autoscaling:DetachInstances") != 1 || len(w.sns.Messages) != 1 {
		t.Errorf("%d snapshots, %d detachments, %d messages", len(w.ec2.Snapshots), w.cloud.Calls("autoscaling:DetachInstances"), len(w.sns.Messages))
	}
}

func TestAnActionThatNeverSucceedsIsGivenUp(t *testing.T) {
	w := newWorld(t, policy(contract.ModeAuto, contract.ActionDisableAccessKeys))
	raw, err := corpus.Event("user-key", nil)
	if err != nil {
		t.Fatal(err)
	}
	for range ledger.MaxAttempts {
		for range 5 {
			w.cloud.Fail("iam:UpdateAccessKey", fakeaws.Internal())
		}
	}
	w.request = "same"
	if _, err := w.invoke(raw); err == nil {
		t.Error("the failure passed without a word")
	}
	for range ledger.MaxAttempts {
		w.now = w.now.Add(ledger.Pause)
		_, _ = w.invoke([]byte(fmt.Sprintf(`{"purpose":%q,"command":"sweep"}`, contract.ResponseCommandPurpose)))
	}
	for id := range w.ledger.Items {
		if !strings.HasPrefix(id, "finding-") && w.state(id) != ledger.Failed {
			t.Errorf("%s is %s", id, w.state(id))
		}
	}
	w.says("FAILED")
}

// TestWhateverHappensTheOriginalsAreRestored lets findings, failures, people and the clock come in any order. What was
// contained can always be undone, and then everything is as it was.
func TestWhateverHappensTheOriginalsAreRestored(t *testing.T) {
	actions := []string{contract.ActionDisableAccessKeys, contract.ActionRevokeSessions, contract.ActionBlockAddress, contract.ActionBlockPublicAccess, contract.ActionStopService}
	shapes := []string{"user-key", "user-session", "role-session", "database", "bucket", "object", "task"}
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t, policy(contract.ModeAuto, actions...))
		before := w.snapshot()
		step := 0
		for range rapid.IntRange(1, 25).Draw(rt, "steps") {
			step++
			if rapid.IntRange(0, 3).Draw(rt, "fault") == 0 {
				called := rapid.SampledFrom([]string{"dynamodb:PutItem", "iam:UpdateAccessKey", "iam:PutRolePolicy", "wafv2:UpdateIPSet", "ecs:UpdateService", "s3:PutBucketPublicAccessBlock", "sns:Publish"}).Draw(rt, "call")
				w.cloud.Fail(called, rapid.SampledFrom([]error{fakeaws.Denied(), fakeaws.Throttled()}).Draw(rt, "error"))
			}
			w.config.Policies[0].Mode = rapid.SampledFrom([]contract.ResponseMode{contract.ModeAuto, contract.ModeAuto, contract.ModeApprove, contract.ModeDryRun}).Draw(rt, "mode")
			w.request = fmt.Sprint("request-", step)
			switch rapid.IntRange(0, 4).Draw(rt, "what") {
			case 0, 1:
				shape := rapid.SampledFrom(shapes).Draw(rt, "shape")
				raw, err := corpus.Event(shape, map[string]any{"detail.id": fmt.Sprint(shape, rapid.IntRange(0, 2).Draw(rt, "finding"))})
				if err != nil {
					rt.Fatal(err)
				}
				_, _ = w.invoke(raw)
			case 2:
				w.now = w.now.Add(time.Duration(rapid.IntRange(1, 900).Draw(rt, "minutes")) * time.Minute)
			case 3:
				_, _ = w.invoke([]byte(fmt.Sprintf(`{"purpose":%q,"command":"sweep"}`, contract.ResponseCommandPurpose)))
			case 4:
				ids := w.ids()
				if len(ids) > 0 {
					command := rapid.SampledFrom([]string{"approve", "reject", "undo"}).Draw(rt, "command")
					_, _ = w.invoke([]byte(fmt.Sprintf(`{"purpose":%q,"command":%q,"id":%q,"by":"sam"}`, contract.ResponseCommandPurpose, command, rapid.SampledFrom(ids).Draw(rt, "id"))))
				}
			}
		}
		w.cloud.Do(func() {}) // all faults that are left are used up below
		for range 20 {
			w.now = w.now.Add(ledger.Lease)
			w.request += "x"
			_, _ = w.invoke([]byte(fmt.Sprintf(`{"purpose":%q,"command":"sweep"}`, contract.ResponseCommandPurpose)))
			for _, id := range w.ids() {
				_, _ = w.invoke([]byte(fmt.Sprintf(`{"purpose":%q,"command":"undo","id":%q,"by":"sam"}`, contract.ResponseCommandPurpose, id)))
			}
		}
		for _, id := range w.ids() {
			if e := w.entry(id); e.Changed() && !e.Settled() {
				rt.Errorf("%s can't be undone: %+v", id, e)
			}
		}
		if got := w.snapshot(); got != before {
			rt.Fatalf("it was\n%s\nand is\n%s", before, got)
		}
	})
}

func (w *world) ids() (ids []string) {
	for id := range w.ledger.Items {
		if !strings.HasPrefix(id, "finding-") {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}
