package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/aws"
	cwtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	cdtypes "github.com/aws/aws-sdk-go-v2/service/codedeploy/types"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"slipway/internal/contract"
	"slipway/lambdas/internal/fakeaws"
	"slipway/lambdas/rollbackresponder/decide"
	"slipway/lambdas/rollbackresponder/report"
)

const (
	service = "arn:aws:ecs:eu-west-1:111111111111:service/prod-cluster/prod"
	green   = "arn:aws:elasticloadbalancing:eu-west-1:111111111111:targetgroup/prod-green/73e2d6bc24d8a067"
	taskID  = "0f1d7e0b7a5f4c1e8d5e6c2b3a4f5d6e"
)

var now = time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)

// world is an account in which a deployment has just failed.
type world struct {
	t          *testing.T
	cloud      *fakeaws.Cloud
	codeDeploy *fakeaws.CodeDeploy
	ecs        *fakeaws.ECS
	failures   *fakeaws.Failures
	ssm        *fakeaws.SSM
	sns        *fakeaws.SNS
	log        bytes.Buffer
	now        time.Time
	id         string // of the deployment
}

func newWorld(t *testing.T) *world {
	c := fakeaws.New()
	w := &world{
		t: t, cloud: c, ecs: fakeaws.NewECS(c, "prod-cluster"), failures: fakeaws.NewFailures(c, "prod-cluster", "prod"),
		ssm: fakeaws.NewSSM(c), sns: fakeaws.NewSNS(c), now: now,
	}
	w.codeDeploy = fakeaws.NewCodeDeploy(c, "slipway-prod", "prod", "prod-cluster", "prod", func() time.Time { return now })
	w.ssm.AllowPut(c)
	w.sns.Topic = "arn:aws:sns:eu-west-1:111111111111:slipway-prod-alerts"
	if arn := w.ecs.Add(fakeaws.Service{Name: "prod", Running: 2}); arn != service {
		t.Fatalf("the fake names the service %s", arn)
	}
	w.ecs.Service(service).Events = []ecstypes.ServiceEvent{{Message: aws.String("(service prod) failed to launch a task with (error password=hunter2)"), CreatedAt: &now}}
	w.id = w.codeDeploy.Add("", "", cdtypes.DeploymentCreatorUser)
	w.codeDeploy.End(w.id, cdtypes.DeploymentStatusFailed, cdtypes.ErrorCodeHookExecutionFailure, "One or more hooks failed")
	w.codeDeploy.Deployment(w.id).Events = []cdtypes.LifecycleEvent{
		{LifecycleEventName: aws.String("Install"), Status: cdtypes.LifecycleEventStatusSucceeded},
		{LifecycleEventName: aws.String("AfterAllowTestTraffic"), Status: cdtypes.LifecycleEventStatusFailed},
	}
	w.failures.Tasks = []ecstypes.Task{w.task(taskID, "EssentialContainerExited", aws.Int32(1))}
	w.failures.Streams["/slipway/prod/app:app/app/"+taskID] = []string{"starting", "connecting with password=hunter2", "Traceback: no such table"}
	w.failures.Health[green] = []elbtypes.TargetHealth{
		{State: elbtypes.TargetHealthStateEnumUnhealthy, Reason: elbtypes.TargetHealthReasonEnumResponseCodeMismatch}, {State: elbtypes.TargetHealthStateEnumHealthy},
	}
	w.failures.Metric = []cwtypes.MetricAlarm{
		{AlarmName: aws.String("prod-5xx"), StateValue: cwtypes.StateValueAlarm, StateReason: aws.String("Threshold Crossed")},
		{AlarmName: aws.String("prod-cpu"), StateValue: cwtypes.StateValueOk}, {AlarmName: aws.String("another-team"), StateValue: cwtypes.StateValueAlarm},
	}
	t.Cleanup(func() {
		c.CheckNoMistakes(t)
		fakeaws.CheckListed(t, "testdata/actions.txt", c.Actions())
		if strings.Contains(w.log.String()+fmt.Sprint(w.sns.Messages, w.ssm.Parameters), "hunter2") {
			t.Error("a password got out")
		}
	})
	return w
}

