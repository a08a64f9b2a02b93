package decide

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// Memory is what is kept about a setting: how it was before the first change, and what it was set to since.
type Memory struct {
	// Before is nil if there was no such thing.
	Before State `json:"before"`
	// Set are the values that were asked for, oldest first. More than the last one are kept, since an update that failed
	// half way leaves some values of one and some of the other.
	Set []State `json:"set"`
	// Done says that what was asked for was reached once. Until then a thing that wasn't there before is half made.
	Done bool `json:"done"`
}

const (
	maxSet   = 4
	maxBytes = 4096 // of a standard parameter in SSM
)

// Remembering is the memory with another state that is going to be set; changed is false if it is the last one already.
func (m Memory) Remembering(to State) (remembering Memory, changed bool) {
	to = to.values()
	if len(to) == 0 || len(m.Set) > 0 && maps.Equal(m.Set[len(m.Set)-1], to) {
		return m, false
	}
	set := append(slices.Clone(m.Set), to)
	if len(set) > maxSet {
		set = set[len(set)-maxSet:]
	}
	return Memory{Before: m.Before, Set: set, Done: m.Done}, true
}

// Encode writes the memory so that it fits a parameter; the oldest of what was set goes first if it doesn't.
func (m Memory) Encode() (string, error) {
	m.Before = m.Before.values()
	for {
		text, err := json.Marshal(m)
		if err != nil {
			return "", fmt.Errorf("write what was before: %w", err)
		}
		if len(text) <= maxBytes {
			return string(text), nil
		}
		if len(m.Set) <= 1 {
			return "", fmt.Errorf("write what was before: it takes %d bytes, a parameter holds %d", len(text), maxBytes)
		}
		m.Set = m.Set[1:]
	}
}

// DecodeMemory is the inverse of Encode.
func DecodeMemory(text string) (Memory, error) {
	var m *Memory
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		return Memory{}, fmt.Errorf("read what was before: %w; delete the parameter, and the setting stays as it is", err)
	}
	if m == nil {
		return Memory{}, errors.New("read what was before: it is null; delete the parameter, and the setting stays as it is")
	}
	return *m, nil
}

// ours says whether a value is one that was set here.
func (m Memory) ours(key, value string) bool {
	return slices.ContainsFunc(m.Set, func(s State) bool { set, there := s[key]; return there && set == value })
}

// Restore says what a setting goes back to: each value that is still the one set here becomes what it was before. What
// somebody has changed since stays, and so does the whole thing if it wasn't there before and somebody has changed a part
// of it. kept are the keys left alone for that reason. A nil state means that the thing goes.
func (m Memory) Restore(current State) (to State, kept []string) {
	if current == nil {
		return nil, nil // whoever removed it meant it
	}
	keys := map[string]bool{}
	for _, set := range m.Set {
		for key := range set {
			keys[key] = true
		}
	}
	to = maps.Clone(current)
	for key := range keys {
		value, there := current[key]
		old, was := m.Before[key]
		switch {
		case !there, was && old == value:
		case !m.ours(key, value):
			kept = append(kept, key)
		case was:
			to[key] = old
		}
	}
	slices.Sort(kept)
	if m.Before == nil && len(m.Set) > 0 && (len(kept) == 0 || !m.Done) {
		return nil, nil
	}
	return to, kept
}
