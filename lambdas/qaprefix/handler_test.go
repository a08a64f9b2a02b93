package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"slipway/internal/contract"
	"slipway/lambdas/internal/customresource"
	"slipway/lambdas/internal/fakeaws"
	"slipway/lambdas/qaprefix/apply"
)

const (
	bucket = "slipway-qa-artifacts"
	slug   = "x-0123abcd"
	prefix = "qa/" + slug + "/"
)

type world struct {
	t       *testing.T
	cloud   *fakeaws.Cloud
	objects *fakeaws.Objects
	answer  struct{ Status, Reason string }
}

func newWorld(t *testing.T) *world {
	c := fakeaws.New()
	w := &world{t: t, cloud: c, objects: fakeaws.NewObjects(c, bucket)}
	t.Cleanup(func() {
		c.CheckNoMistakes(t)
		fakeaws.CheckListed(t, "testdata/actions.txt", c.Actions())
	})
	return w
}

func (w *world) Do(r *http.Request) (*http.Response, error) {
	if err := json.NewDecoder(r.Body).Decode(&w.answer); err != nil {
		w.t.Error(err)
	}
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(""))}, nil
}

func (w *world) handler() handler {
	return handler{cleaner: apply.Cleaner{S3: s3.NewFromConfig(w.cloud.Config()), Bucket: bucket}, platform: "slipway", log: slog.New(slog.DiscardHandler)}
}

