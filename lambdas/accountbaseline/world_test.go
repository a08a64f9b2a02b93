package main

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"slipway/internal/contract"
	"slipway/lambdas/accountbaseline/apply"
	"slipway/lambdas/internal/customresource"
	"slipway/lambdas/internal/fakeaws"
)

// world is an account, and CloudFormation's end of the protocol.
type world struct {
	t         *testing.T
	cloud     *fakeaws.Cloud
	ssm       *fakeaws.SSM
	account   *fakeaws.AccountSettings
	guardduty *fakeaws.GuardDuty
	analyzers *fakeaws.Analyzers
	hub       *fakeaws.Hub
	config    *fakeaws.Recorder
	answers   []answer
}

type answer struct {
	Status, Reason string
	Data           map[string]string
}

func newWorld(t *testing.T) *world {
	c := fakeaws.New()
	w := &world{
		t: t, cloud: c, ssm: fakeaws.NewSSM(c), account: fakeaws.NewAccountSettings(c), guardduty: fakeaws.NewGuardDuty(c),
		analyzers: fakeaws.NewAnalyzers(c), hub: fakeaws.NewHub(c),
	}
	w.config = fakeaws.NewRecorder(c, w.account)
	w.ssm.AllowPut(c)
	w.ssm.AllowDelete(c)
	t.Cleanup(func() {
		c.CheckNoMistakes(t)
		fakeaws.CheckListed(t, "testdata/actions.txt", c.Actions())
	})
	return w
}

func (w *world) Do(r *http.Request) (*http.Response, error) {
	var a answer
	if err := json.NewDecoder(r.Body).Decode(&a); err != nil {
		w.t.Error(err)
	}
	w.answers = append(w.answers, a)
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(""))}, nil
}

func memory(setting string) string { return contract.SettingMemory("slipway", setting) }

// send sends an event as CloudFormation does and returns the answer.
func (w *world) send(kind, setting string, desired map[string]string) answer {
	w.t.Helper()
	raw, err := json.Marshal(desired)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.sendProperties(kind, map[string]any{
		"ServiceToken": "arn", "ServiceTimeout": "120",
		contract.PropertySetting: setting, contract.PropertyMemory: memory(setting), contract.PropertyDesired: string(raw),
	})
}

func (w *world) sendProperties(kind string, properties map[string]any) answer {
	w.t.Helper()
	event := map[string]any{
		"RequestType": kind, "RequestId": "1", "ResponseURL": "https://answer", "LogicalResourceId": "Setting", "ResourceType": "Custom::X",
		"StackId": fakeaws.StackID("slipway-security"), "ResourceProperties": properties,
	}
	if kind != "Create" {
		event["PhysicalResourceId"] = "slipway-security/Setting"
	}
	raw, err := json.Marshal(event)
	if err != nil {
		w.t.Fatal(err)
	}
	before := len(w.answers)
	baseline := newBaseline(w.cloud.Config(), fakeaws.Account, apply.Patience{Pause: time.Nanosecond})
	baseline.Log = slog.New(slog.DiscardHandler)
	wrapper := customresource.Wrapper{Handler: baseline.Handle, Client: w, Log: baseline.Log, Pause: time.Nanosecond}
	if err := wrapper.Invoke(context.Background(), raw); err != nil {
		w.t.Errorf("invoke: %v", err)
	}
	if len(w.answers) <= before {
		w.t.Fatal("no answer")
	}
	return w.answers[len(w.answers)-1]
}

// must sends an event that has to succeed.
func (w *world) must(kind, setting string, desired map[string]string) answer {
	w.t.Helper()
	a := w.send(kind, setting, desired)
	if a.Status != "SUCCESS" {
		w.t.Fatalf("%s %s: %s", kind, setting, a.Reason)
	}
	return a
}

// snapshot is everything that a setting can change, as text.
func (w *world) snapshot() string {
	raw, err := json.Marshal([]any{
		w.account.PasswordPolicy, w.account.EBSEncryption, w.account.Metadata.HttpTokens, w.account.PublicAccess,
		w.guardduty.Detector, w.analyzers.ByName, w.hub.On, w.standards(), w.config.Recorder, w.config.Channel, w.config.Recording, w.ssm.Parameters,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return string(raw)
}

// standards are those that aren't on their way out.
func (w *world) standards() map[string]bool {
	on := map[string]bool{}
	for name, status := range w.hub.Standards {
		if status != "DELETING" {
			on[name] = true
		}
	}
	return on
}
