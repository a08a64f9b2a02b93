package main

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	cdtypes "github.com/aws/aws-sdk-go-v2/service/codedeploy/types"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"slipway/internal/contract"
	"slipway/lambdas/internal/fakeaws"
)

func repeat(err error, n int) (errs []error) {
	for range n {
		errs = append(errs, err)
	}
	return errs
}

func TestPassingFaults(t *testing.T) {
	lost := &smithyhttp.RequestSendError{Err: errors.New("connection reset by peer")}
	for _, action := range []string{"codedeploy:ListDeployments", "codedeploy:GetDeployment", "codedeploy:CreateDeployment", "ecs:DescribeServices"} {
		for name, err := range map[string]error{"throttled": fakeaws.Throttled(), "broken": fakeaws.Internal(), "connection lost": lost} {
			t.Run(action+" "+name, func(t *testing.T) {
				w := newWorld(t)
				ended := w.byHand(family + "40") // something to get
				w.finish(ended, blue)
				w.cloud.Fail(action, repeat(err, 5)...) // as often as the client tries
				r := w.update(green).mustBegin()
				w.deployments(1)
				w.cloud.Fail(action, repeat(err, 5)...)
				r.waits()
				r.waits()
				w.deployments(2)
				w.finish(w.last(), green)
				r.succeeds(w.last())
			})
		}
		t.Run(action+" until the end", func(t *testing.T) {
			if action == "codedeploy:CreateDeployment" {
				t.Skip("never called after the time-out")
			}
			w := newWorld(t)
			w.finish(w.byHand(family+"40"), blue)
			r := w.update(green).mustBegin()
			w.now = noon.Add(timeout + 8*time.Minute)
			w.cloud.Fail(action, repeat(fakeaws.Throttled(), 5)...)
			r.fails("roll out simple-flask-app:42: AWS still didn't answer", "ThrottlingException", "deploy again")
		})
	}
	t.Run("a stop that is throttled is repeated", func(t *testing.T) {
		w := newWorld(t)
		r := w.update(green).mustBegin()
		w.now = noon.Add(timeout)
		w.cloud.Fail("codedeploy:StopDeployment", repeat(fakeaws.Throttled(), 5)...)
		r.waits()
		w.stops()
		r.waits()
		w.stops(w.last() + " rollback=true")
	})
	t.Run("the function's time is over", func(t *testing.T) {
		w := newWorld(t)
		r := w.update(green).mustBegin()
		before := w.cloud.TotalCalls()
		ctx, cancel := context.WithTimeout(context.Background(), margin/2)
		defer cancel()
		if answer, err := w.invoke(ctx, contract.RolloutIsComplete, r.poll); err != nil || answer["IsComplete"] != false {
			t.Errorf("got %v, %v", answer, err)
		}
		if w.cloud.TotalCalls() != before {
			t.Error("calls were made in the time that is for the answer")
		}
	})
	t.Run("the function is cut off in the middle", func(t *testing.T) {
		w := newWorld(t)
		r := w.update(green).mustBegin()
		ctx, cancel := context.WithCancel(context.Background())
		w.cloud.Before = func(string) { cancel() }
		if answer, err := w.invoke(ctx, contract.RolloutIsComplete, r.poll); err != nil || answer["IsComplete"] != false {
			t.Errorf("got %v, %v", answer, err)
		}
	})
	t.Run("a listed deployment that isn't found is no reason to start another", func(t *testing.T) {
		w := newWorld(t)
		r := w.update(green).mustBegin()
		w.deploys.End(w.last(), cdtypes.DeploymentStatusFailed, cdtypes.ErrorCodeTimeout, "x")
		w.cloud.Fail("codedeploy:GetDeployment", &cdtypes.DeploymentDoesNotExistException{})
		r.waits()
		w.deployments(1)
	})
	t.Run("no primary task set for a moment", func(t *testing.T) {
		w := newWorld(t)
		w.ecs.Service(w.service).TaskSets[0].Status = aws.String("ACTIVE")
		r := w.update(green).mustBegin()
		w.deployments(0)
		w.ecs.Serve(w.service, blue)
		r.waits()
		w.deployments(1)
	})
}

