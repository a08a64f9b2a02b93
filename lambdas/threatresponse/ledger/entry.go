// Package ledger is the memory of the response: what was done to which target, what it was before, what waits for a person
// and until when. One DynamoDB table holds it. How an entry may change is pure, and in this file's neighbour.
package ledger

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"time"

	"slipway/internal/contract"
	"slipway/lambdas/threatresponse/decide"
)

// State is where an entry stands.
type State string

// The states. An entry stands in one that is open until it is settled.
const (
	Observed State = "observed" // a dry run: it would have been done
	Waiting  State = "waiting"  // for a person, until it lapses
	Applying State = "applying" // someone is at it, or was when they crashed
	Active   State = "active"   // contained
	Undoing  State = "undoing"  // like applying, the other way
	Failed   State = "failed"   // a person must look; some of it may be done, and can be undone

	Undone   State = "undone"   // by a person
	Expired  State = "expired"  // undone because its time was over
	Lapsed   State = "lapsed"   // nobody approved it in time
	Rejected State = "rejected" // by a person
	Gone     State = "gone"     // the target wasn't there any more, or turned out to be exempt

	Told State = "told" // the record of a finding itself
)

// Open are the states from which an entry goes on.
var Open = []State{Waiting, Applying, Active, Undoing, Failed, Observed}

// Settled are the other states.
var Settled = []State{Undone, Expired, Lapsed, Rejected, Gone}

// Swept are the states that a sweep looks at when their time has come.
var Swept = []State{Waiting, Applying, Undoing, Active}

// Entry is an action on a target. The same target has one entry, whichever findings ask for it and how often.
type Entry struct {
	ID      string        `json:"id"`
	State   State         `json:"state"`
	Version int           `json:"version"` // counts the writes; each is on condition of the one before
	Action  string        `json:"action"`
	Target  decide.Target `json:"target"`
	Stage   string        `json:"stage,omitempty"`
	Sample  bool          `json:"sample,omitempty"`

	Finding  Finding                `json:"finding"`            // the latest that asked
	Findings []string               `json:"findings,omitempty"` // IDs of those that asked in this round, the latest last
	Markers  []string               `json:"markers,omitempty"`  // of the targets in this round
	Siblings []string               `json:"siblings,omitempty"` // entries of the same finding
	After    contract.ResponseAfter `json:"after,omitempty"`

	// Before is what Undo needs, written before anything is changed.
	Before json.RawMessage `json:"before,omitempty"`
	Since  time.Time       `json:"since,omitzero"`
	// Expires is when containment ends by itself; zero means never.
	Expires time.Time `json:"expires,omitzero"`
	// Due is when a sweep must look at it; zero means never.
	Due      time.Time `json:"due,omitzero"`
	Owner    string    `json:"owner,omitempty"` // the invocation at work
	Attempts int       `json:"attempts,omitempty"`
	Ends     State     `json:"ends,omitempty"` // of Undoing: the state that it leads to

	By      string   `json:"by,omitempty"` // who approved, rejected or undid it
	Notes   []string `json:"notes,omitempty"`
	Error   string   `json:"error,omitempty"`
	History []Change `json:"history,omitempty"`
}

// Finding is what the ledger keeps of a finding.
type Finding struct {
	ID       string  `json:"id"`
	Type     string  `json:"type"`
	Title    string  `json:"title,omitempty"`
	Detector string  `json:"detector,omitempty"`
	Severity float64 `json:"severity,omitempty"`
	Level    string  `json:"level,omitempty"`
	Link     string  `json:"link,omitempty"`
}

// Change is a line of an entry's history.
type Change struct {
	At  time.Time `json:"at"`
	To  State     `json:"to"`
	By  string    `json:"by,omitempty"`
	Why string    `json:"why,omitempty"`
}

// Limits of what an entry keeps, so that it stays far below DynamoDB's 400 KB.
const (
	maxHistory  = 60
	maxFindings = 100
	maxNotes    = 30
)

// EntryID names the entry of a target.
func EntryID(t decide.Target) string {
	sum := sha256.Sum256([]byte(t.Kind + " " + t.ID))
	return t.Kind + "-" + hex.EncodeToString(sum[:6])
}

// Settled says that the entry will not change by itself.
func (e Entry) Settled() bool { return !slices.Contains(Open, e.State) }

// Changed says whether something may have been changed that can be undone.
func (e Entry) Changed() bool { return len(e.Before) > 0 }

// to moves the entry to a state and writes a line of history.
func (e Entry) to(s State, at time.Time, by, why string) Entry {
	e.State = s
	e.History = append(slices.Clone(e.History), Change{At: at.UTC(), To: s, By: by, Why: why})
	if n := len(e.History); n > maxHistory {
		e.History = e.History[n-maxHistory:]
	}
	return e
}

func (e Entry) asked(f Finding, marker string) Entry {
	e.Finding = f
	e.Findings = appendNew(e.Findings, f.ID, maxFindings)
	if marker != "" {
		e.Markers = appendNew(e.Markers, marker, maxFindings)
	}
	return e
}

// WithNotes adds what a remedy has to say.
func (e Entry) WithNotes(notes ...string) Entry {
	for _, note := range notes {
		e.Notes = appendNew(e.Notes, note, maxNotes)
	}
	return e
}

func appendNew(list []string, item string, limit int) []string {
	if slices.Contains(list, item) {
		return list
	}
	list = append(slices.Clone(list), item)
	return list[max(0, len(list)-limit):]
}

// Case is what is known of a finding, and what people were told about it.
type Case struct {
	ID      string    `json:"id"`
	Version int       `json:"version"`
	Finding Finding   `json:"finding"`
	Stage   string    `json:"stage,omitempty"`
	Count   int       `json:"count,omitempty"`
	First   time.Time `json:"first"`
	Last    time.Time `json:"last"`
	Why     string    `json:"why,omitempty"`
	Entries []string  `json:"entries,omitempty"`
	Told    string    `json:"told,omitempty"` // digest of the outcome in the last message
}

// CaseID names the record of a finding.
func CaseID(finding string) string { return "finding-" + finding }
