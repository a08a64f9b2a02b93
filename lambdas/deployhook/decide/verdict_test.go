package decide

import (
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestJudge(t *testing.T) {
	get := Request{Path: "/", Status: 200, MaxMillis: 100}
	for sentence, c := range map[string]struct {
		request Request
		answer  Answer
		why     string // empty: passed
		final   bool
	}{
		"the expected status":                 {get, Answer{Status: 200}, "", false},
		"another status":                      {get, Answer{Status: 503}, "got HTTP 503, expected 200", false},
		"another success is not the expected": {get, Answer{Status: 204}, "got HTTP 204", false},
		"an error that is expected":           {Request{Status: 404, MaxMillis: 100}, Answer{Status: 404}, "", false},
		"a redirect":                          {get, Answer{Status: 301, Location: "/x"}, "got a redirect (HTTP 301) to /x, which is not followed; expected HTTP 200", true},
		"a redirect to nowhere":               {get, Answer{Status: 302}, "to nowhere", true},
		"a redirect that is expected":         {Request{Status: 302, MaxMillis: 100}, Answer{Status: 302}, "", false},
		"another redirect than expected":      {Request{Status: 302, MaxMillis: 100}, Answer{Status: 301}, "got a redirect (HTTP 301)", true},
		"exactly as long as it may":           {get, Answer{Status: 200, Took: 100 * time.Millisecond}, "", false},
		"longer than it may":                  {get, Answer{Status: 200, Took: 101 * time.Millisecond}, "took 101 ms, the limit is 100", false},
		"the text is there":                   {Request{Status: 200, MaxMillis: 1, Contains: "ok"}, Answer{Status: 200, Body: []byte("it's ok")}, "", false},
		"the text isn't there":                {Request{Status: 200, MaxMillis: 1, Contains: "ok"}, Answer{Status: 200, Body: []byte("no")}, `doesn't contain "ok"`, false},
		"the pattern matches":                 {Request{Status: 200, MaxMillis: 1, Matches: `"status": ?"ok"`}, Answer{Status: 200, Body: []byte(`{"status":"ok"}`)}, "", false},
		"the pattern doesn't match":           {Request{Status: 200, MaxMillis: 1, Matches: `^ok$`}, Answer{Status: 200, Body: []byte("not ok")}, `doesn't match "^ok$"`, false},
		"the text may be in what was cut":     {Request{Status: 200, MaxMillis: 1, Contains: "ok"}, Answer{Status: 200, Body: []byte("xx"), Cut: true}, "the body (its first 2 bytes) doesn't contain", false},
		"no connection":                       {get, Answer{Err: errors.New("refused")}, "no whole answer: refused", false},
		"a body that broke off":               {get, Answer{Status: 200, Err: errors.New("unexpected EOF")}, "no whole answer", false},
		"a certificate for another host":      {get, Answer{Err: fmt.Errorf("x: %w", x509.HostnameError{Certificate: &x509.Certificate{}, Host: "app"})}, "no whole answer", true},
		"a certificate of nobody":             {get, Answer{Err: x509.UnknownAuthorityError{}}, "no whole answer", true},
		"an expired certificate":              {get, Answer{Err: x509.CertificateInvalidError{Reason: x509.Expired}}, "no whole answer", true},
	} {
		v := Judge(c.request, c.answer)
		if v.Passed != (c.why == "") || !strings.Contains(v.Why, c.why) || v.Final != c.final {
			t.Errorf("%s: %+v", sentence, v)
		}
	}
}

func TestJudgeVersionAndMigration(t *testing.T) {
	version := func(commit string) func(Answer) Verdict {
		return func(a Answer) Verdict { return JudgeVersion(Version{Field: "commit", Commit: commit}, a) }
	}
	migration := func(revision string) func(Answer) Verdict {
		return func(a Answer) Verdict {
			return JudgeMigration(Migration{Field: "database_revision", Expected: "expected_database_revision", Revision: revision}, a)
		}
	}
	for sentence, c := range map[string]struct {
		judge  func(Answer) Verdict
		status int
		body   string
		why    string
	}{
		"the commit that is expected":           {version("abc"), 200, `{"commit": "abc", "more": 1}`, ""},
		"any commit, where none is expected":    {version(""), 200, `{"commit": "abc"}`, ""},
		"another commit":                        {version("abc"), 200, `{"commit": "abcd"}`, `commit "abcd" answers, expected "abc"`},
		"no commit":                             {version(""), 200, `{}`, `no text field "commit"`},
		"a commit that is no text":              {version(""), 200, `{"commit": 5}`, `no text field "commit"`},
		"an error instead of a version":         {version("abc"), 503, `{"commit": "abc"}`, "got HTTP 503"},
		"a redirect instead of a version":       {version("abc"), 302, ``, "got a redirect"},
		"a page instead of JSON":                {version("abc"), 200, `<html>`, "no JSON object"},
		"a JSON list":                           {version("abc"), 200, `["abc"]`, "no JSON object"},
		"JSON null":                             {version("abc"), 200, `null`, `no text field "commit"`},
		"the database is where the image wants": {migration(""), 200, `{"database_revision": "0002", "expected_database_revision": "0002"}`, ""},
		"the database is behind":                {migration(""), 200, `{"database_revision": "0001", "expected_database_revision": "0002"}`, `at revision "0001", the image expects "0002"`},
		"the database is ahead":                 {migration(""), 200, `{"database_revision": "0003", "expected_database_revision": "0002"}`, `at revision "0003"`},
		"the database can't be reached":         {migration(""), 200, `{"database_revision": null, "expected_database_revision": "0002"}`, "isn't migrated, or can't be reached"},
		"the image doesn't say":                 {migration(""), 200, `{"database_revision": "0002"}`, `no text field "expected_database_revision"`},
		"neither says anything":                 {migration(""), 200, `{}`, `no text field`},
		"the configuration says it":             {migration("0002"), 200, `{"database_revision": "0002"}`, ""},
		"the configuration says another":        {migration("0003"), 200, `{"database_revision": "0002"}`, `the configuration expects "0003"`},
	} {
		v := c.judge(Answer{Status: c.status, Body: []byte(c.body)})
		if v.Passed != (c.why == "") || !strings.Contains(v.Why, c.why) {
			t.Errorf("%s: %+v", sentence, v)
		}
	}
	if v := JudgeVersion(Version{}, Answer{Err: errors.New("refused")}); v.Passed || !strings.Contains(v.Why, "refused") {
		t.Errorf("no answer: %+v", v)
	}
}

func TestJudgeRate(t *testing.T) {
	of := func(errors, requests int) Share { return Share{Requests: requests, Errors: errors} }
	for sentence, c := range map[string]struct {
		percent float64
		green   Share
		blue    *Share
		why     string
	}{
		"no errors":                                    {0, of(0, 100), nil, ""},
		"one error where none may be":                  {0, of(1, 100), nil, "1.0 % of 100 requests to green failed, at most 0.0 % may"},
		"as many as may be":                            {5, of(5, 100), nil, ""},
		"more than may be":                             {5, of(6, 100), nil, "6.0 %"},
		"green is as bad as blue":                      {0, of(10, 100), &Share{100, 10}, ""},
		"green is worse than blue by more than may be": {5, of(16, 100), &Share{100, 10}, "at most 15.0 % may; blue has 10.0 %"},
		"green is worse than blue by what may be":      {5, of(15, 100), &Share{100, 10}, ""},
		"blue was not reached at all":                  {0, of(1, 100), &Share{}, "1.0 %"},
		"some of the sample is missing":                {50, of(0, 99), nil, "only 99 of 100"},
	} {
		v := JudgeRate(ErrorRate{Samples: 100, MaxPercent: c.percent}, c.green, c.blue)
		if v.Passed != (c.why == "") || !strings.Contains(v.Why, c.why) {
			t.Errorf("%s: %+v", sentence, v)
		}
	}
}

func TestFewerErrorsOfGreenAndMoreOfBlueNeverHurt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 500).Draw(t, "n")
		e := ErrorRate{Samples: n, MaxPercent: rapid.Float64Range(0, 100).Draw(t, "percent")}
		green, blue := rapid.IntRange(0, n).Draw(t, "green"), rapid.IntRange(0, n).Draw(t, "blue")
		if !JudgeRate(e, Share{n, green}, &Share{n, blue}).Passed {
			return
		}
		better := rapid.IntRange(0, green).Draw(t, "better")
		worse := rapid.IntRange(blue, n).Draw(t, "worse")
		if !JudgeRate(e, Share{n, better}, &Share{n, worse}).Passed {
			t.Fatal("a better green is refused")
		}
	})
}

