// Package gather reads the facts that the QA cleanup decides on. It only reads, with the fewest calls that the page and
// batch limits of the APIs allow.
package gather

import (
	"context"
	"errors"
	"fmt"

	"slipway/internal/qacluster"
	"slipway/lambdas/qacleanup/decide"
)

// Settings say what to look at.
type Settings struct {
	Platform    string
	Cluster     string
	ListenerARN string
	Concurrency int // batches read at once
	// Thorough reads the termination protection of the stacks that have to go, one call for each: for runs that only tell what
	// they would delete. When it is deleted, CloudFormation itself refuses a protected stack, in the same call.
	Thorough bool
}

// Reader reads facts.
type Reader struct {
	Settings
	ECS   ECS
	Stack CloudFormation
	ELB   ELB
}

// Facts reads all services of the cluster, then all stacks of the platform's environments, then more about the stacks
// that have to go and what the hand-made services that have to go consist of. The stacks come after the services, so that a stack which isn't there any more
// never leaves a service that looks hand-made only because its stack was still to be created.
//
// A listing that fails is an error, for nothing can be decided without it. Anything smaller that fails is part of the
// facts, so that the rest goes on; problems then says what.
func (r Reader) Facts(ctx context.Context, in decide.Input) (f decide.Facts, problems error, err error) {
	services, unreadable, problems, err := qacluster.Services(ctx, r.ECS, r.Cluster, r.Concurrency)
	if err != nil {
		return f, nil, err
	}
	f.Services, f.Unreadable = services, unreadable
	stacks, err := r.stacks(ctx)
	if err != nil {
		return f, nil, err
	}
	f.Stacks = stacks
	problems = errors.Join(problems, r.details(ctx, f.Stacks, decide.Doomed(in, f)))
	if handMade := decide.HandMade(in, f); len(handMade) > 0 {
		if err := r.pieces(ctx, handMade, &f); err != nil {
			f.PiecesError = err.Error()
			problems = errors.Join(problems, fmt.Errorf("look up what hand-made services consist of: %w", err))
		}
	}
	return f, problems, nil
}
