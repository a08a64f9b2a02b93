package decide_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"slipway/internal/contract"
	. "slipway/lambdas/qacleanup/decide"
)

func TestWarnings(t *testing.T) {
	ends := func(in time.Duration, pairs ...string) Service {
		return service("x", tags(append([]string{contract.TagExpires, contract.FormatExpiry(now.Add(in))}, pairs...)...))
	}
	mark := func(in time.Duration, level string) string { return contract.FormatExpiry(now.Add(in)) + "/" + level }
	young := func(s Service, age time.Duration) Service {
		s.CreatedAt = now.Add(-age)
		return s
	}
	for sentence, c := range map[string]struct {
		service Service
		want    string // the mark; empty: no warning
	}{
		"a day before the end it is due":                    {ends(24 * time.Hour), mark(24*time.Hour, "24h")},
		"a second earlier it isn't":                         {ends(24*time.Hour + time.Second), ""},
		"once is enough":                                    {ends(20*time.Hour, contract.TagWarned, mark(20*time.Hour, "24h")), ""},
		"two hours before the end the last one is due":      {ends(2*time.Hour, contract.TagWarned, mark(2*time.Hour, "24h")), mark(2*time.Hour, "2h")},
		"it is due too if the first one was missed":         {ends(time.Hour), mark(time.Hour, "2h")},
		"the last one comes once":                           {ends(time.Hour, contract.TagWarned, mark(time.Hour, "2h")), ""},
		"after the end there is nothing to warn of":         {ends(0), ""},
		"a renewed lease is warned of anew":                 {ends(23*time.Hour, contract.TagWarned, mark(-time.Hour, "2h")), mark(23*time.Hour, "24h")},
		"a mark whose message failed doesn't count":         {ends(23*time.Hour, contract.TagWarned, "unsent"), mark(23*time.Hour, "24h")},
		"whoever asked for four hours knows that they end":  {young(ends(4*time.Hour), 0), ""},
		"but hears of it two hours before":                  {young(ends(2*time.Hour), 2*time.Hour), mark(2*time.Hour, "2h")},
		"whoever asked for two hours knows":                 {young(ends(time.Hour), time.Hour), ""},
		"a lease that can't be read is warned of by nobody": {service("x", tags(contract.TagExpires, "soon")), ""},
		"a service that drains is past warning":             {func() Service { s := ends(time.Hour); s.Status = "DRAINING"; return s }(), ""},
		"a service of another cluster is nobody's business": {func() Service { s := ends(time.Hour); s.Cluster = "prod-cluster"; return s }(), ""},
		"a service of a stage's stack isn't either":         {ends(time.Hour, "aws:cloudformation:stack-name", "slipway-qa-service"), ""},
		"the hard maximum is an end as well":                {ends(100*time.Hour, contract.TagMaxLifetime, "49h"), mark(time.Hour, "2h")},
	} {
		t.Run(sentence, func(t *testing.T) {
			got := Warnings(input(), Facts{Services: []Service{c.service}})
			switch {
			case c.want == "" && len(got) > 0:
				t.Errorf("warned with %+v", got)
			case c.want != "" && (len(got) != 1 || got[0].Mark != c.want || got[0].Service != c.service.ARN):
				t.Errorf("got %+v, want the mark %s", got, c.want)
			}
		})
	}
}

func TestAnEnvironmentOfTwoServicesEndsWithTheLastOne(t *testing.T) {
	name := stack("").Name
	f := Facts{Stacks: []Stack{stack("CREATE_COMPLETE")}, Services: []Service{
		service("a", inStack(name, contract.TagExpires, contract.FormatExpiry(now.Add(time.Hour)))),
		service("b", inStack(name, contract.TagExpires, contract.FormatExpiry(now.Add(30*time.Hour)))),
	}}
	if got := Warnings(input(), f); len(got) != 0 {
		t.Errorf("got %+v", got)
	}
	f.Services[1].Tags[contract.TagExpires] = contract.FormatExpiry(now.Add(90 * time.Minute))
	if got := Warnings(input(), f); len(got) != 1 || got[0].Name != "b" {
		t.Errorf("got %+v", got)
	}
}

// However often and whenever the runs come, each level of each lease is told at most once, a level is never told before its time,
// and the two-hour one is always told if a run comes in these two hours.
func TestEachWarningIsGivenOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		minutes := rapid.SliceOfN(rapid.IntRange(0, 72*60), 1, 60).Draw(t, "runs")
		slices.Sort(minutes)
		end := now.Add(time.Duration(rapid.IntRange(3*60, 72*60).Draw(t, "end")) * time.Minute)
		s := service("x", tags(contract.TagExpires, contract.FormatExpiry(end)))
		told := map[string]int{}
		for _, m := range minutes {
			in := input()
			in.Now = now.Add(time.Duration(m) * time.Minute)
			for _, w := range Warnings(in, Facts{Services: []Service{s}}) {
				told[w.Mark]++
				if left := end.Sub(in.Now); left <= 0 || left > 24*time.Hour || left > 2*time.Hour && w.Mark != contract.FormatExpiry(end)+"/24h" {
					t.Fatalf("%s told %s before the end", w.Mark, left)
				}
				s.Tags[contract.TagWarned] = w.Mark
			}
		}
		for mark, n := range told {
			if n > 1 {
				t.Fatalf("%s was told %d times", mark, n)
			}
		}
		within := slices.ContainsFunc(minutes, func(m int) bool {
			left := end.Sub(now.Add(time.Duration(m) * time.Minute))
			return left > 0 && left <= 2*time.Hour
		})
		if last := fmt.Sprint(contract.FormatExpiry(end), "/2h"); within && told[last] != 1 {
			t.Fatalf("the last warning was told %d times", told[last])
		}
	})
}
