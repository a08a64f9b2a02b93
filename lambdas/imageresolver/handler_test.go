package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	cfntypes "github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	ecrtypes "github.com/aws/aws-sdk-go-v2/service/ecr/types"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"slipway/lambdas/imageresolver/apply"
	"slipway/lambdas/imageresolver/scan"
	"slipway/lambdas/internal/customresource"
	"slipway/lambdas/internal/fakeaws"
)

const (
	digest    = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	other     = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
	uri       = fakeaws.Account + ".dkr.ecr.eu-west-1.amazonaws.com/simple-flask-app"
	parameter = "/slipway/dev/image"
)

var today = time.Date(2026, time.March, 2, 23, 59, 0, 0, time.UTC)

func finding(name string, severity ecrtypes.FindingSeverity) ecrtypes.ImageScanFinding {
	return ecrtypes.ImageScanFinding{Name: &name, Severity: severity, Attributes: []ecrtypes.Attribute{
		{Key: aws.String("package_version"), Value: aws.String("3.0.1")}, {Key: aws.String("package_name"), Value: aws.String("openssl")},
	}}
}

// world is an account with a repository, and the resource's end of the protocol.
type world struct {
	t       *testing.T
	cloud   *fakeaws.Cloud
	ecr     *fakeaws.ECR
	ssm     *fakeaws.SSM
	stacks  *fakeaws.CloudFormation
	rule    scan.Rule
	broken  int // attempts to send the answer that fail first
	answers []answer
}

type answer struct {
	Status, Reason string
	PhysicalID     string `json:"PhysicalResourceId"`
	Data           map[string]string
}

func newWorld(t *testing.T) *world {
	c := fakeaws.New()
	w := &world{
		t: t, cloud: c, ecr: fakeaws.NewECR(c), ssm: fakeaws.NewSSM(c), stacks: fakeaws.NewCloudFormation(c),
		rule: scan.Rule{Refuse: "high", Exceptions: []scan.Exception{{ID: "CVE-2026-0001", Until: "2026-03-02"}}},
	}
	w.stacks.Add("slipway-dev-service", cfntypes.StackStatusUpdateInProgress, today)
	for _, d := range []string{digest, other} {
		w.ecr.Scans[d] = fakeaws.Scan{Status: ecrtypes.ScanStatusComplete, Findings: []ecrtypes.ImageScanFinding{finding("CVE-2026-0002", ecrtypes.FindingSeverityMedium)}}
	}
	w.ecr.Push("simple-flask-app", digest, ecrtypes.ImageStatusActive, "abc", "v1")
	w.ecr.Push("simple-flask-app", other, ecrtypes.ImageStatusArchived, "old")
	t.Cleanup(func() {
		c.CheckNoMistakes(t)
		fakeaws.CheckListed(t, "testdata/actions.txt", c.Actions())
	})
	return w
}

func (w *world) Do(r *http.Request) (*http.Response, error) {
	if w.broken > 0 {
		w.broken--
		return nil, errors.New("connection reset by peer")
	}
	var a answer
	if err := json.NewDecoder(r.Body).Decode(&a); err != nil {
		w.t.Error(err)
	}
	w.answers = append(w.answers, a)
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(""))}, nil
}

