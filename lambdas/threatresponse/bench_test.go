package main

import (
	"maps"
	"slices"
	"testing"

	"slipway/internal/contract"
	"slipway/lambdas/threatresponse/corpus"
	"slipway/lambdas/threatresponse/decide"
	"slipway/lambdas/threatresponse/finding"
	"slipway/lambdas/threatresponse/remedy"
)

// BenchmarkDecision is an event's way from bytes to a plan: what the function does before its first call.
func BenchmarkDecision(b *testing.B) {
	config := decide.Config{Stages: []string{"dev", "qa", "stage", "prod"}, QAStage: "qa", Policies: []decide.Policy{
		policy(contract.ModeAuto, contract.ResponseActions...),
	}}
	remedies := remedy.Pure(remedy.All(remedy.Clients{}, remedy.Settings{Platform: platform}))
	at := decide.Place{Platform: platform, Account: "111111111111", Region: "eu-west-1", Role: self}
	for _, shape := range []string{"instance-attacked", "user-key", "bucket", "task", "database"} {
		raw, err := corpus.Event(shape, nil)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(shape, func(b *testing.B) {
			for b.Loop() {
				f, err := finding.Parse(raw)
				if err != nil {
					b.Fatal(err)
				}
				if plan := decide.Decide(config, at, f, remedies); plan.Verdict != decide.Act {
					b.Fatal(plan)
				}
			}
		})
	}
}

// BenchmarkAction counts the calls of AWS that an action makes, the ledger's and the message included, and its undoing.
func BenchmarkAction(b *testing.B) {
	for _, action := range slices.Sorted(maps.Keys(scenarios)) {
		b.Run(action, func(b *testing.B) {
			var contained, undone int
			for b.Loop() {
				t := &testing.T{}
				w := scenario(t, action)
				out := w.found(scenarios[action], nil)
				contained = w.cloud.TotalCalls()
				for id := range out.Entries {
					w.command(contract.ResponseCommandUndo, id)
				}
				undone = w.cloud.TotalCalls() - contained
				if t.Failed() {
					b.Fatal("not contained")
				}
			}
			b.ReportMetric(float64(contained), "calls/contained")
			b.ReportMetric(float64(undone), "calls/undone")
		})
	}
}
