package decide

import (
	"slices"

	"slipway/internal/contract"
	"slipway/internal/qalease"
)

// piece plans the deletion of one kind of resource that a hand-made service consists of.
type piece func(d *decision, m member, t *Target)

// pieces is the order in which a hand-made service is taken apart: first nothing is routed to it, then its tasks stop,
// then what only it used goes, and the service itself last. For the service carries the lease: were it deleted earlier,
// a run that is interrupted would leave the rest where no later run finds it.
//
// A new kind is a file with a piece, a line here, and a cleaner in package apply.
var pieces = []piece{
	listenerRules,
	tasks,
	targetGroups,
	taskDefinitions,
	ecsService,
}

func (d *decision) service(m member) {
	keep := func(why string, unclear bool) {
		e := m.entry(why)
		e.Unclear = unclear
		d.plan.Kept = append(d.plan.Kept, e)
	}
	switch {
	case m.leaseErr != nil:
		keep("its lease can't be read: "+m.leaseErr.Error(), true)
		return
	case !m.expired(d.Now):
		keep("its lease runs until "+contract.FormatExpiry(m.lease.Ends), false)
		return
	case d.facts.PiecesError != "":
		keep(m.lease.Why+", but what it consists of could not be read: "+d.facts.PiecesError, true)
		return
	}
	t := Target{
		Kind: KindService, Name: m.Name, Environment: m.lease.Environment, Branch: m.lease.Branch, Owner: m.lease.Owner,
		Why: m.lease.Why, Ended: m.lease.Ends, Created: m.CreatedAt, Claims: []Claim{m.claim()},
	}
	for _, plan := range pieces {
		plan(d, m, &t)
	}
	d.plan.Targets = append(d.plan.Targets, t)
}

// ecsService deletes the service itself, unless that has begun already.
func ecsService(_ *decision, m member, t *Target) {
	if m.Status == "ACTIVE" {
		t.Steps = append(t.Steps, Step{Kind: KindService, ID: m.ARN})
	}
}

// spare records a piece that stays although its service goes.
func (d *decision) spare(m member, kind Kind, name, why string) {
	e := m.entry(why)
	e.Kind, e.Name, e.Unclear = kind, name, true
	d.plan.Kept = append(d.plan.Kept, e)
}

// foreign says why a piece with these tags isn't the service's own, or nothing. What CloudFormation made is never a
// hand-made service's piece, even if the service uses it; what is tagged for another environment is that one's.
func foreign(tags map[string]string, m member) string {
	if stack := tags[qalease.TagStackName]; stack != "" && stack != m.Tags[qalease.TagStackName] {
		return "it belongs to the stack " + stack
	}
	if env, ok := tags[contract.TagEnvironment]; ok && env != m.lease.Environment {
		return "it is tagged for another environment, " + env
	}
	return ""
}

// sharers looks at the other services of the cluster for which uses is true. stays names one that isn't deleted in this
// run; the others are hand-made and expired as well, and t then rests on their leases too.
func (d *decision) sharers(m member, t *Target, uses func(member) bool) (stays string) {
	if len(d.facts.Unreadable) > 0 {
		return d.facts.Unreadable[0].ARN + ", which could not be read,"
	}
	var claims []Claim
	for _, other := range d.members {
		if other.ARN == m.ARN || !uses(other) {
			continue
		}
		free := slices.ContainsFunc(d.free, func(f member) bool { return f.ARN == other.ARN })
		if !free || !other.expired(d.Now) {
			return other.Name
		}
		claims = append(claims, other.claim())
	}
	for _, c := range claims {
		if !slices.Contains(t.Claims, c) {
			t.Claims = append(t.Claims, c)
		}
	}
	return ""
}
