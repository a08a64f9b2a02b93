package decide

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Mark is what the sweep remembers of an environment's remains.
type Mark struct {
	First    time.Time // when they were first seen without an owner
	Failures int       // sweeps in a row that could not delete all of them
	Last     time.Time // the last of these
}

// Memory is what one sweep tells the next: environment → mark. Without it they only go later.
type Memory map[string]Mark

// memoryBytes is what an SSM parameter of the standard tier holds.
const memoryBytes = 4096

// Format writes the memory, the oldest marks first, as many as fit; the others are made anew by a later sweep.
func (m Memory) Format() string {
	names := slices.SortedFunc(maps.Keys(m), func(a, b string) int { return cmp.Or(m[a].First.Compare(m[b].First), cmp.Compare(a, b)) })
	kept := map[string][3]int64{}
	size := len(`{}`)
	for _, name := range names {
		value := [3]int64{m[name].First.Unix(), int64(m[name].Failures), 0}
		if !m[name].Last.IsZero() {
			value[2] = m[name].Last.Unix()
		}
		key, _ := json.Marshal(name)
		entry, _ := json.Marshal(value)
		if size += len(key) + len(entry) + len(`:,`); size > memoryBytes {
			break
		}
		kept[name] = value
	}
	raw, _ := json.Marshal(kept) // strings and numbers
	return string(raw)
}

// ParseMemory reads what Format writes.
func ParseMemory(s string) (Memory, error) {
	raw := map[string][3]int64{}
	if err := json.Unmarshal([]byte(s), &raw); err != nil {
		return nil, fmt.Errorf("read the sweep's memory: %w; set the parameter to {}", err)
	}
	m := Memory{}
	for name, v := range raw {
		mark := Mark{First: time.Unix(v[0], 0).UTC(), Failures: int(v[1])}
		if v[2] != 0 {
			mark.Last = time.Unix(v[2], 0).UTC()
		}
		m[name] = mark
	}
	return m, nil
}
