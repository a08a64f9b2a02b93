package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	cfntypes "github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"slipway/internal/contract"
	"slipway/internal/qalease"
	"slipway/lambdas/internal/fakeaws"
	"slipway/lambdas/qapreview/gather"
)

const cluster = "qa-cluster"

var start = time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC)

type world struct {
	t      *testing.T
	cloud  *fakeaws.Cloud
	ecs    *fakeaws.ECS
	stacks *fakeaws.CloudFormation
	now    time.Time
	h      handler
}

func newWorld(t *testing.T) *world {
	c := fakeaws.New()
	w := &world{t: t, cloud: c, ecs: fakeaws.NewECS(c, cluster), stacks: fakeaws.NewCloudFormation(c), now: start}
	clock := func() time.Time { return w.now }
	w.h = handler{
		reader: &gather.Reader{
			ECS: ecs.NewFromConfig(c.Config()), Stacks: cloudformation.NewFromConfig(c.Config()), Cluster: cluster, Now: clock, Log: slog.New(slog.DiscardHandler),
			Settings: qalease.Settings{Platform: "slipway", Domain: "example.com"},
		},
		platform: "slipway", now: clock, log: slog.New(slog.DiscardHandler),
	}
	t.Cleanup(func() {
		c.CheckNoMistakes(t)
		fakeaws.CheckListed(t, "testdata/actions.txt", c.Actions())
	})
	return w
}

