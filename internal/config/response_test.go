package config

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"slipway/internal/contract"
)

func drawResponse(t *rapid.T) Response {
	texts := func(label string, from ...string) []string {
		return append([]string{}, rapid.Permutation(from).Draw(t, label)[:rapid.IntRange(0, len(from)).Draw(t, label+" number")]...)
	}
	r := Response{
		MinSeverity:  rapid.SampledFrom([]float64{1, 4, 4.5, 7}).Draw(t, "severity"),
		ApprovalWait: Duration(time.Duration(rapid.IntRange(1, 168*60).Draw(t, "approval")) * time.Minute),
		BlockFor:     Duration(time.Duration(rapid.IntRange(1, 2160*60).Draw(t, "block")) * time.Minute),
		KeepDays:     rapid.IntRange(30, 3650).Draw(t, "keep"), ActOnSamples: rapid.Bool().Draw(t, "samples"),
		Protected: Protected{
			Principals: texts("principals", "break-glass-*", "admin@example.com"), Resources: texts("resources", "i-0123", "arn:aws:ecs:*:service/prod-cluster/*"),
			Addresses: texts("addresses", "192.0.2.0/24", "2001:db8::/32"),
		},
		Policies: []Policy{},
	}
	for range rapid.IntRange(0, 4).Draw(t, "policies") {
		r.Policies = append(r.Policies, Policy{
			Findings: append([]string{"*"}, texts("findings", "*:EC2/*", "Backdoor:EC2/C&CActivity.B!DNS")...), MinSeverity: r.MinSeverity + rapid.SampledFrom([]float64{0, 0.5, 3}).Draw(t, "more"),
			Stages: texts("stages", "qa"), Actions: texts("actions", contract.ResponseActions...), Mode: rapid.SampledFrom(contract.ResponseModes).Draw(t, "mode"),
			After: rapid.SampledFrom(contract.ResponseAfters).Draw(t, "after"),
		})
	}
	return r
}

func TestResponseDefaultsOnlyTell(t *testing.T) {
	r := mustParse(t, shortest, Profile{}).Response
	if r.MinSeverity != 4 || r.ApprovalWait != Duration(24*time.Hour) || r.BlockFor != Duration(24*time.Hour) || r.KeepDays != 365 || r.ActOnSamples {
		t.Errorf("%+v", r)
	}
	var actions []string
	for _, p := range r.Policies {
		if p.Mode != contract.ModeDryRun || p.After != contract.AfterLeave || p.MinSeverity < 4 {
			t.Errorf("%+v", p)
		}
		actions = append(actions, p.Actions...)
	}
	for _, a := range contract.ResponseActions {
		if a != contract.ActionStopService && !slices.Contains(actions, a) { // rolling back stops a service that can't be rolled back
			t.Errorf("no row has %s", a)
		}
	}
}

func TestARowTakesTheResponsesSeverityAndIsADryRun(t *testing.T) {
	r := mustParse(t, shortest+"response:\n  minSeverity: 5.5\n  policies:\n    - findings: [\"*\"]\n", Profile{}).Response
	if p := r.Policies[0]; len(r.Policies) != 1 || p.MinSeverity != 5.5 || p.Mode != contract.ModeDryRun || p.After != contract.AfterLeave || len(p.Actions) != 0 {
		t.Errorf("%+v", r.Policies)
	}
	if r := mustParse(t, shortest+"response:\n  policies: []\n", Profile{}).Response; len(r.Policies) != 0 {
		t.Errorf("an empty table became %+v", r.Policies)
	}
}

func TestResponseIsChecked(t *testing.T) {
	for sentence, c := range map[string]struct{ text, want string }{
		"no severity":                         {"minSeverity: 0.5", "response.minSeverity: got 0.5, expected a severity of 1 to 10"},
		"too severe":                          {"minSeverity: 11", "response.minSeverity: got 11"},
		"seconds of approval":                 {"approvalWait: 30s", "response.approvalWait: got"},
		"a block of a year":                   {"blockFor: 9000h", "response.blockFor: got 9000h"},
		"a short memory":                      {"keepDays: 7", "response.keepDays: got 7, expected 30 to 3650"},
		"a row without findings":              {"policies: [{mode: auto}]", "response.policies[0].findings: got 0 types"},
		"a type with a space":                 {`policies: [{findings: ["Backdoor EC2"]}]`, "response.policies[0].findings[0]: got"},
		"a row below the response's severity": {`policies: [{findings: ["*"], minSeverity: 3}]`, "response.policies[0].minSeverity: got 3, expected a severity of 4 to 10"},
		"a stage that isn't there":            {`policies: [{findings: ["*"], stages: [moon]}]`, `response.policies[0].stages[0]: got "moon", expected the name of a stage`},
		"an action that isn't there":          {`policies: [{findings: ["*"], actions: [explode]}]`, `response.policies[0].actions[0]: got "explode", expected isolate-instance, `},
		"an action twice":                     {`policies: [{findings: ["*"], actions: [block-address, block-address]}]`, "response.policies[0].actions[1]: got"},
		"a mode that isn't there":             {`policies: [{findings: ["*"], mode: maybe}]`, `response.policies[0].mode: got "maybe", expected off, dry-run, approve or auto`},
		"an end that isn't there":             {`policies: [{findings: ["*"], after: delete}]`, `response.policies[0].after: got "delete"`},
		"a principal's ARN":                   {`protected: {principals: ["arn:aws:iam::1:role/x"]}`, "response.protected.principals[0]: got"},
		"a resource with a space":             {`protected: {resources: ["i 1"]}`, "response.protected.resources[0]: got"},
		"an address without a length":         {`protected: {addresses: ["192.0.2.1"]}`, "response.protected.addresses[0]: got"},
		"a network off its boundary":          {`protected: {addresses: ["192.0.2.1/24"]}`, "response.protected.addresses[0]: got"},
		"the whole internet":                  {`protected: {addresses: ["0.0.0.0/0"]}`, "response.protected.addresses[0]: got"},
		"more than the environment takes": {
			`protected: {resources: ["` + strings.Repeat("x", 250) + strings.Repeat(`", "`+strings.Repeat("y", 250), 12) + `"]}`, "expected at most 3000",
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			_, err := parseConfig("platform.yaml", []byte(shortest+"response:\n  "+c.text+"\n"), Profile{})
			var faults Faults
			if !errors.As(err, &faults) || len(faults) != 1 || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want one fault %q", err, c.want)
			}
		})
	}
}

// Lambda takes 4 KB of environment in all; the other variables of the function are below 1 KB.
func TestAnyResponseFitsItsFunctionsEnvironment(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := drawResponse(t)
		setting, err := json.Marshal(r.Contract([]string{"dev", "qa", "stage", "prod"}, "qa"))
		if err != nil || len(setting) > maxResponseSetting+100 {
			t.Fatalf("%d bytes, %v", len(setting), err)
		}
	})
}
