package config

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"slipway/internal/contract"
)

// Response is what the platform does about findings of GuardDuty.
type Response struct {
	// MinSeverity is the least severity that reaches the response, 1–10; default 4 (GuardDuty's medium).
	MinSeverity float64 `yaml:"minSeverity"`
	// ApprovalWait is how long an action waits for approval, whole minutes up to 168h; default 24h.
	ApprovalWait Duration `yaml:"approvalWait"`
	// BlockFor is how long an address stays blocked after it was seen last, whole minutes up to 2160h; default 24h.
	BlockFor Duration `yaml:"blockFor"`
	// KeepDays is how long what is finished stays in the ledger, 30–3650; default 365.
	KeepDays int `yaml:"keepDays"`
	// ActOnSamples treats GuardDuty's sample findings like real ones; default false. For drills in an account for tests.
	ActOnSamples bool `yaml:"actOnSamples"`
	// Protected only leads to messages; default nothing. A resource with the tag slipway:response = exempt is protected too.
	Protected Protected `yaml:"protected"`
	// Policies in order: the first that covers a finding decides; default rows for each kind of finding, all in dry-run.
	Policies []Policy `yaml:"policies"`
}

// Protected are principals, resources and addresses that the response leaves alone.
type Protected struct {
	// Principals are names of IAM users and roles, such as those for emergencies; * stands for any text. Default none.
	Principals []string `yaml:"principals"`
	// Resources are instance IDs, bucket names and ARNs of ECS services; * stands for any text. Default none.
	Resources []string `yaml:"resources"`
	// Addresses are public networks that are never blocked, such as an office's, IPv4 or IPv6. Default none.
	Addresses []string `yaml:"addresses"`
}

// Policy is a row of the table.
type Policy struct {
	// Findings are types of GuardDuty; * stands for any text. 1–20.
	Findings []string `yaml:"findings"`
	// MinSeverity of the row, 1–10 and not below the response's; default the response's.
	MinSeverity float64 `yaml:"minSeverity"`
	// Stages of the resource; default all, also a resource of no stage.
	Stages []string `yaml:"stages"`
	// Actions in any order; none only tells. Default none.
	Actions []string `yaml:"actions"`
	// Mode is off, dry-run, approve or auto; default dry-run.
	Mode contract.ResponseMode `yaml:"mode"`
	// After is what becomes of the finding when it is contained: leave, annotate or archive; default leave.
	After contract.ResponseAfter `yaml:"after"`
}

// Limits of the response.
const (
	maxPolicies        = 20
	maxPatterns        = 20
	maxApproval        = Duration(168 * time.Hour)
	maxBlock           = Duration(2160 * time.Hour)
	maxSeverity        = 10
	maxResponseSetting = 3000 // bytes: a function's environment has 4 KB in all
)

func fillResponse(r *Response, set map[string]bool) {
	orDefault(set, "response.minSeverity", &r.MinSeverity, 4)
	orDefault(set, "response.approvalWait", &r.ApprovalWait, Duration(24*time.Hour))
	orDefault(set, "response.blockFor", &r.BlockFor, Duration(24*time.Hour))
	orDefault(set, "response.keepDays", &r.KeepDays, 365)
	orDefault(set, "response.policies", &r.Policies, defaultPolicies(r.MinSeverity))
	orDefault(set, "response.protected.principals", &r.Protected.Principals, []string{})
	orDefault(set, "response.protected.resources", &r.Protected.Resources, []string{})
	orDefault(set, "response.protected.addresses", &r.Protected.Addresses, []string{})
	for i := range r.Policies {
		path := item("response.policies", i)
		if r.Policies[i].Stages == nil {
			r.Policies[i].Stages = []string{}
		}
		if r.Policies[i].Actions == nil {
			r.Policies[i].Actions = []string{}
		}
		if r.Policies[i].MinSeverity == 0 && !set[path+".minSeverity"] {
			r.Policies[i].MinSeverity = r.MinSeverity
		}
		if !set[path+".mode"] {
			r.Policies[i].Mode = contract.ModeDryRun
		}
		if !set[path+".after"] {
			r.Policies[i].After = contract.AfterLeave
		}
	}
}

// defaultPolicies tell what would be done, and do nothing.
func defaultPolicies(least float64) []Policy {
	high := max(least, 7)
	return []Policy{
		{Findings: []string{"UnauthorizedAccess:EC2/SSHBruteForce", "UnauthorizedAccess:EC2/RDPBruteForce", "Recon:EC2/PortProbe*", "*:RDS/*"}, Actions: []string{contract.ActionBlockAddress}},
		{Findings: []string{"*:EC2/*", "*:Runtime/*", "*:ECS/*"}, MinSeverity: high, Actions: []string{contract.ActionIsolateInstance, contract.ActionRollBackService}},
		{Findings: []string{"*:IAMUser/*"}, MinSeverity: high, Actions: []string{contract.ActionDisableAccessKeys, contract.ActionRevokeSessions}},
		{Findings: []string{"*:S3/*"}, MinSeverity: high, Actions: []string{contract.ActionBlockPublicAccess}},
		{Findings: []string{"*"}},
	}
}

