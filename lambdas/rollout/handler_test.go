package main

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	cdtypes "github.com/aws/aws-sdk-go-v2/service/codedeploy/types"

	"slipway/internal/contract"
	"slipway/lambdas/internal/fakeaws"
)

func TestNewRevisionIsRolledOut(t *testing.T) {
	w := newWorld(t)
	r := w.update(green).mustBegin()
	w.deployments(1)
	w.started(green)
	d := w.deploys.Last()
	if d.Content != content(t, green) {
		t.Errorf("the AppSpec is %s", d.Content)
	}
	if d.Info.DeploymentConfigName != nil {
		t.Errorf("the configuration is %s, want the deployment group's own", *d.Info.DeploymentConfigName)
	}
	for _, status := range []cdtypes.DeploymentStatus{"Created", "Queued", "InProgress", "Ready", "Baking", "InProgress", "SomethingNew"} {
		d.Info.Status = status
		w.wait(time.Minute)
		r.waits()
	}
	// All traffic is on green, but blue is still there: alarms can roll back until it is gone.
	w.ecs.Serve(w.service, green)
	d.Info.InstanceTerminationWaitTimeStarted = true
	r.waits()
	w.finish(w.last(), green)
	r.succeeds(w.last())
	r.succeeds(w.last()) // also when the answer got lost on its way to CloudFormation
	w.deployments(1)
}

func TestConfigurationOfTheStackOverridesTheGroups(t *testing.T) {
	w := newWorld(t)
	w.request(update, "r-1", green, map[string]any{"DeploymentConfigName": "CodeDeployDefault.ECSAllAtOnce"}).mustBegin()
	if got := aws.ToString(w.deploys.Last().Info.DeploymentConfigName); got != "CodeDeployDefault.ECSAllAtOnce" {
		t.Errorf("got %q", got)
	}
}

func TestWantedRevisionAlreadyRuns(t *testing.T) {
	for sentence, prepare := range map[string]func(*world){
		"the service was created with it":         func(*world) {},
		"a service that has no task set yet":      func(w *world) { w.ecs.Service(w.service).TaskSets = nil },
		"CodeDeploy rolled an update back itself": func(w *world) { w.rolledBack() },
	} {
		for _, kind := range []string{create, update} {
			t.Run(kind+": "+sentence, func(t *testing.T) {
				w := newWorld(t)
				prepare(w)
				before := len(w.deploys.Deployments)
				w.request(kind, "r-2", blue, nil).mustBegin().succeeds("none")
				w.deployments(before)
			})
		}
	}
}

// rolledBack leaves an update behind that CodeDeploy has rolled back: blue serves again.
func (w *world) rolledBack() {
	w.update(green).mustBegin()
	d := w.last()
	w.ecs.Serve(w.service, green)
	w.deploys.End(d, cdtypes.DeploymentStatusFailed, cdtypes.ErrorCodeHookExecutionFailure, "x")
	back := w.deploys.RollBack(d, "version: 0.0")
	w.finish(back, blue)
	w.wait(time.Minute)
}

// After a rollback by CodeDeploy, CloudFormation's own finds nothing to do; both ask for blue again.
func TestFailedUpdateIsRolledBackByCodeDeployAndThenByCloudFormation(t *testing.T) {
	w := newWorld(t)
	r := w.update(green).mustBegin()
	failed := w.last()
	w.ecs.Serve(w.service, green)
	w.deploys.End(failed, cdtypes.DeploymentStatusFailed, cdtypes.ErrorCodeHookExecutionFailure, "A hook failed")
	r.waits() // the rollback isn't there yet
	w.wait(10 * time.Second)
	back := w.deploys.RollBack(failed, content(t, blue))
	for range 20 {
		w.wait(time.Minute)
		r.waits() // green still serves
	}
	w.finish(back, blue)
	r.fails("deployment "+failed+" of simple-flask-app:42 failed: HOOK_EXECUTION_FAILURE: A hook failed",
		"CodeDeploy rolled it back with "+back, "The service runs simple-flask-app:41")
	w.request(update, "r-2", blue, nil).mustBegin().succeeds(back)
	w.deployments(2)
}

