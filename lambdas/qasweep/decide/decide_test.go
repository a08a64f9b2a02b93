package decide_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"slipway/internal/contract"
	"slipway/internal/qalease"
	. "slipway/lambdas/qasweep/decide"
)

var now = time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)

func input() Input {
	return Input{Now: now, Platform: "slipway", Cluster: "qa-cluster", Grace: 2 * time.Hour}
}

// Whatever the facts and the memory, only what is surely nobody's goes, and in the order of the kinds.
func TestPlanNeverLeavesItsBounds(t *testing.T) {
	names := []string{"a-0123abcd", "b-0123abcd", "c-0123abcd", "demo", ""}
	rapid.Check(t, func(t *rapid.T) {
		var f Facts
		for i := range rapid.IntRange(0, 12).Draw(t, "pieces") {
			p := Piece{
				Kind: rapid.SampledFrom(Order).Draw(t, "kind"), ID: fmt.Sprint(i), Environment: rapid.SampledFrom(names).Draw(t, "environment"),
				Keep: rapid.SampledFrom([]string{"", "", "", "someone uses it"}).Draw(t, "keep"),
			}
			if p.Keep != "" && rapid.Bool().Draw(t, "holds") {
				p.Holds = []Kind{Revision}
			}
			if rapid.IntRange(0, 3).Draw(t, "shared") == 0 {
				p.Also = []string{rapid.SampledFrom(names[:4]).Draw(t, "also")}
			}
			f.Pieces = append(f.Pieces, p)
		}
		for _, name := range rapid.SliceOfN(rapid.SampledFrom(names[:4]), 0, 2).Draw(t, "services") {
			s := qalease.Service{ARN: "arn:" + name, Name: rapid.SampledFrom([]string{name, "other"}).Draw(t, "name"), Cluster: rapid.SampledFrom([]string{"qa-cluster", "qa-cluster", "prod-cluster"}).Draw(t, "cluster"), Tags: map[string]string{}}
			if rapid.Bool().Draw(t, "tagged") {
				s.Tags[contract.TagEnvironment] = name
			} else {
				s.Tags[qalease.TagStackName] = contract.QAEnvironmentStack("slipway", name)
			}
			f.Services = append(f.Services, s)
		}
		for _, name := range rapid.SliceOfN(rapid.SampledFrom(names[:3]), 0, 2).Draw(t, "stacks") {
			f.Stacks = append(f.Stacks, contract.QAEnvironmentStack(rapid.SampledFrom([]string{"slipway", "other"}).Draw(t, "platform"), name))
		}
		if rapid.IntRange(0, 5).Draw(t, "unreadable") == 0 {
			f.Unreadable = []qalease.Unreadable{{ARN: "arn:x", Reason: "DENIED"}}
		}
		memory := Memory{}
		for _, name := range names[:4] {
			if rapid.Bool().Draw(t, "remembered") {
				memory[name] = Mark{First: now.Add(-time.Duration(rapid.IntRange(0, 5).Draw(t, "hours")) * time.Hour), Failures: rapid.IntRange(0, 4).Draw(t, "failures"), Last: now.Add(-time.Hour)}
			}
		}

		plan := Decide(input(), f, memory)
		for _, target := range plan.Targets {
			e := target.Environment
			if e == "" || len(f.Unreadable) > 0 || slices.Contains(f.Stacks, "slipway-qa-env-"+e) {
				t.Fatalf("%q goes though it has an owner, or may have one", e)
			}
			for _, s := range f.Services {
				slug, made := strings.CutPrefix(s.Tags[qalease.TagStackName], "slipway-qa-env-")
				if s.Cluster == "qa-cluster" && (s.Name == e || s.Tags[contract.TagEnvironment] == e || made && contract.IsSlug(slug) && slug == e) {
					t.Fatalf("%q goes though the service %+v is its own", e, s)
				}
			}
			m, known := memory[e]
			if !known || now.Sub(m.First) < 2*time.Hour || m.Failures >= MaxFailures {
				t.Fatalf("%q goes with the mark %+v", e, m)
			}
			for i, p := range target.Pieces {
				if p.Environment != e || p.Keep != "" || i > 0 && slices.Index(Order, p.Kind) < slices.Index(Order, target.Pieces[i-1].Kind) {
					t.Fatalf("%+v goes with %q", p, e)
				}
				for _, other := range p.Also {
					if now.Sub(memory[other].First) < 2*time.Hour || memory[other].First.IsZero() {
						t.Fatalf("%+v goes though %q may need it", p, other)
					}
				}
				for _, kept := range f.Pieces {
					if kept.Environment == e && kept.Keep != "" && slices.Contains(kept.Holds, p.Kind) {
						t.Fatalf("%+v goes though %+v holds it", p, kept)
					}
				}
			}
		}
		// Whoever has remains is remembered, and nobody else is.
		for e := range plan.Memory {
			if !slices.ContainsFunc(f.Pieces, func(p Piece) bool { return p.Environment == e }) {
				t.Fatalf("%q is remembered without remains", e)
			}
		}
	})
}

