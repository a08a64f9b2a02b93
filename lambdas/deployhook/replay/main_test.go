package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestReplay(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/health":
			_, _ = w.Write([]byte(`{"status":"ok"}`))
		case "/version":
			_, _ = w.Write([]byte(`{"commit":"abc","host":"` + r.Host + `"}`))
		default:
			w.WriteHeader(http.StatusTeapot)
		}
	}))
	defer server.Close()
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	event := write("event.json", `{"DeploymentId": "d-ABC", "LifecycleEventHookExecutionId": "x"}`)
	rollback := write("rollback.json", `{"lifecycleStage": "PRODUCTION_TRAFFIC_SHIFT", "executionDetails": {"targetServiceRevisionArn": "g", "productionTrafficWeights": {"g": 0, "b": 100}}}`)
	early := write("early.json", `{"lifecycleStage": "PRE_SCALE_UP"}`)
	config := write("config.json", `{"url": "https://elsewhere.invalid:8443", "host": "app.example.com", "attempts": 1,
		"requests": [{"path": "/health", "contains": "ok"}], "version": {"commit": "abc"}, "migration": {"revision": "1", "path": "/db"},
		"errorRate": {"samples": 3, "productionUrl": "https://elsewhere.invalid"}}`)
	noDB := write("nodb.json", `{"url": "https://elsewhere.invalid:8443", "attempts": 1, "requests": [{"path": "/health"}], "version": {},
		"errorRate": {"samples": 3, "productionUrl": "https://elsewhere.invalid"}}`)

	for sentence, c := range map[string]struct {
		args []string
		env  string
		code int
		says []string
	}{
		"a version that passes": {[]string{"-event", event, "-config", noDB, "-url", server.URL}, "", passed,
			[]string{"Deployment d-ABC, asked by codedeploy. Nobody is answered.", "All checks passed", "- smoke GET /health: 200", "Green: 0 of 3 sample requests failed."}},
		"a version that fails": {[]string{"-event", event, "-config", config, "-url", server.URL}, "", failed,
			[]string{"The checks failed", "- migration GET /db: got HTTP 418, expected 200"}},
		"the configuration of the variable": {[]string{"-event", event, "-url", server.URL, "-host", "x.example.com"}, `{"url": "http://h", "requests": [{"path": "/health"}]}`, passed,
			[]string{"All checks passed"}},
		"a rollback":                  {[]string{"-event", rollback, "-config", config}, "", passed, []string{"Nothing was tested: this is a rollback"}},
		"a stage without green":       {[]string{"-event", early, "-config", config}, "", failed, []string{"register the hook for POST_TEST_TRAFFIC_SHIFT"}},
		"no event":                    {[]string{"-config", config}, "", usage, []string{"give -event=<file>"}},
		"an event that isn't there":   {[]string{"-event", filepath.Join(dir, "none"), "-config", config}, "", usage, []string{"read the event"}},
		"an event of something else":  {[]string{"-event", config, "-config", config}, "", usage, []string{"neither CodeDeploy's nor ECS's"}},
		"no configuration":            {[]string{"-event", event}, "", usage, []string{"give -config=<file> or set SLIPWAY_DEPLOY_HOOK"}},
		"an address that is none":     {[]string{"-event", event, "-config", config, "-url", "nothing"}, "", usage, []string{`url is "nothing"`}},
		"authorities that are none":   {[]string{"-event", event, "-config", config, "-ca", config}, "", usage, []string{"no certificate in PEM"}},
		"an option that nobody knows": {[]string{"-answer"}, "", usage, []string{"flag provided but not defined"}},
	} {
		t.Run(sentence, func(t *testing.T) {
			var out, errs bytes.Buffer
			code := run(context.Background(), c.args, func(string) string { return c.env }, &out, &errs)
			if code != c.code {
				t.Errorf("exit code %d, want %d", code, c.code)
			}
			for _, part := range c.says {
				if !strings.Contains(out.String()+errs.String(), part) {
					t.Errorf("%q isn't in\n%s%s", part, out.String(), errs.String())
				}
			}
		})
	}

	var out bytes.Buffer
	run(context.Background(), []string{"-json", "-event", event, "-config", noDB, "-url", server.URL}, func(string) string { return "" }, &out, &out)
	var r struct {
		Passed   bool
		Requests []struct{ Path string }
	}
	if err := json.Unmarshal(out.Bytes(), &r); err != nil || !r.Passed || len(r.Requests) != 2 {
		t.Errorf("%v: %s", err, out.String())
	}
}
