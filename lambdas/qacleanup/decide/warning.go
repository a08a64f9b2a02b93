package decide

import (
	"cmp"
	"slices"
	"time"

	"slipway/internal/contract"
)

// levels are when people are told that an environment ends, the last one first.
var levels = []struct {
	name   string
	before time.Duration
}{
	{"2h", 2 * time.Hour},
	{"24h", 24 * time.Hour},
}

// Warning is an environment whose people should hear that its end is near.
type Warning struct {
	Entry
	Service string // ARN, which carries the lease and remembers the warning
	Before  string // what contract.TagWarned says now
	Mark    string // what it will say: the lease's end and the level, so that a renewed lease is warned of anew
}

// Warnings are those that are due and weren't given yet, in the order of the ends. A lease that was short from the beginning
// isn't warned of at once: whoever asked for two hours knows.
func Warnings(in Input, f Facts) []Warning {
	d := newDecision(in, f)
	last := slices.Clone(d.free)
	for _, members := range d.byStack {
		// The environment lives as long as the last of its services; one without a readable lease never ends.
		if !slices.ContainsFunc(members, func(m member) bool { return m.leaseErr != nil }) {
			last = append(last, slices.MaxFunc(members, func(a, b member) int { return a.lease.Ends.Compare(b.lease.Ends) }))
		}
	}
	var due []Warning
	for _, m := range last {
		if m.leaseErr != nil || m.expired(in.Now) || m.Status != "ACTIVE" {
			continue
		}
		if w, ok := m.warning(in.Now); ok {
			due = append(due, w)
		}
	}
	slices.SortFunc(due, func(a, b Warning) int { return cmp.Or(a.Ends.Compare(b.Ends), cmp.Compare(a.Service, b.Service)) })
	return due
}

func (m member) warning(now time.Time) (Warning, bool) {
	left, whole := m.lease.Ends.Sub(now), m.lease.Ends.Sub(m.CreatedAt)
	before := m.Tags[contract.TagWarned]
	for _, level := range levels {
		mark := contract.FormatExpiry(m.lease.Ends) + "/" + level.name
		if before == mark {
			return Warning{}, false // this one was given, and so were or would have been those before it
		}
		if left > level.before {
			continue
		}
		if !m.CreatedAt.IsZero() && whole <= level.before {
			return Warning{}, false
		}
		return Warning{Entry: m.entry("its lease ends at " + contract.FormatExpiry(m.lease.Ends)), Service: m.ARN, Before: before, Mark: mark}, true
	}
	return Warning{}, false
}