// send sends an event and returns the answer, of which there must be one.
func (w *world) send(kind string, change map[string]any) answer {
	w.t.Helper()
	properties := map[string]any{
		"ServiceToken": "arn:aws:lambda:eu-west-1:111111111111:function:x", "RepositoryName": "simple-flask-app", "RegistryId": fakeaws.Account,
		"RepositoryUri": uri, "Requested": "", "Parameter": parameter,
	}
	maps.Copy(properties, change)
	event := map[string]any{
		"RequestType": kind, "RequestId": "1", "ResponseURL": "https://answer", "LogicalResourceId": "Image", "ResourceType": "Custom::Image",
		"StackId": fakeaws.StackID("slipway-dev-service"), "ResourceProperties": properties,
	}
	if kind != "Create" {
		event["PhysicalResourceId"] = "slipway-dev-service/Image"
	}
	raw, err := json.Marshal(event)
	if err != nil {
		w.t.Fatal(err)
	}
	before := len(w.answers)
	cfg := w.cloud.Config()
	resolver := apply.Resolver{
		ECR: ecr.NewFromConfig(cfg), SSM: ssm.NewFromConfig(cfg), Stack: cloudformation.NewFromConfig(cfg),
		Rule: w.rule, Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return today },
	}
	wrapper := customresource.Wrapper{Handler: resolver.Resolve, Client: w, Log: slog.New(slog.DiscardHandler), Pause: time.Nanosecond}
	if err := wrapper.Invoke(context.Background(), raw); err != nil {
		w.t.Errorf("invoke: %v", err)
	}
	if len(w.answers) != before+1 {
		w.t.Fatalf("%d answers to one event", len(w.answers)-before)
	}
	a := w.answers[before]
	if a.PhysicalID != "slipway-dev-service/Image" {
		w.t.Errorf("the ID is %q", a.PhysicalID)
	}
	return a
}

func TestResolve(t *testing.T) {
	byTag := map[string]string{"ImageUri": uri + ":abc", "Reference": "abc", "Digest": digest}
	byDigest := map[string]string{"ImageUri": uri + "@" + digest, "Reference": digest, "Digest": digest}
	for sentence, c := range map[string]struct {
		change  map[string]any
		prepare func(*world)
		data    map[string]string
		reason  []string // parts of it
	}{
		"a tag that exists":            {change: map[string]any{"Requested": "abc"}, data: byTag},
		"a digest that exists":         {change: map[string]any{"Requested": digest}, data: byDigest},
		"nothing asked, a tag runs":    {prepare: func(w *world) { w.ssm.Parameters[parameter] = "abc" }, data: byTag},
		"nothing asked, a digest runs": {prepare: func(w *world) { w.ssm.Parameters[parameter] = digest }, data: byDigest},
		"what is asked for wins over what runs": {
			change: map[string]any{"Requested": "abc"}, prepare: func(w *world) { w.ssm.Parameters[parameter] = "v1" }, data: byTag,
		},
		"nothing asked and nothing has run": {reason: []string{"parameter /slipway/dev/image is not there", "-c imageTag=<tag>", "simple-flask-app"}},
		"an empty parameter is as good as none": {
			prepare: func(w *world) { w.ssm.Parameters[parameter] = "" }, reason: []string{"-c imageTag=<tag>"},
		},
		"a tag that isn't there": {
			change: map[string]any{"Requested": "nope"}, reason: []string{"no image nope in repository simple-flask-app of account 111111111111", "push it first", "-c imageTag"},
		},
		"a digest that isn't there": {
			change: map[string]any{"Requested": strings.Replace(digest, "e3", "00", 1)}, reason: []string{"no image sha256:00b0"},
		},
		"what ran is gone from the repository": {
			prepare: func(w *world) { w.ssm.Parameters[parameter] = "gone" }, reason: []string{"no image gone", "running now by parameter /slipway/dev/image"},
		},
		"an answer without images": {change: map[string]any{"Requested": "abc"}, prepare: emptyAnswer, reason: []string{"no image abc"}},
		"an archived image":        {change: map[string]any{"Requested": "old"}, reason: []string{"is ARCHIVED"}},
		"latest asked for":         {change: map[string]any{"Requested": "latest"}, reason: []string{`"latest" is refused`, "-c imageTag"}},
		"latest in the parameter":  {prepare: func(w *world) { w.ssm.Parameters[parameter] = "latest" }, reason: []string{`"latest" is refused`, parameter}},
		"no such repository":       {change: map[string]any{"Requested": "abc", "RepositoryName": "x", "RepositoryUri": "host/x"}, reason: []string{"no repository x in account 111111111111", "deploy the registry stack"}},
		"another account":          {change: map[string]any{"Requested": "abc", "RegistryId": "222222222222"}, reason: []string{"no repository simple-flask-app in account 222222222222"}},
		"a malformed property":     {change: map[string]any{"RegistryId": "1"}, reason: []string{"RegistryId"}},
		"a property that's a list": {change: map[string]any{"Requested": []string{"abc"}}, reason: []string{"property Requested is no string"}},
		"throttled twice":          {change: map[string]any{"Requested": "abc"}, prepare: fail("ecr:DescribeImages", fakeaws.Throttled(), fakeaws.Throttled()), data: byTag},
		"a passing fault of SSM":   {prepare: func(w *world) { w.ssm.Parameters[parameter] = "abc"; fail("ssm:GetParameter", fakeaws.Internal())(w) }, data: byTag},
		"ECR denies":               {change: map[string]any{"Requested": "abc"}, prepare: fail("ecr:DescribeImages", fakeaws.Denied()), reason: []string{"look up image abc", "AccessDenied", "may read the repository"}},
		"SSM denies":               {prepare: fail("ssm:GetParameter", fakeaws.Denied()), reason: []string{"read parameter /slipway/dev/image", "AccessDenied"}},
		"a client that panics":     {change: map[string]any{"Requested": "abc"}, prepare: func(w *world) { w.cloud.Before = func(string) { panic("boom") } }, reason: []string{"panicked"}},
		"the answer fails once":    {change: map[string]any{"Requested": "abc"}, prepare: func(w *world) { w.broken = 1 }, data: byTag},
	} {
		for _, kind := range []string{"Create", "Update"} {
			t.Run(kind+": "+sentence, func(t *testing.T) {
				w := newWorld(t)
				if c.prepare != nil {
					c.prepare(w)
				}
				a := w.send(kind, c.change)
				if c.data != nil {
					if a.Status != "SUCCESS" || !maps.Equal(a.Data, c.data) {
						t.Errorf("got %+v, want %v", a, c.data)
					}
					return
				}
				if a.Status != "FAILED" || len(a.Data) != 0 {
					t.Errorf("got %+v, want a failure", a)
				}
				for _, part := range c.reason {
					if !strings.Contains(a.Reason, part) {
						t.Errorf("%q isn't in %q", part, a.Reason)
					}
				}
			})
		}
	}
}

