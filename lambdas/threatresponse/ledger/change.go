package ledger

import (
	"fmt"
	"slices"
	"time"

	"slipway/internal/contract"
	"slipway/lambdas/threatresponse/decide"
)

// Limits of one piece of work.
const (
	// Lease is how long an invocation may be at an entry before another takes over: longer than the function's timeout.
	Lease = 6 * time.Minute
	// Pause is how long an entry rests after a failed attempt, unless the same invocation comes back.
	Pause = time.Minute
	// MaxAttempts is how often an action is tried before a person must look.
	MaxAttempts = 5
)

// Next is what follows from a change.
type Next string

// What may follow.
const (
	Run       Next = "run"       // write the entry, then carry the action out
	Write     Next = "write"     // write the entry; nothing else
	Nothing   Next = "nothing"   // it is as it should be
	Elsewhere Next = "elsewhere" // another invocation is at it
)

// Demand is what a finding asks for.
type Demand struct {
	Step    decide.Step
	Mode    contract.ResponseMode
	After   contract.ResponseAfter
	Stage   string
	Sample  bool
	Finding Finding
	// Approval and Lasts are how long it may wait, and how long it lasts; Lasts is zero for what has no end.
	Approval, Lasts time.Duration
	Siblings        []string
}

// Ask says what a demand makes of a target's entry; old is nil for a target that the ledger doesn't know.
func Ask(old *Entry, d Demand, now time.Time, owner string) (Entry, Next) {
	if old == nil {
		return fresh(Entry{ID: EntryID(d.Step.Target)}, d, now, owner)
	}
	e := *old
	repeated := slices.Contains(e.Findings, d.Finding.ID)
	switch e.State {
	case Applying:
		return resume(e, now, owner)
	case Undoing:
		return e, Elsewhere // a sweep goes on with it if it was left behind
	case Active:
		return again(e, d, now, owner)
	case Undone, Rejected:
		if repeated {
			return e, Nothing // a person decided about this finding
		}
	case Gone:
		if repeated {
			return e, Nothing
		}
	case Failed:
		if d.Mode != contract.ModeAuto {
			return e, Nothing
		}
		e = e.asked(d.Finding, d.Step.Target.Marker) // what it was before stays what it was before
		return e.start(now, owner, "finding", "it came again after a failure"), Run
	case Waiting:
		if d.Mode == contract.ModeAuto {
			return fresh(e, d, now, owner)
		}
		if repeated && e.Due.After(now) {
			return e, Nothing
		}
		if e.Due.After(now) {
			return e.asked(d.Finding, d.Step.Target.Marker), Write
		}
	case Observed:
		if d.Mode == contract.ModeDryRun {
			if repeated {
				return e, Nothing
			}
			return e.asked(d.Finding, d.Step.Target.Marker), Write
		}
	}
	return fresh(e, d, now, owner)
}

// fresh begins a new round of an entry.
func fresh(e Entry, d Demand, now time.Time, owner string) (Entry, Next) {
	e = Entry{ID: e.ID, Version: e.Version, History: e.History}
	e.Action, e.Target, e.Stage, e.Sample, e.After, e.Siblings = d.Step.Action, d.Step.Target, d.Stage, d.Sample, d.After, d.Siblings
	e = e.asked(d.Finding, d.Step.Target.Marker)
	if d.Lasts > 0 {
		e.Expires = now.Add(d.Lasts)
	}
	switch d.Mode {
	case contract.ModeAuto:
		return e.start(now, owner, "policy", ""), Run
	case contract.ModeApprove:
		e.Due = now.Add(d.Approval)
		return e.to(Waiting, now, "policy", ""), Write
	default:
		return e.to(Observed, now, "policy", "dry run"), Write
	}
}

// start lets an invocation begin with the action.
func (e Entry) start(now time.Time, owner, by, why string) Entry {
	e.Since, e.Owner, e.Due, e.Attempts, e.Error, e.Notes = now.UTC(), owner, now.Add(Lease), 1, "", nil
	return e.to(Applying, now, by, why)
}

// resume takes over an action, or its undoing, that was begun.
func resume(e Entry, now time.Time, owner string) (Entry, Next) {
	if e.Owner != owner && e.Due.After(now) {
		return e, Elsewhere
	}
	e.Owner, e.Due, e.Attempts = owner, now.Add(Lease), e.Attempts+1
	return e, Run
}

