package apply

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/aws/smithy-go"
)

// Patience repeats calls that fail because AWS hasn't heard everywhere yet of what was made a moment ago: this function's
// own permissions, a service-linked role, a bucket's policy, a hub.
type Patience struct {
	// Pause between two attempts. 0 means DefaultPause.
	Pause time.Duration
}

// DefaultPause and Attempts: new permissions hold within seconds as a rule, and the function has two minutes.
const (
	DefaultPause = 4 * time.Second
	Attempts     = 6
)

// denied are the codes by which services refuse a call without permission.
var denied = []string{"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"}

// until repeats a call as long as its error has one of the codes, and returns the last one.
func (p Patience) until(ctx context.Context, codes []string, call func() error) error {
	pause := p.Pause
	if pause == 0 {
		pause = DefaultPause
	}
	for attempt := 1; ; attempt++ {
		err := call()
		if err == nil || attempt == Attempts || !slices.Contains(codes, code(err)) {
			return err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return errors.Join(err, ctx.Err())
		}
	}
}

// code is the error's code; empty if AWS didn't answer.
func code(err error) string {
	var known smithy.APIError
	if errors.As(err, &known) {
		return known.ErrorCode()
	}
	return ""
}