func (w *world) task(id, code string, exit *int32) ecstypes.Task {
	return ecstypes.Task{
		TaskArn: aws.String("arn:aws:ecs:eu-west-1:111111111111:task/prod-cluster/" + id), StoppedAt: &now, StopCode: ecstypes.TaskStopCode(code),
		TaskDefinitionArn: aws.String("arn:aws:ecs:eu-west-1:111111111111:task-definition/prod:7"), StoppedReason: aws.String("Essential container in task exited"),
		Containers: []ecstypes.Container{{Name: aws.String("collector"), Reason: aws.String("sidecar")}, {Name: aws.String("app"), ExitCode: exit}},
		Overrides: &ecstypes.TaskOverride{ContainerOverrides: []ecstypes.ContainerOverride{{
			Environment: []ecstypes.KeyValuePair{{Name: aws.String("NAME"), Value: aws.String("hunter2")}},
		}}},
	}
}

func (w *world) settings() settings {
	s, err := readSettings(func(name string) string {
		return map[string]string{
			contract.EnvPlatform: "slipway", contract.EnvTopicARN: w.sns.Topic, contract.EnvStage: "prod",
			contract.EnvRollbackResponder: `{"service": "` + service + `", "application": "slipway-prod", "deploymentGroup": "prod", "logGroup": "/slipway/prod/app",
				"targetGroups": ["` + green + `"], "alarms": ["prod-5xx", "prod-cpu"], "records": "/slipway/prod/rollbacks"}`,
		}[name]
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// send delivers an event by an invocation.
func (w *world) send(ctx context.Context, request, event string) (result, error) {
	ctx = lambdacontext.NewContext(ctx, &lambdacontext.LambdaContext{AwsRequestID: request})
	h := newHandler(w.settings(), w.cloud.Config(), slog.New(slog.NewJSONHandler(&w.log, nil)), func() time.Time { return w.now })
	return h.handle(ctx, json.RawMessage(event))
}

// codeDeployEvent is as EventBridge's documentation shows it.
func codeDeployEvent(id, state string) string {
	return fmt.Sprintf(`{"account": "111111111111", "region": "eu-west-1", "detail-type": "CodeDeploy Deployment State-change Notification",
		"source": "aws.codedeploy", "version": "0", "time": "2026-03-10T12:00:00Z", "id": "c071bfbf-83c4-49ca-a6ff-3df053957145",
		"resources": ["arn:aws:codedeploy:eu-west-1:111111111111:application:slipway-prod"],
		"detail": {"instanceGroupId": "9fd2fbef", "region": "eu-west-1", "application": "slipway-prod", "deploymentId": %q, "state": %q, "deploymentGroup": "prod"}}`, id, state)
}

// ecsEvent is as ECS's developer guide shows it.
func ecsEvent(id, name, reason string) string {
	return fmt.Sprintf(`{"version": "0", "id": "ddca6449-b258-46c0-8653-e0e3aEXAMPLE", "detail-type": "ECS Deployment State Change", "source": "aws.ecs",
		"account": "111111111111", "time": "2026-03-10T12:00:00Z", "region": "eu-west-1", "resources": [%q],
		"detail": {"eventType": "ERROR", "eventName": %q, "deploymentId": %q, "updatedAt": "2026-03-10T12:00:00Z", "reason": %q}}`, service, name, id, reason)
}

func (w *world) check(body string, parts ...string) {
	w.t.Helper()
	for _, part := range parts {
		if !strings.Contains(body, part) {
			w.t.Errorf("%q isn't in\n%s", part, body)
		}
	}
}

func TestMessageOfAFailedCodeDeployDeployment(t *testing.T) {
	w := newWorld(t)
	back := w.codeDeploy.RollBack(w.id, "")
	w.failures.EmptyPages = 1
	got, err := w.send(context.Background(), "r1", codeDeployEvent(w.id, "FAILURE"))
	if err != nil || got.Outcome != "told" || len(w.sns.Messages) != 1 {
		t.Fatalf("%+v, %v, %d messages", got, err, len(w.sns.Messages))
	}
	m := w.sns.Messages[0]
	if m.Subject != "slipway prod: a deployment of prod failed" {
		t.Errorf("subject %q", m.Subject)
	}
	w.check(m.Body,
		"WHAT  The deployment "+w.id+" of service prod in cluster prod-cluster failed.\n",
		"WHY   Most likely: The new version failed its tests at AfterAllowTestTraffic;",
		"Also: a container exited by itself with code 1.\n", "Also: Targets in prod-green aren't healthy: 1 × Target.ResponseCodeMismatch.\n",
		"NOW   CodeDeploy brings the old version back with deployment "+back+".\n", "The service runs 2 of 2 tasks",
		"https://eu-west-1.console.aws.amazon.com/codesuite/codedeploy/deployments/"+w.id+"?region=eu-west-1",
		"log-groups/log-group/$252Fslipway$252Fprod$252Fapp", "- prod-5xx: Threshold Crossed\n",
		"- "+taskID+" of prod:7: EssentialContainerExited; Essential container in task exited; exit code 1\n", "- Traceback: no such table\n", "password=[redacted]",
		"- prod-green: 1 of 2 healthy; 1 × Target.ResponseCodeMismatch\n", "12:00:00 (service prod) failed to launch a task",
		"aws ssm get-parameter --name /slipway/prod/rollbacks/of-"+w.id,
	)
	if strings.Contains(m.Body, "another-team") || strings.Contains(m.Body, "could not be read") {
		t.Errorf("the message says too much:\n%s", m.Body)
	}
	if value := w.ssm.Parameters["/slipway/prod/rollbacks/of-"+w.id]; !strings.Contains(value, `"message":"sent"`) || !strings.Contains(value, "failed its tests") {
		t.Errorf("the record is %q", value)
	}
	if !strings.Contains(w.log.String(), `"marker":"`+report.Marker+`"`) {
		t.Error("the record isn't in the log")
	}
}

func TestMessageOfAFailedECSDeployment(t *testing.T) {
	w := newWorld(t)
	arn := func(id string) *string {
		return aws.String("arn:aws:ecs:eu-west-1:111111111111:service-deployment/prod-cluster/prod/" + id)
	}
	w.failures.Deployments = []ecstypes.ServiceDeployment{
		{ServiceDeploymentArn: arn("old"), Status: ecstypes.ServiceDeploymentStatusRollbackSuccessful, CreatedAt: aws.Time(now.Add(-time.Hour))},
		{
			ServiceDeploymentArn: arn("EZe5RNVLH6PPzHXINuP28"), Status: ecstypes.ServiceDeploymentStatusRollbackInProgress, CreatedAt: aws.Time(now.Add(-10 * time.Minute)),
			Rollback: &ecstypes.Rollback{Reason: aws.String("Service deployment rolled back because of CloudWatch alarms")},
			Alarms:   &ecstypes.ServiceDeploymentAlarms{TriggeredAlarmNames: []string{"prod-p99"}},
		},
		{ServiceDeploymentArn: arn("ancient"), Status: ecstypes.ServiceDeploymentStatusStopped, CreatedAt: aws.Time(now.Add(-30 * 24 * time.Hour))},
	}
	got, err := w.send(context.Background(), "r1", ecsEvent("ecs-svc/123", "SERVICE_DEPLOYMENT_FAILED", "ECS deployment circuit breaker: task failed to start."))
	if err != nil || got.Key != "of-EZe5RNVLH6PPzHXINuP28" || len(w.sns.Messages) != 1 {
		t.Fatalf("%+v, %v", got, err)
	}
	w.check(w.sns.Messages[0].Body, "WHY   Most likely: The alarm went off: prod-p99, prod-5xx.", "NOW   ECS is bringing the old version back.",
		"ECS says: Service deployment rolled back because of CloudWatch alarms", "ECS says: ECS deployment circuit breaker: task failed to start.")
	// ECS tells of the same failure under another short ID.
	if got, err := w.send(context.Background(), "r2", ecsEvent("ecs-svc/456", "SERVICE_DEPLOYMENT_FAILED", "")); err != nil || got.Outcome != "duplicate" || len(w.sns.Messages) != 1 {
		t.Errorf("%+v, %v, %d messages", got, err, len(w.sns.Messages))
	}
}

func TestEventsThatNeedNothing(t *testing.T) {
	for sentence, c := range map[string]struct {
		event string
		kind  decide.IgnoredKind
	}{
		"no JSON":                            {`{`, decide.Malformed},
		"a list":                             {`[]`, decide.Malformed},
		"nothing":                            {`null`, decide.Malformed},
		"no detail":                          {`{"source": "aws.codedeploy", "detail-type": "CodeDeploy Deployment State-change Notification"}`, decide.Malformed},
		"a detail that is text":              {`{"source": "aws.codedeploy", "detail-type": "CodeDeploy Deployment State-change Notification", "detail": "x"}`, decide.Malformed},
		"another service's event":            {`{"source": "aws.ec2", "detail-type": "EC2 Instance State-change Notification", "detail": {"state": "stopped"}}`, decide.Unknown},
		"another type of event":              {`{"source": "aws.codedeploy", "detail-type": "CodeDeploy Instance State-change Notification", "detail": {"state": "FAILURE"}}`, decide.Unknown},
		"a state that nobody knows":          {codeDeployEvent("d-1", "ROLLBACK"), decide.Unknown},
		"no state":                           {codeDeployEvent("d-1", ""), decide.Unknown},
		"a deployment that starts":           {codeDeployEvent("d-1", "START"), decide.Harmless},
		"a deployment that is ready":         {codeDeployEvent("d-1", "READY"), decide.Harmless},
		"a deployment that succeeds":         {codeDeployEvent("d-1", "SUCCESS"), decide.Harmless},
		"another application's deployment":   {strings.Replace(codeDeployEvent("d-1", "FAILURE"), `"application": "slipway-prod"`, `"application": "x"`, 1), decide.Other},
		"another group's deployment":         {strings.Replace(codeDeployEvent("d-1", "FAILURE"), `"deploymentGroup": "prod"`, `"deploymentGroup": "x"`, 1), decide.Other},
		"ECS at work":                        {ecsEvent("x", "SERVICE_DEPLOYMENT_IN_PROGRESS", ""), decide.Harmless},
		"ECS is done":                        {ecsEvent("x", "SERVICE_DEPLOYMENT_COMPLETED", ""), decide.Harmless},
		"another ECS service, alike in name": {strings.ReplaceAll(ecsEvent("x", "SERVICE_DEPLOYMENT_FAILED", ""), service, service+"-2"), decide.Other},
	} {
		w := newWorld(t)
		got, err := w.send(context.Background(), "r1", c.event)
		if err != nil || got.Outcome != "ignored" || got.Kind != c.kind || got.Why == "" || w.cloud.TotalCalls() != 0 {
			t.Errorf("%s: %+v, %v, %d calls", sentence, got, err, w.cloud.TotalCalls())
		}
	}
}

func TestEverythingInAnEventIsOptional(t *testing.T) {
	for sentence, event := range map[string]string{
		"CodeDeploy, only the state": `{"source": "aws.codedeploy", "detail-type": "CodeDeploy Deployment State-change Notification", "detail": {"state": "FAILURE"}}`,
		"ECS, only the name":         `{"source": "aws.ecs", "detail-type": "ECS Deployment State Change", "detail": {"eventName": "SERVICE_DEPLOYMENT_FAILED"}}`,
		"a time that is none":        `{"time": "yesterday", "resources": [], "source": "aws.ecs", "detail-type": "ECS Deployment State Change", "detail": {"eventName": "SERVICE_DEPLOYMENT_FAILED"}}`,
	} {
		w := newWorld(t)
		got, err := w.send(context.Background(), "r1", event)
		if err != nil || got.Outcome != "told" || len(w.sns.Messages) != 1 {
			t.Errorf("%s: %+v, %v", sentence, got, err)
			continue
		}
		w.check(w.sns.Messages[0].Body, "What could not be read\n- the deployment: ", "see which version answers")
	}
}

// Each reading call fails for good once; the message goes out all the same and says what is missing.
func TestPartThatCannotBeReadDoesNotStopTheMessage(t *testing.T) {
	for action, what := range map[string]string{
		"codedeploy:GetDeployment":                  "the deployment: ",
		"codedeploy:ListDeploymentTargets":          "the deployment: its lifecycle events: ",
		"codedeploy:BatchGetDeploymentTargets":      "the deployment: its lifecycle events: ",
		"ecs:DescribeServices":                      "the service: ",
		"ecs:ListTasks":                             "the stopped tasks: ",
		"ecs:DescribeTasks":                         "the stopped tasks: ",
		"logs:GetLogEvents":                         "the stopped tasks: the log of task " + taskID,
		"elasticloadbalancing:DescribeTargetHealth": "the targets: of prod-green: ",
		"cloudwatch:DescribeAlarms":                 "the alarms: ",
		"ssm:PutParameter":                          "whether this message was sent before: ",
	} {
		t.Run(action, func(t *testing.T) {
			w := newWorld(t)
			w.cloud.Fail(action, fakeaws.Denied())
			got, err := w.send(context.Background(), "r1", codeDeployEvent(w.id, "FAILURE"))
			if err != nil || got.Outcome != "told" || len(w.sns.Messages) != 1 {
				t.Fatalf("%+v, %v", got, err)
			}
			w.check(w.sns.Messages[0].Body, "What could not be read\n- "+what, "AccessDenied")
		})
	}
	t.Run("everything at once", func(t *testing.T) {
		w := newWorld(t)
		for _, action := range []string{"codedeploy:GetDeployment", "ecs:DescribeServices", "ecs:ListTasks", "elasticloadbalancing:DescribeTargetHealth", "cloudwatch:DescribeAlarms", "ssm:PutParameter"} {
			w.cloud.Fail(action, fakeaws.Denied())
		}
		if got, err := w.send(context.Background(), "r1", codeDeployEvent(w.id, "FAILURE")); err != nil || got.Outcome != "told" {
			t.Fatalf("%+v, %v", got, err)
		}
		w.check(w.sns.Messages[0].Body, "The deployment "+w.id, "Nothing that could be read says why")
	})
	t.Run("throttled, then well", func(t *testing.T) {
		w := newWorld(t)
		for _, action := range []string{"codedeploy:GetDeployment", "ecs:DescribeServices", "ecs:ListTasks", "ssm:PutParameter", "sns:Publish"} {
			w.cloud.Fail(action, fakeaws.Throttled(), fakeaws.Internal())
		}
		if _, err := w.send(context.Background(), "r1", codeDeployEvent(w.id, "FAILURE")); err != nil || strings.Contains(w.sns.Messages[0].Body, "could not be read") {
			t.Errorf("%v, %v", err, w.sns.Messages)
		}
	})
}

func TestReadingThatPanicsOrHangsDoesNotStopTheMessage(t *testing.T) {
	for sentence, c := range map[string]struct {
		before func(string)
		says   string
	}{
		"a panic": {func(action string) {
			if action == "ecs:ListTasks" {
				panic("boom")
			}
		}, "the stopped tasks: the function panicked"},
		"a call that hangs": {func(action string) {
			if action == "ecs:ListTasks" {
				time.Sleep(time.Hour)
			}
		}, "the rest: the function ran out of time"},
	} {
		t.Run(sentence, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.cloud.Before = c.before
				ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
				defer cancel()
				start := time.Now()
				got, err := w.send(ctx, "r1", codeDeployEvent(w.id, "FAILURE"))
				if err != nil || got.Outcome != "told" || time.Since(start) >= time.Minute {
					t.Fatalf("%+v, %v after %v", got, err, time.Since(start))
				}
				w.check(w.sns.Messages[0].Body, c.says, "failed its tests", "- prod-5xx")
				time.Sleep(2 * time.Hour)
			})
		})
	}
}

