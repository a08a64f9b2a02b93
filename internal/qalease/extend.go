package qalease

import (
	"fmt"
	"time"

	"slipway/internal/contract"
)

// Extend says when a lease ends if it is renewed now for ttl: never earlier than it does, never after its hard maximum. cut
// says that the maximum shortened it.
func Extend(l Lease, now time.Time, ttl time.Duration) (ends time.Time, cut bool, err error) {
	if !l.Maximum.IsZero() && !l.Maximum.After(now) {
		return l.Ends, false, fmt.Errorf("extend %s: it reached its longest life at %s; deploy the branch anew once the cleanup has deleted it",
			l.Environment, contract.FormatExpiry(l.Maximum))
	}
	ends = now.Add(ttl).UTC().Truncate(time.Second)
	if !l.Maximum.IsZero() && ends.After(l.Maximum) {
		ends, cut = l.Maximum.UTC().Truncate(time.Second), true
	}
	if !ends.After(l.Ends) {
		return l.Ends, cut, nil
	}
	return ends, cut, nil
}
