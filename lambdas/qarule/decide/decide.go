// Package decide says what becomes of a QA environment's host rule. It is pure: what the listener has goes in.
package decide

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"slipway/internal/contract"
)

// Names of the custom resource's property and attributes.
const (
	PropertyTargetGroup = "TargetGroupArn"

	AttributeRule     = "RuleArn"
	AttributePriority = "Priority"
)

// Parse reads the properties.
func Parse(properties map[string]string) (targetGroup string, err error) {
	var faults []error
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		if name != PropertyTargetGroup {
			faults = append(faults, fmt.Errorf("there is no property %s", name))
		}
	}
	targetGroup = properties[PropertyTargetGroup]
	if !strings.HasPrefix(targetGroup, "arn:") || !strings.Contains(targetGroup, ":targetgroup/") {
		faults = append(faults, fmt.Errorf("%s is %q; give it the target group's ARN", PropertyTargetGroup, targetGroup))
	}
	return targetGroup, errors.Join(faults...)
}

// Rule is one rule of the shared listener.
type Rule struct {
	ARN      string
	Priority int // 0 for the default rule
	// Hosts are the values of its host conditions.
	Hosts []string
	// Tags are known only of rules for the environment's host.
	Tags map[string]string
}

// Owner is the environment that a request is about.
type Owner struct {
	Platform string
	Slug     string
	Host     string
}

// Tags mark a rule as the environment's. The platform's tag is the one that all its resources carry.
func (o Owner) Tags() map[string]string {
	return map[string]string{contract.TagPlatform: o.Platform, contract.TagEnvironment: o.Slug}
}

// Concerns says whether the rule is for the environment's host, so that its tags matter.
func (o Owner) Concerns(r Rule) bool {
	return slices.ContainsFunc(r.Hosts, func(host string) bool { return strings.EqualFold(host, o.Host) })
}

// owns says whether the environment made the rule: its host alone, and its tags.
func (o Owner) owns(r Rule) bool {
	if len(r.Hosts) != 1 || !o.Concerns(r) {
		return false
	}
	for key, value := range o.Tags() {
		if r.Tags[key] != value {
			return false
		}
	}
	return true
}

// Own returns the environment's rules, the one with the lowest priority first: that one answers. There is more than one
// only if two requests for the same environment ran at the same time.
func Own(o Owner, rules []Rule) []Rule {
	own := slices.DeleteFunc(slices.Clone(rules), func(r Rule) bool { return !o.owns(r) })
	slices.SortFunc(own, func(a, b Rule) int { return a.Priority - b.Priority })
	return own
}

// Foreign returns a rule for the environment's host that somebody else made: it may take the requests away.
func Foreign(o Owner, rules []Rule) (Rule, bool) {
	i := slices.IndexFunc(rules, func(r Rule) bool { return o.Concerns(r) && !o.owns(r) })
	if i < 0 {
		return Rule{}, false
	}
	return rules[i], true
}

// Free returns the lowest priority of the environments' range that no rule has and that isn't in taken; false if there is
// none.
func Free(rules []Rule, taken map[int]bool) (int, bool) {
	used := maps.Clone(taken)
	if used == nil {
		used = map[int]bool{}
	}
	for _, r := range rules {
		used[r.Priority] = true
	}
	for p := contract.MinRulePriority; p <= contract.MaxRulePriority; p++ {
		if !used[p] {
			return p, true
		}
	}
	return 0, false
}
