// Package remedy holds the actions of the response, one a file. Each says what of a finding it would be done to (pure), what
// must be remembered, how it is done and how it is undone. All of them converge: done again after a crash they end the same.
package remedy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aws/smithy-go"

	"slipway/internal/contract"
	"slipway/lambdas/threatresponse/decide"
)

// Remedy is an action and its inverse.
type Remedy interface {
	decide.Remedy
	// Capture reads what Apply is going to change, without changing anything. A *Spare error says that there is nothing to do.
	Capture(context.Context, Work) (json.RawMessage, error)
	// Apply contains the target. It may be called again after it was interrupted, and finds part of the work done.
	Apply(context.Context, Work) (notes []string, err error)
	// Undo restores what Capture read, from that alone. It may be called again too.
	Undo(context.Context, Work) (notes []string, err error)
}

// Passing is a remedy whose containment ends by itself.
type Passing interface{ Passes() }

// Bounded is a remedy with room for only so many targets at once.
type Bounded interface {
	// Excess is how many older targets must go before this one has room.
	Excess(context.Context, Work) (int, error)
}

// Work is one application of a remedy.
type Work struct {
	ID     string // of the ledger's entry
	Target decide.Target
	Since  time.Time // when this was demanded; the same in each attempt
	Before json.RawMessage
}

// Mark is the value of contract.TagQuarantine: it tells one round of an entry from the next.
func (w Work) Mark() string { return w.ID + "/" + w.Since.UTC().Format("20060102T150405Z") }

// Spare is the error of a target that is gone, exempt or beyond reach. It is no failure.
type Spare struct{ Why string }

func (s *Spare) Error() string { return s.Why }

// exempt is the Spare of a target whose tags say so.
func exempt() error {
	return &Spare{fmt.Sprintf("left alone: its tag %s says %s", contract.TagResponse, contract.ResponseExempt)}
}

// isExempt says whether tags keep the response away.
func isExempt(tags map[string]string) bool {
	return tags[contract.TagResponse] == contract.ResponseExempt
}

// exemptDetail is the detail of a target that the finding itself shows as exempt.
func exemptDetail(tags map[string]string) map[string]string {
	if isExempt(tags) {
		return map[string]string{"exempt": "yes"}
	}
	return nil
}

func remember(v any) (json.RawMessage, error) { return json.Marshal(v) }

func recall[T any](w Work) (T, error) {
	var v T
	if err := json.Unmarshal(w.Before, &v); err != nil {
		return v, fmt.Errorf("read what the ledger remembers of %s: %w", w.ID, err)
	}
	return v, nil
}

// hasCode says whether AWS answered with one of the codes.
func hasCode(err error, codes ...string) bool {
	var api smithy.APIError
	return errors.As(err, &api) && slices.Contains(codes, api.ErrorCode())
}

// lasting are the codes of refusals that stay the same however often one asks.
var lasting = []string{
	"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthFailure", "ValidationError", "ValidationException",
	"InvalidParameterValue", "InvalidParameterException", "InvalidParameterCombination", "InvalidParameter", "InvalidInput",
	"UnmodifiableEntity", "LimitExceeded", "WAFInvalidParameterException", "WAFLimitsExceededException", "ClientException",
}

// Lasting says that trying again is no use: a person must look.
func Lasting(err error) bool { return hasCode(err, lasting...) }

// Sleep waits, or returns early when the context ends.
func Sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
