// Package report tells people what was found and what became of it, so that they understand it in ten seconds, and counts it.
package report

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"time"

	"slipway/internal/contract"
	"slipway/lambdas/internal/emf"
	"slipway/lambdas/internal/redact"
	"slipway/lambdas/threatresponse/decide"
	"slipway/lambdas/threatresponse/engine"
	"slipway/lambdas/threatresponse/finding"
	"slipway/lambdas/threatresponse/ledger"
)

// command is how people approve and undo; docs/operations.md says how to get there.
const command = "go run ./tools/slipway findings"

// Finding is the message about a finding. Subject and first lines say what, where and how bad; then what was done, or would be,
// and how to go on.
func Finding(at decide.Place, f finding.Finding, plan decide.Plan, results []engine.Result) (subject, body string) {
	outcome := headline(plan, results)
	where := at.Platform
	if plan.Stage != "" {
		where += " " + plan.Stage
	}
	subject = fmt.Sprintf("[%s] %s %.1f: %s", where, f.Level(), f.Severity, outcome)

	var b strings.Builder
	line := func(label, format string, args ...any) {
		fmt.Fprintf(&b, "%-11s %s\n", label, fmt.Sprintf(format, args...))
	}
	line("WHAT", "%s", orElse(redact.Line(f.Title, 300), "(no title)"))
	line("", "%s", orElse(redact.Line(f.Type, 150), "(no type)"))
	line("WHERE", "%s, account %s, %s", orElse(plan.Stage, "no stage"), at.Account, at.Region)
	line("HOW BAD", "%s %.1f, seen %s", f.Level(), f.Severity, times(f))
	if f.Sample {
		line("SAMPLE", "made by GuardDuty for testing; nothing is changed unless response.actOnSamples is on")
	}
	b.WriteByte('\n')
	for _, r := range results {
		entry(&b, r)
	}
	if plan.Verdict == decide.Tell {
		line("NOT DONE", "%s", plan.Why)
	}
	for _, s := range plan.Spared {
		line("LEFT ALONE", "%s", redact.Line(s.String(), 300))
	}
	if f.Odd != "" {
		line("ODD", "the finding isn't as documented: %s", redact.Line(f.Odd, 200))
	}
	b.WriteByte('\n')
	line("SEE", "%s", f.Link())
	return subject, b.String()
}

func times(f finding.Finding) string {
	text := "once"
	if f.Count > 1 {
		text = fmt.Sprintf("%d times", f.Count)
	}
	if !f.LastSeen.IsZero() {
		text += ", last at " + f.LastSeen.UTC().Format(time.RFC3339)
	}
	return text
}

// headline is the outcome in a few words, the worst first.
func headline(plan decide.Plan, results []engine.Result) string {
	if len(results) == 0 {
		return "not acted on: " + plan.Why
	}
	worst := results[0]
	for _, r := range results[1:] {
		if urgency[r.Entry.State] > urgency[worst.Entry.State] {
			worst = r
		}
	}
	text := fmt.Sprintf("%s %s %s", words[worst.Entry.State], worst.Entry.Action, worst.Entry.Target.Label())
	if n := len(results) - 1; n > 0 {
		text += fmt.Sprintf(" and %d more", n)
	}
	return text
}

// urgency says which state of several a person must see first.
var urgency = map[ledger.State]int{ledger.Failed: 5, ledger.Applying: 4, ledger.Waiting: 3, ledger.Active: 2, ledger.Observed: 1}

var words = map[ledger.State]string{
	ledger.Failed: "FAILED", ledger.Applying: "NOT YET", ledger.Waiting: "APPROVE?", ledger.Active: "done", ledger.Observed: "would",
	ledger.Gone: "needless", ledger.Undone: "undone", ledger.Expired: "ended", ledger.Lapsed: "lapsed", ledger.Rejected: "rejected", ledger.Undoing: "NOT YET undone",
}