func TestFailureSaysWhy(t *testing.T) {
	for sentence, c := range map[string]struct {
		status  cdtypes.DeploymentStatus
		code    cdtypes.ErrorCode
		message string
		prepare func(*world, *fakeaws.Deployment)
		parts   []string
	}{
		"a hook refuses": {
			cdtypes.DeploymentStatusFailed, cdtypes.ErrorCodeHookExecutionFailure, "One of the hooks failed.",
			func(_ *world, d *fakeaws.Deployment) {
				d.Events = []cdtypes.LifecycleEvent{
					{LifecycleEventName: aws.String("Install"), Status: cdtypes.LifecycleEventStatusSucceeded},
					{LifecycleEventName: aws.String("AfterAllowTestTraffic"), Status: cdtypes.LifecycleEventStatusFailed, Diagnostics: &cdtypes.Diagnostics{
						ErrorCode: cdtypes.LifecycleErrorCodeScriptFailed, Message: aws.String("The hook returned Failed"), ScriptName: aws.String("hook.py"), LogTail: aws.String("password=secret"),
					}},
					{LifecycleEventName: aws.String("AllowTraffic"), Status: cdtypes.LifecycleEventStatusSkipped},
				}
				d.Sets = []cdtypes.ECSTaskSet{{TaskSetLabel: cdtypes.TargetLabelGreen, Status: aws.String("ACTIVE"), DesiredCount: 2, RunningCount: 1, TrafficWeight: 12.5}}
			},
			[]string{
				"failed: HOOK_EXECUTION_FAILURE: One of the hooks failed.", "AfterAllowTestTraffic failed (ScriptFailed: hook.py: The hook returned Failed)",
				"its hook slipway-prod-hook tells more in its log", "Green (ACTIVE): 1 of 2 tasks, 12.5% of the traffic", "The service runs simple-flask-app:41",
			},
		},
		"an alarm": {
			cdtypes.DeploymentStatusStopped, cdtypes.ErrorCodeAlarmActive, "Alarm slipway-prod-5xx is active", nil,
			[]string{"of simple-flask-app:42 was stopped: ALARM_ACTIVE: Alarm slipway-prod-5xx is active"},
		},
		"a person stops it": {
			cdtypes.DeploymentStatusStopped, cdtypes.ErrorCodeManualStop, "stopped by hand", nil, []string{"was stopped: MANUAL_STOP"},
		},
		"a person stops it without rollback, and green serves": {
			cdtypes.DeploymentStatusStopped, cdtypes.ErrorCodeManualStop, "stopped by hand",
			func(w *world, _ *fakeaws.Deployment) { w.ecs.Serve(w.service, green) },
			[]string{"was stopped: MANUAL_STOP", "The service runs simple-flask-app:42"},
		},
		"no rollback was possible": {
			cdtypes.DeploymentStatusFailed, cdtypes.ErrorCodeTimeout, "too slow",
			func(_ *world, d *fakeaws.Deployment) {
				d.Info.RollbackInfo = &cdtypes.RollbackInfo{RollbackMessage: aws.String("There is no previous revision")}
			},
			[]string{"failed: TIMEOUT: too slow", "CodeDeploy's rollback: There is no previous revision"},
		},
		"no reason at all": {
			status: cdtypes.DeploymentStatusFailed, parts: []string{"of simple-flask-app:42 failed. See https://"},
		},
		"long messages don't push the others out": {
			cdtypes.DeploymentStatusFailed, cdtypes.ErrorCodeHookExecutionFailure, strings.Repeat("long ", 1000),
			func(_ *world, d *fakeaws.Deployment) {
				d.Events = []cdtypes.LifecycleEvent{{LifecycleEventName: aws.String("AfterAllowTestTraffic"), Status: cdtypes.LifecycleEventStatusFailed, Diagnostics: &cdtypes.Diagnostics{
					ErrorCode: cdtypes.LifecycleErrorCodeUnknownError, Message: aws.String(strings.Repeat("detail ", 1000)),
				}}}
			},
			[]string{"HOOK_EXECUTION_FAILURE: long", "AfterAllowTestTraffic failed (UnknownError: detail", "tells more in its log", "The service runs simple-flask-app:41"},
		},
		"the events can't be listed": {
			cdtypes.DeploymentStatusFailed, cdtypes.ErrorCodeTimeout, "too slow",
			func(w *world, _ *fakeaws.Deployment) {
				w.cloud.Fail("codedeploy:ListDeploymentTargets", fakeaws.Denied())
			},
			[]string{"TIMEOUT: too slow", "lifecycle events couldn't be read", "AccessDenied"},
		},
		"the events can't be read": {
			cdtypes.DeploymentStatusFailed, cdtypes.ErrorCodeTimeout, "too slow",
			func(w *world, _ *fakeaws.Deployment) {
				w.cloud.Fail("codedeploy:BatchGetDeploymentTargets", fakeaws.Denied())
			},
			[]string{"TIMEOUT: too slow", "lifecycle events couldn't be read"},
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			w := newWorld(t)
			r := w.update(green).mustBegin()
			if c.prepare != nil {
				c.prepare(w, w.deploys.Last())
			}
			w.deploys.End(w.last(), c.status, c.code, c.message)
			w.wait(time.Minute)
			r.fails(append(c.parts, "https://eu-west-1.console.aws.amazon.com/codesuite/codedeploy/deployments/"+w.last()+"?region=eu-west-1")...)
			r.fails(c.parts[0]) // a repeated poll hears the same
			w.deployments(1)
			if strings.Contains(w.log.String(), "password=secret") {
				t.Error("the log shows a script's output")
			}
		})
	}
}

