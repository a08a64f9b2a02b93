package ledger

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"slipway/internal/contract"
	"slipway/lambdas/threatresponse/decide"
)

var start = time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)

// TestEntriesKeepTheirPromises draws any sequence of findings, people, crashes and sweeps.
func TestEntriesKeepTheirPromises(t *testing.T) {
	modes := []contract.ResponseMode{contract.ModeAuto, contract.ModeApprove, contract.ModeDryRun}
	rapid.Check(t, func(t *rapid.T) {
		var entry *Entry
		now := start
		contained := false // as the world is: what was captured and not undone
		originals := ""
		write := func(e Entry) { e.Version++; entry = &e }
		// work is what the engine does with an entry that is to be run, or a crash in the middle of it.
		work := func(e Entry) {
			write(e)
			switch rapid.SampledFrom([]string{"done", "crash", "stumble", "refused", "spare"}).Draw(t, "work") {
			case "done":
				if e.State == Applying && !e.Changed() {
					e.Before = json.RawMessage(`"original"`)
				}
				contained = e.State == Applying
				write(e.Done(now))
			case "crash": // after the originals were written, and perhaps the change was made
				if e.State == Applying && !e.Changed() {
					e.Before = json.RawMessage(`"original"`)
					contained = true
					write(e)
				}
			case "stumble":
				stumbled, _ := e.Stumbled(now, errors.New("busy"), false)
				write(stumbled)
			case "refused":
				stumbled, gaveUp := e.Stumbled(now, errors.New("no"), true)
				if !gaveUp {
					t.Fatal("went on with what is no use")
				}
				write(stumbled)
			case "spare":
				if e.State == Applying && !e.Changed() {
					write(e.NothingToDo(now, "gone"))
				}
			}
		}
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 600).Draw(t, "minutes")) * time.Minute)
			owner := rapid.SampledFrom([]string{"a", "b"}).Draw(t, "owner")
			if entry != nil && entry.Changed() {
				originals = string(entry.Before)
			}
			switch rapid.SampledFrom([]string{"ask", "ask", "approve", "reject", "undo", "sweep"}).Draw(t, "step") {
			case "ask":
				d := Demand{
					Step: decide.Step{Action: "x", Target: decide.Target{Kind: "k", ID: "1", Marker: rapid.SampledFrom([]string{"", "m1", "m2"}).Draw(t, "marker")}},
					Mode: rapid.SampledFrom(modes).Draw(t, "mode"), Finding: Finding{ID: rapid.SampledFrom([]string{"f1", "f2"}).Draw(t, "finding")},
					Approval: time.Hour, Lasts: time.Duration(rapid.IntRange(0, 1).Draw(t, "lasts")) * time.Hour,
				}
				var before Entry
				if entry != nil {
					before = *entry
				}
				e, next := Ask(entry, d, now, owner)
				repeated := slices.Contains(before.Findings, d.Finding.ID)
				switch {
				case (before.State == Undone || before.State == Rejected) && repeated && next != Nothing:
					t.Fatalf("a person's decision about %s was overruled: %s", d.Finding.ID, next)
				case next == Run && d.Mode != contract.ModeAuto && before.State != Applying:
					t.Fatalf("mode %s ran it", d.Mode)
				case next == Run && before.State == Applying && before.Owner != owner && before.Due.After(now):
					t.Fatal("two invocations at one entry")
				}
				switch next {
				case Run:
					work(e)
				case Write:
					write(e)
				}
			case "approve":
				if entry != nil {
					if e, err := Approve(*entry, time.Hour, now, owner, "sam"); err == nil {
						work(e)
					}
				}
			case "reject":
				if entry != nil {
					if e, err := Reject(*entry, now, "sam", ""); err == nil {
						write(e)
					}
				}
			case "undo":
				if entry != nil {
					e, err := Undo(*entry, Undone, now, owner, "sam", "")
					if err == nil {
						work(e)
					}
					if err != nil && (entry.State == Active || entry.State == Failed) && entry.Changed() {
						t.Fatalf("what is %s can't be undone: %v", entry.State, err)
					}
				}
			case "sweep":
				if entry != nil {
					e, next := Sweep(*entry, now, owner)
					switch next {
					case Run:
						work(e)
					case Write:
						write(e)
					}
				}
			}
			if entry == nil {
				continue
			}
			e := *entry
			switch {
			case contained && !e.Changed():
				t.Fatalf("%s: contained, and nobody knows what it was before", e.State)
			case contained && e.Settled():
				t.Fatalf("%s: settled, and still contained", e.State)
			case originals != "" && e.Changed() && string(e.Before) != originals:
				t.Fatalf("the originals changed from %s to %s", originals, e.Before)
			case (e.State == Applying || e.State == Undoing) && e.Due.IsZero():
				t.Fatalf("%s, and no sweep would ever look at it", e.State)
			case e.Settled() && (e.Owner != "" || !e.Due.IsZero()):
				t.Fatalf("%s with the owner %q, due at %s", e.State, e.Owner, e.Due)
			case len(e.History) > maxHistory || len(e.Findings) > maxFindings || len(e.Notes) > maxNotes:
				t.Fatal("the entry grows without end")
			}
		}
	})
}

func TestEveryStateIsOpenOrSettled(t *testing.T) {
	for _, s := range []State{Observed, Waiting, Applying, Active, Undoing, Failed, Undone, Expired, Lapsed, Rejected, Gone} {
		if slices.Contains(Open, s) == slices.Contains(Settled, s) {
			t.Errorf("%s is both or neither", s)
		}
		if (Entry{State: s}).Settled() != slices.Contains(Settled, s) {
			t.Errorf("%s", s)
		}
	}
}

func TestEntryIDs(t *testing.T) {
	a, b := EntryID(decide.Target{Kind: "address", ID: "198.51.100.7"}), EntryID(decide.Target{Kind: "address", ID: "198.51.100.8"})
	if a == b || a != EntryID(decide.Target{Kind: "address", ID: "198.51.100.7", Marker: "x", Name: "y"}) || len(a) != len("address-")+12 {
		t.Errorf("%s, %s", a, b)
	}
}
