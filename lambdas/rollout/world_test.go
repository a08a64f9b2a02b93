package main

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/codedeploy"
	cdtypes "github.com/aws/aws-sdk-go-v2/service/codedeploy/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"

	"slipway/internal/contract"
	"slipway/lambdas/internal/fakeaws"
	"slipway/lambdas/rollout/apply"
	"slipway/lambdas/rollout/decide"
)

const (
	cluster, service, application, group = "prod-cluster", "simple-flask-app", "slipway-prod", "slipway-prod-service"

	family = "arn:aws:ecs:eu-west-1:111111111111:task-definition/simple-flask-app:"
	blue   = family + "41"
	green  = family + "42"
	hook   = "arn:aws:lambda:eu-west-1:111111111111:function:slipway-prod-hook"
	stack  = "arn:aws:cloudformation:eu-west-1:111111111111:stack/slipway-prod-service/6b1f8a40-0001-11f0-8de9-0242ac120002"
	url    = "https://cloudformation-custom-resource-response-euwest1.s3.eu-west-1.amazonaws.com/secret-signature"
	id     = "slipway-prod-service/Rollout"

	timeout = 45 * time.Minute
)

var noon = time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)

// world is an account whose service runs blue, with both handlers of the rollout.
type world struct {
	t       *testing.T
	cloud   *fakeaws.Cloud
	deploys *fakeaws.CodeDeploy
	ecs     *fakeaws.ECS
	service string
	now     time.Time
	log     bytes.Buffer
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, cloud: fakeaws.New(), now: noon}
	w.deploys = fakeaws.NewCodeDeploy(w.cloud, application, group, cluster, service, func() time.Time { return w.now })
	w.ecs = fakeaws.NewECS(w.cloud, cluster)
	w.service = w.ecs.AddBlueGreen(service, blue)
	t.Cleanup(func() {
		w.cloud.CheckNoMistakes(t)
		fakeaws.CheckListed(t, "testdata/actions.txt", w.cloud.Actions())
		if strings.Contains(w.log.String(), "secret-signature") {
			t.Error("the log shows CloudFormation's signed URL")
		}
	})
	return w
}

// wait lets time pass.
func (w *world) wait(d time.Duration) { w.now = w.now.Add(d) }

// request is one request of CloudFormation on its way through the provider framework.
type request struct {
	w     *world
	event map[string]any
	poll  map[string]any // what isComplete gets: the event and onEvent's answer
}

// request makes a request for a revision. The IDs of two requests differ.
func (w *world) request(kind, requestID, taskDefinition string, change map[string]any) *request {
	properties := map[string]any{
		"ServiceToken": "arn:aws:lambda:eu-west-1:111111111111:function:framework", "Cluster": cluster, "Service": service,
		"TaskDefinition": taskDefinition, "Application": application, "DeploymentGroup": group, "ContainerName": "app",
		"ContainerPort": "8080", "TimeoutMinutes": "45", "AfterAllowTestTrafficHook": hook,
	}
	maps.Copy(properties, change)
	event := map[string]any{
		"RequestType": kind, "RequestId": requestID, "ResponseURL": url, "StackId": stack, "LogicalResourceId": "Rollout",
		"ResourceType": "Custom::Rollout", "ResourceProperties": properties,
	}
	if kind != create {
		event["PhysicalResourceId"] = id
	}
	return &request{w: w, event: event}
}

func (w *world) update(taskDefinition string) *request {
	return w.request(update, "r-1", taskDefinition, nil)
}

func (w *world) invoke(ctx context.Context, name string, event map[string]any) (map[string]any, error) {
	w.t.Helper()
	cfg := w.cloud.Config()
	now := func() time.Time { return w.now }
	log := slog.New(slog.NewJSONHandler(&w.log, nil))
	h := handler{
		roller: apply.Roller{CodeDeploy: codedeploy.NewFromConfig(cfg), ECS: ecs.NewFromConfig(cfg), Region: cfg.Region, Now: now},
		log:    log, now: now,
	}
	chosen, err := h.choose(name)
	if err != nil {
		w.t.Fatal(err)
	}
	raw, err := json.Marshal(event)
	if err != nil {
		w.t.Fatal(err)
	}
	var out any
	switch handle := chosen.(type) {
	case func(context.Context, json.RawMessage) (started, error):
		out, err = handle(ctx, raw)
	case func(context.Context, json.RawMessage) (completion, error):
		out, err = handle(ctx, raw)
	default:
		w.t.Fatalf("a handler of type %T", chosen)
	}
	body, marshalErr := json.Marshal(out)
	if marshalErr != nil {
		w.t.Fatal(marshalErr)
	}
	answer := map[string]any{}
	if err := json.Unmarshal(body, &answer); err != nil {
		w.t.Fatal(err)
	}
	return answer, err
}