func TestOwner(t *testing.T) {
	stack := contract.QAEnvironmentStack("slipway", "a-0123abcd")
	for sentence, c := range map[string]struct {
		tags    map[string]string
		want    string
		foreign bool
	}{
		"no tags":                            {nil, "", false},
		"the tag of its stack":               {map[string]string{qalease.TagStackName: stack}, "a-0123abcd", false},
		"the stack's word counts":            {map[string]string{qalease.TagStackName: stack, contract.TagEnvironment: "b-0123abcd"}, "a-0123abcd", false},
		"another stack":                      {map[string]string{qalease.TagStackName: "billing", contract.TagEnvironment: "a-0123abcd"}, "", true},
		"the shared front":                   {map[string]string{qalease.TagStackName: "slipway-qa-service"}, "", true},
		"another platform's environment":     {map[string]string{qalease.TagStackName: contract.QAEnvironmentStack("other", "a-0123abcd")}, "", true},
		"the environment's tag":              {map[string]string{contract.TagEnvironment: "demo"}, "demo", false},
		"with the platform's":                {map[string]string{contract.TagPlatform: "slipway", contract.TagEnvironment: "demo"}, "demo", false},
		"with another platform's":            {map[string]string{contract.TagPlatform: "other", contract.TagEnvironment: "demo"}, "", true},
		"an empty tag":                       {map[string]string{contract.TagEnvironment: " "}, "", false},
		"the platform's alone says no owner": {map[string]string{contract.TagPlatform: "slipway"}, "", false},
	} {
		got, known, foreign := Owner("slipway", c.tags)
		if got != c.want || known != (c.want != "") || foreign != c.foreign {
			t.Errorf("%s: %q, %v, %v", sentence, got, known, foreign)
		}
	}
}

func TestMemorySurvivesItsParameter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := Memory{}
		for range rapid.IntRange(0, 300).Draw(t, "n") {
			mark := Mark{First: now.Add(time.Duration(rapid.IntRange(-1e6, 1e6).Draw(t, "first")) * time.Second), Failures: rapid.IntRange(0, 9).Draw(t, "failures")}
			if mark.Failures > 0 {
				mark.Last = now
			}
			m[rapid.OneOf(rapid.StringMatching(`[a-z]{1,15}-[0-9a-f]{8}`), rapid.String()).Draw(t, "name")] = mark
		}
		text := m.Format()
		if len(text) > 4096 {
			t.Fatalf("%d bytes, an SSM parameter holds 4096", len(text))
		}
		back, err := ParseMemory(text)
		if err != nil {
			t.Fatal(err)
		}
		newest := time.Time{}
		for name, mark := range back {
			if want, ok := m[name]; ok && want != mark {
				t.Fatalf("%q: %+v became %+v", name, want, mark)
			}
			if mark.First.After(newest) {
				newest = mark.First
			}
		}
		for name, mark := range m {
			if _, ok := back[name]; !ok && strings.ToValidUTF8(name, "") == name && mark.First.Before(newest) {
				t.Fatalf("%q of %s was forgotten before one of %s", name, mark.First, newest)
			}
		}
	})
	for _, text := range []string{"", "x", "[]", `{"a":1}`} {
		if _, err := ParseMemory(text); err == nil {
			t.Errorf("%q was read", text)
		}
	}
}