func TestOneFailureIsToldOnce(t *testing.T) {
	broken := errors.New("connection reset by peer")
	for sentence, c := range map[string]struct {
		steps    func(w *world) []error
		messages int
	}{
		"the same event twice": {func(w *world) []error {
			_, a := w.send(context.Background(), "r1", codeDeployEvent(w.id, "FAILURE"))
			_, b := w.send(context.Background(), "r2", codeDeployEvent(w.id, "FAILURE"))
			return []error{a, b}
		}, 1},
		"two states of one deployment": {func(w *world) []error {
			_, a := w.send(context.Background(), "r1", codeDeployEvent(w.id, "FAILURE"))
			_, b := w.send(context.Background(), "r2", codeDeployEvent(w.id, "STOP"))
			return []error{a, b}
		}, 1},
		"another delivery while the first is at work": {func(w *world) []error {
			var second error
			w.cloud.Before = func(action string) {
				if action == "sns:Publish" {
					w.cloud.Before = nil
					_, second = w.send(context.Background(), "r2", codeDeployEvent(w.id, "FAILURE"))
				}
			}
			_, first := w.send(context.Background(), "r1", codeDeployEvent(w.id, "FAILURE"))
			return []error{first, second}
		}, 1},
		"the confirmation of the record gets lost": {func(w *world) []error {
			w.cloud.Fail("ssm:PutParameter", nil, broken) // the second write fails for good
			_, a := w.send(context.Background(), "r1", codeDeployEvent(w.id, "FAILURE"))
			_, b := w.send(context.Background(), "r2", codeDeployEvent(w.id, "FAILURE"))
			return []error{a, b}
		}, 1},
		"the rollback fails, too: that is news": {func(w *world) []error {
			_, a := w.send(context.Background(), "r1", codeDeployEvent(w.id, "FAILURE"))
			back := w.codeDeploy.RollBack(w.id, "")
			_, b := w.send(context.Background(), "r2", codeDeployEvent(back, "FAILURE"))
			if len(w.sns.Messages) == 2 {
				w.check(w.sns.Messages[1].Body, "The rollback "+back, "This was the rollback of "+w.id, "act now")
			}
			return []error{a, b}
		}, 2},
		"the record can't be read: twice is better than never": {func(w *world) []error {
			_, a := w.send(context.Background(), "r1", codeDeployEvent(w.id, "FAILURE"))
			w.cloud.Fail("ssm:GetParameter", fakeaws.Denied())
			_, b := w.send(context.Background(), "r2", codeDeployEvent(w.id, "FAILURE"))
			return []error{a, b}
		}, 2},
		"the record is something else": {func(w *world) []error {
			w.ssm.Parameters["/slipway/prod/rollbacks/of-"+w.id] = "hello"
			_, a := w.send(context.Background(), "r1", codeDeployEvent(w.id, "FAILURE"))
			return []error{a}
		}, 1},
	} {
		t.Run(sentence, func(t *testing.T) {
			w := newWorld(t)
			if err := errors.Join(c.steps(w)...); err != nil {
				t.Error(err)
			}
			if len(w.sns.Messages) != c.messages {
				t.Errorf("%d messages, want %d", len(w.sns.Messages), c.messages)
			}
		})
	}
}

