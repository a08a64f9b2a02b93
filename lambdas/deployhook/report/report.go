// Package report tells what the deployment hook tested: one record for machines and a message for people.
package report

import (
	"slices"
	"sync"
	"time"

	"slipway/lambdas/deployhook/decide"
	"slipway/lambdas/internal/redact"
)

// Marker is in each log line that holds a report, so that a log query finds them all.
const Marker = "slipway.deployhook.report"

// Report is what one run found. It fits into one log line.
type Report struct {
	Event   decide.Event  `json:"event"`
	Passed  bool          `json:"passed"`
	Skipped string        `json:"skipped,omitempty"` // why nothing was tested, if that is as it should be
	Reasons []string      `json:"reasons,omitempty"` // of a failure
	Began   time.Time     `json:"began"`
	Millis  int64         `json:"millis"`
	Entries []Entry       `json:"requests"`
	Omitted int           `json:"omitted,omitempty"` // requests beyond MaxEntries
	Green   *decide.Share `json:"green,omitempty"`
	Blue    *decide.Share `json:"blue,omitempty"`
}

// Entry is one request.
type Entry struct {
	Check   string `json:"check"` // smoke, version, migration, green or blue
	Method  string `json:"method"`
	Path    string `json:"path"`
	Attempt int    `json:"attempt,omitempty"`
	Status  int    `json:"status"` // 0 without an answer
	Millis  int64  `json:"ms"`
	Verdict string `json:"verdict"` // passed, or why not
	Body    string `json:"body,omitempty"`
}

// Limits of a report. Samples are listed only if they failed.
const (
	MaxEntries = 200
	maxReasons = 20
	maxText    = 500
	maxBody    = 200
)

// Recorder collects a report while the checks run. What it has is there even if they never end.
type Recorder struct {
	mu sync.Mutex
	r  Report
}

// NewRecorder begins a report.
func NewRecorder(e decide.Event, began time.Time) *Recorder {
	return &Recorder{r: Report{Event: e, Began: began.UTC(), Entries: []Entry{}}}
}

// Add adds one request with its answer and verdict.
func (rec *Recorder) Add(check, method, path string, attempt int, a decide.Answer, v decide.Verdict) {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	if len(rec.r.Entries) == MaxEntries {
		rec.r.Omitted++
		return
	}
	e := Entry{Check: check, Method: method, Path: redact.Line(path, maxText), Attempt: attempt, Status: a.Status, Millis: a.Took.Milliseconds(), Verdict: "passed"}
	if !v.Passed {
		e.Verdict, e.Body = redact.Line(v.Why, maxText), redact.Line(string(a.Body), maxBody)
	}
	rec.r.Entries = append(rec.r.Entries, e)
}

// Fail adds a reason why the deployment must not go on.
func (rec *Recorder) Fail(reason string) {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	if len(rec.r.Reasons) < maxReasons {
		rec.r.Reasons = append(rec.r.Reasons, redact.Line(reason, maxText))
	}
}

// Skip says why nothing is tested.
func (rec *Recorder) Skip(why string) {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	rec.r.Skipped = why
}

// Shares adds the result of the samples.
func (rec *Recorder) Shares(green decide.Share, blue *decide.Share) {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	rec.r.Green, rec.r.Blue = &green, blue
}

// Finish returns the report as it is now. It passed if there is no reason against it, and something was tested or there
// is a reason not to.
func (rec *Recorder) Finish(now time.Time) Report {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	r := rec.r
	r.Entries, r.Reasons = slices.Clone(r.Entries), slices.Clone(r.Reasons)
	r.Millis = now.Sub(r.Began).Milliseconds()
	if len(r.Reasons) == 0 && len(r.Entries) == 0 && r.Skipped == "" {
		r.Reasons = []string{"nothing was tested"}
	}
	r.Passed = len(r.Reasons) == 0
	return r
}
