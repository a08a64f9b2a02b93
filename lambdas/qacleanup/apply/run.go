package apply

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"slipway/internal/qacluster"
	"slipway/lambdas/internal/bounded"
	"slipway/lambdas/qacleanup/decide"
)

// Status is what became of a target.
type Status string

// The outcomes.
const (
	Deleted     Status = "deleted"     // all steps are done; CloudFormation and ECS may still be at work
	WouldDelete Status = "wouldDelete" // dry run
	Renewed     Status = "renewed"     // its lease was renewed since the facts were read
	Protected   Status = "protected"   // people keep it from being deleted
	Postponed   Status = "postponed"   // some of it is still in use; the next run goes on
	Left        Status = "left"        // out of time; the next run goes on
	Failed      Status = "failed"
)

// Outcome is a target and what became of it.
type Outcome struct {
	decide.Target
	Status Status
	Detail string // why, unless it was deleted
	Done   int    // steps that were done
}

// Runner carries out plans.
type Runner struct {
	Cleaners    []Cleaner
	Services    qacluster.Describer
	Cluster     string
	Concurrency int
	Now         func() time.Time
	Log         *slog.Logger
}

// Run carries out the plan and returns an outcome for each target, in the plan's order. A failure stops its own target
// and no other. Nothing new is begun, and calls are given up, once the context ends.
func (r Runner) Run(ctx context.Context, plan decide.Plan, dryRun bool) []Outcome {
	outcomes := make([]Outcome, len(plan.Targets))
	for i, t := range plan.Targets {
		outcomes[i] = Outcome{Target: t, Status: WouldDelete}
	}
	if dryRun {
		return outcomes
	}
	cleaners := map[decide.Kind]Cleaner{}
	for _, c := range r.Cleaners {
		cleaners[c.Kind()] = c
	}
	bounded.Each(r.Concurrency, batches(outcomes), func(batch []*Outcome) {
		leases, err := r.read(ctx, batch)
		for _, o := range batch {
			r.target(ctx, cleaners, o, leases, err)
			r.Log.InfoContext(ctx, "target", "kind", o.Kind, "name", o.Name, "status", o.Status, "why", o.Why, "detail", o.Detail)
		}
	})
	return outcomes
}

// batches groups targets so that one call can read the leases of a group again. A target's leases stay together.
func batches(outcomes []Outcome) [][]*Outcome {
	var all [][]*Outcome
	room := 0
	for i := range outcomes {
		need := len(outcomes[i].Claims)
		if len(all) == 0 || need > room || len(all[len(all)-1]) == qacluster.Batch {
			all = append(all, nil)
			room = qacluster.Batch
		}
		last := len(all) - 1
		all[last] = append(all[last], &outcomes[i])
		room -= need
	}
	return all
}

// read reads the leases of the targets again, in one call unless a single target has more than fit in one.
func (r Runner) read(ctx context.Context, batch []*Outcome) (map[string]decide.Service, error) {
	var arns []string
	for _, o := range batch {
		for _, c := range o.Claims {
			if !slices.Contains(arns, c.Service) {
				arns = append(arns, c.Service)
			}
		}
	}
	leases := map[string]decide.Service{}
	for part := range slices.Chunk(arns, qacluster.Batch) {
		found, failed, err := qacluster.Describe(ctx, r.Services, r.Cluster, part)
		if err != nil {
			return nil, err
		}
		for _, s := range found {
			leases[s.ARN] = s
		}
		for _, f := range failed {
			leases[f.ARN] = decide.Service{} // unreadable, and so not expired
		}
	}
	return leases, nil
}

func (r Runner) target(ctx context.Context, cleaners map[decide.Kind]Cleaner, o *Outcome, leases map[string]decide.Service, err error) {
	defer func() {
		if p := recover(); p != nil { // one target never stops the others
			o.Status, o.Detail = Failed, fmt.Sprintf("panic: %v", p)
		}
	}()
	switch {
	case ctx.Err() != nil:
		o.Status, o.Detail = Left, "the run's time was over"
		return
	case err != nil:
		o.Status, o.Detail = Failed, "its lease could not be read again: "+err.Error()
		return
	}
	for _, c := range o.Claims {
		// A service that is gone holds nothing up: someone was faster.
		if s, exists := leases[c.Service]; exists && !c.Holds(s, r.Now()) {
			o.Status, o.Detail = Renewed, "the lease of "+c.Service+" was renewed, or can't be read any more"
			return
		}
	}

	for _, step := range o.Steps {
		cleaner, ok := cleaners[step.Kind]
		if !ok {
			o.Status, o.Detail = Failed, fmt.Sprintf("there is no cleaner for a %s", step.Kind)
			return
		}
		switch err := cleaner.Clean(ctx, step); {
		case err == nil:
			o.Done++
		case isLater(err):
			// The order matters, so what follows waits too; the next run begins again and finds less to do.
			o.Status, o.Detail = Postponed, err.Error()
			return
		case isRefused(err):
			o.Status, o.Detail = Protected, o.Why+", but "+err.Error()
			return
		case isOutOfTime(ctx, err):
			o.Status, o.Detail = Left, "the run's time ended before all of it was gone"
			return
		default:
			o.Status, o.Detail = Failed, err.Error()
			return
		}
	}
	o.Status = Deleted
}
