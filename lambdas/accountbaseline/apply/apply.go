// Package apply brings the settings of the account to what the stack asks for, keeps what they were before, and restores it
// when the stack no longer asks.
package apply

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/aws/aws-lambda-go/cfn"

	"slipway/lambdas/accountbaseline/decide"
	"slipway/lambdas/internal/customresource"
)

// Setting is one thing of the account that can be read and changed.
type Setting interface {
	// Read says what is there; nil if the account has no such thing.
	Read(context.Context) (decide.State, error)
	// Write makes the changes that lead from one state to the other and returns what identifies the thing afterwards. A nil
	// from makes it, a nil to removes it. Keys that to lacks stay.
	Write(ctx context.Context, from, to decide.State) (identities decide.State, err error)
}

// Row is a setting by its name, with the rule for what it becomes.
type Row struct {
	Name    string
	Setting Setting
	Target  decide.Target
}

// Baseline handles the settings of a table.
type Baseline struct {
	Rows   []Row
	Memory Memory
	Log    *slog.Logger
	Patience
}

// Handle handles one request of CloudFormation. Any step may come twice: what was before is written once, and before
// anything changes.
func (b Baseline) Handle(ctx context.Context, request customresource.Request) (map[string]string, error) {
	wish, err := decide.Parse(request.Properties)
	row, known := b.row(wish.Setting)
	if err == nil && !known {
		err = fmt.Errorf("there is no setting %q", wish.Setting)
	}
	switch {
	case err == nil && request.Type == cfn.RequestDelete:
		return nil, b.restore(ctx, row, wish)
	case request.Type == cfn.RequestDelete:
		b.Log.WarnContext(ctx, "nothing can have been changed by such a request", "error", err.Error())
		return nil, nil // its removal must not fail, or the stack could never go
	case err != nil:
		return nil, fmt.Errorf("account baseline: %w", err)
	}
	return b.set(ctx, row, wish)
}

func (b Baseline) row(name string) (Row, bool) {
	for _, row := range b.Rows {
		if row.Name == name {
			return row, true
		}
	}
	return Row{}, false
}

func (b Baseline) set(ctx context.Context, row Row, wish decide.Wish) (map[string]string, error) {
	var current decide.State
	err := b.until(ctx, denied, func() (err error) { // the role of a new stack is a moment old
		current, err = row.Setting.Read(ctx)
		return err
	})
	if err != nil {
		return nil, failed("read", row, err)
	}
	memory, found, err := b.Memory.Load(ctx, wish.Memory)
	if err != nil {
		return nil, err
	}
	if !found {
		memory = decide.Memory{Before: current}
	}
	to := row.Target(memory.Before, current, wish.Desired)
	changes := decide.Changes(current, to)
	same := current != nil && len(changes) == 0
	if !same || !found {
		if memory, err = b.Memory.Save(ctx, wish.Memory, memory, found, to); err != nil {
			return nil, err
		}
	}
	if same {
		b.Log.InfoContext(ctx, "already so", "setting", row.Name)
		return current.Identities(), b.Memory.Done(ctx, wish.Memory, memory)
	}
	identities, err := row.Setting.Write(ctx, current, to)
	if err != nil {
		return nil, failed("set", row, err)
	}
	b.Log.InfoContext(ctx, "set", "setting", row.Name, "changed", changes.Keys(), "wasThere", memory.Before != nil, "identities", identities.Identities())
	return decide.Over(current, identities).Identities(), b.Memory.Done(ctx, wish.Memory, memory)
}

func (b Baseline) restore(ctx context.Context, row Row, wish decide.Wish) error {
	memory, found, err := b.Memory.Load(ctx, wish.Memory)
	if err != nil {
		return err
	}
	if !found {
		b.Log.InfoContext(ctx, "nothing to restore", "setting", row.Name)
		return nil
	}
	current, err := row.Setting.Read(ctx)
	if err != nil {
		return failed("read", row, err)
	}
	to, kept := memory.Restore(current)
	if len(kept) > 0 {
		b.Log.WarnContext(ctx, "somebody has changed these since; they stay", "setting", row.Name, "kept", kept)
	}
	if current != nil && to == nil {
		// A removal of several steps that fails between them is finished by the next one.
		if err := b.Memory.Undone(ctx, wish.Memory, memory); err != nil {
			return err
		}
	}
	if current != nil && (to == nil || len(decide.Changes(current, to)) > 0) {
		if _, err := row.Setting.Write(ctx, current, to); err != nil {
			return failed("restore", row, err)
		}
	}
	b.Log.InfoContext(ctx, "restored", "setting", row.Name, "removed", current != nil && to == nil)
	return b.Memory.Forget(ctx, wish.Memory)
}

func failed(operation string, row Row, err error) error {
	advice := "deploy again; if it goes on, look at the function's log group"
	var refused *refusal
	if errors.As(err, &refused) {
		advice = refused.advice
	}
	return fmt.Errorf("%s %s: %w; %s", operation, row.Name, err, advice)
}

// refusal is an error of which the reader can do something about.
type refusal struct {
	err    error
	advice string
}

func (r *refusal) Error() string { return r.err.Error() }
func (r *refusal) Unwrap() error { return r.err }
