package decide

import (
	"fmt"
	"slices"
	"strings"

	"slipway/internal/contract"
	"slipway/lambdas/threatresponse/finding"
)

// Place is where the function runs, and as whom.
type Place struct {
	Platform string
	Account  string
	Region   string
	Role     string // name of the function's own role, which is always protected
}

// Target is what an action is done to. Two actions with the same kind and ID exclude each other.
type Target struct {
	Kind string `json:"kind"`           // such as instance, sessions, address
	ID   string `json:"id"`             // unique of its kind in an account and Region
	Name string `json:"name,omitempty"` // for people, if the ID says too little
	// Detail is what the remedy needs besides, such as a task's ARN.
	Detail map[string]string `json:"detail,omitempty"`
	// Marker tells a repetition of the same from something new about the same target, such as another session of a role.
	Marker string `json:"marker,omitempty"`
}

// Label is the target for people.
func (t Target) Label() string {
	if t.Name != "" {
		return t.Name
	}
	return t.ID
}

// Remedy is the pure part of an action: what of a finding it would be done to.
type Remedy interface {
	// Action is the name in the policy table.
	Action() string
	// Families are those whose findings may lead to the action.
	Families() []finding.Family
	// Targets reads the targets of a finding, and the reasons why something that looks like one is none.
	Targets(finding.Finding, Place) ([]Target, []Spared)
}

// Spared is something that is left alone, and why.
type Spared struct {
	What string
	Why  string
}

func (s Spared) String() string { return s.What + ": " + s.Why }

// Verdict is what a plan comes to.
type Verdict string

// The verdicts.
const (
	Act    Verdict = "act"    // there are steps
	Tell   Verdict = "tell"   // people are told, nothing is changed
	Ignore Verdict = "ignore" // not even that
)

// Step is an action on a target.
type Step struct {
	Action string
	Target Target
}

// Plan is what is to be done about a finding.
type Plan struct {
	Verdict Verdict
	Why     string // of a verdict that isn't Act
	Stage   string // of the resource; empty if it belongs to none
	Mode    contract.ResponseMode
	After   contract.ResponseAfter
	Steps   []Step // in the order of the registry
	Spared  []Spared
}

// Decide makes the plan. remedies are in the order in which they are carried out.
func Decide(c Config, at Place, f finding.Finding, remedies []Remedy) Plan {
	plan := Plan{Verdict: Tell, Stage: stageOf(c, at, f)}
	family := finding.FamilyOf(f.Type)
	switch {
	case f.Account != at.Account || f.Region != at.Region:
		plan.Verdict, plan.Why = Ignore, fmt.Sprintf("it is of account %s in %s, which has a response of its own", f.Account, f.Region)
		return plan
	case f.Archived:
		plan.Verdict, plan.Why = Ignore, "it is archived"
		return plan
	case f.Type == "":
		plan.Why = "incomplete: the finding has no type"
		return plan
	case family == finding.Unfamiliar:
		plan.Why = "unsupported: nothing is known of this type"
		return plan
	case family == finding.TellOnly:
		plan.Why = "unsupported: nothing can be contained automatically for this type"
		return plan
	}
	row := slices.IndexFunc(c.Policies, func(p Policy) bool { return covers(p, f, plan.Stage) })
	if row < 0 {
		plan.Why = "no policy covers it"
		return plan
	}
	policy := c.Policies[row]
	if policy.Mode == contract.ModeOff {
		plan.Verdict, plan.Why = Ignore, fmt.Sprintf("policy %d is off", row+1)
		return plan
	}
	plan.Mode, plan.After = policy.Mode, policy.After
	if f.Sample && !c.ActOnSamples {
		plan.Mode = contract.ModeDryRun
	}
	plan.addSteps(c, at, f, policy, remedies)
	if len(plan.Steps) > 0 {
		plan.Verdict = Act
		return plan
	}
	plan.Why = "nothing to contain: the policy's actions find no target in it"
	switch {
	case len(policy.Actions) == 0:
		plan.Why = fmt.Sprintf("policy %d only tells", row+1)
	case len(plan.Spared) > 0:
		plan.Why = "everything it names is left alone"
	case f.Resource == "" || f.Odd != "":
		plan.Why = "incomplete: the finding doesn't say which resource it is about"
	}
	return plan
}

// covers says whether the row decides about the finding.
func covers(p Policy, f finding.Finding, stage string) bool {
	return f.Severity >= p.MinSeverity && matchesAny(p.Findings, f.Type) && (len(p.Stages) == 0 || slices.Contains(p.Stages, stage))
}

func (p *Plan) addSteps(c Config, at Place, f finding.Finding, policy Policy, remedies []Remedy) {
	taken := map[string]bool{}
	for _, r := range remedies {
		if !slices.Contains(policy.Actions, r.Action()) || !slices.Contains(r.Families(), finding.FamilyOf(f.Type)) {
			continue
		}
		targets, spared := r.Targets(f, at)
		for _, t := range targets {
			key := t.Kind + " " + t.ID
			if taken[key] {
				continue // another action has it already, or the finding names it twice
			}
			taken[key] = true
			why := protects(c.Protected, t, at)
			if why == "" && t.Kind == KindAddress && spares(c.Protected, f.AccessKey) {
				why = "a principal that only leads to a message works from there"
			}
			if why != "" {
				spared = append(spared, Spared{t.Label(), why})
				continue
			}
			p.Steps = append(p.Steps, Step{Action: r.Action(), Target: t})
		}
		for _, s := range spared {
			if !slices.Contains(p.Spared, s) {
				p.Spared = append(p.Spared, s)
			}
		}
	}
}

// spares says whether a finding about such a principal only leads to a message. The address where it works from stays open too.
func spares(p Protected, k *finding.AccessKey) bool {
	return k != nil && (k.UserType == "Root" || matchesAny(p.Principals, k.User))
}

// protects says why a target is protected; nothing if it isn't.
func protects(p Protected, t Target, at Place) string {
	switch t.Kind {
	case KindSessions, KindKeys:
		_, name, _ := strings.Cut(t.ID, "/")
		if t.Detail["type"] == "role" && name == at.Role {
			return "it is the response's own role"
		}
		if matchesAny(p.Principals, name) {
			return "it is a protected principal"
		}
	case KindAddress:
		if why := unblockable(t.ID, p.Addresses); why != "" {
			return why
		}
	default:
		if matchesAny(p.Resources, t.ID, t.Name) {
			return "it is a protected resource"
		}
	}
	if t.Detail["exempt"] != "" {
		return fmt.Sprintf("its tag %s says %s", contract.TagResponse, contract.ResponseExempt)
	}
	return ""
}

// stageOf finds the stage by the resource's CloudFormation stack or by the name of its cluster.
func stageOf(c Config, at Place, f finding.Finding) string {
	if _, ok := contract.SlugFromStack(at.Platform, f.Stack); ok {
		return c.QAStage
	}
	for _, stage := range c.Stages {
		if strings.HasPrefix(f.Stack, contract.StageStack(at.Platform, stage, "")) {
			return stage
		}
		if f.Cluster != nil && strings.HasSuffix(f.Cluster.ARN, ":cluster/"+contract.ClusterName(stage)) {
			return stage
		}
	}
	return ""
}
