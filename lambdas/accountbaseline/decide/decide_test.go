package decide

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"slipway/internal/contract"
)

func states() *rapid.Generator[State] {
	return rapid.Custom(func(t *rapid.T) State {
		return State(rapid.MapOf(rapid.SampledFrom([]string{"a", "b", "c", "@id"}), rapid.SampledFrom([]string{"1", "2", "3"})).Draw(t, "state"))
	})
}

// apply is what a Write does to a state.
func apply(from, to State) State {
	if to == nil {
		return nil
	}
	return Over(from, to)
}

// TestWhateverIsSetIsRestored holds for any sequence of templates, and for updates of which only some values arrived.
func TestWhateverIsSetIsRestored(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var before State
		if rapid.Bool().Draw(t, "there before") {
			before = states().Draw(t, "before")
			delete(before, "@id")
			for _, key := range []string{"a", "b", "c"} { // a thing that is there has all its values
				if before[key] == "" {
					before[key] = "0"
				}
			}
		}
		memory, current := Memory{Before: before}, before
		for range rapid.IntRange(1, maxSet).Draw(t, "templates") {
			desired := states().Filter(func(s State) bool { delete(s, "@id"); return len(s) > 0 }).Draw(t, "desired")
			memory, _ = memory.Remembering(desired)
			changes := Changes(current, desired)
			for _, key := range changes.Keys() {
				if rapid.Bool().Draw(t, "arrived") {
					current = Over(current, State{key: changes[key]})
				}
			}
			memory.Done = memory.Done || rapid.Bool().Draw(t, "done")
		}
		text, err := memory.Encode()
		if err != nil {
			t.Fatal(err)
		}
		back, err := DecodeMemory(text)
		if err != nil {
			t.Fatal(err)
		}
		to, kept := back.Restore(current)
		if len(kept) > 0 {
			t.Fatalf("kept %v though nobody changed anything", kept)
		}
		if after := apply(current, to); !maps.Equal(after, before) || (after == nil) != (before == nil) {
			t.Fatalf("before %v, memory %s, then %v, after %v", before, text, current, after)
		}
	})
}

// TestNobodysChangeIsLost: a value that was never set here survives the removal.
func TestNobodysChangeIsLost(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		before := states().Draw(t, "before")
		memory, _ := Memory{Before: before}.Remembering(State{"a": "1", "b": "1"})
		memory.Done = true
		current := Over(before, State{"a": "1", "b": "theirs"})
		if to, kept := memory.Restore(current); to["b"] != "theirs" || !slices.Equal(kept, []string{"b"}) {
			t.Fatalf("to %v, kept %v", to, kept)
		}
	})
}

func TestNothingStricterGetsWeaker(t *testing.T) {
	desired := State{contract.KeyMinimumLength: "14", contract.KeyReuse: "24", contract.KeyMaxAge: "90", contract.KeySymbols: "true", contract.KeyNumbers: "false"}
	for sentence, c := range map[string]struct{ before, want State }{
		"no policy before":                   {nil, desired},
		"a weaker one":                       {State{contract.KeyMinimumLength: "8", contract.KeyReuse: "5", contract.KeyMaxAge: "365", contract.KeySymbols: "false"}, desired},
		"passwords that never expired":       {State{contract.KeyMaxAge: "0"}, desired},
		"longer passwords stay longer":       {State{contract.KeyMinimumLength: "20"}, Over(desired, State{contract.KeyMinimumLength: "20"})},
		"three digits are more than two":     {State{contract.KeyMinimumLength: "128"}, Over(desired, State{contract.KeyMinimumLength: "128"})},
		"a shorter age stays":                {State{contract.KeyMaxAge: "30"}, Over(desired, State{contract.KeyMaxAge: "30"})},
		"a class that was demanded stays":    {State{contract.KeyNumbers: "true"}, Over(desired, State{contract.KeyNumbers: "true"})},
		"what isn't asked for isn't touched": {State{contract.KeyHardExpiry: "true"}, desired},
	} {
		if got := Strictest(c.before, nil, desired); !maps.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", sentence, got, c.want)
		}
	}
	// Expiry that nobody asks for leaves the one of before.
	if got := Strictest(State{contract.KeyMaxAge: "60"}, nil, State{contract.KeyMaxAge: "0"}); got[contract.KeyMaxAge] != "60" {
		t.Errorf("expiry is %s", got[contract.KeyMaxAge])
	}
}

func TestFeaturesThatNobodyAskedForAreOff(t *testing.T) {
	current := State{"@DetectorId": "x", "enabled": "true", "feature/A": "ENABLED", "feature/NEW": "ENABLED", "feature/R": "ENABLED", "feature/R/X": "ENABLED", "feature/R/Y": "ENABLED", "feature/Q/Z": "ENABLED"}
	got := OthersOff(nil, current, State{"feature/A": "ENABLED", "feature/R": "ENABLED", "feature/R/X": "ENABLED"})
	want := State{"feature/A": "ENABLED", "feature/NEW": "DISABLED", "feature/R": "ENABLED", "feature/R/X": "ENABLED", "feature/R/Y": "DISABLED"}
	if !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestAdoptionKeepsWhatWasThere(t *testing.T) {
	target := Adopt("on")
	desired := State{"name": "ours", "on": "true"}
	for sentence, c := range map[string]struct{ before, current, want State }{
		"nothing there: all of it":       {nil, nil, desired},
		"ours: all of it":                {nil, State{"name": "ours"}, desired},
		"theirs: only the switch":        {State{"name": "theirs"}, State{"name": "theirs"}, State{"on": "true"}},
		"theirs is gone: one of our own": {State{"name": "theirs"}, nil, desired},
	} {
		if got := target(c.before, c.current, desired); !maps.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", sentence, got, c.want)
		}
	}
}

func TestAMemoryFitsAParameter(t *testing.T) {
	m := Memory{Before: State{"a": "1", "@id": "x"}}
	for i := range 9 {
		m, _ = m.Remembering(State{"a": strings.Repeat(string(rune('a'+i)), 1500)})
	}
	text, err := m.Encode()
	if err != nil || len(text) > 4096 || len(m.Set) != maxSet {
		t.Fatalf("%d bytes, %d states, %v", len(text), len(m.Set), err)
	}
	back, err := DecodeMemory(text)
	if err != nil || back.Set[len(back.Set)-1]["a"][0] != 'i' || back.Before["a"] != "1" || back.Before["@id"] != "" {
		t.Errorf("%+v, %v", back, err)
	}
	if _, err := (Memory{Set: []State{{"a": strings.Repeat("x", 5000)}}}).Encode(); err == nil {
		t.Error("what doesn't fit is written")
	}
	for _, text := range []string{"", "null", "[]", "{"} {
		if _, err := DecodeMemory(text); err == nil {
			t.Errorf("%q is read", text)
		}
	}
}
