package verify

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"slipway/lambdas/deployhook/decide"
	"slipway/lambdas/deployhook/report"
)

// sides answers by address and path.
type sides struct {
	mu     sync.Mutex
	answer func(url, path string, n int) decide.Answer // n counts the requests to the path, from 1
	asked  map[string]int
	last   string
}

func (s *sides) Ask(ctx context.Context, base, _, path string) decide.Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.asked == nil {
		s.asked = map[string]int{}
	}
	s.asked[base+path]++
	s.last = path
	if ctx.Err() != nil {
		return decide.Answer{Err: ctx.Err()}
	}
	return s.answer(base, path, s.asked[base+path])
}

func good(string, string, int) decide.Answer {
	return decide.Answer{Status: 200, Body: []byte(`{"commit": "abc", "database_revision": "1", "expected_database_revision": "1"}`)}
}

func run(t *testing.T, text string, answer func(url, path string, n int) decide.Answer) (report.Report, *sides) {
	t.Helper()
	c, err := decide.ParseConfig(text)
	if err != nil {
		t.Fatal(err)
	}
	s := &sides{answer: answer}
	rec := report.NewRecorder(decide.Event{}, time.Now())
	Run(context.Background(), c, s, rec)
	return rec.Finish(time.Now()), s
}

const full = `{"url": "http://green", "requests": [{"path": "/health"}, {"path": "/ready"}], "attempts": 2, "budgetSeconds": 10,
	"version": {"commit": "abc"}, "migration": {"path": "/db"},
	"errorRate": {"samples": 20, "maxPercent": 5, "productionUrl": "http://blue"}}`

func TestRun(t *testing.T) {
	failing := func(of string, times int, a decide.Answer) func(url, path string, n int) decide.Answer {
		return func(url, path string, n int) decide.Answer {
			if url+path == of && n <= times {
				return a
			}
			return good(url, path, n)
		}
	}
	for sentence, c := range map[string]struct {
		answer  func(url, path string, n int) decide.Answer
		reasons []string
		entries int
		sampled bool
	}{
		"everything is well":            {good, nil, 4, true},
		"a path needs a second attempt": {failing("http://green/ready", 1, decide.Answer{Status: 503}), nil, 5, true},
		"a path fails; the others are tested all the same, the sample isn't taken": {
			failing("http://green/health", 99, decide.Answer{Status: 500}), []string{"smoke GET /health: got HTTP 500, expected 200 (in the last of 2 attempts)"}, 5, false,
		},
		"a redirect isn't tried again": {
			failing("http://green/health", 99, decide.Answer{Status: 302}), []string{"smoke GET /health: got a redirect"}, 4, false,
		},
		"another commit": {failing("http://green/version", 99, decide.Answer{Status: 200, Body: []byte(`{"commit":"old"}`)}), []string{`version GET /version: commit "old" answers`}, 5, false},
		"an old schema": {
			failing("http://green/db", 99, decide.Answer{Status: 200, Body: []byte(`{"database_revision":"0","expected_database_revision":"1"}`)}),
			[]string{`migration GET /db: the database is at revision "0", the image expects "1"`}, 5, false,
		},
		"several faults are all told": {
			func(string, string, int) decide.Answer { return decide.Answer{Status: 500} }, []string{"smoke GET /health", "smoke GET /ready", "version", "migration"}, 8, false,
		},
		"green answers some sample requests with errors": {
			func(url, path string, n int) decide.Answer {
				if url == "http://green" && n > 1 && n%3 == 0 {
					return decide.Answer{Status: 500}
				}
				return good(url, path, n)
			}, []string{"error rate: 30.0 % of 20 requests to green failed, at most 5.0 % may; blue has 0.0 %"}, 9, true,
		},
		"blue is ill, too": {
			func(url, path string, n int) decide.Answer {
				if url == "http://blue" || n > 9 {
					return decide.Answer{Status: 503}
				}
				return good(url, path, n)
			}, nil, 4 + 4 + 5, true,
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, s := run(t, full, c.answer)
				if r.Passed != (len(c.reasons) == 0) || len(r.Reasons) != len(c.reasons) || len(r.Entries) != c.entries {
					t.Errorf("passed %v, reasons %q, %d requests, want %d: %+v", r.Passed, r.Reasons, len(r.Entries), c.entries, r.Entries)
				}
				for i, want := range c.reasons {
					if i < len(r.Reasons) && !strings.HasPrefix(r.Reasons[i], want) {
						t.Errorf("reason %q, want %q", r.Reasons[i], want)
					}
				}
				if (s.asked["http://blue/health"] == 10) != c.sampled || (r.Green != nil) != c.sampled || c.sampled && (r.Green.Requests != 20 || r.Blue.Requests != 20) {
					t.Errorf("blue got %d requests, report %+v %+v", s.asked["http://blue/health"], r.Green, r.Blue)
				}
			})
		})
	}
}

func TestBudgetEndsTheChecks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		r, s := run(t, full, func(string, string, int) decide.Answer {
			time.Sleep(7 * time.Second)
			return decide.Answer{Status: 500}
		})
		if r.Passed || s.last != "/health" || time.Since(began) > 20*time.Second {
			t.Errorf("passed %v after %v, last asked %s", r.Passed, time.Since(began), s.last)
		}
		if len(r.Reasons) != 4 || !strings.Contains(r.Reasons[3], "the time for the checks was over after 0 of 2 attempts") {
			t.Errorf("what was not checked must fail, too: %q", r.Reasons)
		}
	})
}

func TestReportStaysSmallAndNothingTestedNeverPasses(t *testing.T) {
	rec := report.NewRecorder(decide.Event{}, time.Now())
	if r := rec.Finish(time.Now()); r.Passed || r.Reasons[0] != "nothing was tested" {
		t.Errorf("%+v", r)
	}
	for range 1000 {
		rec.Add("smoke", http.MethodGet, strings.Repeat("/x", 1000), 1, decide.Answer{Body: []byte(strings.Repeat("y", 5000))}, decide.Verdict{Why: strings.Repeat("z", 5000)})
		rec.Fail(strings.Repeat("w", 5000))
	}
	r := rec.Finish(time.Now())
	if len(r.Entries) != report.MaxEntries || r.Omitted != 800 || len(report.Text(r)) > 128<<10 {
		t.Errorf("%d requests, %d omitted, text of %d bytes", len(r.Entries), r.Omitted, len(report.Text(r)))
	}
}
