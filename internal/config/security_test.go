package config

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func drawSecurity(t *rapid.T) Security {
	days := rapid.IntRange(1, maxTrailDays)
	lock, archive := days.Draw(t, "lock"), days.Draw(t, "archive")
	return Security{
		Trail: Trail{
			lock, archive, rapid.IntRange(max(lock, archive+1), maxTrailDays+1).Draw(t, "keep"), rapid.SampledFrom(logRetention).Draw(t, "trail logs"),
			rapid.SampledFrom([]S3Events{S3EventsNone, S3EventsWrite, S3EventsAll}).Draw(t, "events"),
		},
	}
}

func TestSecurityDefaultsAreAsDocumented(t *testing.T) {
	s := mustParse(t, shortest, Profile{}).Security
	for name, ok := range map[string]bool{
		"the trail": s.Trail == Trail{LockDays: 365, ArchiveAfterDays: 90, KeepDays: 1096, LogDays: 90, S3Events: S3EventsNone},
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
