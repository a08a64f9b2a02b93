package main

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	cdtypes "github.com/aws/aws-sdk-go-v2/service/codedeploy/types"

	"slipway/internal/contract"
	"slipway/lambdas/deployhook/decide"
	"slipway/lambdas/internal/fakeaws"
)

const (
	yes = cdtypes.LifecycleEventStatusSucceeded
	no  = cdtypes.LifecycleEventStatusFailed

	put = "codedeploy:PutLifecycleEventHookExecutionStatus"
	get = "codedeploy:GetDeployment"
)

func broken(context.Context, string, string) decide.Answer {
	return decide.Answer{Status: 500, Body: []byte("oops password=hunter2")}
}

// Each case is one event to a function with a timeout of five minutes. Whatever happens, CodeDeploy has exactly one answer
// when the function ends, and the function ends in time.
func TestCodeDeployGetsExactlyOneAnswerInTime(t *testing.T) {
	const timeout = 5 * time.Minute
	throttled := slices.Repeat([]error{fakeaws.Throttled()}, 40)
	for sentence, c := range map[string]struct {
		prepare func(*world)
		creator cdtypes.DeploymentCreator
		answer  cdtypes.LifecycleEventStatus // empty: none can be given
		reason  string
		silent  bool // nobody can be notified
		after   time.Duration
	}{
		"all checks pass": {answer: yes},
		"a check fails three times": {
			prepare: func(w *world) { w.asker = broken }, answer: no, reason: "smoke GET /health: got HTTP 500, expected 200 (in the last of 3 attempts)", after: 4 * time.Second,
		},
		"a check passes at the second attempt": {
			prepare: func(w *world) {
				w.asker = func(context.Context, string, string) decide.Answer {
					if len(w.asked) == 1 {
						return decide.Answer{Err: errors.New("connection refused")}
					}
					return decide.Answer{Status: 200}
				}
			}, answer: yes, after: 2 * time.Second,
		},
		"a redirect": {
			prepare: func(w *world) {
				w.asker = func(context.Context, string, string) decide.Answer {
					return decide.Answer{Status: 302, Location: "https://elsewhere"}
				}
			}, answer: no, reason: "got a redirect (HTTP 302) to https://elsewhere, which is not followed",
		},
		"the checks panic": {
			prepare: func(w *world) { w.asker = func(context.Context, string, string) decide.Answer { panic("boom") } },
			answer:  no, reason: "the function panicked",
		},
		"the green side hangs until the budget of the checks is over": {
			prepare: func(w *world) {
				w.asker = func(ctx context.Context, _, _ string) decide.Answer {
					<-ctx.Done()
					return decide.Answer{Err: ctx.Err()}
				}
			}, answer: no, reason: "the time for the checks was over after 1 of 3 attempts", after: 240 * time.Second,
		},
		"the checks hang and heed nothing": {
			prepare: func(w *world) {
				w.asker = func(context.Context, string, string) decide.Answer {
					time.Sleep(time.Hour)
					return decide.Answer{Status: 200}
				}
			}, answer: no, reason: "the function ran out of time", after: timeout - margin + 250*time.Millisecond,
		},
		"the configuration is broken": {
			prepare: func(w *world) { w.config = `{"url": 5}` }, answer: no, reason: "SLIPWAY_DEPLOY_HOOK: read the hook's configuration",
		},
		"there is no configuration": {prepare: func(w *world) { w.config = "" }, answer: no, reason: "SLIPWAY_DEPLOY_HOOK"},
		"the topic isn't configured": {
			prepare: func(w *world) { w.env[contract.EnvTopicARN] = "" }, answer: no, reason: "SLIPWAY_TOPIC_ARN", silent: true,
		},
		"the deployment is a rollback: it goes through, whatever the green side says": {
			prepare: func(w *world) { w.asker = broken }, creator: cdtypes.DeploymentCreatorCodeDeployRollback, answer: yes,
		},
		"the deployment is a rollback and the configuration is broken": {
			prepare: func(w *world) { w.config = "" }, creator: cdtypes.DeploymentCreatorCodeDeployRollback, answer: yes,
		},
		"whether it is a rollback can't be looked up: the version is tested": {
			prepare: func(w *world) { w.cloud.Fail(get, fakeaws.Denied()) }, answer: yes,
		},
		"the answer is throttled, beyond the SDK's own attempts": {
			prepare: func(w *world) { w.cloud.Fail(put, throttled...) }, answer: yes, after: 11 * time.Second, // 8 pauses: 0.2, 0.4, 0.8, 1.6, then 2 s each
		},
		"the confirmation of the answer gets lost": {prepare: func(w *world) { w.hooks.LostAnswers = 1 }, answer: yes},
		"the same event was answered before": {
			prepare: func(w *world) { w.cloud.Fail(put, &cdtypes.LifecycleEventAlreadyCompletedException{}) },
		},
		"SNS fails": {
			prepare: func(w *world) { w.asker = broken; w.cloud.Fail("sns:Publish", fakeaws.Denied()) }, answer: no, reason: "got HTTP 500", silent: true, after: 4 * time.Second,
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				creator := c.creator
				if creator == "" {
					creator = cdtypes.DeploymentCreatorUser
				}
				event := w.deployment(creator)
				if c.prepare != nil {
					c.prepare(w)
				}
				ctx, cancel := context.WithTimeout(context.Background(), timeout)
				defer cancel()
				start := time.Now()
				got, err := w.send(ctx, event)
				took := time.Since(start)
				if err != nil {
					t.Errorf("a failure that was told is no error, or Lambda would ask again: %v", err)
				}
				var want []cdtypes.LifecycleEventStatus
				if c.answer != "" {
					want = append(want, c.answer)
				}
				if !slices.Equal(w.hooks.Answers, want) {
					t.Errorf("answers %v, want %v", w.hooks.Answers, want)
				}
				if c.after == 0 && took > time.Second || c.after > 0 && (took < c.after || took > c.after+3*time.Second) || took >= timeout {
					t.Errorf("took %v, want about %v", took, c.after)
				}
				reports := w.reports()
				if len(reports) != 1 {
					t.Fatalf("%d reports in the log", len(reports))
				}
				r := reports[0]
				if r.Passed != (c.answer != no) || !strings.Contains(strings.Join(r.Reasons, "\n"), c.reason) || (got.Status == succeeded) != r.Passed {
					t.Errorf("%s with the report %+v; want the reason %q", got.Status, r, c.reason)
				}
				messages := 0
				if c.answer == no && !c.silent {
					messages = 1
				}
				if len(w.sns.Messages) != messages {
					t.Errorf("%d messages, want %d", len(w.sns.Messages), messages)
				}
				time.Sleep(2 * time.Hour) // what heeds nothing ends
			})
		})
	}
}

