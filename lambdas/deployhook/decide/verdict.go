package decide

import (
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"
)

// Answer is what came of one request.
type Answer struct {
	Status   int // 0 without an answer
	Location string
	Body     []byte // as much of it as was read
	Cut      bool   // there was more
	Took     time.Duration
	Err      error // no answer, or a body that broke off
}

// Verdict is what an answer is worth.
type Verdict struct {
	Passed bool
	Why    string // of a failure
	// Final says that another attempt can't end better.
	Final bool
}

var pass = Verdict{Passed: true}

func fail(format string, args ...any) Verdict { return Verdict{Why: fmt.Sprintf(format, args...)} }

// Judge compares an answer with what a request expects.
func Judge(r Request, a Answer) Verdict {
	if v := judgeTransport(a); !v.Passed {
		return v
	}
	if a.Status != r.Status {
		if a.Status >= 300 && a.Status < 400 {
			v := fail("got a redirect (HTTP %d) to %s, which is not followed; expected HTTP %d", a.Status, or(a.Location, "nowhere"), r.Status)
			v.Final = true
			return v
		}
		return fail("got HTTP %d, expected %d", a.Status, r.Status)
	}
	if r.Contains != "" && !strings.Contains(string(a.Body), r.Contains) {
		return fail("the body%s doesn't contain %q", part(a), r.Contains)
	}
	if r.Matches != "" && !regexp.MustCompile(r.Matches).Match(a.Body) {
		return fail("the body%s doesn't match %q", part(a), r.Matches)
	}
	if limit := time.Duration(r.MaxMillis) * time.Millisecond; a.Took > limit {
		return fail("took %d ms, the limit is %d", a.Took.Milliseconds(), r.MaxMillis)
	}
	return pass
}

func part(a Answer) string {
	if a.Cut {
		return fmt.Sprintf(" (its first %d bytes)", len(a.Body))
	}
	return ""
}

func judgeTransport(a Answer) Verdict {
	if a.Err == nil {
		return pass
	}
	v := fail("no whole answer: %v", a.Err)
	var name x509.HostnameError
	var authority x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	v.Final = errors.As(a.Err, &name) || errors.As(a.Err, &authority) || errors.As(a.Err, &invalid)
	return v
}

// JudgeVersion says whether the build that was expected answers.
func JudgeVersion(want Version, a Answer) Verdict {
	fields, v := object(a)
	if !v.Passed {
		return v
	}
	got, ok := fields[want.Field].(string)
	switch {
	case !ok || got == "":
		return fail("the answer has no text field %q", want.Field)
	case want.Commit != "" && got != want.Commit:
		return fail("commit %q answers, expected %q", got, want.Commit)
	}
	return pass
}

// JudgeMigration says whether the database has the revision that the image expects. A newer one isn't good enough: then
// the image is older than the schema, and a deployment of it was not meant (a rollback asks nothing).
func JudgeMigration(want Migration, a Answer) Verdict {
	fields, v := object(a)
	if !v.Passed {
		return v
	}
	expected, source := want.Revision, "the configuration"
	if expected == "" {
		expected, _ = fields[want.Expected].(string)
		source = "the image"
	}
	if expected == "" {
		return fail("the answer has no text field %q that says which revision the image expects", want.Expected)
	}
	got, _ := fields[want.Field].(string)
	switch {
	case got == "":
		return fail("the answer has no text field %q: the database isn't migrated, or can't be reached", want.Field)
	case got != expected:
		return fail("the database is at revision %q, %s expects %q", got, source, expected)
	}
	return pass
}

func object(a Answer) (map[string]any, Verdict) {
	if v := judgeTransport(a); !v.Passed {
		return nil, v
	}
	if a.Status != 200 {
		return nil, Judge(Request{Status: 200}, a)
	}
	var fields map[string]any
	if err := json.Unmarshal(a.Body, &fields); err != nil {
		return nil, fail("the answer is no JSON object: %v", err)
	}
	return fields, pass
}

// IsError says whether a sample counts as an error: what a load balancer counts as one, no answer and 5xx.
func IsError(a Answer) bool { return a.Err != nil || a.Status >= 500 }

// Share is the result of a sample.
type Share struct {
	Requests int `json:"requests"`
	Errors   int `json:"errors"`
}

// Percent of the requests that were errors; 0 of none.
func (s Share) Percent() float64 {
	if s.Requests == 0 {
		return 0
	}
	return 100 * float64(s.Errors) / float64(s.Requests)
}

// JudgeRate compares the green side's errors with the blue side's. blue is nil if blue wasn't asked. Where blue itself is
// ill, as in an outage that the deployment shall end, green needn't be better than it by this measure; the smoke requests
// still are strict.
func JudgeRate(want ErrorRate, green Share, blue *Share) Verdict {
	if green.Requests < want.Samples {
		return fail("only %d of %d sample requests could be sent", green.Requests, want.Samples)
	}
	limit, against := want.MaxPercent, ""
	if blue != nil {
		limit += blue.Percent()
		against = fmt.Sprintf("; blue has %.1f %%", blue.Percent())
	}
	if green.Percent() > limit {
		return fail("%.1f %% of %d requests to green failed, at most %.1f %% may%s", green.Percent(), green.Requests, limit, against)
	}
	return pass
}

// SamplePaths are the paths of the sample requests, as many as there are samples.
func SamplePaths(c Config) []string {
	paths := []string{c.ErrorRate.Path}
	if c.ErrorRate.Path == "" {
		paths = nil
		for _, r := range c.Requests {
			if r.Method == http.MethodGet && r.Status < 500 {
				paths = append(paths, r.Path)
			}
		}
	}
	if len(paths) == 0 { // only HEAD requests are configured
		paths = []string{"/"}
	}
	out := make([]string, c.ErrorRate.Samples)
	for i := range out {
		out[i] = paths[i%len(paths)]
	}
	return out
}
