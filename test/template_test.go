package test

import (
	"encoding/json"
	"fmt"
	"sort"
	"strings"
	"testing"
)

// template is a CloudFormation template as JSON.
type template struct {
	Resources  map[string]resource       `json:"Resources"`
	Outputs    map[string]map[string]any `json:"Outputs"`
	Parameters map[string]map[string]any `json:"Parameters"`
}

// resource is one resource of a template.
type resource struct {
	LogicalID           string         `json:"-"`
	Type                string         `json:"Type"`
	Properties          map[string]any `json:"Properties"`
	DependsOn           any            `json:"DependsOn"`
	DeletionPolicy      string         `json:"DeletionPolicy"`
	UpdateReplacePolicy string         `json:"UpdateReplacePolicy"`
	Metadata            map[string]any `json:"Metadata"`
}

// stack is the template of that name.
func (a *assembly) stack(t *testing.T, name string) template {
	t.Helper()
	got, ok := a.templates[name]
	if !ok {
		names := make([]string, 0, len(a.templates))
		for n := range a.templates {
			names = append(names, n)
		}
		sort.Strings(names)
		t.Fatalf("no stack %q among %v", name, names)
	}
	return got
}

// all is every resource of a type, ordered by logical ID.
func (t template) all(kind string) []resource {
	var found []resource
	for id, r := range t.Resources {
		if r.Type == kind {
			r.LogicalID = id
			found = append(found, r)
		}
	}
	sort.Slice(found, func(i, j int) bool { return found[i].LogicalID < found[j].LogicalID })
	return found
}

// one is the only resource of a type.
func (t template) one(test *testing.T, kind string) resource {
	test.Helper()
	found := t.all(kind)
	if len(found) != 1 {
		test.Fatalf("%d resources of type %s, want exactly one", len(found), kind)
	}
	return found[0]
}

// at is the value at a path such as "LoadBalancerAttributes.0.Key"; nil where there is none.
func at(value any, path string) any {
	for _, step := range strings.Split(path, ".") {
		switch v := value.(type) {
		case map[string]any:
			value = v[step]
		case []any:
			var index int
			if _, err := fmt.Sscanf(step, "%d", &index); err != nil || index < 0 || index >= len(v) {
				return nil
			}
			value = v[index]
		default:
			return nil
		}
	}
	return value
}

func (r resource) at(path string) any { return at(r.Properties, path) }

// text is a value as compact JSON with sorted keys, for comparisons and for looking into intrinsics.
func text(value any) string {
	raw, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprint(value)
	}
	return string(raw)
}

// want compares a property with what it must be.
func (r resource) want(t *testing.T, path string, want any) {
	t.Helper()
	if got := r.at(path); text(got) != text(want) {
		t.Errorf("%s %s: %s = %s, want %s", r.Type, r.LogicalID, path, text(got), text(want))
	}
}

// list is a value that may be a single element or a list, as CDK writes policy actions and resources.
func list(value any) []any {
	switch v := value.(type) {
	case nil:
		return nil
	case []any:
		return v
	default:
		return []any{v}
	}
}
