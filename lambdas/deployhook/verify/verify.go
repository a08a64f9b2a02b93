// Package verify runs the checks of the deployment hook: the part that the Lambda and the replay share.
package verify

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"slipway/lambdas/deployhook/decide"
	"slipway/lambdas/deployhook/report"
	"slipway/lambdas/internal/bounded"
)

// Asker sends one request; *probe.Prober does.
type Asker interface {
	Ask(ctx context.Context, base, method, path string) decide.Answer
}

const (
	sampleConcurrency = 4
	sampleFailures    = 5 // of each side that the report lists
)

// Run does all checks of the configuration within its budget and ctx, and records each request and each reason to fail.
// Everything is checked even if something failed, so that one report tells all; only the sample is saved then.
func Run(ctx context.Context, c decide.Config, asker Asker, rec *report.Recorder) {
	ctx, cancel := context.WithTimeout(ctx, c.Budget())
	defer cancel()
	passed := true
	for _, request := range c.Requests {
		passed = attempt(ctx, c, asker, rec, "smoke", request.Method, request.Path, func(a decide.Answer) decide.Verdict {
			return decide.Judge(request, a)
		}) && passed
	}
	if v := c.Version; v != nil {
		passed = attempt(ctx, c, asker, rec, "version", http.MethodGet, v.Path, func(a decide.Answer) decide.Verdict {
			return decide.JudgeVersion(*v, a)
		}) && passed
	}
	if m := c.Migration; m != nil {
		passed = attempt(ctx, c, asker, rec, "migration", http.MethodGet, m.Path, func(a decide.Answer) decide.Verdict {
			return decide.JudgeMigration(*m, a)
		}) && passed
	}
	if c.ErrorRate != nil && passed {
		compare(ctx, c, asker, rec)
	}
}

// attempt tries one request until it passes, can't pass any more, or attempts or time are used up.
func attempt(ctx context.Context, c decide.Config, asker Asker, rec *report.Recorder, check, method, path string, judge func(decide.Answer) decide.Verdict) bool {
	what := fmt.Sprintf("%s %s %s", check, method, path)
	var last decide.Verdict
	for n := 1; n <= c.Attempts; n++ {
		if n > 1 {
			pause(ctx, c.Pause())
		}
		if ctx.Err() != nil {
			if last.Why != "" {
				last.Why = "; the last attempt: " + last.Why
			}
			rec.Fail(fmt.Sprintf("%s: the time for the checks was over after %d of %d attempts%s", what, n-1, c.Attempts, last.Why))
			return false
		}
		answer := asker.Ask(ctx, c.URL, method, path)
		last = judge(answer)
		rec.Add(check, method, path, n, answer, last)
		switch {
		case last.Passed:
			return true
		case last.Final:
			rec.Fail(fmt.Sprintf("%s: %s", what, last.Why))
			return false
		}
	}
	rec.Fail(fmt.Sprintf("%s: %s (in the last of %d attempts)", what, last.Why, c.Attempts))
	return false
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// compare asks both sides the same requests. Green gets no users yet, so CloudWatch has no numbers of it but those of
// these very requests, a minute late: they are counted here instead.
func compare(ctx context.Context, c decide.Config, asker Asker, rec *report.Recorder) {
	green := sample(ctx, c, asker, rec, "green", c.URL)
	var blue *decide.Share
	if url := c.ErrorRate.ProductionURL; url != "" {
		share := sample(ctx, c, asker, rec, "blue", url)
		blue = &share
	}
	rec.Shares(green, blue)
	if v := decide.JudgeRate(*c.ErrorRate, green, blue); !v.Passed {
		rec.Fail("error rate: " + v.Why)
	}
}

func sample(ctx context.Context, c decide.Config, asker Asker, rec *report.Recorder, side, url string) (share decide.Share) {
	var mu sync.Mutex
	paths := decide.SamplePaths(c)
	bounded.Each(sampleConcurrency, paths, func(path string) {
		if ctx.Err() != nil {
			return
		}
		answer := asker.Ask(ctx, url, http.MethodGet, path)
		mu.Lock()
		defer mu.Unlock()
		share.Requests++
		if !decide.IsError(answer) {
			return
		}
		if share.Errors++; share.Errors <= sampleFailures {
			rec.Add(side, http.MethodGet, path, 0, answer, decide.Judge(decide.Request{Status: http.StatusOK}, answer))
		}
	})
	return share
}
