// Package engine carries plans out: it asks the ledger, lets the remedies work, and writes down what came of it. An action
// takes effect once however often its finding is delivered, and one that was interrupted is finished, not begun anew.
package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/guardduty"

	"slipway/lambdas/threatresponse/decide"
	"slipway/lambdas/threatresponse/ledger"
	"slipway/lambdas/threatresponse/remedy"
)

// Findings are GuardDuty's calls for what becomes of a finding afterwards.
type Findings interface {
	ArchiveFindings(context.Context, *guardduty.ArchiveFindingsInput, ...func(*guardduty.Options)) (*guardduty.ArchiveFindingsOutput, error)
	UnarchiveFindings(context.Context, *guardduty.UnarchiveFindingsInput, ...func(*guardduty.Options)) (*guardduty.UnarchiveFindingsOutput, error)
	UpdateFindingsFeedback(context.Context, *guardduty.UpdateFindingsFeedbackInput, ...func(*guardduty.Options)) (*guardduty.UpdateFindingsFeedbackOutput, error)
}

// Engine is the machinery of one invocation.
type Engine struct {
	Config   decide.Config
	Store    ledger.Store
	Remedies []remedy.Remedy
	Findings Findings
	Log      *slog.Logger
	Now      func() time.Time
	Owner    string // the invocation, which keeps its ID when Lambda tries it again
}

// Result is what became of an entry.
type Result struct {
	Entry     ledger.Entry
	New       bool  // this invocation changed it
	Elsewhere bool  // another invocation is at it
	Err       error // it is tried again
	Room      []ledger.Entry
}

const (
	writeAttempts = 8                // when others write the same entry
	margin        = 15 * time.Second // kept before the deadline for the ledger and the message
)

// Contain does what a demand asks for, as far as the ledger lets it.
func (e Engine) Contain(ctx context.Context, d ledger.Demand) Result {
	for range writeAttempts {
		old, err := e.Store.Entry(ctx, ledger.EntryID(d.Step.Target))
		if err != nil {
			return Result{Entry: ledger.Entry{ID: ledger.EntryID(d.Step.Target), Action: d.Step.Action, Target: d.Step.Target}, Err: err}
		}
		entry, next := ledger.Ask(old, d, e.Now(), e.Owner)
		result, err := e.follow(ctx, entry, next, old == nil || old.State != entry.State || entry.State == ledger.Waiting && !entry.Due.Equal(old.Due))
		if errors.Is(err, ledger.ErrChanged) {
			continue
		}
		return result
	}
	return Result{Entry: ledger.Entry{ID: ledger.EntryID(d.Step.Target), Action: d.Step.Action, Target: d.Step.Target}, Err: ledger.ErrChanged}
}

// follow does what comes after a change. The error is ErrChanged, for a caller that may look again.
func (e Engine) follow(ctx context.Context, entry ledger.Entry, next ledger.Next, changed bool) (Result, error) {
	switch next {
	case ledger.Nothing:
		return Result{Entry: entry}, nil
	case ledger.Elsewhere:
		return Result{Entry: entry, Elsewhere: true}, nil
	}
	written, err := e.Store.Put(ctx, entry)
	if err != nil {
		return Result{Entry: entry, Err: err}, err
	}
	if next == ledger.Write {
		return Result{Entry: written, New: changed}, nil
	}
	return e.run(ctx, written), nil
}

// run does the work of an entry that this invocation owns: applying or undoing.
func (e Engine) run(ctx context.Context, entry ledger.Entry) Result {
	work, cancel := limited(ctx)
	defer cancel()
	result := Result{Entry: entry, New: true}
	var err error
	if entry.Attempts > ledger.MaxAttempts {
		err = errors.New(entry.Error + " (it was interrupted too often)")
	} else {
		err = e.attempt(work, ctx, &result)
	}
	entry = result.Entry
	var spare *remedy.Spare
	switch {
	case err == nil:
		entry = entry.Done(e.Now())
		e.close(work, &entry)
	case errors.As(err, &spare) && entry.State == ledger.Applying && !entry.Changed():
		entry = entry.NothingToDo(e.Now(), spare.Why)
	default:
		var gaveUp bool
		entry, gaveUp = entry.Stumbled(e.Now(), err, remedy.Lasting(err))
		if !gaveUp {
			result.Err = fmt.Errorf("%s %s: %w", entry.Action, entry.Target.Label(), err)
		}
	}
	written, err := e.Store.Put(ctx, entry)
	if err != nil {
		// What was done is done; whoever comes next finds the entry as it was, and does it again with the same result.
		result.Entry, result.Err = entry, errors.Join(result.Err, err)
		return result
	}
	result.Entry = written
	e.Log.InfoContext(ctx, "entry", "id", written.ID, "action", written.Action, "target", written.Target.Label(), "state", written.State,
		"finding", written.Finding.ID, "attempt", entry.Attempts, "notes", written.Notes, "error", written.Error)
	return result
}

