package decide

import (
	"slices"
	"strings"

	"slipway/internal/contract"
)

// taskDefinitions deletes all revisions of the service's family, and of that family exactly.
func taskDefinitions(d *decision, m member, t *Target) {
	name := FamilyOf(m.TaskDefinition)
	i := slices.IndexFunc(d.facts.Families, func(f Family) bool { return f.Name == name })
	if name == "" || i < 0 {
		return // it runs task sets or could not be read; there is nothing to name
	}
	family := d.facts.Families[i]
	if len(family.Active)+len(family.Inactive) == 0 {
		return
	}
	why := foreign(family.Tags, m)
	switch {
	case why != "":
	case strings.HasPrefix(name, d.Platform+"-") && name != contract.TaskFamily(d.Platform, m.lease.Environment):
		// A service made by hand may well run a stage's task definition, and the stage deploys it by family.
		why = "the name belongs to the platform, not to this service"
	default:
		if other := d.sharers(m, t, func(o member) bool { return FamilyOf(o.TaskDefinition) == name }); other != "" {
			why = "the service " + other + " uses it too"
		}
	}
	if why != "" {
		d.spare(m, KindTaskDefinitions, name, why)
		return
	}
	t.Steps = append(t.Steps, Step{Kind: KindTaskDefinitions, ID: name, Active: family.Active, Inactive: family.Inactive})
}
