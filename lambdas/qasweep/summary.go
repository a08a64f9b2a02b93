package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/aws/smithy-go"

	"slipway/internal/contract"
	"slipway/lambdas/internal/emf"
	"slipway/lambdas/qasweep/decide"
)

// Summary is the result of a sweep. Lists are cut at maxListed entries; Counts never are.
type Summary struct {
	DryRun      bool           `json:"dryRun"`
	Paused      bool           `json:"paused"`
	Reason      string         `json:"reason,omitempty"`
	Counts      Counts         `json:"counts"`
	Deleted     []decide.Entry `json:"deleted"`
	WouldDelete []decide.Entry `json:"wouldDelete"`
	Kept        []decide.Entry `json:"kept"`
	Waiting     []decide.Entry `json:"waiting"` // seen too short a time ago; a later sweep looks again
	Left        []decide.Entry `json:"left"`    // out of time; the next sweep goes on
	Stuck       []decide.Entry `json:"stuck"`   // failed again and again; needs a person
	Failed      []decide.Entry `json:"failed"`
}

// Counts are the lengths of the lists before they were cut.
type Counts struct {
	Deleted     int `json:"deleted"`
	WouldDelete int `json:"wouldDelete"`
	Kept        int `json:"kept"`
	Waiting     int `json:"waiting"`
	Left        int `json:"left"`
	Stuck       int `json:"stuck"`
	Failed      int `json:"failed"`
}

const (
	maxListed = 50
	maxWhy    = 600 // characters
	maxLines  = 25  // of one list of a message
)

func newSummary(dryRun bool) Summary { return Summary{DryRun: dryRun} }

func (s *Summary) fail(e decide.Entry) { s.Failed = append(s.Failed, e) }

func entries(pieces []decide.Piece, why string) (list []decide.Entry) {
	for _, p := range pieces {
		list = append(list, decide.Entry{Kind: p.Kind, ID: p.ID, Environment: p.Environment, Why: why})
	}
	return list
}

// finish counts and cuts.
func (s *Summary) finish() {
	for _, list := range []struct {
		count   *int
		entries *[]decide.Entry
	}{
		{&s.Counts.Deleted, &s.Deleted}, {&s.Counts.WouldDelete, &s.WouldDelete}, {&s.Counts.Kept, &s.Kept}, {&s.Counts.Waiting, &s.Waiting},
		{&s.Counts.Left, &s.Left}, {&s.Counts.Stuck, &s.Stuck}, {&s.Counts.Failed, &s.Failed},
	} {
		*list.count = len(*list.entries)
		*list.entries = append([]decide.Entry{}, (*list.entries)[:min(len(*list.entries), maxListed)]...)
		for i, e := range *list.entries {
			if r := []rune(e.Why); len(r) > maxWhy {
				(*list.entries)[i].Why = string(r[:maxWhy]) + "…"
			}
		}
	}
}

// writeMetrics writes the sweep's metrics. Zero is written too, so that an alarm sees the end of a problem.
func (s *Summary) writeMetrics(w io.Writer, platform string, began, ended time.Time) error {
	c := s.Counts
	value := func(name string, n int) emf.Metric { return emf.Metric{Name: name, Value: float64(n)} }
	return emf.Write(w, ended, contract.SweepNamespace, map[string]string{contract.DimensionPlatform: platform},
		value(contract.MetricDeleted, c.Deleted), value(contract.MetricFailed, c.Failed), value(contract.MetricStuck, c.Stuck), value(contract.MetricLeft, c.Left),
		value(contract.MetricKept, c.Kept), value(contract.MetricWouldDelete, c.WouldDelete),
		emf.Metric{Name: contract.MetricCleanupMillis, Unit: "Milliseconds", Value: float64(ended.Sub(began).Milliseconds())},
	)
}

// message is empty without news: nothing deleted, nothing that a dry run would delete, nothing failed. What is stuck has its alarm.
func (s *Summary) message(platform string) (subject, body string) {
	c := s.Counts
	if s.Paused {
		c.WouldDelete = 0
	}
	if c.Deleted+c.WouldDelete+c.Failed == 0 {
		return "", ""
	}
	subject = fmt.Sprintf("%s QA sweep: %d remains deleted, %d would be, %d failures", platform, c.Deleted, c.WouldDelete, c.Failed)
	var b strings.Builder
	list := func(title string, total int, entries []decide.Entry) {
		if total == 0 {
			return
		}
		b.WriteString(title + "\n")
		for _, e := range entries[:min(len(entries), maxLines)] {
			fmt.Fprintf(&b, "- %s\n", strings.Join(strings.Fields(fmt.Sprintf("%s %s %s: %s", e.Environment, e.Kind, e.ID, e.Why)), " "))
		}
		if more := total - min(len(entries), maxLines); more > 0 {
			fmt.Fprintf(&b, "- and %d more; the function's log has the summary\n", more)
		}
		b.WriteByte('\n')
	}
	list("Deleted:", c.Deleted, s.Deleted)
	list("A dry run found these; with the dry run off they would be deleted:", c.WouldDelete, s.WouldDelete)
	list("Failed; the next sweep tries again:", c.Failed, s.Failed)
	list("Failed again and again, someone has to look:", c.Stuck, s.Stuck)
	fmt.Fprintf(&b, "Kept: %d. Seen too short a time ago: %d. Left for lack of time: %d.\n", c.Kept, c.Waiting, c.Left)
	return subject, b.String()
}

// isNoStack recognizes CloudFormation's answer for a stack that doesn't exist, which has no code of its own.
func isNoStack(err error) bool {
	var api smithy.APIError
	return errors.As(err, &api) && api.ErrorCode() == "ValidationError" && strings.Contains(api.ErrorMessage(), "does not exist")
}