func TestAnswerThatCannotBeGivenIsAnError(t *testing.T) {
	for sentence, c := range map[string]struct {
		fault   error
		forever bool
		says    string
	}{
		"the role may not answer":                   {fault: fakeaws.Denied(), says: "AccessDenied"},
		"the deployment is gone":                    {fault: &cdtypes.DeploymentDoesNotExistException{}, says: "DeploymentDoesNotExist"},
		"CodeDeploy can't be reached until the end": {fault: errors.New("dial tcp: i/o timeout"), forever: true, says: "its way to CodeDeploy's API"},
	} {
		t.Run(sentence, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				event := w.deployment(cdtypes.DeploymentCreatorUser)
				w.cloud.Fail(put, c.fault)
				if c.forever {
					w.cloud.Fail(put, slices.Repeat([]error{c.fault}, 1000)...)
				}
				ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
				defer cancel()
				start := time.Now()
				_, err := w.send(ctx, event)
				if err == nil || !strings.Contains(err.Error(), c.says) {
					t.Errorf("got %v", err)
				}
				if len(w.hooks.Answers) != 0 || time.Since(start) >= time.Minute || !c.forever && time.Since(start) > time.Second {
					t.Errorf("%v answers after %v", w.hooks.Answers, time.Since(start))
				}
				if len(w.reports()) != 1 {
					t.Error("the report is lost")
				}
			})
		})
	}
}

func TestSameEventTwiceIsAnsweredOnce(t *testing.T) {
	w := newWorld(t)
	event := w.deployment(cdtypes.DeploymentCreatorUser)
	for range 2 {
		if _, err := w.send(context.Background(), event); err != nil {
			t.Error(err)
		}
	}
	if !slices.Equal(w.hooks.Answers, []cdtypes.LifecycleEventStatus{yes}) || w.cloud.Calls(put) != 2 {
		t.Errorf("%v in %d calls", w.hooks.Answers, w.cloud.Calls(put))
	}
}

