package page

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"slipway/internal/qalease"
)

var now = time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC)

func view(rows ...qalease.Row) View {
	return View{Platform: "slipway", Rows: rows, Read: now.Add(-5 * time.Second), Now: now}
}

func running() qalease.Row {
	return qalease.Row{
		Slug: "feature-login-df7c7aeb", Branch: "feature/login", Owner: "sam@example.com", URL: "https://feature-login-df7c7aeb.qa.example.com",
		State: qalease.Running, Ends: now.Add(26*time.Hour + 3*time.Minute),
	}
}

func TestWhatThePageSays(t *testing.T) {
	with := func(change func(*qalease.Row)) View {
		r := running()
		change(&r)
		return view(r)
	}
	for sentence, c := range map[string]struct {
		view View
		has  []string
		not  []string
	}{
		"an environment with all that people ask for": {
			view(running()), []string{
				`<a href="https://feature-login-df7c7aeb.qa.example.com">feature-login-df7c7aeb</a>`, "feature/login", "sam@example.com",
				`class="state-running">running`, `<time datetime="2026-03-03T11:33:00Z" title="2026-03-03T11:33:00Z">1d 2h</time>`, "One QA environment. As of 09:29:55 UTC.",
			}, []string{"<script", "stale\">"},
		},
		"none":                   {view(), []string{"No QA environment is up."}, []string{"<table"}},
		"several":                {view(running(), running()), []string{"2 QA environments."}, nil},
		"a lease that is over":   {with(func(r *qalease.Row) { r.Ends, r.State = now.Add(-time.Minute), qalease.Ended }), []string{">over</time>", "state-ended"}, nil},
		"one without a lease":    {with(func(r *qalease.Row) { r.Ends, r.State, r.Note = time.Time{}, qalease.NoLease, "no tag" }), []string{"no end", "state-no-lease", "<small>no tag</small>"}, []string{"<time"}},
		"one without an address": {with(func(r *qalease.Row) { r.URL = "" }), []string{"<span>feature-login-df7c7aeb</span>"}, []string{"<a "}},
		"an older list":          {View{Platform: "slipway", Now: now, Stale: "AWS can't be asked"}, []string{`<p class="stale">AWS can&#39;t be asked</p>`}, nil},
		"a branch of markup": {
			with(func(r *qalease.Row) { r.Branch = `<script>alert(1)</script>"'&` }), []string{"&lt;script&gt;alert(1)&lt;/script&gt;&#34;&#39;&amp;"}, []string{"<script"},
		},
		"an address that is a script": {with(func(r *qalease.Row) { r.URL = "javascript:alert(1)" }), []string{"#ZgotmplZ"}, []string{"javascript:"}},
	} {
		t.Run(sentence, func(t *testing.T) {
			got, err := HTML(c.view)
			if err != nil {
				t.Fatal(err)
			}
			for _, part := range c.has {
				if !strings.Contains(got, part) {
					t.Errorf("%s isn't in\n%s", part, got)
				}
			}
			for _, part := range c.not {
				if strings.Contains(got, part) {
					t.Errorf("%s is in\n%s", part, got)
				}
			}
		})
	}
}

// TestNoTextOfTheRowsIsMarkup puts anything into every text of a row: the page keeps the elements that it has with none.
func TestNoTextOfTheRowsIsMarkup(t *testing.T) {
	r := running()
	r.Note = "note"
	plain, err := HTML(view(r))
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		anything := rapid.OneOf(rapid.StringN(1, 40, 200), rapid.SampledFrom([]string{`</td><script>`, `" onclick="x`, `'><img src=x>`, `{{.}}`, `<!--`, `</style>`, `&lt;`}))
		r := r
		r.Slug, r.Branch, r.Owner, r.Note = anything.Draw(t, "slug"), anything.Draw(t, "branch"), anything.Draw(t, "owner"), anything.Draw(t, "note")
		got, err := HTML(view(r))
		if err != nil {
			t.Fatal(err)
		}
		if strings.Count(got, "<") != strings.Count(plain, "<") || strings.Count(got, `"`) != strings.Count(plain, `"`) {
			t.Fatalf("%+v changes the page's elements:\n%s", r, got)
		}
	})
}

// TestTheLongestListFits: a load balancer takes at most 1 MB from a Lambda.
func TestTheLongestListFits(t *testing.T) {
	var rows []qalease.Row
	for range 1000 { // qa.maxEnvironments allows no more
		r := running()
		r.Branch, r.Owner = strings.Repeat("b", 244), strings.Repeat("o", 60)
		rows = append(rows, r)
	}
	got, err := HTML(view(rows...))
	if err != nil || len(got) > 1_000_000 {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}
