package config

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func drawSecurity(t *rapid.T) Security {
	days := rapid.IntRange(1, maxTrailDays)
	lock, archive := days.Draw(t, "lock"), days.Draw(t, "archive")
	detect, block, hub := rapid.Bool().Draw(t, "detect"), rapid.Bool().Draw(t, "block"), rapid.Bool().Draw(t, "hub")
	return Security{
		Trail: Trail{
			lock, archive, rapid.IntRange(max(lock, archive+1), maxTrailDays+1).Draw(t, "keep"), rapid.SampledFrom(logRetention).Draw(t, "trail logs"),
			rapid.SampledFrom([]S3Events{S3EventsNone, S3EventsWrite, S3EventsAll}).Draw(t, "events"),
		},
		Password: Password{rapid.IntRange(14, 128).Draw(t, "length"), rapid.IntRange(1, 24).Draw(t, "reuse"), rapid.IntRange(0, 1095).Draw(t, "age")},
		GuardDuty: GuardDuty{
			&detect, rapid.SampledFrom([]Duration{Duration(15 * time.Minute), Duration(time.Hour), Duration(6 * time.Hour)}).Draw(t, "frequency"),
			rapid.Permutation(Features).Draw(t, "features")[:rapid.IntRange(0, len(Features)).Draw(t, "n")],
		},
		BlockPublicBuckets: &block, RecordConfiguration: hub || rapid.Bool().Draw(t, "record"), SecurityHub: hub,
	}
}

func TestSecurityDefaultsAreAsDocumented(t *testing.T) {
	s := mustParse(t, shortest, Profile{}).Security
	for name, ok := range map[string]bool{
		"the trail":                         s.Trail == Trail{LockDays: 365, ArchiveAfterDays: 90, KeepDays: 1096, LogDays: 90, S3Events: S3EventsNone},
		"CIS's password policy, and an age": s.Password == Password{MinLength: 14, Reuse: 24, MaxAgeDays: 90},
		"GuardDuty with what the platform has": *s.GuardDuty.Enabled && s.GuardDuty.Frequency.Duration() == 15*time.Minute &&
			slices.Equal(s.GuardDuty.Features, []Feature{"s3", "malware", "rds", "lambda", "fargate-runtime"}),
		"no public buckets":         *s.BlockPublicBuckets,
		"nothing that costs by use": !s.RecordConfiguration && !s.SecurityHub,
	} {
		if !ok {
			t.Errorf("not so: %s: %+v", name, s)
		}
	}
}

func TestSecurityIsChecked(t *testing.T) {
	for sentence, c := range map[string]struct{ yaml, want string }{
		"a lock longer than the files live": {"trail: {lockDays: 500, keepDays: 400}", "security.trail.keepDays: got 400, expected 500 to 3651"},
		"an archive after the end":          {"trail: {archiveAfterDays: 400, keepDays: 400}", "security.trail.keepDays: got 400, expected 401 to 3651"},
		"no lock at all":                    {"trail: {lockDays: 0}", "security.trail.lockDays: got 0, expected 1 to 3650"},
		"an unknown retention":              {"trail: {logDays: 100}", "security.trail.logDays: got 100, expected a retention that CloudWatch Logs knows"},
		"a short password":                  {"password: {minLength: 13}", "security.password.minLength: got 13, expected 14 to 128"},
		"more earlier passwords than IAM":   {"password: {reuse: 25}", "security.password.reuse: got 25, expected 1 to 24"},
		"a negative age":                    {"password: {maxAgeDays: -1}", "security.password.maxAgeDays: got -1, expected 0 to 1095"},
		"an unknown frequency":              {"guardDuty: {frequency: 30m}", "security.guardDuty.frequency: got 30m0s, expected 15m, 1h or 6h"},
		"an unknown feature":                {"guardDuty: {features: [s3, dns]}", `security.guardDuty.features[1]: got "dns", expected s3, malware`},
		"a feature twice":                   {"guardDuty: {features: [s3, s3]}", "security.guardDuty.features[1]: got \"s3\", expected each feature once"},
		"a hub without anything to read":    {"securityHub: true", "security.securityHub: got true, expected recordConfiguration: true"},
		"an unknown choice of events":       {"trail: {s3Events: some}", `security.trail.s3Events: got "some", expected none, write or all`},
	} {
		t.Run(sentence, func(t *testing.T) {
			_, err := parseConfig("platform.yaml", []byte(shortest+"security: {"+c.yaml+"}\n"), Profile{})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

func TestEachAccountIsOneWhateverItsNames(t *testing.T) {
	cfg := mustParse(t, edit(t, base, `  workload: "012345678901"`, "  workload: \"012345678901\"\n  again: \"111111111111\"\n  spare: \"222222222222\""), Profile{})
	var got []string
	for _, account := range cfg.SecurityAccounts() {
		text := account.ID + " " + account.Name
		for _, stage := range account.Stages {
			text += " " + stage.Name
		}
		got = append(got, text)
	}
	if want := []string{"012345678901 workload dev prod", "111111111111 again qa", "222222222222 spare"}; !slices.Equal(got, want) {
		t.Errorf("accounts %q, want %q", got, want)
	}
}