func TestFinalFaults(t *testing.T) {
	for sentence, c := range map[string]struct {
		change  map[string]any
		prepare func(*world)
		parts   []string
	}{
		"no such application":      {change: map[string]any{"Application": "x"}, parts: []string{"list the deployments", "No application found for name: x", "deploy the stack"}},
		"no such deployment group": {change: map[string]any{"DeploymentGroup": "x"}, parts: []string{"No Deployment Group found", "deploy the stack"}},
		"no such configuration": {
			change: map[string]any{"DeploymentConfigName": "x"}, parts: []string{"start the deployment of simple-flask-app:42", "No deployment configuration found", "deploy the stack"},
		},
		"CodeDeploy refuses the revision": {
			prepare: func(w *world) {
				w.cloud.Fail("codedeploy:CreateDeployment", &cdtypes.InvalidRevisionException{Message: aws.String("bad")})
			},
			parts: []string{"start the deployment of simple-flask-app:42 with deployment group " + group, "InvalidRevision"},
		},
		"IAM refuses the start": {
			prepare: func(w *world) { w.cloud.Fail("codedeploy:CreateDeployment", fakeaws.Denied()) }, parts: []string{"start the deployment", "AccessDenied"},
		},
		"IAM refuses the list": {
			prepare: func(w *world) { w.cloud.Fail("codedeploy:ListDeployments", fakeaws.Denied()) }, parts: []string{"list the deployments", "AccessDenied"},
		},
		"no such service": {change: map[string]any{"Service": "x"}, parts: []string{"read service x of cluster prod-cluster: MISSING"}},
		"no cluster": {
			prepare: func(w *world) { w.cloud.Fail("ecs:DescribeServices", &ecstypes.ClusterNotFoundException{}) },
			parts:   []string{"ClusterNotFound", "deploy the stack of cluster prod-cluster first"},
		},
		"a service that is being deleted": {
			prepare: func(w *world) { w.ecs.Service(w.service).Status = aws.String("DRAINING") }, parts: []string{"service simple-flask-app of cluster prod-cluster is DRAINING"},
		},
		"a service that became one of ECS's own controller": {
			prepare: func(w *world) { w.ecs.Service(w.service).DeploymentController = nil }, parts: []string{"has the deployment controller ECS", "platform.yaml"},
		},
		"a malformed property": {change: map[string]any{"ContainerPort": "http", "Cluster": ""}, parts: []string{`ContainerPort is "http"`, "Cluster is empty"}},
		"a property that is longer than CloudFormation's answer": {
			change: map[string]any{"TaskDefinition": strings.Repeat("x", 5000)}, parts: []string{`TaskDefinition is "xxx`, "…"},
		},
		"an error that is longer than CloudFormation's answer": {
			prepare: func(w *world) {
				w.cloud.Fail("codedeploy:CreateDeployment", &cdtypes.InvalidRevisionException{Message: aws.String(strings.Repeat("x", 5000))})
			},
			parts: []string{"start the deployment", "…"},
		},
		"a property that's a list": {
			change: map[string]any{"CapacityProvider": []string{"FARGATE"}}, parts: []string{"property CapacityProvider is no string"},
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			w := newWorld(t)
			if c.prepare != nil {
				c.prepare(w)
			}
			err := w.request(create, "r-1", green, c.change).begin()
			contains(t, err, c.parts...)
			if len(err.Error()) > 1800 {
				t.Errorf("%d bytes, too many for CloudFormation", len(err.Error()))
			}
			w.deployments(0)
		})
	}
}

func TestMalformedEvents(t *testing.T) {
	for sentence, c := range map[string]struct {
		handler string
		change  map[string]any
		part    string
	}{
		"another type of request":       {contract.RolloutOnEvent, map[string]any{"RequestType": "Import"}, `RequestType is "Import"`},
		"no request ID":                 {contract.RolloutOnEvent, map[string]any{"RequestId": ""}, "RequestId is missing"},
		"properties that are no object": {contract.RolloutOnEvent, map[string]any{"ResourceProperties": "x"}, "read the provider framework's event"},
		"onEvent's answer is missing":   {contract.RolloutIsComplete, nil, "onEvent and isComplete must be the same version"},
		"onEvent's answer is malformed": {contract.RolloutIsComplete, map[string]any{"RolloutBegan": "noon"}, "read the provider framework's event"},
	} {
		t.Run(sentence, func(t *testing.T) {
			w := newWorld(t)
			r := w.update(green)
			for key, value := range c.change {
				r.event[key] = value
			}
			_, err := w.invoke(context.Background(), c.handler, r.event)
			contains(t, err, c.part)
			if w.cloud.TotalCalls() != 0 {
				t.Error("calls were made")
			}
		})
	}
}

func TestEnvironmentChoosesTheHandler(t *testing.T) {
	for _, name := range []string{"", "onEvent", "is-complete "} {
		_, err := handler{}.choose(name)
		contains(t, err, "SLIPWAY_ROLLOUT_HANDLER is", "give it on-event or is-complete")
	}
}

func TestDeleteCallsNothingAndAlwaysSucceeds(t *testing.T) {
	for sentence, change := range map[string]map[string]any{
		"good properties": nil, "bad ones": {"TaskDefinition": "", "ContainerPort": []int{1}, "Nonsense": "x"},
	} {
		t.Run(sentence, func(t *testing.T) {
			w := newWorld(t)
			w.update(green).mustBegin()
			before := w.cloud.TotalCalls()
			r := w.request(remove, "r-9", blue, change)
			r.event["PhysicalResourceId"] = "any-id"
			answer, err := w.invoke(context.Background(), contract.RolloutOnEvent, r.event)
			if err != nil || answer["PhysicalResourceId"] != "any-id" {
				t.Errorf("got %v, %v", answer, err)
			}
			answer, err = w.invoke(context.Background(), contract.RolloutIsComplete, r.event)
			if err != nil || answer["IsComplete"] != true || w.cloud.TotalCalls() != before {
				t.Errorf("got %v, %v after %d calls", answer, err, w.cloud.TotalCalls()-before)
			}
		})
	}
}
