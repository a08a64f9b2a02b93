package decide

import (
	"encoding/json"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestConfigDefaults(t *testing.T) {
	c, err := ParseConfig(`{"url": "https://lb.example.net:8443", "requests": [{"path": "/"}], "version": {}, "migration": {}, "errorRate": {"samples": 10}}`)
	if err != nil {
		t.Fatal(err)
	}
	got, _ := json.Marshal(c)
	const want = `{"url":"https://lb.example.net:8443","host":"lb.example.net",` +
		`"requests":[{"path":"/","method":"GET","status":200,"maxMillis":10000}],` +
		`"attempts":3,"pauseMillis":2000,"timeoutMillis":10000,"budgetSeconds":240,` +
		`"version":{"path":"/version","field":"commit"},` +
		`"migration":{"path":"/version","field":"database_revision","expected":"expected_database_revision"},` +
		`"errorRate":{"samples":10}}`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if again, err := ParseConfig(string(got)); err != nil {
		t.Errorf("a configuration with its defaults is refused: %v", err)
	} else if second, _ := json.Marshal(again); string(second) != want {
		t.Errorf("reading it again changes it: %s", second)
	}
}

func TestConfigFaults(t *testing.T) {
	with := func(rest string) string {
		return `{"url": "https://lb:8443", "requests": [{"path": "/"}]` + rest + `}`
	}
	request := func(rest string) string { return `{"url": "https://lb", "requests": [{` + rest + `}]}` }
	for sentence, c := range map[string]struct {
		text   string
		faults []string
	}{
		"nothing":                       {"", []string{"read the hook's configuration"}},
		"no object":                     {"[]", []string{"read the hook's configuration"}},
		"an unknown key":                {with(`, "retries": 3`), []string{`unknown field "retries"`}},
		"an unknown key deep inside":    {request(`"path": "/", "expect": 200`), []string{`unknown field "expect"`}},
		"two objects":                   {with("") + "{}", []string{"something follows"}},
		"a number as text":              {with(`, "attempts": "3"`), []string{"cannot unmarshal string"}},
		"no requests":                   {`{"url": "https://lb"}`, []string{"there are 0 requests; give 1 to 50"}},
		"no address":                    {`{"requests": [{"path": "/"}]}`, []string{`url is ""`}},
		"an address with a path":        {`{"url": "https://lb/x", "requests": [{"path": "/"}]}`, []string{`url is "https://lb/x"; give it scheme, host and port`}},
		"an address with a password":    {`{"url": "https://u:p@lb", "requests": [{"path": "/"}]}`, []string{"url is"}},
		"an address of another kind":    {`{"url": "ftp://lb", "requests": [{"path": "/"}]}`, []string{"url is"}},
		"a host that is an address":     {with(`, "host": "https://app"`), []string{`host is "https://app"; give it a host name`}},
		"a host with a new line":        {with(`, "host": "a\nb"`), []string{"host is"}},
		"too many attempts":             {with(`, "attempts": 21`), []string{"attempts is 21; give it 1 to 20"}},
		"a budget beyond Lambda's":      {with(`, "budgetSeconds": 900`), []string{"budgetSeconds is 900"}},
		"a negative pause":              {with(`, "pauseMillis": -1`), []string{"pauseMillis is -1"}},
		"a path without a slash":        {request(`"path": "health"`), []string{`requests[0].path is "health"; give it a path that begins with one slash`}},
		"a path that leads elsewhere":   {request(`"path": "//elsewhere/x"`), []string{"requests[0].path"}},
		"a path with a new line":        {request(`"path": "/a\nb"`), []string{"requests[0].path"}},
		"a request that changes things": {request(`"path": "/", "method": "POST"`), []string{`method is "POST"; give it GET or HEAD`}},
		"a body of HEAD":                {request(`"path": "/", "method": "HEAD", "contains": "x"`), []string{"HEAD, whose answer has no body"}},
		"a status that is none":         {request(`"path": "/", "status": 20`), []string{"status is 20"}},
		"a pattern that is none":        {request(`"path": "/", "matches": "("`), []string{"requests[0].matches"}},
		"a limit above the timeout":     {request(`"path": "/", "maxMillis": 10001`), []string{"maxMillis is 10001; give it 1 to timeoutMillis, which is 10000"}},
		"no samples":                    {with(`, "errorRate": {"samples": 0}`), []string{"errorRate.samples is 0"}},
		"more errors than requests":     {with(`, "errorRate": {"samples": 1, "maxPercent": 101}`), []string{"errorRate.maxPercent is 101"}},
		"two sources of the revision":   {with(`, "migration": {"expected": "a", "revision": "b"}`), []string{"give one of them"}},
		"several faults are told at once": {with(`, "attempts": 99, "host": "a b", "version": {"path": "x"}, "errorRate": {"samples": 1, "productionUrl": "x"}`),
			[]string{"attempts is 99", `host is "a b"`, "version.path", "errorRate.productionUrl"}},
	} {
		_, err := ParseConfig(c.text)
		for _, fault := range c.faults {
			if err == nil || !strings.Contains(err.Error(), fault) {
				t.Errorf("%s: %v doesn't say %q", sentence, err, fault)
			}
		}
	}
}

func TestConfigIsReadOrRefusedButNeverPanics(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.Custom(func(t *rapid.T) string {
			body, _ := json.Marshal(Config{
				URL: rapid.OneOf(rapid.String(), rapid.Just("http://h:1")).Draw(t, "url"), Host: rapid.SampledFrom([]string{"", "h", "h:1", "-"}).Draw(t, "host"),
				Requests: []Request{{Path: rapid.OneOf(rapid.String(), rapid.Just("/")).Draw(t, "path"), Status: rapid.IntRange(-1, 700).Draw(t, "status"), Matches: rapid.String().Draw(t, "matches")}},
				Attempts: rapid.IntRange(-1, 30).Draw(t, "attempts"), Version: &Version{}, Migration: &Migration{},
			})
			return string(body)
		})).Draw(t, "text")
		c, err := ParseConfig(text)
		if err != nil {
			return
		}
		again, _ := json.Marshal(c)
		if _, err := ParseConfig(string(again)); err != nil {
			t.Fatalf("%s is taken, but not with its defaults: %v", text, err)
		}
		Judge(c.Requests[0], Answer{Status: 200, Body: []byte("x")})
	})
}