// entry writes what became of an action, and what a person can do now.
func entry(b *strings.Builder, r engine.Result) {
	e := r.Entry
	what := e.Action + " " + e.Target.Label()
	line := func(label, format string, args ...any) {
		fmt.Fprintf(b, "%-11s %s\n", label, fmt.Sprintf(format, args...))
	}
	hint := func(verb string) string { return fmt.Sprintf("%s %s %s", command, verb, e.ID) }
	switch e.State {
	case ledger.Active:
		line("DONE", "%s", what)
	case ledger.Waiting:
		line("APPROVE?", "%s, until %s", what, e.Due.UTC().Format(time.RFC3339))
	case ledger.Observed:
		line("WOULD", "%s (the policy's mode is dry-run)", what)
	case ledger.Failed:
		line("FAILED", "%s: a person must look", what)
	case ledger.Applying, ledger.Undoing, "": // "" if the ledger couldn't be read
		line("NOT YET", "%s: it is tried again", what)
	case ledger.Gone:
		line("NEEDLESS", "%s", what)
	default:
		line(strings.ToUpper(string(e.State)), "%s%s", what, by(e))
	}
	for _, note := range e.Notes {
		line("", "- %s", redact.Line(note, 500))
	}
	if e.Error != "" {
		line("", "- error: %s", redact.Line(e.Error, 500))
	}
	for _, went := range r.Room {
		line("", "- the list is full: %s, the oldest, made room", went.Target.Label())
	}
	if r.Err != nil && e.Error == "" {
		line("", "- error: %s", redact.Line(r.Err.Error(), 500))
	}
	switch e.State {
	case ledger.Active:
		if !e.Expires.IsZero() {
			line("", "ends by itself at %s", e.Expires.UTC().Format(time.RFC3339))
		}
		line("", "undo:    %s", hint("undo"))
	case ledger.Failed:
		line("", "again:   %s", hint("approve"))
		if e.Changed() {
			line("", "undo:    %s", hint("undo"))
		}
	case ledger.Waiting:
		line("", "approve: %s", hint("approve"))
		line("", "reject:  %s", hint("reject"))
	case ledger.Observed:
		if !e.Sample {
			line("", "do it:   %s", hint("approve"))
		}
	}
}

func by(e ledger.Entry) string {
	if e.By == "" {
		return ""
	}
	return " (" + e.By + ")"
}

// Changes is the message about entries that changed without a finding: by a person, or by the clock.
func Changes(at decide.Place, why string, results []engine.Result) (subject, body string) {
	subject = fmt.Sprintf("[%s] %s: %s", at.Platform, why, headline(decide.Plan{}, results))
	var b strings.Builder
	fmt.Fprintf(&b, "Account %s, %s: %s.\n\n", at.Account, at.Region, why)
	for _, r := range results {
		entry(&b, r)
		fmt.Fprintf(&b, "%-11s %s %s\n", "", r.Entry.Finding.Type, r.Entry.Finding.Link)
	}
	return subject, b.String()
}

// Digest tells one outcome from another: people are told once of each.
func Digest(plan decide.Plan, results []engine.Result) string {
	sum := sha256.New()
	fmt.Fprintln(sum, plan.Verdict, plan.Why)
	for _, r := range results {
		fmt.Fprintln(sum, r.Entry.ID, r.Entry.State, r.Err != nil)
		if r.Entry.State == ledger.Waiting {
			fmt.Fprintln(sum, r.Entry.Due.Unix())
		}
		if r.Entry.State == ledger.Active {
			fmt.Fprintln(sum, r.Entry.Since.Unix())
		}
	}
	return hex.EncodeToString(sum.Sum(nil)[:8])
}

// Metrics counts what an invocation did.
func Metrics(w io.Writer, at decide.Place, now time.Time, plan *decide.Plan, results []engine.Result) error {
	count := map[string]float64{
		contract.MetricContained: 0, contract.MetricWaiting: 0, contract.MetricWouldContain: 0, contract.MetricUncontained: 0,
		contract.MetricReleased: 0, contract.MetricOnlyTold: 0,
	}
	if plan != nil && plan.Verdict == decide.Tell {
		count[contract.MetricOnlyTold]++
	}
	names := map[ledger.State]string{
		ledger.Active: contract.MetricContained, ledger.Waiting: contract.MetricWaiting, ledger.Observed: contract.MetricWouldContain,
		ledger.Failed: contract.MetricUncontained, ledger.Undone: contract.MetricReleased, ledger.Expired: contract.MetricReleased,
	}
	for _, r := range results {
		if name := names[r.Entry.State]; name != "" && r.New {
			count[name]++
		}
	}
	var metrics []emf.Metric
	for _, name := range []string{
		contract.MetricContained, contract.MetricWaiting, contract.MetricWouldContain, contract.MetricUncontained, contract.MetricReleased, contract.MetricOnlyTold,
	} {
		metrics = append(metrics, emf.Metric{Name: name, Value: count[name]})
	}
	return emf.Write(w, now, contract.ResponseNamespace, map[string]string{contract.DimensionPlatform: at.Platform}, metrics...)
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
