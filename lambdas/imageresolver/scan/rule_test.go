package scan

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestParseRule(t *testing.T) {
	for sentence, c := range map[string]struct{ text, fault string }{
		"what the stack writes":           {`{"refuse":"high","exceptions":[{"id":"CVE-2026-1","until":"2026-12-31"}]}`, ""},
		"without exceptions":              {`{"refuse":"nothing"}`, ""},
		"nothing at all":                  {"", "deploy the stack again"},
		"a key that isn't known":          {`{"refuse":"high","except":[]}`, "except"},
		"a severity that isn't one":       {`{"refuse":"bad"}`, `from "bad" on`},
		"the lowest isn't offered":        {`{"refuse":"informational"}`, `from "informational" on`},
		"an exception without an end":     {`{"refuse":"high","exceptions":[{"id":"CVE-2026-1"}]}`, "a day such as"},
		"an exception without a finding":  {`{"refuse":"high","exceptions":[{"until":"2026-12-31"}]}`, "a finding and a day"},
		"a rule without a least severity": {`{}`, `from "" on`},
	} {
		_, err := ParseRule(c.text)
		if (err == nil) != (c.fault == "") || err != nil && !strings.Contains(err.Error(), c.fault) {
			t.Errorf("%s: %v, want %q", sentence, err, c.fault)
		}
	}
}

// A stricter rule never lets an image through that a laxer one refuses; a later day never refuses less; and nothing gets
// lost: each finding at or above the severity is refused or excepted.
func TestJudgingIsMonotonous(t *testing.T) {
	severities := []string{"low", "medium", "high", "critical"}
	rapid.Check(t, func(t *rapid.T) {
		var result Result
		result.Status = rapid.SampledFrom([]string{"COMPLETE", "ACTIVE", "FAILED", "PENDING", ""}).Draw(t, "status")
		for range rapid.IntRange(0, 6).Draw(t, "findings") {
			result.Findings = append(result.Findings, Finding{
				ID:       rapid.SampledFrom([]string{"CVE-1", "CVE-2", "CVE-3"}).Draw(t, "id"),
				Severity: rapid.SampledFrom([]string{"INFORMATIONAL", "LOW", "MEDIUM", "HIGH", "CRITICAL", "UNTRIAGED", "NEW"}).Draw(t, "severity"),
			})
		}
		rule := func(i int) Rule {
			return Rule{Refuse: severities[i], Exceptions: []Exception{{ID: "CVE-1", Until: "2026-06-15"}}}
		}
		strict := rapid.IntRange(0, 3).Draw(t, "strict")
		lax := rapid.IntRange(strict, 3).Draw(t, "lax")
		early := time.Date(2026, 6, rapid.IntRange(1, 30).Draw(t, "day"), 12, 0, 0, 0, time.UTC)
		late := early.AddDate(0, 0, rapid.IntRange(0, 30).Draw(t, "days"))
		if rule(strict).Judge(result, early).OK() && !rule(lax).Judge(result, early).OK() {
			t.Fatal("the laxer rule refuses what the stricter one takes")
		}
		if rule(strict).Judge(result, late).OK() && !rule(strict).Judge(result, early).OK() {
			t.Fatal("an exception grew")
		}
		v := rule(strict).Judge(result, early)
		want := 0
		for _, f := range result.Findings {
			if rank, known := ranks[f.Severity]; !known || rank >= ranks[strings.ToUpper(severities[strict])] {
				want++
			}
		}
		if judged := result.Status == "COMPLETE" || result.Status == "ACTIVE"; judged && len(v.Refused)+len(v.Excepted) != want || !judged && v.OK() {
			t.Fatalf("%+v of %+v", v, result)
		}
		if (v.Err("x", rule(strict)) == nil) != v.OK() {
			t.Fatal("the error doesn't agree with the verdict")
		}
	})
}