func emptyAnswer(w *world) {
	fakeaws.On(w.cloud, "ECR", func(*ecr.DescribeImagesInput) (*ecr.DescribeImagesOutput, error) {
		return &ecr.DescribeImagesOutput{}, nil
	})
}

func fail(action string, errs ...error) func(*world) {
	return func(w *world) { w.cloud.Fail(action, errs...) }
}

func TestDeleteAlwaysSucceedsWithoutACall(t *testing.T) {
	for sentence, change := range map[string]map[string]any{
		"good properties": nil, "bad properties": {"RegistryId": "", "Requested": []int{1}}, "an image that is gone": {"Requested": "nope"},
	} {
		w := newWorld(t)
		if a := w.send("Delete", change); a.Status != "SUCCESS" || w.cloud.TotalCalls() != 0 {
			t.Errorf("%s: %+v after %d calls", sentence, a, w.cloud.TotalCalls())
		}
	}
}

func TestRepeatedEventGetsTheSameAnswer(t *testing.T) {
	w := newWorld(t)
	w.ssm.Parameters[parameter] = "abc"
	first := w.send("Create", nil)
	if second := w.send("Create", nil); second.Status != first.Status || !maps.Equal(second.Data, first.Data) {
		t.Errorf("%+v, then %+v", first, second)
	}
}

// A deployment that is rolled back has the image of before: the resolver itself never writes what runs.
func TestFailedDeploymentLeavesWhatRuns(t *testing.T) {
	w := newWorld(t)
	w.ssm.Parameters[parameter] = "abc"
	w.send("Update", map[string]any{"Requested": "v1"})
	if a := w.send("Update", nil); a.Data["Reference"] != "abc" || w.ssm.Parameters[parameter] != "abc" {
		t.Errorf("got %+v", a)
	}
}

func TestListOfActionsIsExact(t *testing.T) {
	w := newWorld(t)
	w.ssm.Parameters[parameter] = "abc"
	w.send("Create", nil)
	delete(w.ecr.Scans, digest)
	w.send("Update", map[string]any{"Requested": "abc"})
	fakeaws.CheckActions(t, "testdata/actions.txt", w.cloud.Actions())
}
