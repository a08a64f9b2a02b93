// Package deadline runs work that must have an outcome before a Lambda's time is over, whatever the work does.
package deadline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"
)

// The two ways in which work can have no outcome of its own.
var (
	ErrTime  = errors.New("the function ran out of time before it was done; raise its timeout, or give it less to do")
	ErrPanic = errors.New("the function panicked; its log has the details")
)

// grace is how long work whose context has ended may take to return what it has. Work that respects its context needs
// a moment; other work is left behind.
const grace = 250 * time.Millisecond

// Within runs work with a context that ends the margin before ctx's own deadline, and returns its result, or ErrTime or
// ErrPanic. The margin is at most half of the time that is left, so that a short timeout still leaves time for work.
func Within[T any](ctx context.Context, margin time.Duration, log *slog.Logger, work func(context.Context) T) (T, error) {
	inner, cancel := context.WithCancel(ctx)
	if end, ok := ctx.Deadline(); ok {
		cancel()
		inner, cancel = context.WithDeadline(ctx, end.Add(-min(margin, time.Until(end)/2)))
	}
	defer cancel()

	type outcome struct {
		value T
		err   error
	}
	done := make(chan outcome, 1) // buffered: work that comes too late must not hang for ever
	go func() {
		var o outcome
		defer func() {
			if p := recover(); p != nil {
				log.Error("panic", "panic", fmt.Sprint(p), "stack trace", string(debug.Stack()))
				o = outcome{err: ErrPanic}
			}
			done <- o
		}()
		o.value = work(inner)
	}()
	select {
	case o := <-done:
		return o.value, o.err
	case <-inner.Done():
	}
	select {
	case o := <-done:
		return o.value, o.err
	case <-time.After(grace):
		var none T
		return none, ErrTime
	}
}
