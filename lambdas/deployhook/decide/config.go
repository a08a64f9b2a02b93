// Package decide says what the deployment hook tests, and what an answer of the green side is worth. It is pure: the
// configuration, the event and the answers go in, plans and verdicts come out.
package decide

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"slipway/lambdas/internal/environ"
)

// Config is what the hook tests. The stack writes it as JSON into one environment variable.
type Config struct {
	// URL is the test listener: scheme, the load balancer's own DNS name, port; no path.
	URL string `json:"url"`
	// Host is the application's host name. It goes into the Host header, and the certificate must be for it.
	// Default: the host of URL.
	Host string `json:"host,omitempty"`
	// Requests are the smoke requests, one after the other. At least one.
	Requests []Request `json:"requests"`
	// Attempts is how often a request is tried until it passes. Default: 3.
	Attempts int `json:"attempts,omitempty"`
	// PauseMillis is the pause between two attempts. Default: 2000.
	PauseMillis int `json:"pauseMillis,omitempty"`
	// TimeoutMillis is how long one request may take, whatever its latency limit. Default: 10000.
	TimeoutMillis int `json:"timeoutMillis,omitempty"`
	// BudgetSeconds is how long all checks may take together; the function's own deadline comes first if it is earlier.
	// Default: 240.
	BudgetSeconds int        `json:"budgetSeconds,omitempty"`
	Version       *Version   `json:"version,omitempty"`   // Default: which commit answers isn't checked.
	Migration     *Migration `json:"migration,omitempty"` // Default: the database's revision isn't checked.
	ErrorRate     *ErrorRate `json:"errorRate,omitempty"` // Default: no sample is taken.
}

// Request is one smoke request.
type Request struct {
	Path string `json:"path"` // with its query
	// Method is GET or HEAD: a smoke request changes nothing. Default: GET.
	Method string `json:"method,omitempty"`
	// Status is the expected one. A redirect is never followed, so 3xx here means that the redirect is what is wanted.
	// Default: 200.
	Status int `json:"status,omitempty"`
	// MaxMillis is the latency limit, to the end of the body. Default: TimeoutMillis.
	MaxMillis int    `json:"maxMillis,omitempty"`
	Contains  string `json:"contains,omitempty"` // text that the body must hold
	Matches   string `json:"matches,omitempty"`  // RE2 pattern that the body must match
}

// Version checks which build answers.
type Version struct {
	Path   string `json:"path,omitempty"`   // Default: /version.
	Field  string `json:"field,omitempty"`  // of the JSON answer. Default: commit.
	Commit string `json:"commit,omitempty"` // Default: any commit, but there must be one.
}

// Migration checks that the database has the revision that the image expects.
type Migration struct {
	Path     string `json:"path,omitempty"`     // Default: /version.
	Field    string `json:"field,omitempty"`    // of the database's revision. Default: database_revision.
	Expected string `json:"expected,omitempty"` // field of what the image expects. Default: expected_database_revision.
	Revision string `json:"revision,omitempty"` // the revision itself, for an image that doesn't say what it expects
}

// ErrorRate compares the green side's share of errors with the blue side's.
type ErrorRate struct {
	Samples int    `json:"samples"`        // 1 to 1000 requests to each side
	Path    string `json:"path,omitempty"` // Default: the paths of the smoke requests with GET, in turn.
	// MaxPercent is by how much the green side's share of errors (no answer, or 5xx) may exceed the blue side's, in
	// percentage points. Default: 0.
	MaxPercent float64 `json:"maxPercent,omitempty"`
	// ProductionURL is the production listener, where blue answers. Default: blue isn't asked and counts as faultless.
	ProductionURL string `json:"productionUrl,omitempty"`
}

// Limits of the configuration. They keep the report within one log line.
const (
	maxRequests = 50
	maxAttempts = 20
	maxSamples  = 1000
	maxMillis   = 60_000
	maxBudget   = 14 * 60 // Lambda's longest timeout is 15 minutes
)

