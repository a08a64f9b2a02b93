package decide

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"slipway/internal/contract"
)

// MaxFailedDeletions is how often in a row a stack's deletion may fail before the cleanup stops trying and leaves it to
// a person. The count is read from the stack's own events, so there is no state to keep or to lose.
const MaxFailedDeletions = 3

// failedCreation are the states of a stack whose creation failed. It can only be deleted.
var failedCreation = []string{"CREATE_FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED"}

func (d *decision) stack(s Stack) {
	members := d.byStack[s.ID]
	slug, ours := contract.SlugFromStack(d.Platform, s.Name)
	e := Entry{Kind: KindStack, Name: s.Name, Environment: slug}
	if len(members) > 0 {
		l := members[0].lease
		e.Branch, e.Owner, e.Ends = l.Branch, l.Owner, l.Ends
	}
	keep := func(unclear bool, format string, args ...any) {
		e.Why, e.Unclear = fmt.Sprintf(format, args...), unclear
		d.plan.Kept = append(d.plan.Kept, e)
	}

	switch {
	case s.Status == "DELETE_COMPLETE":
		return
	case !ours:
		keep(true, "its name is none that Slipway gives a QA environment")
		return
	case s.ParentID != "":
		keep(false, "it is nested in %s and goes with it", s.ParentID)
		return
	case strings.HasSuffix(s.Status, "_IN_PROGRESS"):
		e.Why = "CloudFormation is at work on it: " + s.Status
		d.plan.Skipped = append(d.plan.Skipped, e)
		return
	}

	why, ended, verdict := d.stackIsOver(s, slug, members)
	switch verdict {
	case alive:
		keep(false, "%s", why)
		return
	case unclear:
		keep(true, "%s", why)
		return
	case over:
	}
	if s.ReadError != "" {
		keep(true, "%s, but its state could not be read: %s", why, s.ReadError)
		return
	}
	if s.Protected {
		keep(true, "%s, but its termination protection is on; switch it off or delete it by hand", why)
		return
	}
	if s.Status == "DELETE_FAILED" {
		if s.FailedDeletions >= MaxFailedDeletions {
			e.Since = s.LastFailure
			e.Why = fmt.Sprintf("its deletion failed %d times, the cleanup no longer tries: %s; remove what blocks it and delete the stack",
				s.FailedDeletions, reasonOf(s))
			d.plan.Stuck = append(d.plan.Stuck, e)
			return
		}
		why = fmt.Sprintf("%s; attempt %d of %d, the last one failed: %s", why, s.FailedDeletions+1, MaxFailedDeletions, reasonOf(s))
	}

	t := Target{
		Kind: KindStack, Name: s.Name, Environment: slug, Branch: e.Branch, Owner: e.Owner, Why: why, Ended: ended, Created: s.CreatedAt,
		Steps: []Step{{Kind: KindStack, ID: s.ID}},
	}
	for _, m := range members {
		t.Claims = append(t.Claims, m.claim())
	}
	d.plan.Targets = append(d.plan.Targets, t)
}

type verdict int

const (
	unclear verdict = iota // the zero value keeps
	alive
	over
)

// stackIsOver judges a stack by the leases of its services, or by its age and state when it has none.
func (d *decision) stackIsOver(s Stack, slug string, members []member) (why string, ended time.Time, v verdict) {
	unread := len(d.facts.Unreadable)
	if unread > 0 && (len(members) == 0 || d.bySlug[s.ID]) {
		return fmt.Sprintf("%d services of the cluster could not be read, one of them may be its own", unread), ended, unclear
	}
	if len(members) > 0 {
		for _, m := range members {
			switch {
			case m.leaseErr != nil:
				return fmt.Sprintf("the lease of its service %s can't be read: %v", m.Name, m.leaseErr), ended, unclear
			case m.lease.Environment != slug:
				return fmt.Sprintf("its service %s is tagged for another environment, %s", m.Name, m.lease.Environment), ended, unclear
			}
		}
		// The environment lives as long as the last of its services.
		last := slices.MaxFunc(members, func(a, b member) int { return a.lease.Ends.Compare(b.lease.Ends) })
		if last.expired(d.Now) {
			return last.lease.Why, last.lease.Ends, over
		}
		return "its lease runs until " + contract.FormatExpiry(last.lease.Ends), last.lease.Ends, alive
	}

	age := d.Now.Sub(s.CreatedAt)
	switch {
	case s.Status == "DELETE_FAILED":
		return "someone began to delete it and it has no service left", s.CreatedAt, over
	case s.CreatedAt.IsZero():
		return "it has no service, and its age is unknown", ended, unclear
	case age < d.Grace:
		return fmt.Sprintf("it has no service yet and is younger than %s", d.Grace), ended, alive
	case slices.Contains(failedCreation, s.Status):
		return fmt.Sprintf("its creation failed (%s), it has no service and is older than %s", s.Status, d.Grace), s.CreatedAt, over
	}
	return fmt.Sprintf("it is %s but has no service, so it has no lease; deploy it again or delete it by hand", s.Status), ended, unclear
}

func reasonOf(s Stack) string {
	if s.StatusReason == "" {
		return "CloudFormation gave no reason"
	}
	return s.StatusReason
}
