package environ_test

import (
	"strings"
	"testing"

	. "slipway/lambdas/internal/environ"
)

func TestAllFaultsAreReportedAtOnce(t *testing.T) {
	variables := map[string]string{"PLATFORM": "slipway", "TOPIC": "topic", "LISTENER": "arn:aws:x"}
	r := Reader{Get: func(name string) string { return variables[name] }}
	if got := r.Required("PLATFORM", "") + r.Required("LISTENER", "arn:"); got != "slipwayarn:aws:x" || r.Err() != nil {
		t.Errorf("%q, %v", got, r.Err())
	}
	r.Required("CLUSTER", "")
	r.Required("TOPIC", "arn:")
	r.Fault("%s lacks a domain", "LIST")
	for _, want := range []string{`CLUSTER is ""; give it a value`, `TOPIC is "topic"; give it one that begins with arn:`, "LIST lacks a domain"} {
		if err := r.Err(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v lacks %q", err, want)
		}
	}
}

func TestDecodeIsStrict(t *testing.T) {
	for sentence, c := range map[string]struct{ text, fault string }{
		"an object":                 {`{"name":"a"}`, ""},
		"an object with space":      {" {\"name\":\"a\"}\n", ""},
		"nothing":                   {"", "EOF"},
		"a key that nobody knows":   {`{"other":"a"}`, `unknown field "other"`},
		"another object after it":   {`{"name":"a"}{}`, "something follows"},
		"a word after it":           {`{"name":"a"} x`, "something follows"},
		"a value of another kind":   {`{"name":1}`, "cannot unmarshal"},
		"an object without its end": {`{"name":"a"`, "unexpected EOF"},
	} {
		var into struct{ Name string }
		err := Decode(c.text, &into)
		if (err != nil) != (c.fault != "") || err != nil && !strings.Contains(err.Error(), c.fault) {
			t.Errorf("%s: %v, want %q", sentence, err, c.fault)
		}
		if err == nil && into.Name != "a" {
			t.Errorf("%s: %+v", sentence, into)
		}
	}
}
