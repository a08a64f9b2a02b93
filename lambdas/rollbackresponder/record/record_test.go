package record

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"slipway/lambdas/rollbackresponder/decide"
)

// A standard parameter holds 4,096 characters; {{ would refer to another parameter.
func TestEveryRecordFits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.Custom(func(t *rapid.T) string {
			return strings.Repeat(rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"{{", "{{{", "\x00", "\"", "界", "<"})).Draw(t, "text"), rapid.IntRange(1, 500).Draw(t, "times"))
		})
		r := Record{
			Message: sent, Owner: "8476a536-e9f4-11e8-9739-2dfe598c3fcd", At: time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC), Deployment: text.Draw(t, "deployment"),
			Diagnosis: decide.Diagnosis{What: text.Draw(t, "what"), Done: text.Draw(t, "done"), Why: rapid.SliceOfN(text, 0, 10).Draw(t, "why")},
		}
		value := encode(r)
		var back Record
		if err := json.Unmarshal([]byte(value), &back); err != nil || back.Message != sent || !back.At.Equal(r.At) {
			t.Fatalf("%q: %v", value, err)
		}
		if len(value) > 4096 || strings.Contains(value, "{{") {
			t.Fatalf("%d bytes: %q", len(value), value)
		}
	})
}