func TestFailedRollbackIsTold(t *testing.T) {
	w := newWorld(t)
	r := w.update(green).mustBegin()
	failed := w.last()
	w.deploys.End(failed, cdtypes.DeploymentStatusFailed, cdtypes.ErrorCodeTimeout, "too slow")
	back := w.deploys.RollBack(failed, content(t, blue))
	r.waits()
	w.deploys.End(back, cdtypes.DeploymentStatusFailed, cdtypes.ErrorCodeEcsUpdateError, "no capacity")
	r.fails("TIMEOUT: too slow", "rollback "+back+" failed as well (ECS_UPDATE_ERROR: no capacity)")
}

func TestRollbackThatNeverEndsIsNotAwaitedForEver(t *testing.T) {
	w := newWorld(t)
	r := w.update(green).mustBegin()
	failed := w.last()
	w.deploys.End(failed, cdtypes.DeploymentStatusFailed, cdtypes.ErrorCodeTimeout, "too slow")
	back := w.deploys.RollBack(failed, content(t, blue))
	w.now = noon.Add(timeout + 8*time.Minute - time.Second)
	r.waits()
	w.wait(time.Second)
	r.fails("TIMEOUT: too slow", "rollback "+back+" is still InProgress")
	w.stops()
}

func TestTimeOutStopsWithRollback(t *testing.T) {
	w := newWorld(t)
	r := w.update(green).mustBegin()
	d := w.last()
	w.now = noon.Add(timeout - time.Second)
	r.waits()
	w.stops()
	w.wait(time.Second)
	r.waits()
	w.stops(d + " rollback=true")
	w.wait(10 * time.Second)
	r.waits()
	w.deploys.End(d, cdtypes.DeploymentStatusStopped, cdtypes.ErrorCodeManualStop, "stopped")
	back := w.deploys.RollBack(d, content(t, blue))
	r.waits()
	w.finish(back, blue)
	r.fails("deployment "+d+" of simple-flask-app:42 did not end within 45m0s and was stopped: MANUAL_STOP", "rolled it back with "+back)
	w.deployments(2)
}

func TestDeploymentThatDoesNotStopIsReported(t *testing.T) {
	w := newWorld(t)
	r := w.update(green).mustBegin()
	w.now = noon.Add(timeout + 8*time.Minute - time.Second)
	r.waits()
	w.wait(time.Second)
	r.fails("did not end within 45m0s", "still Created 8m0s after it was told to stop", "console.aws.amazon.com")
}

func TestDeploymentThatEndsJustBeforeItIsStopped(t *testing.T) {
	w := newWorld(t)
	r := w.update(green).mustBegin()
	w.now = noon.Add(timeout)
	w.cloud.Before = func(action string) {
		if action == "codedeploy:StopDeployment" {
			w.cloud.Do(func() { w.finish(w.last(), green) })
		}
	}
	r.waits()
	r.succeeds(w.last())
}

