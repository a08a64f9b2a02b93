package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"slipway/lambdas/qacleanup/apply"
	"slipway/lambdas/qacleanup/decide"
)

var now = time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)

func target(name string) decide.Target {
	return decide.Target{Kind: decide.KindStack, Name: name, Branch: "feature/x", Owner: "dana", Why: "its lease ended", Ended: now}
}

func TestSummaryPutsEachOutcomeWhereItBelongs(t *testing.T) {
	plan := decide.Plan{
		Kept:    []decide.Entry{{Name: "unclear", Unclear: true}, {Name: "alive"}},
		Skipped: []decide.Entry{{Name: "busy"}},
		Stuck:   []decide.Entry{{Name: "stuck"}},
	}
	s := Summarize(Input{}, plan, []apply.Outcome{
		{Target: target("deleted"), Status: apply.Deleted},
		{Target: target("would"), Status: apply.WouldDelete},
		{Target: target("renewed"), Status: apply.Renewed, Detail: "renewed"},
		{Target: target("later"), Status: apply.Postponed, Detail: "in use"},
		{Target: target("left"), Status: apply.Left, Detail: "no time"},
		{Target: target("failed"), Status: apply.Failed, Detail: "denied"},
	}, nil, errors.New("one call failed"))
	if want := (Counts{Deleted: 1, WouldDelete: 1, Kept: 3, Unclear: 1, Skipped: 2, Left: 1, Stuck: 1, Failed: 2}); s.Counts != want {
		t.Errorf("counts %+v, want %+v", s.Counts, want)
	}
	for list, want := range map[string][]decide.Entry{
		"deleted: its lease ended": s.Deleted, "would: its lease ended": s.WouldDelete, "renewed: renewed": s.Kept[2:],
		"later: in use": s.Skipped[1:], "left: no time": s.Left, "failed: denied": s.Failed[:1], "reading: one call failed": s.Failed[1:],
	} {
		if got := want[0].Name + ": " + want[0].Why; got != list || len(want) != 1 {
			t.Errorf("got %q in %d entries, want %q", got, len(want), list)
		}
	}
}

func TestSummaryHasEveryListAndCutsLongOnes(t *testing.T) {
	body, err := json.Marshal(Summarize(Input{DryRun: true}, decide.Plan{}, nil, nil, nil))
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{`"dryRun":true`, `"deleted":[]`, `"wouldDelete":[]`, `"kept":[]`, `"skipped":[]`, `"left":[]`, `"stuck":[]`, `"failed":[]`, `"counts":{`} {
		if !strings.Contains(string(body), part) {
			t.Errorf("%s isn't in %s", part, body)
		}
	}
	var plan decide.Plan
	for range 5000 {
		plan.Kept = append(plan.Kept, decide.Entry{Name: "x", Why: strings.Repeat("é", 5000)})
	}
	s := Summarize(Input{}, plan, nil, nil, nil)
	if s.Counts.Kept != 5000 || len(s.Kept) != MaxListed || len([]rune(s.Kept[0].Why)) != maxWhy+1 {
		t.Errorf("%d counted, %d listed, reason of %d characters", s.Counts.Kept, len(s.Kept), len([]rune(s.Kept[0].Why)))
	}
}

func TestMessageOnlyWhenThereIsNews(t *testing.T) {
	entry := []decide.Entry{{Kind: decide.KindStack, Name: "x", Why: "because"}}
	stuck := func(since time.Duration) Summary {
		return Summary{Counts: Counts{Stuck: 1}, Stuck: []decide.Entry{{Name: "x", Since: now.Add(-since)}}}
	}
	for sentence, c := range map[string]struct {
		summary Summary
		subject string
	}{
		"nothing at all":               {Summary{}, ""},
		"things kept, skipped or left": {Summary{Counts: Counts{Kept: 3, Unclear: 2, Skipped: 1, Left: 1}}, ""},
		"something deleted":            {Summary{Counts: Counts{Deleted: 1}, Deleted: entry}, "slipway QA cleanup: 1 deleted"},
		"something would be deleted":   {Summary{DryRun: true, Counts: Counts{WouldDelete: 2}, WouldDelete: entry}, "slipway QA cleanup: 2 would be deleted (dry run)"},
		"something failed":             {Summary{Counts: Counts{Failed: 1}, Failed: entry}, "slipway QA cleanup: 1 failed"},
		"a stack that just got stuck":  {stuck(59 * time.Minute), "slipway QA cleanup: 1 stuck"},
		"a stack stuck for long":       {stuck(time.Hour), ""},
	} {
		subject, body := Message("slipway", c.summary, now)
		if subject != c.subject || (body == "") != (subject == "") {
			t.Errorf("%s: %q with %d bytes, want %q", sentence, subject, len(body), c.subject)
		}
	}
}

func TestMessageTellsAPersonWhatTheyNeed(t *testing.T) {
	_, body := Message("slipway", Summary{
		Counts:  Counts{Deleted: 1, Failed: 1, Kept: 2, Unclear: 1, Skipped: 4, Left: 5},
		Deleted: []decide.Entry{{Kind: decide.KindStack, Name: "slipway-qa-env-x", Branch: "feature/x", Owner: "dana", Why: "its lease ended"}},
		Failed:  []decide.Entry{{Kind: decide.KindService, Name: "demo", Why: "denied\nby IAM"}},
		Kept:    []decide.Entry{{Kind: decide.KindService, Name: "odd", Why: "no tag", Unclear: true}, {Kind: decide.KindStack, Name: "alive", Why: "lives"}},
	}, now)
	for _, line := range []string{
		"- stack slipway-qa-env-x (branch feature/x, owner dana): its lease ended\n",
		"- service demo: denied by IAM\n",
		"- service odd: no tag\n",
		"Kept: 2. Busy, looked at again by the next run: 4. Left for lack of time: 5.\n",
		"slipway:expires",
	} {
		if !strings.Contains(body, line) {
			t.Errorf("%q isn't in\n%s", line, body)
		}
	}
	if strings.Contains(body, "alive") {
		t.Error("what simply lives is no news")
	}
}

// SNS takes a subject of at most 100 printable ASCII characters and a message of at most 256 KiB.
func TestMessageAlwaysFitsSNS(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 3000).Draw(t, "n")
		var s Summary
		for i := range min(n, MaxListed) {
			s.Failed = append(s.Failed, decide.Entry{Kind: decide.KindStack, Name: fmt.Sprint(i), Why: strings.Repeat(rapid.String().Draw(t, "why")+"界", 300)})
		}
		s.Counts.Failed = n
		subject, body := Message(rapid.String().Draw(t, "platform"), s, now)
		if subject == "" || len(subject) > 100 || len(body) > 256<<10 || body == "" {
			t.Fatalf("subject of %d, body of %d bytes", len(subject), len(body))
		}
		for _, r := range subject {
			if r < ' ' || r > '~' {
				t.Fatalf("subject %q", subject)
			}
		}
		if n > maxLines && !strings.Contains(body, fmt.Sprintf("and %d more", n-maxLines)) {
			t.Fatal("what was cut isn't counted")
		}
	})
}
