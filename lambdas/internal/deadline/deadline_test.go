package deadline

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"
)

func TestWithin(t *testing.T) {
	for sentence, c := range map[string]struct {
		timeout, margin time.Duration
		work            func(context.Context) string
		want            string
		err             error
		after           time.Duration
	}{
		"work in time has its own result": {
			time.Minute, 10 * time.Second, func(context.Context) string { time.Sleep(time.Second); return "done" }, "done", nil, time.Second,
		},
		"work that heeds its context returns what it has, the margin before the deadline": {
			time.Minute, 10 * time.Second, func(ctx context.Context) string { <-ctx.Done(); return "half" }, "half", nil, 50 * time.Second,
		},
		"work that heeds nothing is left behind": {
			time.Minute, 10 * time.Second, func(context.Context) string { time.Sleep(time.Hour); return "late" }, "", ErrTime, 50*time.Second + grace,
		},
		"a margin longer than the timeout leaves half of the time": {
			10 * time.Second, time.Minute, func(ctx context.Context) string { <-ctx.Done(); return "half" }, "half", nil, 5 * time.Second,
		},
		"a panic is an error": {time.Minute, time.Second, func(context.Context) string { panic("boom") }, "", ErrPanic, 0},
		"without a deadline work takes its time": {
			0, time.Second, func(context.Context) string { time.Sleep(time.Hour); return "done" }, "done", nil, time.Hour,
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(context.Background())
				if c.timeout > 0 {
					ctx, cancel = context.WithTimeout(context.Background(), c.timeout)
				}
				defer cancel()
				began := time.Now()
				got, err := Within(ctx, c.margin, slog.New(slog.DiscardHandler), c.work)
				if got != c.want || !errors.Is(err, c.err) || time.Since(began) != c.after {
					t.Errorf("%q, %v after %v; want %q, %v after %v", got, err, time.Since(began), c.want, c.err, c.after)
				}
				time.Sleep(2 * time.Hour) // lets what was left behind end
			})
		})
	}
}
