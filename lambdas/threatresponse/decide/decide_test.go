package decide

import (
	"encoding/json"
	"net/netip"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"slipway/internal/contract"
	"slipway/lambdas/threatresponse/corpus"
	"slipway/lambdas/threatresponse/finding"
)

// one is a remedy for everything, with one target.
type one struct{ name string }

func (o one) Action() string { return o.name }
func (one) Families() []finding.Family {
	return []finding.Family{finding.EC2, finding.IAM, finding.S3, finding.Runtime, finding.ECS, finding.RDS}
}
func (o one) Targets(finding.Finding, Place) ([]Target, []Spared) {
	return []Target{{Kind: o.name, ID: "x"}}, nil
}

var here = Place{Platform: "slipway", Account: "111111111111", Region: "eu-west-1", Role: "me"}

func read(t interface{ Fatal(...any) }, shape string, changes map[string]any) finding.Finding {
	raw, err := corpus.Event(shape, changes)
	if err != nil {
		t.Fatal(err)
	}
	f, err := finding.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestTheFirstRowThatCoversAFindingDecides(t *testing.T) {
	c := Config{
		Stages: []string{"dev", "qa", "prod"}, QAStage: "qa",
		Policies: []Policy{
			{Findings: []string{"Recon:EC2/*"}, Mode: contract.ModeOff},
			{Findings: []string{"*:EC2/*"}, MinSeverity: 7, Stages: []string{"prod"}, Actions: []string{"a"}, Mode: contract.ModeAuto},
			{Findings: []string{"*:EC2/*", "*:Runtime/*"}, MinSeverity: 7, Actions: []string{"b"}, Mode: contract.ModeApprove},
			{Findings: []string{"Policy:S3/BucketAnonymousAccessGranted"}, Actions: []string{"a", "b"}, Mode: contract.ModeDryRun},
			{Findings: []string{"*"}, MinSeverity: 9, Mode: contract.ModeAuto},
		},
	}
	for sentence, want := range map[string]struct {
		shape   string
		changes map[string]any
		plan    string
	}{
		"a row for the stage":                    {"instance-attacks", nil, "act auto a"},
		"the severity of a row is enough":        {"instance-attacks", map[string]any{"detail.severity": 7}, "act auto a"},
		"nothing is dropped between 8.9 and 10":  {"instance-attacks", map[string]any{"detail.severity": 8.95}, "act auto a"},
		"the highest severity":                   {"instance-attacks", map[string]any{"detail.severity": 10}, "act auto a"},
		"just below the severity":                {"instance-attacks", map[string]any{"detail.severity": 6.99}, "tell  "},
		"another stage has the next row":         {"instance-attacks", map[string]any{"detail.resource.instanceDetails.tags.0.value": "slipway-dev-network"}, "act approve b"},
		"no stage has the next row":              {"instance-attacks", map[string]any{"detail.resource.instanceDetails.tags": nil}, "act approve b"},
		"a stage is recognized by its cluster":   {"task", nil, "act approve b"},
		"a row that is off hides those below":    {"instance-probed", map[string]any{"detail.severity": 10}, "ignore  "},
		"a row with the very type":               {"bucket", nil, "act dry-run a b"},
		"a row without actions only tells":       {"user-key", map[string]any{"detail.severity": 9}, "tell auto "},
		"no row":                                 {"user-key", nil, "tell  "},
		"a wildcard doesn't cover unknown types": {"user-key", map[string]any{"detail.severity": 10, "detail.type": "Backdoor:EC2/New"}, "tell  "},
		"a sample is a dry run":                  {"instance-attacks", map[string]any{"detail.service.additionalInfo.sample": true}, "act dry-run a"},
	} {
		t.Run(sentence, func(t *testing.T) {
			plan := Decide(c, here, read(t, want.shape, want.changes), []Remedy{one{"a"}, one{"b"}})
			got := string(plan.Verdict) + " " + string(plan.Mode)
			for _, s := range plan.Steps {
				got += " " + s.Action
			}
			if len(plan.Steps) == 0 {
				got += " "
			}
			if got != want.plan {
				t.Errorf("got %q (%s), want %q", got, plan.Why, want.plan)
			}
			if (plan.Verdict == Act) == (plan.Why != "") {
				t.Errorf("%s, why %q", plan.Verdict, plan.Why)
			}
		})
	}
}

func TestStages(t *testing.T) {
	c := Config{Stages: []string{"dev", "qa", "prod"}, QAStage: "qa"}
	for stack, want := range map[string]string{
		"slipway-prod-network": "prod", "slipway-qa-env-feature-login-0123abcd": "qa", "slipway-qa-env-": "qa", "slipway-production-network": "", "other-prod-network": "", "slipway-registry": "", "": "",
	} {
		if got := stageOf(c, here, finding.Finding{Stack: stack}); got != want {
			t.Errorf("%s is of stage %q, want %q", stack, got, want)
		}
	}
}

func TestEveryTypeThatMapsToAnActionFindsItsTargetInTheCorpus(t *testing.T) {
	// The remedies' own tests look at the targets; here: no type of these families is without a plan.
	c := Config{Policies: []Policy{{Findings: []string{"*"}, Actions: []string{"a"}, Mode: contract.ModeAuto}}}
	for _, family := range []finding.Family{finding.EC2, finding.IAM, finding.S3, finding.Runtime, finding.ECS, finding.RDS} {
		for _, kind := range finding.Types(family) {
			raw, err := corpus.OfType(kind)
			if err != nil {
				t.Fatal(err)
			}
			f, err := finding.Parse(raw)
			if plan := Decide(c, here, f, []Remedy{one{"a"}}); err != nil || plan.Verdict != Act {
				t.Errorf("%s: %+v, %v", kind, plan, err)
			}
		}
	}
	for _, kind := range finding.Types(finding.TellOnly) {
		raw, err := corpus.OfType(kind)
		if err != nil {
			t.Fatal(err)
		}
		f, err := finding.Parse(raw)
		if plan := Decide(c, here, f, []Remedy{one{"a"}}); err != nil || plan.Verdict != Tell {
			t.Errorf("%s: %+v, %v", kind, plan, err)
		}
	}
}

func TestPatterns(t *testing.T) {
	for _, c := range []struct {
		pattern, text string
		want          bool
	}{
		{"*", "", true}, {"*", "x", true}, {"", "", true}, {"", "x", false}, {"a*", "abc", true}, {"*c", "abc", true}, {"a*c", "abc", true}, {"a*c", "ac", true},
		{"a*c", "abd", false}, {"*b*", "abc", true}, {"*:EC2/*", "Backdoor:EC2/Spambot", true}, {"*:EC2/*", "Backdoor:RDS/Spambot", false}, {"aa*aa", "aaa", false}, {"*a*a*", "a", false},
		{"abc", "abc", true}, {"abc", "abcd", false}, {"?", "a", false}, {"[a]", "a", false},
	} {
		if got := matches(c.pattern, c.text); got != c.want {
			t.Errorf("%q and %q: %v", c.pattern, c.text, got)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		parts := rapid.SliceOfN(rapid.StringMatching(`[ab*]{0,3}`), 1, 4).Draw(t, "parts")
		text := strings.Join(parts, "")
		pattern := ""
		for _, p := range parts {
			pattern += rapid.SampledFrom([]string{p, "*"}).Draw(t, "part")
		}
		if !matches(pattern, text) && !strings.Contains(text, "*") {
			t.Fatalf("%q doesn't match %q, from which it was made", pattern, text)
		}
	})
}

// Networks by the IANA special-purpose registries, and this platform's own.
func TestWhichAddressesAreNeverBlocked(t *testing.T) {
	own := []netip.Prefix{netip.MustParsePrefix("203.0.113.0/28"), netip.MustParsePrefix("2001:db8:1::/48")}
	for address, never := range map[string]bool{
		"10.0.0.1": true, "172.16.0.1": true, "172.31.255.255": true, "192.168.1.1": true, "127.0.0.1": true, "169.254.169.254": true, "100.64.0.1": true, "100.127.255.255": true,
		"0.0.0.0": true, "0.1.2.3": true, "224.0.0.1": true, "240.0.0.1": true, "255.255.255.255": true, "198.18.0.1": true, "192.0.0.8": true,
		"::1": true, "::": true, "fe80::1": true, "fc00::1": true, "fd12:3456::1": true, "ff02::1": true, "fec0::1": true, "64:ff9b::a00:1": true,
		"::ffff:10.0.0.1": true, "::ffff:8.8.8.8": false, "203.0.113.5": true, "203.0.113.16": false, "2001:db8:1::5": true, "2001:db8:2::5": false,
		"8.8.8.8": false, "100.128.0.1": false, "172.32.0.1": false, "2606:4700::1111": false, "": true, "fe80::1%eth0": true, "1.2.3": true, "1.2.3.4/32": true, "host": true,
	} {
		if got := unblockable(address, own); (got != "") != never {
			t.Errorf("%s: %q", address, got)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		bytes := rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "bytes")
		a := netip.AddrFrom4([4]byte(bytes))
		mapped := netip.AddrFrom16(a.As16())
		if unblockable(a.String(), nil) != unblockable(mapped.String(), nil) {
			t.Fatalf("%s and %s differ", a, mapped)
		}
	})
}

