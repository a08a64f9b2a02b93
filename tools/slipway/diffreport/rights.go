package diffreport

import (
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"
)

// Grant is one action that one statement allows or denies.
type Grant struct {
	Holder    string // stack and resource
	Effect    string
	Action    string
	Resource  string // JSON
	Principal string // JSON; of policies on resources and of trust
	Condition string // JSON
}

func (g Grant) String() string {
	text := fmt.Sprintf("%s: %s `%s` on `%s`", g.Holder, strings.ToLower(g.Effect), g.Action, g.Resource)
	if g.Principal != "" {
		text += fmt.Sprintf(" for `%s`", g.Principal)
	}
	if g.Condition != "" {
		text += fmt.Sprintf(" if `%s`", g.Condition)
	}
	return text
}

// widened are the rights after a change that nothing gave before: new actions, resources, principals, or the loss of a
// condition or a denial. It errs on the side of showing too much: a resource that is only written otherwise is shown.
func widened(before, after map[string]Template) (wider []string) {
	old, updated := grants(before), grants(after)
	for _, g := range updated {
		if g.Effect == "Allow" && !slices.ContainsFunc(old, func(o Grant) bool { return o.covers(g) }) {
			wider = append(wider, g.String())
		}
	}
	for _, o := range old {
		if o.Effect == "Deny" && !slices.ContainsFunc(updated, func(g Grant) bool { return g.covers(o) }) && holds(after, o.Holder) {
			wider = append(wider, "no longer: "+o.String())
		}
	}
	opened, known := doors(after), doors(before)
	for _, d := range opened {
		if !slices.Contains(known, d) {
			wider = append(wider, d)
		}
	}
	slices.Sort(wider)
	return slices.Compact(wider)
}

// covers says whether a grant includes another one of the same holder.
func (g Grant) covers(other Grant) bool {
	return g.Effect == other.Effect && g.Holder == other.Holder && g.Principal == other.Principal && (g.Condition == other.Condition || g.Condition == "" && g.Effect == "Allow") &&
		matches(g.Action, other.Action) && (g.Resource == other.Resource || g.Resource == `"*"`)
}

// matches compares an action with a pattern, without regard to case, as IAM does.
func matches(pattern, action string) bool {
	ok, err := path.Match(strings.ToLower(pattern), strings.ToLower(action))
	return err == nil && ok || strings.EqualFold(pattern, action)
}

func holds(templates map[string]Template, holder string) bool {
	stack, id, _ := strings.Cut(holder, "/")
	_, ok := templates[stack].Resources[id]
	return ok
}

// grants are those of all policies in the templates: wherever a property is a document with statements.
func grants(templates map[string]Template) (all []Grant) {
	for _, stack := range names(templates, nil) {
		for _, id := range names(templates[stack].Resources, nil) {
			holder := stack + "/" + id
			r := templates[stack].Resources[id]
			walk(r.Properties, func(statement map[string]any) { all = append(all, statementGrants(holder, statement)...) })
			for _, managed := range listed(r.Properties["ManagedPolicyArns"]) {
				all = append(all, Grant{Holder: holder, Effect: "Allow", Action: "everything of the managed policy", Resource: compact(managed)})
			}
		}
	}
	return all
}

// walk finds statements, also in policies that are JSON within a string.
func walk(value any, each func(map[string]any)) {
	switch v := value.(type) {
	case map[string]any:
		if statements, ok := v["Statement"]; ok {
			for _, s := range listed(statements) {
				if statement, ok := s.(map[string]any); ok {
					each(statement)
				}
			}
			return
		}
		for _, name := range names(v, nil) {
			walk(v[name], each)
		}
	case []any:
		for _, element := range v {
			walk(element, each)
		}
	case string:
		var inner map[string]any
		if strings.HasPrefix(v, "{") && json.Unmarshal([]byte(v), &inner) == nil {
			walk(inner, each)
		}
	}
}

func statementGrants(holder string, s map[string]any) (all []Grant) {
	actions, resources := listed(s["Action"]), listed(s["Resource"])
	if not, ok := s["NotAction"]; ok {
		actions = append(actions, "all but "+compact(not))
	}
	if not, ok := s["NotResource"]; ok {
		resources = append(resources, "all but "+compact(not))
	}
	if len(resources) == 0 {
		resources = []any{"itself"} // trust policies, key policies
	}
	principal, condition := "", ""
	if p := s["Principal"]; p != nil {
		principal = compact(p)
	}
	if p := s["NotPrincipal"]; p != nil {
		principal = "all but " + compact(p)
	}
	if c := s["Condition"]; c != nil {
		condition = compact(c)
	}
	for _, action := range actions {
		for _, resource := range resources {
			all = append(all, Grant{holder, fmt.Sprint(s["Effect"]), fmt.Sprint(action), compact(resource), principal, condition})
		}
	}
	return all
}

// doors are what else lets somebody in: who may invoke functions, which networks reach a security group, what is public.
func doors(templates map[string]Template) (all []string) {
	for _, stack := range names(templates, nil) {
		for _, id := range names(templates[stack].Resources, nil) {
			r := templates[stack].Resources[id]
			name := stack + "/" + id
			switch r.Type {
			case "AWS::Lambda::Permission":
				all = append(all, fmt.Sprintf("%s: `%v` may `%v` `%s`", name, compact(r.Properties["Principal"]), r.Properties["Action"], compact(r.Properties["FunctionName"])))
			case "AWS::EC2::SecurityGroupIngress":
				all = append(all, fmt.Sprintf("%s: lets `%s` in", name, compact(r.Properties)))
			case "AWS::EC2::SecurityGroup":
				for _, rule := range listed(r.Properties["SecurityGroupIngress"]) {
					all = append(all, fmt.Sprintf("%s: lets `%s` in", name, compact(rule)))
				}
			case "AWS::RDS::DBInstance":
				if r.Properties["PubliclyAccessible"] == true {
					all = append(all, name+": the database is public")
				}
			}
		}
	}
	return all
}

func listed(v any) []any {
	switch v := v.(type) {
	case nil:
		return nil
	case []any:
		return v
	}
	return []any{v}
}

func compact(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(text)
}