func TestECSGetsItsAnswerByReturn(t *testing.T) {
	for sentence, c := range map[string]struct {
		event  json.RawMessage
		asker  func(context.Context, string, string) decide.Answer
		status string
		asked  int
		reason string
	}{
		"green passes after the test traffic moved": {event: ecsEvent("POST_TEST_TRAFFIC_SHIFT", "", ""), status: succeeded, asked: 1},
		"green fails": {event: ecsEvent("POST_TEST_TRAFFIC_SHIFT", "", ""), asker: broken, status: failed, asked: 3, reason: "got HTTP 500"},
		"before each step of the production shift": {event: ecsEvent("PRE_PRODUCTION_TRAFFIC_SHIFT", "", "green: 0, blue: 100"), status: succeeded, asked: 1},
		"while production moves to green":          {event: ecsEvent("PRODUCTION_TRAFFIC_SHIFT", "", "green: 100, blue: 0"), status: succeeded, asked: 1},
		"while production moves back to blue":      {event: ecsEvent("PRODUCTION_TRAFFIC_SHIFT", "", "green: 0, blue: 100"), asker: broken, status: succeeded},
		"while test traffic moves back to blue":    {event: ecsEvent("TEST_TRAFFIC_SHIFT", "green: 0, blue: 100", ""), asker: broken, status: succeeded},
		"before green can be reached":              {event: ecsEvent("PRE_SCALE_UP", "", ""), status: failed, reason: "register the hook for POST_TEST_TRAFFIC_SHIFT"},
		"while test traffic still moves":           {event: ecsEvent("TEST_TRAFFIC_SHIFT", "green: 100, blue: 0", ""), status: failed, reason: "register the hook"},
		"at a stage that nobody knows":             {event: ecsEvent("LUNCH", "", ""), status: failed, reason: `stage "LUNCH"`},
		"without a stage":                          {event: json.RawMessage(`{"executionDetails": {}}`), status: failed, reason: "lifecycleStage is no text"},
		"with details that are no object":          {event: json.RawMessage(`{"lifecycleStage": "POST_TEST_TRAFFIC_SHIFT", "executionDetails": []}`), status: failed, reason: "executionDetails"},
		"with nothing but the stage":               {event: json.RawMessage(`{"lifecycleStage": "POST_TEST_TRAFFIC_SHIFT"}`), status: succeeded, asked: 1},
	} {
		t.Run(sentence, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				if c.asker != nil {
					w.asker = c.asker
				}
				got, err := w.send(context.Background(), c.event)
				if err != nil || got.Status != c.status || len(w.asked) != c.asked {
					t.Errorf("%q, %v after %d requests; want %q after %d", got.Status, err, len(w.asked), c.status, c.asked)
				}
				r := w.reports()[0]
				if !strings.Contains(strings.Join(r.Reasons, "\n"), c.reason) {
					t.Errorf("reasons %q", r.Reasons)
				}
				if w.cloud.Calls(put)+w.cloud.Calls(get) != 0 {
					t.Error("CodeDeploy has nothing to do with it")
				}
				if body, _ := json.Marshal(got); string(body) != `{"hookStatus":"`+c.status+`"}` {
					t.Errorf("ECS reads %s", body)
				}
			})
		})
	}
}

func TestEventThatNamesNobody(t *testing.T) {
	for sentence, event := range map[string]string{
		"no JSON":                 `{`,
		"a list":                  `[]`,
		"nothing":                 `null`,
		"another service's event": `{"source": "aws.ec2", "detail": {}}`,
		"no execution":            `{"DeploymentId": "d-1"}`,
		"no deployment":           `{"LifecycleEventHookExecutionId": "x"}`,
		"an ID that is a number":  `{"DeploymentId": 5, "LifecycleEventHookExecutionId": "x"}`,
		"names in another case":   `{"deploymentid": "d-1", "lifecycleeventhookexecutionid": "x"}`,
		"an empty ID":             `{"DeploymentId": "", "LifecycleEventHookExecutionId": "x"}`,
	} {
		w := newWorld(t)
		got, err := w.handler().handle(context.Background(), json.RawMessage(event))
		if !errors.Is(err, decide.ErrNobody) || got.Status != failed || w.cloud.TotalCalls() != 0 || len(w.asked) != 0 {
			t.Errorf("%s: %q, %v, %d calls", sentence, got.Status, err, w.cloud.TotalCalls())
		}
	}
}

func TestMessageOfAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.asker = broken
		event := w.deployment(cdtypes.DeploymentCreatorUser)
		if _, err := w.send(context.Background(), event); err != nil {
			t.Fatal(err)
		}
		m := w.sns.Messages[0]
		if m.Subject != "slipway prod: the new version failed its tests" {
			t.Errorf("subject %q", m.Subject)
		}
		for _, part := range []string{
			event["DeploymentId"].(string), "Users keep the version that they had.", "CodeDeploy undoes the rest",
			"- smoke GET /health attempt 3: 500, 0 ms, got HTTP 500, expected 200", "it answered: oops password=[redacted]",
			`aws logs filter-log-events --log-group-name /aws/lambda/hook --filter-pattern '{ $.report.event.execution = "` + execution + `" }'`,
		} {
			if !strings.Contains(m.Body, part) {
				t.Errorf("%q isn't in\n%s", part, m.Body)
			}
		}
		if strings.Contains(m.Body+w.log.String(), "hunter2") {
			t.Error("a password got out")
		}
	})
}

func TestListOfActionsIsExact(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.asker = broken
		if _, err := w.send(context.Background(), w.deployment(cdtypes.DeploymentCreatorUser)); err != nil {
			t.Fatal(err)
		}
		fakeaws.CheckActions(t, "testdata/actions.txt", w.cloud.Actions())
	})
}
