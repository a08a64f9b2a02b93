package decide

import (
	"cmp"
	"slices"
	"time"

	"slipway/internal/qalease"
)

// Kind is a kind of resource that the cleanup deletes or keeps.
type Kind string

// The kinds. A new one needs a file and a line in pieces here, and a cleaner in package apply.
const (
	KindStack           Kind = "stack"
	KindListenerRule    Kind = "listener rule"
	KindTasks           Kind = "tasks"
	KindService         Kind = "service"
	KindTargetGroup     Kind = "target group"
	KindTaskDefinitions Kind = "task definitions"
)

// Plan is what a run does. A dry run makes the same plan and stops there.
type Plan struct {
	Targets []Target // in the order in which their leases ended
	Kept    []Entry  // alive, or not sure enough
	Skipped []Entry  // busy; the next run looks again
	Stuck   []Entry  // needs a person
}

// Target is one environment to delete.
type Target struct {
	Kind        Kind // KindStack or KindService
	Name        string
	Environment string
	Branch      string
	Owner       string
	Why         string
	Ended       time.Time
	Created     time.Time // of its first service, or of its stack
	// Claims are the leases on which the decision rests. They are read again right before the deletion, for someone may
	// have renewed one since.
	Claims []Claim
	Steps  []Step // in the order in which they must happen
}

// Claim is a lease found expired: the service that carries it, and the environment it was for.
type Claim struct {
	Service     string // ARN
	Environment string
}

// Step deletes one thing. ID is a stack's ID, a rule's, service's or target group's ARN, or a family's name; KindTasks has
// the service's.
type Step struct {
	Kind Kind
	ID   string
	// Active and Inactive are the revisions of a family, KindTaskDefinitions only.
	Active, Inactive []string
	// Wait leaves what follows to the next run while tasks are stopping, KindTasks only.
	Wait bool
}

// Entry is one thing that stays, and why.
type Entry struct {
	Kind        Kind      `json:"kind"`
	Name        string    `json:"name"`
	Environment string    `json:"environment,omitempty"`
	Branch      string    `json:"branch,omitempty"`
	Owner       string    `json:"owner,omitempty"`
	Why         string    `json:"why"`
	Ends        time.Time `json:"ends,omitzero"`
	// Unclear marks what a person should look at: it is kept only because something about it can't be read.
	Unclear bool `json:"unclear,omitempty"`
	// Since is when it last went wrong, of stuck stacks only.
	Since time.Time `json:"since,omitzero"`
	// Cost is what it cost at most, in USD, of what is deleted only.
	Cost float64 `json:"cost,omitempty"`
}

// Decide makes the plan.
func Decide(in Input, f Facts) Plan {
	d := newDecision(in, f)
	for _, stack := range f.Stacks {
		d.stack(stack)
	}
	for _, service := range d.free {
		d.service(service)
	}
	for _, u := range f.Unreadable {
		d.plan.Kept = append(d.plan.Kept, Entry{
			Kind: KindService, Name: u.ARN, Unclear: true,
			Why: "AWS listed it but could not describe it (" + u.Reason + "), so its lease is unknown",
		})
	}
	d.plan.sort()
	return d.plan
}

// Doomed returns the IDs of the stacks that have to go by what their listing says. Their termination protection and their
// failed deletions have to be looked up before Decide can judge them.
func Doomed(in Input, f Facts) (ids []string) {
	for _, t := range Decide(in, f).Targets {
		if t.Kind == KindStack {
			ids = append(ids, t.Steps[0].ID)
		}
	}
	return ids
}

// HandMade returns the services that no stack will delete and whose lease has ended. Their pieces have to be looked up
// before Decide can plan their deletion.
func HandMade(in Input, f Facts) []Service {
	d := newDecision(in, f)
	var expired []Service
	for _, m := range d.free {
		if m.expired(in.Now) {
			expired = append(expired, m.Service)
		}
	}
	return expired
}

// Holds says whether the claim is still right for the service, read again at the time now.
func (c Claim) Holds(s Service, now time.Time) bool {
	lease, err := qalease.Read(s)
	return err == nil && lease.Expired(now) && lease.Environment == c.Environment && s.ARN == c.Service
}

func (p *Plan) sort() {
	slices.SortFunc(p.Targets, func(a, b Target) int {
		return cmp.Or(a.Ended.Compare(b.Ended), cmp.Compare(a.Name, b.Name))
	})
	for _, entries := range [][]Entry{p.Kept, p.Skipped, p.Stuck} {
		slices.SortFunc(entries, func(a, b Entry) int {
			if a.Unclear != b.Unclear { // what needs a look comes first, for long lists are cut
				if a.Unclear {
					return -1
				}
				return 1
			}
			return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name))
		})
	}
}