func TestAnotherDeploymentHoldsTheGroup(t *testing.T) {
	t.Run("ours follows it", func(t *testing.T) {
		w := newWorld(t)
		other := w.byHand(family + "40")
		r := w.update(green).mustBegin()
		w.wait(10 * time.Minute)
		r.waits()
		w.deployments(1)
		w.finish(other, family+"40")
		r.waits()
		w.deployments(2)
		w.started(green)
		w.finish(w.last(), green)
		r.succeeds(w.last())
		w.stops()
	})
	t.Run("it appears between the look and the start", func(t *testing.T) {
		w := newWorld(t)
		var other string
		w.cloud.Before = func(action string) {
			if action == "codedeploy:CreateDeployment" && other == "" {
				w.cloud.Do(func() { other = w.byHand(family + "40") })
			}
		}
		r := w.update(green).mustBegin()
		w.deployments(1)
		r.waits()
		w.deploys.End(other, cdtypes.DeploymentStatusFailed, cdtypes.ErrorCodeTimeout, "x")
		r.waits()
		w.started(green)
	})
	t.Run("it is older than what is looked up by time", func(t *testing.T) {
		w := newWorld(t)
		other := w.byHand(family + "40")
		w.wait(30 * time.Hour)
		w.update(green).mustBegin().waits()
		w.update(blue).mustBegin().waits()
		if n := w.cloud.Calls("codedeploy:CreateDeployment"); n != 0 {
			t.Errorf("%d attempts to start while %s holds the group", n, other)
		}
	})
	t.Run("the service runs the wanted revision, but not for long", func(t *testing.T) {
		w := newWorld(t)
		other := w.byHand(family + "40")
		r := w.update(blue).mustBegin()
		r.waits()
		w.finish(other, family+"40")
		r.waits()
		w.started(blue)
	})
	t.Run("it deploys what we want", func(t *testing.T) {
		w := newWorld(t)
		other := w.byHand(green)
		r := w.update(green).mustBegin()
		r.waits()
		w.finish(other, green)
		r.succeeds("none") // another AppSpec: CodeDeploy doesn't tell what it deployed
		w.deployments(1)
	})
	t.Run("it doesn't end", func(t *testing.T) {
		w := newWorld(t)
		other := w.byHand(family + "40")
		r := w.update(green).mustBegin()
		w.now = noon.Add(timeout/2 - time.Second)
		r.waits()
		w.wait(time.Second)
		r.fails("simple-flask-app:42 was not deployed: another deployment, "+other+", was still InProgress after 22m30s", "deploy again when it has ended", other+"?region=")
		w.stops() // a person's
	})
}

func TestSameAppSpecUnderWayIsAdopted(t *testing.T) {
	adopted := func(w *world) (string, *request) {
		w.request(update, "r-0", green, nil).mustBegin() // CloudFormation has given it up
		r := w.update(green).mustBegin()
		r.waits()
		w.deployments(1)
		return w.last(), r
	}
	t.Run("its success is ours", func(t *testing.T) {
		w := newWorld(t)
		d, r := adopted(w)
		w.finish(d, green)
		r.succeeds(d)
	})
	t.Run("its failure isn't", func(t *testing.T) {
		w := newWorld(t)
		d, r := adopted(w)
		w.deploys.End(d, cdtypes.DeploymentStatusFailed, cdtypes.ErrorCodeTimeout, "x")
		r.waits()
		w.deployments(2)
		w.started(green)
	})
	t.Run("it is stopped after the time-out", func(t *testing.T) {
		w := newWorld(t)
		d, r := adopted(w)
		w.now = noon.Add(timeout)
		r.waits()
		w.stops(d + " rollback=true")
	})
}

// CloudFormation cancels an update and wants blue back, which still serves: what it gave up must not go on.
func TestSupersededDeploymentIsStopped(t *testing.T) {
	w := newWorld(t)
	w.request(update, "r-0", green, nil).mustBegin()
	d := w.last()
	r := w.update(blue).mustBegin()
	w.stops(d + " rollback=true")
	r.waits()
	w.deploys.End(d, cdtypes.DeploymentStatusStopped, cdtypes.ErrorCodeManualStop, "x")
	back := w.deploys.RollBack(d, content(t, blue))
	r.waits()
	w.finish(back, blue)
	r.succeeds(back)
	w.deployments(2)
}

// Green serves already when CloudFormation wants blue back: the deployment ends first, then blue comes back.
func TestSupersededDeploymentThatServesIsAwaited(t *testing.T) {
	w := newWorld(t)
	w.request(update, "r-0", green, nil).mustBegin()
	d := w.last()
	w.ecs.Serve(w.service, green)
	r := w.update(blue).mustBegin()
	r.waits()
	w.stops()
	w.finish(d, green)
	r.waits()
	w.started(blue)
	w.finish(w.last(), blue)
	r.succeeds(w.last())
}