func TestMessageThatCannotBeSentIsTriedAgain(t *testing.T) {
	w := newWorld(t)
	w.cloud.Fail("sns:Publish", fakeaws.Denied())
	if _, err := w.send(context.Background(), "r1", codeDeployEvent(w.id, "FAILURE")); err == nil {
		t.Error("Lambda must try again")
	}
	if got, err := w.send(context.Background(), "r2", codeDeployEvent(w.id, "FAILURE")); err != nil || got.Outcome != "duplicate" {
		t.Errorf("another delivery leaves it to the first one: %+v, %v", got, err)
	}
	// Lambda tries again under the same request ID.
	if got, err := w.send(context.Background(), "r1", codeDeployEvent(w.id, "FAILURE")); err != nil || got.Outcome != "told" || len(w.sns.Messages) != 1 {
		t.Errorf("%+v, %v", got, err)
	}

	w = newWorld(t)
	w.cloud.Fail("sns:Publish", fakeaws.Denied())
	_, _ = w.send(context.Background(), "r1", codeDeployEvent(w.id, "FAILURE"))
	w.now = now.Add(16 * time.Minute)
	if got, err := w.send(context.Background(), "r2", codeDeployEvent(w.id, "FAILURE")); err != nil || got.Outcome != "told" {
		t.Errorf("nobody sends it for a quarter of an hour: another takes over; %+v, %v", got, err)
	}
}