// ParseConfig reads the configuration strictly, fills in the defaults and reports all that is wrong with it at once.
func ParseConfig(text string) (Config, error) {
	var c Config
	if err := environ.Decode(text, &c); err != nil {
		return Config{}, fmt.Errorf("read the hook's configuration: %w", err)
	}
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }

	checkURL(fault, "url", c.URL)
	if c.Host == "" {
		if u, err := url.Parse(c.URL); err == nil {
			c.Host = u.Hostname()
		}
	} else if !hostPattern.MatchString(c.Host) {
		fault("host is %q; give it a host name without scheme and port", c.Host)
	}
	number := func(name string, value *int, fallback, most int) {
		if *value == 0 {
			*value = fallback
		}
		if *value < 1 || *value > most {
			fault("%s is %d; give it 1 to %d", name, *value, most)
		}
	}
	number("attempts", &c.Attempts, 3, maxAttempts)
	number("pauseMillis", &c.PauseMillis, 2000, maxMillis)
	number("timeoutMillis", &c.TimeoutMillis, 10_000, maxMillis)
	number("budgetSeconds", &c.BudgetSeconds, 240, maxBudget)

	if len(c.Requests) == 0 || len(c.Requests) > maxRequests {
		fault("there are %d requests; give 1 to %d", len(c.Requests), maxRequests)
	}
	for i := range c.Requests {
		checkRequest(fault, fmt.Sprintf("requests[%d]", i), &c.Requests[i], c.TimeoutMillis)
	}
	if v := c.Version; v != nil {
		v.Path, v.Field = or(v.Path, "/version"), or(v.Field, "commit")
		checkPath(fault, "version.path", v.Path)
	}
	if m := c.Migration; m != nil {
		m.Path, m.Field = or(m.Path, "/version"), or(m.Field, "database_revision")
		if m.Expected != "" && m.Revision != "" {
			fault("migration has both expected and revision; give one of them")
		}
		if m.Revision == "" {
			m.Expected = or(m.Expected, "expected_database_revision")
		}
		checkPath(fault, "migration.path", m.Path)
	}
	if e := c.ErrorRate; e != nil {
		if e.Samples < 1 || e.Samples > maxSamples {
			fault("errorRate.samples is %d; give it 1 to %d", e.Samples, maxSamples)
		}
		if e.MaxPercent < 0 || e.MaxPercent > 100 {
			fault("errorRate.maxPercent is %g; give it 0 to 100", e.MaxPercent)
		}
		if e.Path != "" {
			checkPath(fault, "errorRate.path", e.Path)
		}
		if e.ProductionURL != "" {
			checkURL(fault, "errorRate.productionUrl", e.ProductionURL)
		}
	}
	if len(faults) > 0 {
		return Config{}, fmt.Errorf("the hook's configuration: %w", errors.Join(faults...))
	}
	return c, nil
}

var hostPattern = regexp.MustCompile(`^[a-zA-Z0-9]([a-zA-Z0-9.-]*[a-zA-Z0-9])?$`)

type faultFunc func(format string, args ...any)

func checkURL(fault faultFunc, name, value string) {
	u, err := url.Parse(value)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || u.User != nil ||
		strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		fault("%s is %q; give it scheme, host and port, such as https://name.eu-west-1.elb.amazonaws.com:8443", name, value)
	}
}

func checkPath(fault faultFunc, name, value string) {
	if u, err := url.ParseRequestURI(value); err != nil || !strings.HasPrefix(value, "/") || strings.HasPrefix(value, "//") || u.Host != "" {
		fault("%s is %q; give it a path that begins with one slash", name, value)
	}
}

func checkRequest(fault faultFunc, name string, r *Request, timeout int) {
	checkPath(fault, name+".path", r.Path)
	r.Method = or(r.Method, http.MethodGet)
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		fault("%s.method is %q; give it GET or HEAD, for the hook changes nothing", name, r.Method)
	}
	if r.Status == 0 {
		r.Status = http.StatusOK
	}
	if r.Status < 200 || r.Status > 599 {
		fault("%s.status is %d; give it 200 to 599", name, r.Status)
	}
	if r.MaxMillis == 0 {
		r.MaxMillis = timeout
	}
	if r.MaxMillis < 1 || r.MaxMillis > timeout {
		fault("%s.maxMillis is %d; give it 1 to timeoutMillis, which is %d", name, r.MaxMillis, timeout)
	}
	if _, err := regexp.Compile(r.Matches); err != nil {
		fault("%s.matches is %q: %w", name, r.Matches, err)
	}
	if r.Method == http.MethodHead && (r.Contains != "" || r.Matches != "") {
		fault("%s is HEAD, whose answer has no body to match; give it GET", name)
	}
}

// Timeout of one request.
func (c Config) Timeout() time.Duration { return time.Duration(c.TimeoutMillis) * time.Millisecond }

// Pause between two attempts.
func (c Config) Pause() time.Duration { return time.Duration(c.PauseMillis) * time.Millisecond }

// Budget of all checks together.
func (c Config) Budget() time.Duration { return time.Duration(c.BudgetSeconds) * time.Second }

func or(value, fallback string) string {
	if value == "" {
		return fallback
	}
	return value
}
