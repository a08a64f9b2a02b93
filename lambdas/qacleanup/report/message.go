package report

import (
	"fmt"
	"strings"
	"time"

	"slipway/internal/contract"
	"slipway/lambdas/qacleanup/decide"
)

// stuckNews is how long after its last failed deletion a stuck stack is worth a message. Afterwards the metric Stuck
// keeps the alarm on, and nobody gets the same message at each run.
const stuckNews = time.Hour

const (
	maxSubject = 100 // SNS, ASCII only
	maxLines   = 25  // of one list
	maxReason  = 400 // characters of one reason
)

// Message writes the message of a run for the people who get the notifications. It is empty when there is no news:
// nothing deleted, nothing that a dry run would delete, nothing failed and nothing newly stuck.
func Message(platform string, s Summary, now time.Time) (subject, body string) {
	var stuck []decide.Entry
	for _, e := range s.Stuck {
		if now.Sub(e.Since) < stuckNews {
			stuck = append(stuck, e)
		}
	}
	c := s.Counts
	if s.Paused {
		c.WouldDelete = 0 // people know that it waits, and would hear so at each run
	}
	if c.Deleted+c.WouldDelete+c.Failed+len(stuck) == 0 {
		return "", ""
	}

	var parts []string
	count := func(n int, what string) {
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, what))
		}
	}
	count(c.Deleted, "deleted")
	count(c.WouldDelete, "would be deleted (dry run)")
	count(c.Failed, "failed")
	count(len(stuck), "stuck")
	subject = ascii(fmt.Sprintf("%s QA cleanup: %s", platform, strings.Join(parts, ", ")))

	var b strings.Builder
	list := func(title string, total int, entries []decide.Entry) {
		if total == 0 {
			return
		}
		fmt.Fprintf(&b, "%s\n", title)
		for _, e := range entries[:min(len(entries), maxLines)] {
			fmt.Fprintf(&b, "- %s\n", line(e))
		}
		if more := total - min(len(entries), maxLines); more > 0 {
			fmt.Fprintf(&b, "- and %d more; the function's log has the summary\n", more)
		}
		b.WriteByte('\n')
	}
	list("Deleted, or being deleted by AWS now:", c.Deleted, s.Deleted)
	list("A dry run found these; with the dry run off they would be deleted:", c.WouldDelete, s.WouldDelete)
	list("Failed; the next run tries again:", c.Failed, s.Failed)
	list("Given up, someone has to look:", len(stuck), stuck)
	if c.Unclear > 0 {
		var unclear []decide.Entry
		for _, e := range s.Kept {
			if e.Unclear {
				unclear = append(unclear, e)
			}
		}
		list("Kept because it isn't clear whether they may go:", c.Unclear, unclear)
	}
	if s.Paused {
		fmt.Fprintf(&b, "The cleanup is paused (%s): nothing is deleted. make qa-resume ends that.\n", orDefault(s.Reason, "nobody said why"))
	}
	if c.Deleted > 0 {
		fmt.Fprintf(&b, "In all their life they cost at most %.2f USD.\n", s.Cost)
	}
	fmt.Fprintf(&b, "Kept: %d. Busy, looked at again by the next run: %d. Left for lack of time: %d.\n", c.Kept, c.Skipped, c.Left)
	fmt.Fprintf(&b, "An environment lives on when its branch is deployed again, or when the tag %s of its service is set later.\n", contract.TagExpires)
	return subject, b.String()
}

func line(e decide.Entry) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", e.Kind, e.Name)
	var about []string
	if e.Branch != "" {
		about = append(about, "branch "+e.Branch)
	}
	if e.Owner != "" {
		about = append(about, "owner "+e.Owner)
	}
	if len(about) > 0 {
		fmt.Fprintf(&b, " (%s)", strings.Join(about, ", "))
	}
	return b.String() + ": " + cut(strings.Join(strings.Fields(e.Why), " "), maxReason)
}

// ascii makes a subject that SNS takes: printable ASCII, at most 100 characters.
func ascii(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
	return s[:min(len(s), maxSubject)]
}

func orDefault(s, fallback string) string {
	if s == "" {
		return fallback
	}
	return s
}
