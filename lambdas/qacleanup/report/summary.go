// Package report tells what a run of the QA cleanup did: a summary for machines, a message for people, and metrics.
package report

import (
	"time"

	"slipway/internal/qalease"
	"slipway/lambdas/qacleanup/apply"
	"slipway/lambdas/qacleanup/decide"
)

// Summary is the result of a run. Lists are cut at MaxListed entries, those to look at first; Counts never are.
type Summary struct {
	DryRun      bool           `json:"dryRun"`
	Paused      bool           `json:"paused"`           // by the switch; nothing was deleted
	Reason      string         `json:"reason,omitempty"` // why people paused it
	Cost        float64        `json:"cost"`             // USD, at most, that what was deleted had cost in all its life
	Counts      Counts         `json:"counts"`
	Deleted     []decide.Entry `json:"deleted"`
	WouldDelete []decide.Entry `json:"wouldDelete"`
	Kept        []decide.Entry `json:"kept"`
	Skipped     []decide.Entry `json:"skipped"` // busy or in use; the next run looks again
	Left        []decide.Entry `json:"left"`    // out of time; the next run goes on
	Stuck       []decide.Entry `json:"stuck"`   // given up; needs a person
	Failed      []decide.Entry `json:"failed"`
	Warned      []decide.Entry `json:"warned"` // their people were told that the end is near
}

// Counts are the lengths of the lists before they were cut, and how many kept entries can't be read well enough to judge.
type Counts struct {
	Deleted     int `json:"deleted"`
	WouldDelete int `json:"wouldDelete"`
	Kept        int `json:"kept"`
	Unclear     int `json:"unclear"`
	Skipped     int `json:"skipped"`
	Left        int `json:"left"`
	Stuck       int `json:"stuck"`
	Failed      int `json:"failed"`
	Warned      int `json:"warned"`
}

// Input is what a summary needs besides the plan and its outcomes.
type Input struct {
	DryRun bool
	Paused bool
	Reason string
	Now    time.Time
	Hours  qalease.OfficeHours
	Rate   qalease.Rate
}

// MaxListed keeps the summary well below what a log line and a Lambda's answer may hold.
const MaxListed = 50

const maxWhy = 1000 // characters of one reason; errors joined from many calls get long

// KindFacts marks a failure to read something, rather than to delete it.
const KindFacts decide.Kind = "facts"

// Summarize makes the summary. problems is what could not be read.
func Summarize(in Input, plan decide.Plan, outcomes []apply.Outcome, warned []decide.Entry, problems error) Summary {
	s := Summary{
		DryRun: in.DryRun, Paused: in.Paused, Reason: in.Reason, Warned: warned, Kept: plan.Kept, Skipped: plan.Skipped, Stuck: plan.Stuck,
		Deleted: []decide.Entry{}, WouldDelete: []decide.Entry{}, Left: []decide.Entry{}, Failed: []decide.Entry{},
	}
	for _, o := range outcomes {
		e := decide.Entry{Kind: o.Kind, Name: o.Name, Environment: o.Environment, Branch: o.Branch, Owner: o.Owner, Why: o.Why, Ends: o.Ended}
		if o.Detail != "" {
			e.Why = o.Detail
		}
		switch o.Status {
		case apply.Deleted:
			if !o.Created.IsZero() {
				e.Cost = in.Rate.Between(in.Hours, o.Created, in.Now)
				s.Cost += e.Cost
			}
			s.Deleted = append(s.Deleted, e)
		case apply.WouldDelete:
			s.WouldDelete = append(s.WouldDelete, e)
		case apply.Renewed:
			e.Ends = time.Time{}
			s.Kept = append(s.Kept, e)
		case apply.Protected:
			e.Ends, e.Unclear = time.Time{}, true
			s.Kept = append(s.Kept, e)
		case apply.Postponed:
			s.Skipped = append(s.Skipped, e)
		case apply.Left:
			s.Left = append(s.Left, e)
		default:
			s.Failed = append(s.Failed, e)
		}
	}
	if problems != nil {
		s.Failed = append(s.Failed, decide.Entry{Kind: KindFacts, Name: "reading", Why: problems.Error()})
	}
	for _, e := range s.Kept {
		if e.Unclear {
			s.Counts.Unclear++
		}
	}
	for _, list := range []struct {
		count   *int
		entries *[]decide.Entry
	}{
		{&s.Counts.Deleted, &s.Deleted}, {&s.Counts.WouldDelete, &s.WouldDelete}, {&s.Counts.Kept, &s.Kept},
		{&s.Counts.Skipped, &s.Skipped}, {&s.Counts.Left, &s.Left}, {&s.Counts.Stuck, &s.Stuck}, {&s.Counts.Failed, &s.Failed},
		{&s.Counts.Warned, &s.Warned},
	} {
		*list.count = len(*list.entries)
		if *list.entries == nil {
			*list.entries = []decide.Entry{}
		}
		*list.entries = (*list.entries)[:min(len(*list.entries), MaxListed)]
		for i, e := range *list.entries {
			(*list.entries)[i].Why = cut(e.Why, maxWhy)
		}
	}
	return s
}

func cut(s string, limit int) string {
	if r := []rune(s); len(r) > limit {
		return string(r[:limit]) + "…"
	}
	return s
}