func (w *world) ask(method, path string) events.ALBTargetGroupResponse {
	w.t.Helper()
	out, err := w.h.handle(w.t.Context(), events.ALBTargetGroupRequest{HTTPMethod: method, Path: path})
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

// environment adds a branch's service, with a lease of two days.
func (w *world) environment(branch string) string {
	w.t.Helper()
	slug, err := contract.Slug(branch)
	if err != nil {
		w.t.Fatal(err)
	}
	w.ecs.Add(fakeaws.Service{Name: slug, Created: start.Add(-time.Hour), Running: 1, Tags: map[string]string{
		contract.TagEnvironment: slug, contract.TagBranch: branch, contract.TagOwner: "sam@example.com", contract.TagExpires: contract.FormatExpiry(start.Add(48 * time.Hour)),
	}})
	return slug
}

func TestTheListOfEnvironments(t *testing.T) {
	w := newWorld(t)
	one := w.environment("feature/one")
	w.stacks.Add("slipway-qa-env-broken-0123abcd", cfntypes.StackStatusRollbackComplete, start)
	w.stacks.Add("slipway-prod-service", cfntypes.StackStatusUpdateComplete, start)
	got := w.ask("GET", "/")
	if got.StatusCode != http.StatusOK || got.StatusDescription != "200 OK" || got.IsBase64Encoded || got.Headers["Content-Type"] != "text/html; charset=utf-8" ||
		got.Headers["Cache-Control"] != "no-store" || !strings.HasPrefix(got.Headers["Content-Security-Policy"], "default-src 'none'; style-src 'sha256-") {
		t.Errorf("%d %s %v", got.StatusCode, got.StatusDescription, got.Headers)
	}
	for _, part := range []string{"https://" + one + ".qa.example.com", "feature/one", "sam@example.com", "2d 0h", "broken-0123abcd", "ROLLBACK_COMPLETE"} {
		if !strings.Contains(got.Body, part) {
			t.Errorf("%s isn't in %s", part, got.Body)
		}
	}
	if strings.Contains(got.Body, "slipway-prod") {
		t.Error("the page shows what is no environment")
	}
}

func TestRequests(t *testing.T) {
	for sentence, c := range map[string]struct {
		method, path string
		status       int
		body         string
	}{
		"a head has no body":        {"HEAD", "/", 200, ""},
		"a post is refused":         {"POST", "/", 405, "only be read"},
		"another address is empty":  {"GET", "/admin", 404, "nothing at this address"},
		"a path of dots is another": {"GET", "/..", 404, "nothing at this address"},
	} {
		w := newWorld(t)
		if got := w.ask(c.method, c.path); got.StatusCode != c.status || c.body == "" && got.Body != "" || !strings.Contains(got.Body, c.body) {
			t.Errorf("%s: %d %q", sentence, got.StatusCode, got.Body)
		}
	}
}

// TestReloadingDoesNotUseUpTheAccountsCalls asks a hundred times in a few seconds.
func TestReloadingDoesNotUseUpTheAccountsCalls(t *testing.T) {
	w := newWorld(t)
	w.environment("one")
	for range 100 {
		w.ask("GET", "/")
		w.now = w.now.Add(100 * time.Millisecond)
	}
	if got := w.cloud.TotalCalls(); got != 3 {
		t.Errorf("%d calls", got)
	}
	w.environment("two")
	w.now = w.now.Add(gather.Fresh)
	if got := w.ask("GET", "/"); !strings.Contains(got.Body, "2 QA environments") || w.cloud.TotalCalls() != 6 {
		t.Errorf("after %d calls: %s", w.cloud.TotalCalls(), got.Body)
	}
}

func TestWhatAWSRefuses(t *testing.T) {
	for sentence, c := range map[string]struct {
		fail func(*world)
		then string // after a list was read before
	}{
		"the services": {func(w *world) { w.cloud.Fail("ecs:ListServices", fakeaws.Denied()) }, "this is an older list"},
		"the stacks":   {func(w *world) { w.cloud.Fail("cloudformation:ListStacks", fakeaws.Denied()) }, "this is an older list"},
		"one batch of services": {
			func(w *world) { w.cloud.Fail("ecs:DescribeServices", errors.New("no")) }, "unreadable",
		},
		"one service, with HTTP 200": {func(w *world) {
			fakeaws.On(w.cloud, "ECS", func(in *ecs.DescribeServicesInput) (*ecs.DescribeServicesOutput, error) {
				return &ecs.DescribeServicesOutput{Failures: []ecstypes.Failure{{Arn: &in.Services[0], Reason: new("ACCESS_DENIED")}}}, nil
			})
		}, "ACCESS_DENIED"},
	} {
		t.Run(sentence, func(t *testing.T) {
			w := newWorld(t)
			w.environment("one")
			w.ask("GET", "/")
			w.now = w.now.Add(time.Hour)
			c.fail(w)
			if got := w.ask("GET", "/"); got.StatusCode != http.StatusOK || !strings.Contains(got.Body, c.then) {
				t.Errorf("%d %s", got.StatusCode, got.Body)
			}
		})
	}
	w := newWorld(t)
	w.cloud.Fail("ecs:ListServices", fakeaws.Denied())
	if got := w.ask("GET", "/"); got.StatusCode != http.StatusServiceUnavailable || strings.Contains(got.Body, "AccessDenied") {
		t.Errorf("without any list: %d %s", got.StatusCode, got.Body)
	}
}

func TestAWSThatHangsIsGivenUpInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.cloud.Before = func(string) { time.Sleep(9 * time.Second) }
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		began := time.Now()
		out, err := w.h.handle(ctx, events.ALBTargetGroupRequest{HTTPMethod: "GET", Path: "/"})
		if took := time.Since(began); err != nil || out.StatusCode != http.StatusServiceUnavailable || took > 13*time.Second {
			t.Errorf("%d after %s, %v", out.StatusCode, took, err)
		}
	})
}

func TestListOfActionsIsExact(t *testing.T) {
	w := newWorld(t)
	w.environment("one")
	w.ask("GET", "/")
	fakeaws.CheckActions(t, "testdata/actions.txt", w.cloud.Actions())
}

func TestSettings(t *testing.T) {
	for sentence, c := range map[string]struct{ list, cluster, fault string }{
		"what the stack sends": {`{"platform":"slipway","domain":"example.com"}`, "qa-cluster", ""},
		"no JSON":              {`x`, "qa-cluster", "SLIPWAY_QA_LIST can't be read"},
		"no domain":            {`{"platform":"slipway"}`, "qa-cluster", "lacks platform or domain"},
		"all faults at once":   {``, "", "SLIPWAY_QA_CLUSTER is empty"},
	} {
		settings, got, err := readSettings(func(key string) string {
			return map[string]string{contract.EnvList: c.list, contract.EnvCluster: c.cluster}[key]
		})
		if (err != nil) != (c.fault != "") || err != nil && !strings.Contains(err.Error(), c.fault) {
			t.Errorf("%s: %v", sentence, err)
		}
		if err == nil && fmt.Sprint(settings.Platform, settings.Domain, got) != "slipwayexample.comqa-cluster" {
			t.Errorf("%s: %+v", sentence, settings)
		}
	}
}