// attempt lets the remedy work. A panic is an error like any other.
func (e Engine) attempt(work, ctx context.Context, result *Result) (err error) {
	defer func() {
		if p := recover(); p != nil {
			e.Log.ErrorContext(ctx, "panic", "panic", fmt.Sprint(p), "stack trace", string(debug.Stack()))
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	entry := &result.Entry
	i := slices.IndexFunc(e.Remedies, func(r remedy.Remedy) bool { return r.Action() == entry.Action })
	if i < 0 {
		return fmt.Errorf("there is no action %s", entry.Action)
	}
	r := e.Remedies[i]
	task := func() remedy.Work {
		return remedy.Work{ID: entry.ID, Target: entry.Target, Since: entry.Since, Before: entry.Before}
	}
	if entry.State == ledger.Undoing {
		notes, err := r.Undo(work, task())
		*entry = entry.WithNotes(notes...)
		return err
	}
	if !entry.Changed() {
		before, err := r.Capture(work, task())
		if err != nil {
			return err
		}
		// Written before anything is changed: without it there would be no way back.
		entry.Before = before
		if *entry, err = e.Store.Put(ctx, *entry); err != nil {
			return err
		}
	}
	if bounded, ok := r.(remedy.Bounded); ok {
		excess, err := bounded.Excess(work, task())
		if err != nil {
			return err
		}
		if result.Room, err = e.makeRoom(ctx, *entry, excess); err != nil {
			return err
		}
	}
	notes, err := r.Apply(work, task())
	*entry = entry.WithNotes(notes...)
	return err
}

// limited is a context that ends in time for the ledger and the message.
func limited(ctx context.Context) (context.Context, context.CancelFunc) {
	end, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, end.Add(-min(margin, time.Until(end)/2)))
}

// makeRoom undoes the oldest entries of the same action.
func (e Engine) makeRoom(ctx context.Context, entry ledger.Entry, excess int) ([]ledger.Entry, error) {
	if excess <= 0 {
		return nil, nil
	}
	active, err := e.Store.In(ctx, ledger.Active)
	if err != nil {
		return nil, err
	}
	active = slices.DeleteFunc(active, func(a ledger.Entry) bool { return a.Action != entry.Action || a.ID == entry.ID })
	slices.SortStableFunc(active, func(a, b ledger.Entry) int { return a.Since.Compare(b.Since) })
	var went []ledger.Entry
	for _, old := range active {
		if len(went) == excess {
			break
		}
		result := e.Release(ctx, old.ID, ledger.Expired, "", "the oldest made room: the list is full")
		if result.Err == nil && result.Entry.State == ledger.Expired {
			went = append(went, result.Entry)
		}
	}
	if len(went) < excess {
		return went, fmt.Errorf("there is no room, and only %d of %d could be taken out; take some out by hand", len(went), excess)
	}
	return went, nil
}

// Release undoes an entry: ends is Undone for a person, Expired for the clock.
func (e Engine) Release(ctx context.Context, id string, ends ledger.State, by, why string) Result {
	return e.change(ctx, id, func(entry ledger.Entry) (ledger.Entry, ledger.Next, error) {
		undoing, err := ledger.Undo(entry, ends, e.Now(), e.Owner, by, why)
		return undoing, ledger.Run, err
	})
}

// Approve does what waits for a person.
func (e Engine) Approve(ctx context.Context, id, by string) Result {
	return e.change(ctx, id, func(entry ledger.Entry) (ledger.Entry, ledger.Next, error) {
		var lasts time.Duration
		if e.passes(entry.Action) {
			lasts = time.Duration(e.Config.Block)
		}
		started, err := ledger.Approve(entry, lasts, e.Now(), e.Owner, by)
		return started, ledger.Run, err
	})
}

// Reject settles what waits for a person.
func (e Engine) Reject(ctx context.Context, id, by, why string) Result {
	return e.change(ctx, id, func(entry ledger.Entry) (ledger.Entry, ledger.Next, error) {
		rejected, err := ledger.Reject(entry, e.Now(), by, why)
		return rejected, ledger.Write, err
	})
}

func (e Engine) change(ctx context.Context, id string, step func(ledger.Entry) (ledger.Entry, ledger.Next, error)) Result {
	for range writeAttempts {
		old, err := e.Store.Entry(ctx, id)
		if err != nil {
			return Result{Err: err}
		}
		if old == nil {
			return Result{Err: fmt.Errorf("the ledger has no entry %q; `slipway findings list` shows what there is", id)}
		}
		entry, next, err := step(*old)
		if err != nil {
			return Result{Entry: *old, Err: err}
		}
		result, err := e.follow(ctx, entry, next, true)
		if !errors.Is(err, ledger.ErrChanged) {
			return result
		}
	}
	return Result{Err: ledger.ErrChanged}
}

func (e Engine) passes(action string) bool {
	return slices.ContainsFunc(e.Remedies, func(r remedy.Remedy) bool {
		_, passes := r.(remedy.Passing)
		return passes && r.Action() == action
	})
}

// Lasts is how long an action's containment lasts; zero for one without end.
func (e Engine) Lasts(action string) time.Duration {
	if e.passes(action) {
		return time.Duration(e.Config.Block)
	}
	return 0
}

// Sweep looks at every entry whose time has come: approvals lapse, blocks end, and what was left behind is finished. It ends
// early when the time is over; the next one goes on.
func (e Engine) Sweep(ctx context.Context) ([]Result, error) {
	var results []Result
	var faults []error
	work, cancel := limited(ctx)
	defer cancel()
	for _, state := range ledger.Swept {
		due, err := e.Store.Due(ctx, state, e.Now())
		if err != nil {
			faults = append(faults, err)
			continue
		}
		for _, stale := range due {
			if work.Err() != nil {
				return results, errors.Join(faults...)
			}
			// The index may lag behind, so the entry itself is read again.
			result := e.change(ctx, stale.ID, func(entry ledger.Entry) (ledger.Entry, ledger.Next, error) {
				swept, next := ledger.Sweep(entry, e.Now(), e.Owner)
				return swept, next, nil
			})
			if result.Err != nil {
				faults = append(faults, result.Err)
			}
			if result.New {
				results = append(results, result)
			}
		}
	}
	return results, errors.Join(faults...)
}