// again looks at a demand for what is contained already.
func again(e Entry, d Demand, now time.Time, owner string) (Entry, Next) {
	if d.Mode != contract.ModeAuto {
		return e, Nothing
	}
	marker := d.Step.Target.Marker
	renewed := marker != "" && !slices.Contains(e.Markers, marker)
	repeated := slices.Contains(e.Findings, d.Finding.ID)
	e = e.asked(d.Finding, marker)
	if d.Lasts > 0 {
		e.Expires = now.Add(d.Lasts)
	}
	if renewed {
		// Such as another session of the same role: the first containment doesn't reach it.
		e.Target = d.Step.Target
		return e.start(now, owner, "finding", "something new about the same target"), Run
	}
	if d.Lasts > 0 {
		e.Due = e.Expires
		return e, Write
	}
	if repeated {
		return e, Nothing
	}
	return e, Write
}

// Approve begins what waits for a person, or what a dry run only observed.
func Approve(e Entry, lasts time.Duration, now time.Time, owner, by string) (Entry, error) {
	switch {
	case e.Sample:
		return e, fmt.Errorf("approve %s: it comes from a sample finding, which is never acted on", e.ID)
	case e.State == Waiting && !e.Due.After(now):
		return e, fmt.Errorf("approve %s: the time to approve it was over at %s; it waits again when the finding comes again", e.ID, e.Due.UTC().Format(time.RFC3339))
	case e.State != Waiting && e.State != Observed && e.State != Failed:
		return e, fmt.Errorf("approve %s: it is %s; only what is %s, %s or %s can be approved", e.ID, e.State, Waiting, Observed, Failed)
	}
	if lasts > 0 {
		e.Expires = now.Add(lasts)
	}
	e.By = by
	return e.start(now, owner, by, "approved"), nil
}

// Reject settles what waits.
func Reject(e Entry, now time.Time, by, why string) (Entry, error) {
	if e.State != Waiting && e.State != Observed {
		return e, fmt.Errorf("reject %s: it is %s; only what is %s or %s can be rejected", e.ID, e.State, Waiting, Observed)
	}
	e.By, e.Due = by, time.Time{}
	return e.to(Rejected, now, by, why), nil
}

// Undo begins to take an action back, for a person (ends in Undone) or because its time is over (ends in Expired).
func Undo(e Entry, ends State, now time.Time, owner, by, why string) (Entry, error) {
	switch e.State {
	case Undoing, Applying:
		if e.Owner != owner && e.Due.After(now) {
			return e, fmt.Errorf("undo %s: it is %s just now; try again in a few minutes", e.ID, e.State)
		}
		e.Attempts++
	case Active, Failed:
		e.Attempts = 1
	default:
		return e, fmt.Errorf("undo %s: it is %s; there is nothing to undo", e.ID, e.State)
	}
	if !e.Changed() {
		return e, fmt.Errorf("undo %s: nothing was changed yet, so there is nothing to undo", e.ID)
	}
	if e.State != Undoing {
		e.Ends = ends
		e = e.to(Undoing, now, by, why)
	}
	if by != "" {
		e.By = by
	}
	e.Owner, e.Due, e.Error, e.Notes = owner, now.Add(Lease), "", nil
	return e, nil
}

// Done settles the work at hand: an action is active, an undoing ends where it should.
func (e Entry) Done(now time.Time) Entry {
	e.Owner, e.Error, e.Attempts = "", "", 0
	if e.State == Undoing {
		e.Due = time.Time{}
		return e.to(e.Ends, now, e.By, "")
	}
	e.Due = e.Expires
	return e.to(Active, now, e.By, "")
}

// NothingToDo settles an action whose target is gone or exempt.
func (e Entry) NothingToDo(now time.Time, why string) Entry {
	e.Owner, e.Due, e.Before = "", time.Time{}, nil
	return e.WithNotes(why).to(Gone, now, "", why)
}

// Stumbled notes a failed attempt. It gives up if trying again is no use, or was tried often enough.
func (e Entry) Stumbled(now time.Time, err error, final bool) (Entry, bool) {
	e.Error = err.Error()
	if final || e.Attempts >= MaxAttempts {
		e.Owner, e.Due = "", time.Time{}
		return e.to(Failed, now, "", e.Error), true
	}
	e.Due = now.Add(Pause)
	return e, false
}

// Sweep says what the clock makes of an entry whose time has come.
func Sweep(e Entry, now time.Time, owner string) (Entry, Next) {
	if e.Due.IsZero() || e.Due.After(now) {
		return e, Nothing
	}
	switch e.State {
	case Waiting:
		e.Due = time.Time{}
		return e.to(Lapsed, now, "clock", "nobody approved it in time"), Write
	case Applying, Undoing:
		return resume(e, now, owner)
	case Active:
		undoing, err := Undo(e, Expired, now, owner, "clock", "its time is over")
		if err != nil {
			return e, Nothing
		}
		return undoing, Run
	}
	return e, Nothing
}
