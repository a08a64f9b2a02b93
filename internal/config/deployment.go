package config

import (
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Strategy is how a new version takes the place of the one that runs.
type Strategy string

// The strategies.
const (
	StrategyCodeDeploy Strategy = "codedeploy" // blue/green by CodeDeploy
	StrategyECS        Strategy = "ecs"        // blue/green by ECS itself
	StrategyRolling    Strategy = "rolling"    // task by task, with ECS's circuit breaker
)

// BlueGreen says whether the new version stands beside the old one and is tested before users get it.
func (s Strategy) BlueGreen() bool { return s == StrategyCodeDeploy || s == StrategyECS }

// Shift is how the requests move to the new version of a blue/green deployment.
type Shift string

// The ways to move requests.
const (
	ShiftAllAtOnce Shift = "all-at-once"
	ShiftCanary    Shift = "canary" // a part of them first, the rest after one interval
	ShiftLinear    Shift = "linear" // the same part again and again, an interval apart
)

// Deployment is how a new version reaches a stage's users.
type Deployment struct {
	// Strategy is codedeploy, ecs or rolling; default codedeploy in production, rolling elsewhere. Blue/green needs a NAT
	// gateway. docs/operations.md says what a switch on a live service means.
	Strategy Strategy `yaml:"strategy"`
	// Shift is all-at-once, canary or linear; default canary. For blue/green, like all that follows but Alarms.
	Shift Shift `yaml:"shift"`
	// Percent of the requests that each step of canary or linear moves, 1–99 (linear 3–99); default 10.
	Percent int `yaml:"percent"`
	// IntervalMinutes lie between the steps, 1–30; default 5, linear 1.
	IntervalMinutes int `yaml:"intervalMinutes"`
	// BakeMinutes is how long the old version stays ready after all requests have moved, while the alarms watch, 0–30;
	// default 10. In CodeDeploy it is the termination wait. With the steps at most 30: a custom resource waits for an hour.
	BakeMinutes int `yaml:"bakeMinutes"`
	// Alarms on errors and latency stop a deployment and roll it back; default true.
	Alarms *bool `yaml:"alarms"`
	// Hook tests the new version before users get it.
	Hook Hook `yaml:"hook"`
}

// ShiftMinutes is how long the requests take to move.
func (d Deployment) ShiftMinutes() int {
	switch d.Shift {
	case ShiftCanary:
		return d.IntervalMinutes
	case ShiftLinear:
		if d.Percent > 0 {
			return ((100+d.Percent-1)/d.Percent - 1) * d.IntervalMinutes
		}
	}
	return 0
}

// Hook is what the deployment hook asks the new version at the test listener.
type Hook struct {
	// Requests are made one after the other, 1–50; default GET /health, /ready and /version.
	Requests []SmokeRequest `yaml:"requests"`
	// Migration compares the database's revision with what the image expects, as its /version says; default true.
	Migration *bool `yaml:"migration"`
	// Samples is how many requests go to both versions to compare their errors, 0–1000; default 20.
	Samples int `yaml:"samples"`
	// MaxErrorPercent is by how many percentage points the new version may fail more often, 0–100; default 0.
	MaxErrorPercent int `yaml:"maxErrorPercent"`
}

// SmokeRequest is one GET request and what its answer must be. Redirects aren't followed.
type SmokeRequest struct {
	// Path with its query, such as /ready; beginning with one slash, at most 256 characters.
	Path string `yaml:"path"`
	// Status is 200–599; default 200.
	Status int `yaml:"status"`
	// MaxMillis to the end of the body, 1–10000; default 2000.
	MaxMillis int `yaml:"maxMillis"`
	// Contains is text that the body must hold; default none.
	Contains string `yaml:"contains"`
	// Matches is a regular expression (RE2) that the body must match; default none.
	Matches string `yaml:"matches"`
}

func fillDeployment(s *Stage, set map[string]bool, path string) {
	d, yes := &s.Deployment, true
	strategy, interval := StrategyRolling, 5
	if s.Production {
		strategy = StrategyCodeDeploy
	}
	orDefault(set, path+".strategy", &d.Strategy, strategy)
	orDefault(set, path+".shift", &d.Shift, ShiftCanary)
	if d.Shift == ShiftLinear {
		interval = 1
	}
	orDefault(set, path+".percent", &d.Percent, 10)
	orDefault(set, path+".intervalMinutes", &d.IntervalMinutes, interval)
	orDefault(set, path+".bakeMinutes", &d.BakeMinutes, 10)
	if d.Alarms == nil {
		d.Alarms = &yes
	}
	if d.Hook.Migration == nil {
		d.Hook.Migration = &yes
	}
	orDefault(set, path+".hook.samples", &d.Hook.Samples, 20)
	orDefault(set, path+".hook.requests", &d.Hook.Requests, []SmokeRequest{{Path: "/health"}, {Path: "/ready"}, {Path: "/version"}})
	for i := range d.Hook.Requests {
		request := item(path+".hook.requests", i)
		orDefault(set, request+".status", &d.Hook.Requests[i].Status, 200)
		orDefault(set, request+".maxMillis", &d.Hook.Requests[i].MaxMillis, 2000)
	}
}

const (
	maxShiftAndBake = 30
	maxSmokePath    = 256
	maxRequests     = 50
)

func (v *validator) deployment(path string, s Stage) {
	d := s.Deployment
	v.want(slices.Contains([]Strategy{StrategyCodeDeploy, StrategyECS, StrategyRolling}, d.Strategy), path+".strategy", quote(string(d.Strategy)),
		"codedeploy, ecs or rolling")
	if d.Strategy.BlueGreen() {
		// A QA stage in production is a fault of its own.
		v.want(s.Name != v.cfg.QA.Stage || s.Production, path+".strategy", quote(string(d.Strategy)), "rolling: the QA stage's environments have no second side")
		v.want(s.Network.NAT != NATInstance, path+".strategy", quote(string(d.Strategy)),
			"rolling, or network.nat one or per-zone: the test listener lets only the NAT gateways' addresses in, and a NAT instance's changes")
	}
	v.want(slices.Contains([]Shift{ShiftAllAtOnce, ShiftCanary, ShiftLinear}, d.Shift), path+".shift", quote(string(d.Shift)), "all-at-once, canary or linear")
	least := 1
	if d.Shift == ShiftLinear {
		least = 3 // ECS's least step
	}
	v.between(path+".percent", d.Percent, least, 99)
	v.between(path+".intervalMinutes", d.IntervalMinutes, 1, maxShiftAndBake)
	v.between(path+".bakeMinutes", d.BakeMinutes, 0, maxShiftAndBake)
	if !v.bad[path+".percent"] && !v.bad[path+".intervalMinutes"] && !v.bad[path+".bakeMinutes"] {
		v.want(d.ShiftMinutes()+d.BakeMinutes <= maxShiftAndBake, path+".bakeMinutes", strconv.Itoa(d.BakeMinutes),
			"at most %d with the %d minutes in which the requests move: the deployment must end within CloudFormation's hour",
			maxShiftAndBake, d.ShiftMinutes())
	}
	v.hook(path+".hook", d.Hook)
}

var smokePath = regexp.MustCompile(`^/[!"$-~]*$`) // no #, which never reaches a server

func (v *validator) hook(path string, h Hook) {
	v.want(len(h.Requests) >= 1 && len(h.Requests) <= maxRequests, path+".requests", strconv.Itoa(len(h.Requests))+" requests", "1 to %d", maxRequests)
	v.between(path+".samples", h.Samples, 0, 1000)
	v.between(path+".maxErrorPercent", h.MaxErrorPercent, 0, 100)
	for i, r := range h.Requests {
		at := item(path+".requests", i)
		if v.bad[at] {
			continue
		}
		_, err := url.ParseRequestURI(r.Path)
		v.want(err == nil && smokePath.MatchString(r.Path) && !strings.HasPrefix(r.Path, "//") && len(r.Path) <= maxSmokePath, at+".path", quote(r.Path),
			"a path such as /ready: one slash first, printable ASCII without spaces and #, escapes of two hexadecimal digits, at most %d characters", maxSmokePath)
		v.between(at+".status", r.Status, 200, 599)
		v.between(at+".maxMillis", r.MaxMillis, 1, 10_000)
		_, err = regexp.Compile(r.Matches)
		v.want(err == nil, at+".matches", quote(r.Matches), "a regular expression of RE2's syntax")
	}
}