var (
	findingPattern   = regexp.MustCompile(`^[A-Za-z0-9:/.!&*]{1,128}$`)
	principalPattern = regexp.MustCompile(`^[\w+=,.@*-]{1,128}$`) // of IAM, and *
)

func (v *validator) response() {
	r := v.cfg.Response
	v.severity("response.minSeverity", r.MinSeverity, 1)
	v.lasting("response.approvalWait", r.ApprovalWait, maxApproval)
	v.lasting("response.blockFor", r.BlockFor, maxBlock)
	v.between("response.keepDays", r.KeepDays, 30, 3650)
	v.protected("response.protected", r.Protected)
	v.want(len(r.Policies) <= maxPolicies, "response.policies", strconv.Itoa(len(r.Policies))+" policies", "at most %d", maxPolicies)
	for i, p := range r.Policies {
		path := item("response.policies", i)
		if v.bad[path] {
			continue
		}
		v.policy(path, p)
	}
	if setting, err := json.Marshal(r.Contract(nil, v.cfg.QA.Stage)); err == nil && len(setting) > maxResponseSetting {
		v.want(false, "response.policies", fmt.Sprintf("%d bytes with what is protected", len(setting)), "at most %d: use fewer rows, and * in patterns", maxResponseSetting)
	}
}

func (v *validator) severity(path string, n, least float64) {
	v.want(n >= least && n <= maxSeverity, path, strconv.FormatFloat(n, 'f', -1, 64), "a severity of %s to %d", strconv.FormatFloat(least, 'f', -1, 64), maxSeverity)
}

func (v *validator) lasting(path string, d, most Duration) {
	v.want(d > 0 && d <= most && time.Duration(d)%time.Minute == 0, path, d.String(), "whole minutes, at least one and at most %s, such as 24h", most)
}

func (v *validator) protected(path string, p Protected) {
	for i, name := range p.Principals {
		v.want(principalPattern.MatchString(name), item(path+".principals", i), quote(name), "the name of an IAM user or role, without its path; * stands for any text")
	}
	for i, name := range p.Resources {
		v.want(name != "" && len(name) <= 256 && !strings.ContainsAny(name, " \t\n"), item(path+".resources", i), quote(name), "an instance ID, a bucket's name or an ARN; * stands for any text")
	}
	for i, network := range p.Addresses {
		prefix, err := netip.ParsePrefix(network)
		v.want(err == nil && prefix == prefix.Masked() && prefix.Bits() > 0, item(path+".addresses", i), quote(network), "a network on its boundary, such as 192.0.2.0/24 or 2001:db8::/32")
	}
}

func (v *validator) policy(path string, p Policy) {
	n := len(p.Findings)
	v.want(n >= 1 && n <= maxPatterns, path+".findings", strconv.Itoa(n)+" types", "1 to %d types of findings; * stands for any text", maxPatterns)
	for i, pattern := range p.Findings {
		v.want(findingPattern.MatchString(pattern), item(path+".findings", i), quote(pattern), "a type of GuardDuty such as UnauthorizedAccess:EC2/SSHBruteForce; * stands for any text")
	}
	if !v.bad["response.minSeverity"] {
		v.severity(path+".minSeverity", p.MinSeverity, v.cfg.Response.MinSeverity)
	}
	for i, stage := range p.Stages {
		_, ok := v.cfg.Stage(stage)
		v.want(ok, item(path+".stages", i), quote(stage), "the name of a stage")
	}
	for i, action := range p.Actions {
		at := item(path+".actions", i)
		v.want(slices.Contains(contract.ResponseActions, action), at, quote(action), "%s", join(contract.ResponseActions))
		v.want(slices.Index(p.Actions, action) == i, at, quote(action), "each action once")
	}
	v.want(slices.Contains(contract.ResponseModes, p.Mode), path+".mode", quote(string(p.Mode)), "off, dry-run, approve or auto")
	v.want(slices.Contains(contract.ResponseAfters, p.After), path+".after", quote(string(p.After)), "leave, annotate or archive")
}

// Contract is the response's configuration as its function gets it, for an account with these stages.
func (r Response) Contract(stages []string, qa string) contract.ResponseConfig {
	c := contract.ResponseConfig{
		Stages: stages, QAStage: qa, ActOnSamples: r.ActOnSamples,
		Protected: contract.ResponseProtected{Principals: r.Protected.Principals, Resources: r.Protected.Resources},
		Approval:  contract.TextDuration(r.ApprovalWait), Block: contract.TextDuration(r.BlockFor),
		Keep: contract.TextDuration(time.Duration(r.KeepDays) * 24 * time.Hour),
	}
	for _, network := range r.Protected.Addresses {
		if prefix, err := netip.ParsePrefix(network); err == nil {
			c.Protected.Addresses = append(c.Protected.Addresses, prefix)
		}
	}
	for _, p := range r.Policies {
		row := contract.ResponsePolicy{Findings: p.Findings, MinSeverity: p.MinSeverity, Stages: p.Stages, Actions: p.Actions, Mode: p.Mode, After: p.After}
		if row.After == contract.AfterLeave {
			row.After = ""
		}
		c.Policies = append(c.Policies, row)
	}
	return c
}
