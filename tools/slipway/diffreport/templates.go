// Package diffreport says what a change does to the templates: resources, rights, and what they cost a month. It reads two
// syntheses, so it needs no account.
package diffreport

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
)

// Template is a CloudFormation template, as far as the report looks at it.
type Template struct {
	Resources map[string]Resource
}

// Resource is one resource of a template.
type Resource struct {
	Type       string
	Properties map[string]any
	// The rest is compared, not understood.
	DependsOn      any
	DeletionPolicy string
	Condition      string
}

// Load reads the templates of a synthesis, by the names of their stacks. Those of a pipeline's stages lie in folders of
// their own and repeat the others.
func Load(folder string) (map[string]Template, error) {
	files, err := filepath.Glob(filepath.Join(folder, "*.template.json"))
	if err != nil || len(files) == 0 {
		return nil, fmt.Errorf("read the templates in %s: there are none; run `make synth` there", folder)
	}
	templates := map[string]Template{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("read a template: %w", err)
		}
		var t Template
		if err := json.Unmarshal(text, &t); err != nil {
			return nil, fmt.Errorf("read the template %s: %w", file, err)
		}
		templates[strings.TrimSuffix(filepath.Base(file), ".template.json")] = t
	}
	return templates, nil
}

// Change is what happens to one resource.
type Change struct {
	Stack, ID, Type string
	Kind            string   // added, removed or changed
	Properties      []string // that change
}

// changes compares two sets of templates. Construct paths and other metadata aren't resources.
func changes(before, after map[string]Template) (found []Change) {
	for _, stack := range names(before, after) {
		old, updated := before[stack].Resources, after[stack].Resources
		for _, id := range names(old, updated) {
			a, was := old[id]
			b, is := updated[id]
			c := Change{Stack: stack, ID: id, Type: a.Type}
			switch {
			case a.Type == "AWS::CDK::Metadata" || b.Type == "AWS::CDK::Metadata":
				continue
			case !was:
				c.Type, c.Kind = b.Type, "added"
			case !is:
				c.Kind = "removed"
			case a.Type != b.Type:
				c.Type, c.Kind = a.Type+" → "+b.Type, "changed"
			default:
				c.Kind, c.Properties = "changed", changed(a, b)
				if len(c.Properties) == 0 {
					continue
				}
			}
			found = append(found, c)
		}
	}
	return found
}

func changed(a, b Resource) (properties []string) {
	for _, name := range names(a.Properties, b.Properties) {
		if !reflect.DeepEqual(a.Properties[name], b.Properties[name]) {
			properties = append(properties, name)
		}
	}
	for name, same := range map[string]bool{
		"DependsOn": reflect.DeepEqual(a.DependsOn, b.DependsOn), "DeletionPolicy": a.DeletionPolicy == b.DeletionPolicy, "Condition": a.Condition == b.Condition,
	} {
		if !same {
			properties = append(properties, name)
		}
	}
	slices.Sort(properties)
	return properties
}

// names are the keys of two maps, sorted.
func names[V any](a, b map[string]V) []string {
	all := map[string]bool{}
	for name := range a {
		all[name] = true
	}
	for name := range b {
		all[name] = true
	}
	return slices.Sorted(maps.Keys(all))
}
