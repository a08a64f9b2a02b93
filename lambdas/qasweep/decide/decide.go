// Package decide says which remains of QA environments the sweep deletes. It is pure: facts, memory and the time go in, a plan
// comes out. When it can't be sure, it keeps.
package decide

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"slipway/internal/contract"
	"slipway/internal/qalease"
)

// Kind is a kind of resource that an environment may leave behind.
type Kind string

// The kinds, in the order in which an environment's remains go: first nothing leads to it, then what ran, then what it kept.
// Revisions tell which images they used, so they are only deregistered before the images go, and deleted after them: a sweep that
// ends in between is finished by the next one.
const (
	ListenerRule   Kind = "listener rule"
	TargetGroup    Kind = "target group"
	Record         Kind = "DNS record"
	ActiveRevision Kind = "active task definition"
	LogGroup       Kind = "log group"
	Image          Kind = "image"
	Revision       Kind = "task definition"
	Data           Kind = "database"
	Objects        Kind = "bucket prefix"
	Secret         Kind = "secret"
	Parameter      Kind = "parameter"
)

// Order is the order of the kinds.
var Order = []Kind{ListenerRule, TargetGroup, Record, ActiveRevision, LogGroup, Image, Revision, Data, Objects, Secret, Parameter}

// Piece is one resource with the platform's name or tag of an environment.
type Piece struct {
	Kind        Kind
	ID          string // what the kind deletes it by
	Environment string // the slug, or what contract.TagEnvironment says
	Keep        string // why it must stay although its environment is gone; empty if nothing speaks for it
	// Also are other environments that used it. It stays until each of them is gone as well.
	Also []string
	// Holds makes the other pieces of these kinds wait for this one while it stays.
	Holds []Kind
}

// Facts are what AWS said. Pieces must have been listed before the services, and these before the stacks: what is made in
// between then shows its owner.
type Facts struct {
	Pieces     []Piece
	Services   []qalease.Service
	Unreadable []qalease.Unreadable
	Stacks     []string // names of all that aren't deleted
}

// Input is what the decision needs besides the facts.
type Input struct {
	Now      time.Time
	Platform string
	Cluster  string
	Grace    time.Duration // how long an environment must have been seen without an owner
}

// MaxFailures is how often in a row an environment's remains may fail to go before they are tried only once a day, and a person is
// told.
const MaxFailures = 3

const stuckPause = 24 * time.Hour

// Target is an environment of which nothing but remains exists.
type Target struct {
	Environment string
	Pieces      []Piece // in Order
}

// Entry is something that stays, and why.
type Entry struct {
	Kind        Kind   `json:"kind,omitempty"`
	ID          string `json:"id,omitempty"`
	Environment string `json:"environment"`
	Why         string `json:"why"`
}

// Plan is what a sweep does.
type Plan struct {
	Targets []Target
	Kept    []Entry
	Waiting []Entry // seen too short a time ago
	Stuck   []Entry // failed again and again
	Memory  Memory  // what to remember if nothing is deleted
}

// Decide makes the plan.
func Decide(in Input, f Facts, memory Memory) Plan {
	plan := Plan{Memory: Memory{}}
	alive := owners(in, f)
	remains := map[string][]Piece{}
	for _, p := range f.Pieces {
		switch {
		case p.Environment == "": // not an environment's
		case alive[p.Environment]:
		default:
			remains[p.Environment] = append(remains[p.Environment], p)
		}
	}
	ready := func(environment string) bool {
		m, known := memory[environment]
		return !alive[environment] && known && in.Now.Sub(m.First) >= in.Grace
	}
	for _, environment := range slices.Sorted(maps.Keys(remains)) {
		pieces := remains[environment]
		if len(f.Unreadable) > 0 {
			plan.Kept = append(plan.Kept, Entry{Environment: environment, Why: "a service of the cluster could not be read, and may be its own: " + f.Unreadable[0].ARN})
			if m, known := memory[environment]; known {
				plan.Memory[environment] = m
			}
			continue
		}
		m, known := memory[environment]
		if !known {
			m = Mark{First: in.Now}
		}
		plan.Memory[environment] = m
		switch {
		case in.Now.Sub(m.First) < in.Grace:
			plan.Waiting = append(plan.Waiting, Entry{Environment: environment, Why: "it has had no stack and no service since " + contract.FormatExpiry(m.First) +
				"; it goes once that was so for " + in.Grace.String()})
			continue
		case m.Failures >= MaxFailures && in.Now.Sub(m.Last) < stuckPause:
			plan.Stuck = append(plan.Stuck, Entry{Environment: environment, Why: "its remains failed to go again and again, the last time at " + contract.FormatExpiry(m.Last) +
				"; they are tried once a day now, and a person should look"})
			continue
		}
		target := Target{Environment: environment}
		held := map[Kind]bool{}
		for i, p := range pieces {
			for _, other := range p.Also {
				if p.Keep == "" && !ready(other) {
					p.Keep, p.Holds = "another environment used it too: "+other, []Kind{Revision}
					pieces[i] = p
				}
			}
			if p.Keep != "" {
				plan.Kept = append(plan.Kept, Entry{Kind: p.Kind, ID: p.ID, Environment: environment, Why: p.Keep})
				for _, k := range p.Holds {
					held[k] = true
				}
			}
		}
		for _, p := range pieces {
			if p.Keep == "" && !held[p.Kind] {
				target.Pieces = append(target.Pieces, p)
			}
		}
		slices.SortStableFunc(target.Pieces, func(a, b Piece) int {
			return cmp.Or(cmp.Compare(slices.Index(Order, a.Kind), slices.Index(Order, b.Kind)), cmp.Compare(a.ID, b.ID))
		})
		if len(target.Pieces) > 0 {
			plan.Targets = append(plan.Targets, target)
		}
	}
	return plan
}

// owners are the environments that exist, by any name under which a stack or a service may claim them.
func owners(in Input, f Facts) map[string]bool {
	alive := map[string]bool{}
	for _, name := range f.Stacks {
		if slug, ours := contract.SlugFromStack(in.Platform, name); ours {
			alive[slug] = true
		}
	}
	for _, s := range f.Services {
		if s.Cluster != in.Cluster {
			continue
		}
		alive[s.Name], alive[s.Tags[contract.TagEnvironment]] = true, true
		if slug, ours := contract.SlugFromStack(in.Platform, s.Tags[qalease.TagStackName]); ours {
			alive[slug] = true
		}
	}
	return alive
}

// Owner says to which environment a resource belongs by its tags: CloudFormation's, which nobody can forge, or else the
// platform's. known is false if the tags name none; foreign if they name a stack of somebody else.
func Owner(platform string, tags map[string]string) (environment string, known, foreign bool) {
	if stack, made := tags[qalease.TagStackName]; made {
		slug, ours := contract.SlugFromStack(platform, stack)
		return slug, ours, !ours
	}
	if owner, tagged := tags[contract.TagPlatform]; tagged && owner != platform {
		return "", false, true
	}
	environment = strings.TrimSpace(tags[contract.TagEnvironment])
	return environment, environment != "", false
}