func (w *world) send(ctx context.Context, kind, stack string) {
	w.t.Helper()
	raw, err := json.Marshal(map[string]any{
		"RequestType": kind, "RequestId": "1", "ResponseURL": "https://answer", "LogicalResourceId": "Files", "PhysicalResourceId": "x",
		"StackId": fakeaws.StackID(stack), "ResourceProperties": map[string]any{},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.answer.Status, w.answer.Reason = "", ""
	wrapper := customresource.Wrapper{Handler: w.handler().resource, Client: w, Log: slog.New(slog.DiscardHandler)}
	if err := wrapper.Invoke(ctx, raw); err != nil {
		w.t.Fatal(err)
	}
}

// others are keys that must survive whatever happens to the environment.
var others = []string{
	"artifacts/1", "qa/x-0123abcd", "qa/x-0123abcd-2/artifacts/1", "qa/x-0123abcde/1", "qa/y-0123abcd/artifacts/1", "x-0123abcd/1", "qaa/x-0123abcd/1",
}

func TestDeletion(t *testing.T) {
	stack := contract.QAEnvironmentStack("slipway", slug)
	for sentence, c := range map[string]struct {
		kind, stack string
		prepare     func(*world)
		left        int // keys under the prefix
		reason      string
	}{
		"every version and every marker goes":            {kind: "Delete"},
		"small pages make no difference":                 {kind: "Delete", prepare: func(w *world) { w.objects.Page = 2 }},
		"nothing there is nothing to do":                 {kind: "Delete", prepare: func(w *world) { w.objects.Versions = nil; w.objects.Put(others...) }},
		"a creation deletes nothing":                     {kind: "Create", left: 2},
		"an update deletes nothing":                      {kind: "Update", left: 2},
		"a stack that is no environment deletes nothing": {kind: "Delete", stack: "slipway-qa-service", left: 2},
		"and isn't made":                                 {kind: "Create", stack: "slipway-qa-service", left: 2, reason: "is no QA environment"},
		"another platform's environment of the name":     {kind: "Delete", stack: "other-qa-env-" + slug, left: 2},
		"throttled": {kind: "Delete", prepare: func(w *world) {
			w.cloud.Fail("s3:DeleteObjectVersion", fakeaws.Throttled(), fakeaws.Internal())
		}},
		"a task that still writes": {kind: "Delete", prepare: func(w *world) { writeBehind(w, 1) }},
		"something that writes for ever": {
			kind: "Delete", prepare: func(w *world) { writeBehind(w, 1000) }, left: 1, reason: "something still writes there",
		},
		"one object can't be deleted": {
			kind: "Delete", prepare: func(w *world) { w.objects.Failures[prefix+"artifacts/1"] = "AccessDenied" }, left: 1, reason: prefix + "artifacts/1: AccessDenied",
		},
		"a denied listing": {kind: "Delete", prepare: func(w *world) { w.cloud.Fail("s3:ListBucketVersions", fakeaws.Denied()) }, left: 2, reason: "AccessDenied"},
	} {
		t.Run(sentence, func(t *testing.T) {
			w := newWorld(t)
			w.objects.Put(others...)
			w.objects.Put(prefix+"artifacts/1", prefix+"artifacts/1", prefix+"artifacts/2")
			w.objects.Hide(prefix + "artifacts/1")
			if c.prepare != nil {
				c.prepare(w)
			}
			if c.stack == "" {
				c.stack = stack
			}
			w.send(t.Context(), c.kind, c.stack)
			if (w.answer.Status == "SUCCESS") != (c.reason == "") || !strings.Contains(w.answer.Reason, c.reason) {
				t.Errorf("%+v", w.answer)
			}
			var own, rest []string
			for _, key := range w.objects.Keys() {
				if strings.HasPrefix(key, prefix) {
					own = append(own, key)
				} else {
					rest = append(rest, key)
				}
			}
			if want := slices.Sorted(slices.Values(others)); len(own) != c.left || !slices.Equal(rest, want) {
				t.Errorf("left %v, others %v", own, rest)
			}
		})
	}
}

// writeBehind puts an object under the prefix after each of the first n listings.
func writeBehind(w *world, n int) {
	w.cloud.Before = func(action string) {
		if action == "s3:DeleteObjects" && n > 0 {
			n--
			w.objects.Put(prefix + "artifacts/0") // before the page that was listed
		}
	}
}

func TestManyVersionsTakeTheFewestCalls(t *testing.T) {
	w := newWorld(t)
	for i := range 12_345 {
		w.objects.Put(fmt.Sprint(prefix, "artifacts/", i))
	}
	w.send(t.Context(), "Delete", contract.QAEnvironmentStack("slipway", slug))
	// 13 pages of 1,000, a deletion for each, and the listing that shows nothing.
	if got := w.cloud.TotalCalls(); w.answer.Status != "SUCCESS" || len(w.objects.Versions) != 0 || got != 27 {
		t.Errorf("%d calls, %d versions left, %+v", got, len(w.objects.Versions), w.answer)
	}
}

// TestKilledAnywhere ends the function after each call in turn; the next one goes on.
func TestKilledAnywhere(t *testing.T) {
	for calls := range 8 {
		w := newWorld(t)
		w.objects.Page = 2
		w.objects.Put(others...)
		w.objects.Put(prefix+"1", prefix+"2", prefix+"3", prefix+"4", prefix+"5")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		n := 0
		w.cloud.Before = func(string) {
			if n++; n > calls {
				cancel()
			}
		}
		w.send(ctx, "Delete", contract.QAEnvironmentStack("slipway", slug))
		cancel()
		w.cloud.Before = nil
		w.send(t.Context(), "Delete", contract.QAEnvironmentStack("slipway", slug))
		if want := slices.Sorted(slices.Values(others)); w.answer.Status != "SUCCESS" || !slices.Equal(w.objects.Keys(), want) {
			t.Errorf("after %d calls: %+v, %v", calls, w.answer, w.objects.Keys())
		}
	}
}

func TestListOfActionsIsExact(t *testing.T) {
	w := newWorld(t)
	w.objects.Put(prefix + "1")
	w.send(t.Context(), "Delete", contract.QAEnvironmentStack("slipway", slug))
	fakeaws.CheckActions(t, "testdata/actions.txt", w.cloud.Actions())
}