func TestSamplePaths(t *testing.T) {
	c := Config{ErrorRate: &ErrorRate{Samples: 5}, Requests: []Request{
		{Path: "/a", Method: "GET", Status: 200}, {Path: "/b", Method: "HEAD", Status: 200}, {Path: "/c", Method: "GET", Status: 404}, {Path: "/d", Method: "GET", Status: 503},
	}}
	if got := fmt.Sprint(SamplePaths(c)); got != "[/a /c /a /c /a]" {
		t.Errorf("got %s; what answers 5xx by design would count as an error", got)
	}
	c.ErrorRate.Path = "/x"
	if got := fmt.Sprint(SamplePaths(c)); got != "[/x /x /x /x /x]" {
		t.Errorf("got %s", got)
	}
	if got := SamplePaths(Config{ErrorRate: &ErrorRate{Samples: 1}, Requests: []Request{{Path: "/b", Method: "HEAD"}}}); got[0] != "/" {
		t.Errorf("got %v", got)
	}
}

func TestEventIsReadOrRefusedButNeverPanics(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.SampledFrom([]string{"DeploymentId", "LifecycleEventHookExecutionId", "lifecycleStage", "executionDetails", "x"})
		value := rapid.SampledFrom([]string{`"a"`, `""`, `5`, `null`, `{}`, `[]`, `{"productionTrafficWeights": {"": 0}}`, `{"productionTrafficWeights": null}`, `"PRODUCTION_TRAFFIC_SHIFT"`})
		fields := rapid.MapOf(key, value).Draw(t, "fields")
		var parts []string
		for k, v := range fields {
			parts = append(parts, fmt.Sprintf("%q: %s", k, v))
		}
		e, err := ParseEvent([]byte("{" + strings.Join(parts, ",") + "}"))
		if errors.Is(err, ErrNobody) != (e.Source == "") {
			t.Fatalf("%+v, %v: an event has a source or nobody to answer", e, err)
		}
		if e.Source == CodeDeploy && (e.Deployment == "" || e.Execution == "" || err != nil) {
			t.Fatalf("%+v, %v", e, err)
		}
		_ = CheckStage(e)
	})
}
