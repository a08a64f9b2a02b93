package smoke

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"slipway/tools/slipway/command"
)

// application answers as the sample application does.
type application struct {
	commits []string // of the tasks, which answer in turn; the last one goes on
	ready   int
	asked   int
	hosts   map[string]bool
}

func (a *application) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.hosts[r.Host] = true
	switch r.URL.Path {
	case "/health":
		fmt.Fprint(w, `{"status":"ok"}`)
	case "/ready":
		w.WriteHeader(a.ready)
		fmt.Fprint(w, `{"status":"unavailable","parts":{"database":"no answer"}}`)
	case "/version":
		fmt.Fprintf(w, `{"commit":%q,"environment":"dev"}`, a.commits[min(a.asked, len(a.commits)-1)])
		a.asked++
	default:
		http.NotFound(w, r)
	}
}

func TestTheApplicationIsAsked(t *testing.T) {
	for sentence, c := range map[string]struct {
		commits     []string
		ready       int
		environment string
		commit      string
		asked       int
		want        string // in the error; empty is good
	}{
		"the right commit three times in a row is good":   {[]string{"new"}, 200, "dev", "new", 3, ""},
		"an old task in between starts the count again":   {[]string{"new", "new", "old", "new"}, 200, "dev", "new", 6, ""},
		"any commit is good where none is asked for":      {[]string{"a", "b"}, 200, "dev", "", 3, ""},
		"a rollback is seen":                              {[]string{"old"}, 200, "dev", "new", 0, `it runs commit "old", want "new"`},
		"a missing database is told with the answer":      {[]string{"new"}, 503, "dev", "new", 0, `/ready answers 503 Service Unavailable: {"status":"unavailable","parts":{"database":"no answer"}}`},
		"another stage behind the address is no success":  {[]string{"new"}, 200, "prod", "new", 0, `it says that it is "dev", want "prod"`},
		"a redirect of somebody else's page is no answer": {[]string{"new"}, 302, "dev", "new", 0, "/ready answers 302 Found"},
	} {
		t.Run(sentence, func(t *testing.T) {
			app := &application{commits: c.commits, ready: c.ready, hosts: map[string]bool{}}
			server := httptest.NewServer(app)
			defer server.Close()
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			if c.want == "" {
				cancel()
				ctx, cancel = context.WithTimeout(t.Context(), 30*time.Second)
			}
			defer cancel()
			var log bytes.Buffer
			err := untilGood(ctx, server.Client(), question{base: server.URL, host: "app.dev.example.com:443", environment: c.environment, commit: c.commit}, time.Millisecond, &log)
			if c.want == "" && (err != nil || app.asked != c.asked) {
				t.Errorf("error %v after %d answers, want %d", err, app.asked, c.asked)
			}
			if c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(log.String(), c.want)) {
				t.Errorf("error %v, log %q, want %s", err, &log, c.want)
			}
			if len(app.hosts) != 1 || !app.hosts["app.dev.example.com:443"] {
				t.Errorf("asked for the hosts %v", app.hosts)
			}
		})
	}
}

func TestWrongArgumentsAreNoFailedDeployment(t *testing.T) {
	t.Chdir("../../..")
	for sentence, args := range map[string][]string{
		"the stage is needed":             nil,
		"a stage that isn't there":        {"-stage", "moon"},
		"the QA stage has no application": {"-stage", "qa"},
		"nothing else is an argument":     {"-stage", "dev", "prod"},
		"an unknown flag":                 {"-stag", "dev"},
	} {
		t.Run(sentence, func(t *testing.T) {
			var out, log bytes.Buffer
			if code := Run(t.Context(), args, &out, &log); code != command.Usage || log.Len() == 0 {
				t.Errorf("code %d, log %q", code, &log)
			}
		})
	}
}
