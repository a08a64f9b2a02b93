package decide

import (
	"slices"
	"strings"
)

// targetGroups deletes the target groups that only this service uses.
func targetGroups(d *decision, m member, t *Target) {
	own := d.ownTargetGroups(m, t)
	for _, arn := range m.TargetGroups {
		if _, exists := d.targetGroup(arn); !exists {
			continue
		}
		if why := d.targetGroupStays(arn, m, t, own); why != "" {
			d.spare(m, KindTargetGroup, targetGroupName(arn), why)
		} else {
			t.Steps = append(t.Steps, Step{Kind: KindTargetGroup, ID: arn})
		}
	}
}

// ownTargetGroups are those which belong to the service alone, whatever rules use them.
func (d *decision) ownTargetGroups(m member, t *Target) []string {
	var own []string
	for _, arn := range m.TargetGroups {
		if d.targetGroupIsShared(arn, m, t) == "" {
			own = append(own, arn)
		}
	}
	return own
}

func (d *decision) targetGroupIsShared(arn string, m member, t *Target) (why string) {
	group, exists := d.targetGroup(arn)
	if !exists {
		return "it is gone"
	}
	if why := foreign(group.Tags, m); why != "" {
		return why
	}
	for _, lb := range group.LoadBalancers {
		if lb != d.facts.LoadBalancer {
			return "another load balancer uses it: " + lb
		}
	}
	if name := d.sharers(m, t, func(o member) bool { return slices.Contains(o.TargetGroups, arn) }); name != "" {
		return "the service " + name + " uses it too"
	}
	return ""
}

func (d *decision) targetGroupStays(arn string, m member, t *Target, own []string) (why string) {
	if why := d.targetGroupIsShared(arn, m, t); why != "" {
		return why
	}
	for _, r := range d.facts.Rules {
		if slices.Contains(r.Forwards, arn) && !d.goesWith(r, own, m) {
			return "a listener rule that stays sends requests to it: " + r.ARN
		}
	}
	return ""
}

func (d *decision) targetGroup(arn string) (TargetGroup, bool) {
	i := slices.IndexFunc(d.facts.TargetGroups, func(g TargetGroup) bool { return g.ARN == arn })
	if i < 0 {
		return TargetGroup{}, false
	}
	return d.facts.TargetGroups[i], true
}

func targetGroupName(arn string) string {
	if _, name, ok := strings.Cut(arn, ":targetgroup/"); ok {
		name, _, _ = strings.Cut(name, "/")
		return name
	}
	return arn
}