func TestParseConfig(t *testing.T) {
	good := Config{
		Stages: []string{"prod"}, QAStage: "qa", Approval: Duration(time.Hour), Block: Duration(time.Hour), Keep: Duration(time.Hour),
		Policies:  []Policy{{Findings: []string{"*"}, MinSeverity: 7, Actions: []string{contract.ActionIsolateInstance}, Mode: contract.ModeAuto, After: contract.AfterArchive}},
		Protected: Protected{Addresses: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}},
	}
	text, err := json.Marshal(good)
	if err != nil {
		t.Fatal(err)
	}
	back, err := ParseConfig(string(text))
	if err != nil {
		t.Fatal(err)
	}
	if again, err := json.Marshal(back); err != nil || string(again) != string(text) {
		t.Errorf("%s\nbecame\n%s, %v", text, again, err)
	}
	for sentence, c := range map[string]struct {
		text   string
		faults []string
	}{
		"nothing":         {"", []string{"read the configuration"}},
		"an unknown key":  {`{"stage":[]}`, []string{"unknown field"}},
		"something after": {string(text) + "{}", []string{"something follows"}},
		"all faults at once": {`{"policies":[{"mode":"maybe","actions":["explode"],"after":"x"}]}`, []string{
			"approval is 0s", "block is 0s", "keep is 0s", "has no findings", `mode "maybe"`, `action "explode"`, `after: "x"`,
		}},
	} {
		_, err := ParseConfig(c.text)
		for _, fault := range c.faults {
			if err == nil || !strings.Contains(err.Error(), fault) {
				t.Errorf("%s: %q isn't in %v", sentence, fault, err)
			}
		}
	}
}
