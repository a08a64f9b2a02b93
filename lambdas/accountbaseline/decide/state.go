// Package decide says what a setting of the account should become, and what it goes back to when it is no longer ours. It is
// pure: what was asked, what was before and what is now go in.
package decide

import (
	"maps"
	"slices"
	"strings"
)

// State is what a setting is, as strings by key. nil means that the account has no such thing: no password policy, no
// detector. Keys that begin with @ identify the thing and are never compared, set or restored.
type State map[string]string

// Identity is the key of an identifier.
func Identity(name string) string { return "@" + name }

// Identities are the identifiers in a state, without their mark.
func (s State) Identities() map[string]string {
	found := map[string]string{}
	for key, value := range s {
		if name, ok := strings.CutPrefix(key, "@"); ok {
			found[name] = value
		}
	}
	return found
}

// values is the state without identifiers.
func (s State) values() State {
	if s == nil {
		return nil
	}
	values := State{}
	for key, value := range s {
		if !strings.HasPrefix(key, "@") {
			values[key] = value
		}
	}
	return values
}

// Changes are the keys of to whose values differ in from. Keys that to lacks stay as they are.
func Changes(from, to State) State {
	changes := State{}
	for key, value := range to.values() {
		if old, there := from[key]; !there || old != value {
			changes[key] = value
		}
	}
	return changes
}

// Over is the base with every value of the changes in its place.
func Over(base, changes State) State {
	merged := State{}
	maps.Copy(merged, base)
	maps.Copy(merged, changes)
	return merged
}

// Keys are the keys of a state in order.
func (s State) Keys() []string { return slices.Sorted(maps.Keys(s)) }