func TestRepeatedAndLostEvents(t *testing.T) {
	t.Run("onEvent comes twice", func(t *testing.T) {
		w := newWorld(t)
		w.update(green).mustBegin()
		r := w.update(green).mustBegin()
		w.deployments(1)
		w.finish(w.last(), green)
		r.succeeds(w.last())
	})
	t.Run("again when its deployment has failed already", func(t *testing.T) {
		w := newWorld(t)
		w.update(green).mustBegin()
		w.deploys.End(w.last(), cdtypes.DeploymentStatusFailed, cdtypes.ErrorCodeTimeout, "too slow")
		w.wait(2 * time.Minute)
		contains(t, w.update(green).begin(), "TIMEOUT: too slow")
		w.deployments(1)
	})
	t.Run("hours late, when another request has brought a newer revision", func(t *testing.T) {
		w := newWorld(t)
		w.update(green).mustBegin()
		w.finish(w.last(), green)
		w.wait(5 * time.Hour)
		w.request(update, "r-2", family+"43", nil).mustBegin()
		w.finish(w.last(), family+"43")
		w.wait(50 * time.Minute)
		contains(t, w.update(green).begin(), "the service runs simple-flask-app:43, not simple-flask-app:42")
		w.deployments(2)
		w.stops()
	})
	t.Run("the answer about the start gets lost, and the client asks again", func(t *testing.T) {
		w := newWorld(t)
		w.deploys.LostAnswers = 1
		r := w.update(green).mustBegin()
		w.deployments(1)
		w.finish(w.last(), green)
		r.succeeds(w.last())
	})
	t.Run("the function dies after the start", func(t *testing.T) {
		w := newWorld(t)
		w.deploys.LostAnswers = 1
		ctx, die := context.WithCancel(context.Background())
		w.cloud.Before = func(action string) {
			if action == "codedeploy:CreateDeployment" {
				die()
			}
		}
		r := w.update(green)
		_, _ = w.invoke(ctx, contract.RolloutOnEvent, r.event)
		w.cloud.Before = nil
		w.deployments(1)
		r.mustBegin().waits()
		w.deployments(1)
	})
	t.Run("the same request of another resource is another one", func(t *testing.T) {
		w := newWorld(t)
		w.update(green).mustBegin()
		w.deploys.End(w.last(), cdtypes.DeploymentStatusFailed, cdtypes.ErrorCodeTimeout, "x")
		w.wait(2 * time.Minute)
		r := w.update(green)
		r.event["LogicalResourceId"] = "Other"
		r.mustBegin()
		w.deployments(2)
	})
}

func TestDescriptionOfARollbackIsNotTakenForOurs(t *testing.T) {
	w := newWorld(t)
	r := w.update(green).mustBegin()
	failed := w.last()
	w.deploys.End(failed, cdtypes.DeploymentStatusFailed, cdtypes.ErrorCodeTimeout, "too slow")
	w.wait(time.Second)
	back := w.deploys.RollBack(failed, content(t, blue)) // the fake copies the description
	w.deploys.Deployment(back).Info.Creator = "somethingNew"
	w.finish(back, blue)
	r.fails("deployment "+failed, "TIMEOUT")
}

func TestWrongRevisionRunsAfterSuccess(t *testing.T) {
	w := newWorld(t)
	r := w.update(green).mustBegin()
	d := w.last()
	w.deploys.End(d, cdtypes.DeploymentStatusSucceeded, "", "")
	r.waits() // ECS may lag behind
	w.wait(time.Minute)
	r.fails("deployment "+d+" succeeded, but the service runs simple-flask-app:41, not simple-flask-app:42", "deploy again")
	w.deployments(1)
}

func TestAccountsQuota(t *testing.T) {
	w := newWorld(t)
	w.deploys.Busy = true
	r := w.update(green).mustBegin()
	w.now = noon.Add(timeout - time.Second)
	r.waits()
	w.wait(time.Second)
	r.fails("no deployment of simple-flask-app:42 could be started within 45m0s", "quota")
}

func TestListOfActionsIsExact(t *testing.T) {
	w := newWorld(t)
	r := w.update(green).mustBegin()
	w.now = noon.Add(timeout)
	r.waits()
	w.deploys.End(w.last(), cdtypes.DeploymentStatusStopped, cdtypes.ErrorCodeManualStop, "x")
	w.wait(time.Minute)
	r.fails("was stopped")
	fakeaws.CheckActions(t, "testdata/actions.txt", w.cloud.Actions())
}

func TestManyDeploymentsInPages(t *testing.T) {
	w := newWorld(t)
	w.deploys.Page = 2
	for range 7 {
		w.finish(w.byHand(family+"40"), blue)
		w.wait(time.Second)
	}
	r := w.update(green).mustBegin()
	w.finish(w.last(), green)
	r.succeeds(w.last())
	w.deployments(8)
}