// begin sends the event to onEvent, and remembers what the framework passes on.
func (r *request) begin() error {
	r.w.t.Helper()
	answer, err := r.w.invoke(context.Background(), contract.RolloutOnEvent, r.event)
	if err != nil {
		return err
	}
	if answer["PhysicalResourceId"] != id {
		r.w.t.Errorf("the physical ID is %v, want %s for the resource's whole life", answer["PhysicalResourceId"], id)
	}
	if _, ok := answer["Data"]; ok {
		r.w.t.Error("onEvent returns attributes, which a failure would return as well")
	}
	r.poll = maps.Clone(r.event)
	maps.Copy(r.poll, answer)
	return nil
}

func (r *request) mustBegin() *request {
	r.w.t.Helper()
	if err := r.begin(); err != nil {
		r.w.t.Fatal(err)
	}
	return r
}

// look polls isComplete once, and checks the framework's rule that only the end has data.
func (r *request) look() (done bool, data map[string]any, err error) {
	r.w.t.Helper()
	answer, err := r.w.invoke(context.Background(), contract.RolloutIsComplete, r.poll)
	if err != nil {
		return false, nil, err
	}
	done = answer["IsComplete"] == true
	data, _ = answer["Data"].(map[string]any)
	if _, has := answer["Data"]; has && !done {
		r.w.t.Error("Data before the end, which the framework refuses")
	}
	return done, data, nil
}

// waits polls and wants the rollout to go on.
func (r *request) waits() {
	r.w.t.Helper()
	if done, _, err := r.look(); done || err != nil {
		r.w.t.Fatalf("done %v, error %v; want it to go on", done, err)
	}
}

// succeeds polls and wants the end, with the deployment's ID.
func (r *request) succeeds(deployment string) {
	r.w.t.Helper()
	properties := r.event["ResourceProperties"].(map[string]any)
	done, data, err := r.look()
	if !done || err != nil {
		r.w.t.Fatalf("done %v, error %v; want success", done, err)
	}
	want := map[string]any{"DeploymentId": deployment, "TaskDefinition": properties["TaskDefinition"]}
	if !maps.Equal(data, want) {
		r.w.t.Errorf("got %v, want %v", data, want)
	}
}

// fails polls and wants a failure that says all the parts.
func (r *request) fails(parts ...string) {
	r.w.t.Helper()
	done, _, err := r.look()
	if done || err == nil {
		r.w.t.Fatalf("done %v, error %v; want a failure", done, err)
	}
	contains(r.w.t, err, parts...)
}

func contains(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q isn't in %q", part, err)
		}
	}
}

// deployments is how many there are.
func (w *world) deployments(want int) {
	w.t.Helper()
	if got := len(w.deploys.Deployments); got != want {
		w.t.Errorf("%d deployments, want %d", got, want)
	}
}

func (w *world) stops(want ...string) {
	w.t.Helper()
	if strings.Join(w.deploys.Stops, "\n") != strings.Join(want, "\n") {
		w.t.Errorf("stopped %q, want %q", w.deploys.Stops, want)
	}
}

func (w *world) last() string { return *w.deploys.Last().Info.DeploymentId }

// started is the revision that the last deployment deploys.
func (w *world) started(taskDefinition string) {
	w.t.Helper()
	if d := w.deploys.Last(); d == nil || !strings.Contains(d.Content, `"`+taskDefinition+`"`) {
		w.t.Errorf("the last deployment doesn't deploy %s", taskDefinition)
	}
}

// finish lets a deployment succeed with the revision.
func (w *world) finish(id, taskDefinition string) {
	w.ecs.Serve(w.service, taskDefinition)
	w.deploys.End(id, cdtypes.DeploymentStatusSucceeded, "", "")
}

// content is the AppSpec of a revision, as the world's requests describe it.
func content(t *testing.T, taskDefinition string) string {
	t.Helper()
	spec, err := decide.BuildAppSpec(decide.Wish{
		TaskDefinition: taskDefinition, ContainerName: "app", ContainerPort: 8080, Hooks: map[string]string{"AfterAllowTestTraffic": hook},
	})
	if err != nil {
		t.Fatal(err)
	}
	return spec.Content
}

// byHand is a deployment that a person starts, of the revision but without hooks.
func (w *world) byHand(taskDefinition string) string {
	id := w.deploys.Add("", strings.Replace(content(w.t, taskDefinition), hook, hook+"-2", 1), cdtypes.DeploymentCreatorUser)
	w.deploys.Deployment(id).Info.Status = cdtypes.DeploymentStatusInProgress
	return id
}
