package main

import (
	"maps"
	"slices"
	"strings"
	"testing"

	configtypes "github.com/aws/aws-sdk-go-v2/service/configservice/types"
	shtypes "github.com/aws/aws-sdk-go-v2/service/securityhub/types"

	"slipway/internal/contract"
	"slipway/lambdas/accountbaseline/apply"
	"slipway/lambdas/internal/fakeaws"
)

func TestBadRequests(t *testing.T) {
	good := map[string]any{contract.PropertySetting: contract.SettingEBSEncryption, contract.PropertyMemory: "/slipway/security/before/x", contract.PropertyDesired: `{"enabled":"true"}`}
	for sentence, c := range map[string]struct {
		change map[string]any
		reason []string
	}{
		"no setting at all":                 {map[string]any{contract.PropertySetting: ""}, []string{"Setting is empty"}},
		"an unknown setting":                {map[string]any{contract.PropertySetting: "colour"}, []string{`no setting "colour"`}},
		"nothing desired":                   {map[string]any{contract.PropertyDesired: "{}"}, []string{"Desired"}},
		"desired numbers":                   {map[string]any{contract.PropertyDesired: `{"enabled":1}`}, []string{"JSON object of strings"}},
		"an identifier is desired":          {map[string]any{contract.PropertyDesired: `{"@DetectorId":"x"}`}, []string{`key "@DetectorId"`}},
		"a memory that is no parameter":     {map[string]any{contract.PropertyMemory: "x y"}, []string{`Memory is "x y"`}},
		"an unknown property":               {map[string]any{"Colour": "red"}, []string{"no property Colour"}},
		"all faults at once":                {map[string]any{contract.PropertySetting: "", contract.PropertyDesired: "", contract.PropertyMemory: ""}, []string{"Setting", "Desired", "Memory"}},
		"a property that isn't a string":    {map[string]any{contract.PropertyDesired: map[string]any{"enabled": true}}, []string{"property Desired is no string"}},
		"a memory that somebody has edited": {map[string]any{}, nil},
	} {
		t.Run(sentence, func(t *testing.T) {
			w := newWorld(t)
			properties := maps.Clone(good)
			maps.Copy(properties, c.change)
			if c.reason == nil {
				w.ssm.Parameters["/slipway/security/before/x"] = "{"
				c.reason = []string{"delete the parameter"}
			}
			a := w.sendProperties("Create", properties)
			for _, part := range c.reason {
				if a.Status != "FAILED" || !strings.Contains(a.Reason, part) {
					t.Errorf("%q isn't in %+v", part, a)
				}
			}
			if w.account.EBSEncryption {
				t.Error("something was changed")
			}
			if len(c.change) > 0 {
				if a := w.sendProperties("Delete", properties); a.Status != "SUCCESS" {
					t.Errorf("what can't have been made can't be deleted: %+v", a)
				}
			}
		})
	}
}

// TestTwoEventsAtOnce: whoever comes second doesn't take the first one's work for what was before.
func TestTwoEventsAtOnce(t *testing.T) {
	w := newWorld(t)
	before := w.snapshot()
	w.cloud.Before = func(action string) {
		if action != "ssm:PutParameter" {
			return
		}
		w.cloud.Before = nil
		w.must("Create", contract.SettingPasswordPolicy, desired[contract.SettingPasswordPolicy])
	}
	if a := w.must("Create", contract.SettingPasswordPolicy, desired[contract.SettingPasswordPolicy]); len(w.answers) != 2 {
		t.Fatalf("%d answers, the last one %+v", len(w.answers), a)
	}
	w.must("Delete", contract.SettingPasswordPolicy, desired[contract.SettingPasswordPolicy])
	if after := w.snapshot(); after != before {
		t.Errorf("before %s\nafter  %s", before, after)
	}
}

// TestWhatIsAMomentOldIsAwaited: permissions, roles, policies and hubs of a new stack aren't known everywhere at once.
func TestWhatIsAMomentOldIsAwaited(t *testing.T) {
	for sentence, c := range map[string]struct {
		setting, action string
		err             error
	}{
		"the function's permissions":       {contract.SettingDetector, "guardduty:ListDetectors", fakeaws.Denied()},
		"AWS Config's service-linked role": {contract.SettingRecorder, "config:PutConfigurationRecorder", &configtypes.InvalidRoleException{}},
		"the bucket's policy":              {contract.SettingRecorder, "config:PutDeliveryChannel", &configtypes.InsufficientDeliveryPolicyException{}},
		"the hub":                          {contract.SettingSecurityHub, "securityhub:BatchEnableStandards", &shtypes.InvalidAccessException{}},
	} {
		t.Run(sentence, func(t *testing.T) {
			w := newWorld(t)
			w.cloud.Fail(c.action, slices.Repeat([]error{c.err}, apply.Attempts-1)...)
			w.must("Create", c.setting, desired[c.setting])
			w.check(c.setting)
			w = newWorld(t)
			w.cloud.Fail(c.action, slices.Repeat([]error{c.err}, apply.Attempts)...)
			if a := w.send("Create", c.setting, desired[c.setting]); a.Status != "FAILED" {
				t.Errorf("never comes, and is %+v", a)
			}
		})
	}
}

func TestListOfActionsIsExact(t *testing.T) {
	w := newWorld(t)
	for setting := range desired {
		w.must("Create", setting, desired[setting])
		w.must("Delete", setting, desired[setting])
	}
	// What was there before takes other ways.
	beforehand["an account that has all of it, differently"](w)
	for setting := range desired {
		w.must("Create", setting, desired[setting])
		w.must("Delete", setting, desired[setting])
	}
	fakeaws.CheckActions(t, "testdata/actions.txt", w.cloud.Actions())
}
