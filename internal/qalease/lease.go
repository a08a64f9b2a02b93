package qalease

import (
	"fmt"
	"time"

	"slipway/internal/contract"
)

// Lease is how long a QA environment may live. It stands in the tags of its ECS service and nowhere else.
type Lease struct {
	Environment string // the slug
	Branch      string
	Owner       string
	Ends        time.Time // the expiry or the hard maximum, whichever is earlier
	Maximum     time.Time // the hard maximum, which no renewal passes; zero without one
	Why         string    // which of the two it is
}

// Expired says whether the lease is over. It is over at its very end, not only after it.
func (l Lease) Expired(now time.Time) bool { return !now.Before(l.Ends) }

// Read reads a service's lease. What is missing or can't be read is an error, and a service without a readable lease is
// never deleted. The hard maximum is optional: without the tag only the expiry counts.
func Read(s Service) (Lease, error) {
	l := Lease{
		Environment: s.Tags[contract.TagEnvironment],
		Branch:      s.Tags[contract.TagBranch],
		Owner:       s.Tags[contract.TagOwner],
	}
	value, ok := s.Tags[contract.TagExpires]
	if !ok {
		return l, fmt.Errorf("no tag %s", contract.TagExpires)
	}
	expires, err := contract.ParseExpiry(value)
	if err != nil {
		return l, fmt.Errorf("tag %s: %w", contract.TagExpires, err)
	}
	if l.Environment == "" {
		return l, fmt.Errorf("no tag %s", contract.TagEnvironment)
	}
	l.Ends, l.Why = expires, "its lease ended at "+contract.FormatExpiry(expires)

	value, ok = s.Tags[contract.TagMaxLifetime]
	if !ok {
		return l, nil
	}
	longest, err := time.ParseDuration(value)
	if err != nil || longest <= 0 {
		return l, fmt.Errorf("tag %s: %q is no duration above zero; write it as 720h", contract.TagMaxLifetime, value)
	}
	if s.CreatedAt.IsZero() {
		return l, fmt.Errorf("its creation time is unknown, so %s can't be counted", contract.TagMaxLifetime)
	}
	l.Maximum = s.CreatedAt.Add(longest)
	if l.Maximum.Before(expires) {
		l.Ends = l.Maximum
		l.Why = fmt.Sprintf("it reached the longest life of %s, at %s", value, contract.FormatExpiry(l.Maximum))
	}
	return l, nil
}