func TestManyStoppedTasks(t *testing.T) {
	w := newWorld(t)
	w.failures.Tasks = nil
	for i := range 250 {
		code := "ServiceSchedulerInitiated"
		if i == 77 {
			code = "EssentialContainerExited"
		}
		w.failures.Tasks = append(w.failures.Tasks, w.task(fmt.Sprint("t", i), code, aws.Int32(137)))
	}
	if _, err := w.send(context.Background(), "r1", codeDeployEvent(w.id, "FAILURE")); err != nil {
		t.Fatal(err)
	}
	w.check(w.sns.Messages[0].Body, "Stopped tasks, of the last hour\n- t77 of prod:7", "killed, most likely for want of memory")
	if strings.Contains(w.sns.Messages[0].Body, "could not be read") {
		t.Error("a task without a log is no problem")
	}
}

func TestListOfActionsIsExact(t *testing.T) {
	w := newWorld(t)
	w.failures.Deployments = []ecstypes.ServiceDeployment{{
		ServiceDeploymentArn: aws.String("arn:x/y/1"), Status: ecstypes.ServiceDeploymentStatusRollbackFailed, CreatedAt: aws.Time(now.Add(-time.Hour)),
	}}
	for i, event := range []string{codeDeployEvent(w.id, "FAILURE"), codeDeployEvent(w.id, "FAILURE"), ecsEvent("x", "SERVICE_DEPLOYMENT_FAILED", "")} {
		if _, err := w.send(context.Background(), fmt.Sprint(i), event); err != nil {
			t.Fatal(err)
		}
	}
	fakeaws.CheckActions(t, "testdata/actions.txt", w.cloud.Actions())
}

func TestSettings(t *testing.T) {
	_, err := readSettings(func(string) string { return "" })
	for _, part := range []string{"SLIPWAY_PLATFORM", "SLIPWAY_STAGE", `SLIPWAY_TOPIC_ARN is ""; give it one that begins with arn:`, "SLIPWAY_ROLLBACK_RESPONDER"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%v doesn't say %q", err, part)
		}
	}
}
