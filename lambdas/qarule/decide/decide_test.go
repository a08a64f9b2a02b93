package decide

import (
	"testing"

	"pgregory.net/rapid"

	"slipway/internal/contract"
)

var owner = Owner{Platform: "slipway", Slug: "x-0123abcd", Host: "x-0123abcd.qa.example.com"}

func TestWhoseRuleItIs(t *testing.T) {
	mine := map[string]string{contract.TagPlatform: "slipway", contract.TagEnvironment: "x-0123abcd"}
	for sentence, c := range map[string]struct {
		rule         Rule
		own, foreign bool
	}{
		"its host and its tags":            {Rule{Hosts: []string{owner.Host}, Tags: mine}, true, false},
		"a host's case doesn't matter":     {Rule{Hosts: []string{"X-0123ABCD.qa.example.com"}, Tags: mine}, true, false},
		"its host without tags":            {Rule{Hosts: []string{owner.Host}}, false, true},
		"its host with another's tags":     {Rule{Hosts: []string{owner.Host}, Tags: map[string]string{contract.TagPlatform: "slipway", contract.TagEnvironment: "y-0123abcd"}}, false, true},
		"its host with another platform's": {Rule{Hosts: []string{owner.Host}, Tags: map[string]string{contract.TagPlatform: "s2", contract.TagEnvironment: "x-0123abcd"}}, false, true},
		"its host among others":            {Rule{Hosts: []string{owner.Host, "b.qa.example.com"}, Tags: mine}, false, true},
		"another host with its tags":       {Rule{Hosts: []string{"xx-0123abcd.qa.example.com"}, Tags: mine}, false, false},
		"no host":                          {Rule{Tags: mine}, false, false},
	} {
		_, foreign := Foreign(owner, []Rule{c.rule})
		if own := len(Own(owner, []Rule{c.rule})) == 1; own != c.own || foreign != c.foreign {
			t.Errorf("%s: own %v, foreign %v", sentence, own, foreign)
		}
	}
}

func TestFreeIsTheLowestGap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		priority := rapid.IntRange(contract.MinRulePriority-3, contract.MinRulePriority+20)
		var rules []Rule
		used := map[int]bool{}
		for _, p := range rapid.SliceOf(priority).Draw(t, "rules") {
			rules, used[p] = append(rules, Rule{Priority: p}), true
		}
		taken := map[int]bool{}
		for _, p := range rapid.SliceOf(priority).Draw(t, "taken") {
			taken[p], used[p] = true, true
		}
		before := len(taken)
		got, ok := Free(rules, taken)
		if !ok || used[got] || got < contract.MinRulePriority || got > contract.MaxRulePriority || len(taken) != before {
			t.Fatalf("%d, %v of %v", got, ok, used)
		}
		for p := contract.MinRulePriority; p < got; p++ {
			if !used[p] {
				t.Fatalf("%d, but %d is free", got, p)
			}
		}
	})
}

func TestNoPriorityIsLeft(t *testing.T) {
	taken := map[int]bool{}
	for p := contract.MinRulePriority; p <= contract.MaxRulePriority; p++ {
		taken[p] = true
	}
	if p, ok := Free(nil, taken); ok {
		t.Errorf("got %d", p)
	}
}
