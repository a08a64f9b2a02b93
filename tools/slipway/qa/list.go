package qa

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"slipway/internal/contract"
	"slipway/internal/qalease"
	"slipway/tools/slipway/command"
)

func list(ctx context.Context, s *session, _ options) error {
	facts, err := s.facts(ctx)
	if err != nil {
		return err
	}
	note, err := s.pausedBecause(ctx)
	if err != nil {
		fmt.Fprintln(s.log, err) // the list is worth having without it
	}
	if note != "" {
		fmt.Fprintln(s.out, note)
	}
	now := s.now()
	rows := qalease.Rows(s.cfg.ListSettings(), facts, now)
	if len(rows) == 0 {
		fmt.Fprintln(s.out, "There are no QA environments.")
		return nil
	}
	return write(s.out, rows, now)
}

func write(out io.Writer, rows []qalease.Row, now time.Time) error {
	table := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(table, "SLUG\tBRANCH\tOWNER\tAGE\tENDS IN\tSTATE\tURL\tCOST SO FAR, AT MOST")
	var sum float64
	for _, r := range rows {
		age, ends := "", ""
		if !r.Created.IsZero() {
			age = qalease.Short(r.Age(now))
		}
		if left, ok := r.EndsIn(now); ok {
			ends = qalease.Short(left)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t$%.2f\n", plain(r.Slug), plain(r.Branch), plain(r.Owner), age, ends, r.State, r.URL, r.Cost)
		sum += r.Cost
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, r := range rows {
		if r.Note != "" {
			fmt.Fprintf(out, "%s: %s\n", plain(r.Slug), plain(r.Note))
		}
	}
	fmt.Fprintf(out, "%d environments, $%.2f so far at Fargate's on-demand price in eu-west-1; Spot is less.\n", len(rows), sum)
	return nil
}

// plain keeps what people wrote into tags from changing the table or the terminal.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
}

func pause(ctx context.Context, s *session, o options) error {
	value := contract.SwitchPaused
	if why := strings.TrimSpace(o.why); why != "" {
		if len([]rune(why)) > 200 || strings.ContainsFunc(why, unicode.IsControl) {
			return command.Mistake(errors.New("the reason may have at most 200 characters, in one line"))
		}
		value += ": " + why
	}
	if err := s.setSwitch(ctx, value); err != nil {
		return err
	}
	fmt.Fprintln(s.out, "Paused: from the next run on no QA environment is deleted. make qa-resume ends that.")
	return nil
}

func resume(ctx context.Context, s *session, _ options) error {
	if err := s.setSwitch(ctx, contract.SwitchOn); err != nil {
		return err
	}
	fmt.Fprintln(s.out, "The cleanup is on: the next run deletes what has ended.")
	return nil
}
