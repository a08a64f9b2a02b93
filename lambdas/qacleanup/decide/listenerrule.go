package decide

import "slices"

// listenerRules deletes the rules of the shared listener that send requests to nothing but this service.
func listenerRules(d *decision, m member, t *Target) {
	own := d.ownTargetGroups(m, t)
	for _, r := range d.facts.Rules {
		if d.goesWith(r, own, m) {
			t.Steps = append(t.Steps, Step{Kind: KindListenerRule, ID: r.ARN})
		}
	}
}

func (d *decision) goesWith(r Rule, own []string, m member) bool {
	return !r.Default && !r.Answers && len(r.Forwards) > 0 && foreign(r.Tags, m) == "" &&
		!slices.ContainsFunc(r.Forwards, func(arn string) bool { return !slices.Contains(own, arn) })
}
