package decide

import (
	"time"

	"slipway/internal/contract"
	"slipway/internal/qalease"
)

// member is a service with what its tags say.
type member struct {
	Service
	lease    qalease.Lease
	leaseErr error
}

func (m member) expired(now time.Time) bool { return m.leaseErr == nil && m.lease.Expired(now) }

func (m member) claim() Claim { return Claim{Service: m.ARN, Environment: m.lease.Environment} }

func (m member) entry(why string) Entry {
	return Entry{
		Kind: KindService, Name: m.Name, Environment: m.lease.Environment, Branch: m.lease.Branch,
		Owner: m.lease.Owner, Ends: m.lease.Ends, Why: why,
	}
}

// decision holds what the single decisions share.
type decision struct {
	Input
	facts   Facts
	members []member
	byStack map[string][]member // stack ID → its services
	bySlug  map[string]bool     // IDs of stacks to which services belong by their slug only
	free    []member            // services of no stack
	plan    Plan
}

func newDecision(in Input, f Facts) *decision {
	d := &decision{Input: in, facts: f, byStack: map[string][]member{}, bySlug: map[string]bool{}}
	byID, byName := map[string]Stack{}, map[string]Stack{}
	for _, s := range f.Stacks {
		byID[s.ID], byName[s.Name] = s, s
	}

	var untagged []member
	for _, s := range f.Services {
		if s.Cluster != in.Cluster || s.Status == "INACTIVE" {
			continue // nothing outside the QA cluster is ours, whatever a listing returned; an inactive service is gone
		}
		m := member{Service: s}
		m.lease, m.leaseErr = qalease.Read(s)
		d.members = append(d.members, m)

		name, fromStack := s.Tags[qalease.TagStackName]
		if !fromStack {
			untagged = append(untagged, m)
			continue
		}
		if _, ours := contract.SlugFromStack(in.Platform, name); !ours {
			e := m.entry("it belongs to the stack " + name + ", which is no QA environment")
			e.Unclear = m.expired(in.Now)
			d.plan.Kept = append(d.plan.Kept, e)
			continue
		}
		stack, exists := byName[name]
		if id := s.Tags[qalease.TagStackID]; id != "" {
			stack, exists = byID[id]
		}
		if exists {
			d.byStack[stack.ID] = append(d.byStack[stack.ID], m)
		} else {
			d.free = append(d.free, m) // its stack is gone and left it behind
		}
	}

	// A service without CloudFormation's tags belongs to the stack of its slug only if that stack has no service of its
	// own: a copy that somebody made by hand, with the tags copied, must not end the living environment of that name.
	own := map[string]bool{}
	for id := range d.byStack {
		own[id] = true
	}
	for _, m := range untagged {
		stack, exists := byName[contract.QAEnvironmentStack(in.Platform, m.lease.Environment)]
		if exists && !own[stack.ID] {
			d.byStack[stack.ID] = append(d.byStack[stack.ID], m)
			d.bySlug[stack.ID] = true
		} else {
			d.free = append(d.free, m)
		}
	}
	return d
}
