package contract

import (
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestTheSwitchIsOnOnlyWhenItSaysSo(t *testing.T) {
	for value, want := range map[string]string{
		"on": "on", "paused": "paused ", "paused: a demo is on": "paused a demo is on",
		"": "error", "ON": "error", "off": "error", "paused:": "error", "paused because": "error", " on": "error",
	} {
		paused, reason, err := ParseSwitch(value)
		got := "on"
		if paused {
			got = "paused " + reason
		}
		if err != nil {
			got = "error"
		}
		if got != want {
			t.Errorf("%q is %q, want %q", value, got, want)
		}
	}
	pattern := regexp.MustCompile(SwitchPattern)
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"on", "paused", "paused: x", "paused: " + strings.Repeat("x", 201)})).Draw(t, "value")
		if _, _, err := ParseSwitch(value); pattern.MatchString(value) && err != nil {
			t.Fatalf("the parameter may hold %q, which can't be read: %v", value, err)
		}
	})
}
