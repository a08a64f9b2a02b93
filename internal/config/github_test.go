package config

import (
	"slices"
	"strings"
	"testing"
)

func TestFaultsOfTheRepositoryAndItsScan(t *testing.T) {
	const dns = "dns:\n  account: shared"
	github := func(lines string) []string { return []string{dns, "github:\n" + lines + "\n" + dns} }
	scan := func(lines string) []string {
		return []string{"  repository: simple-flask-app", "  repository: simple-flask-app\n  scan:\n" + lines}
	}
	const good = "    exceptions:\n      - {id: CVE-2026-1234, until: 2026-12-31, reason: not reachable}\n"
	for sentence, c := range map[string]struct {
		edits []string
		want  []string // beginnings of the faults
	}{
		"a repository with its numbers":            {github(`  {repository: octo-org/octo.repo_1, ownerId: "123456", repositoryId: "456789"}`), nil},
		"a repository without an owner":            {github(`  {repository: octo, ownerId: "1", repositoryId: "2"}`), []string{`12: github.repository: got "octo", expected <owner>/<name>`}},
		"a pattern instead of a repository":        {github(`  {repository: octo/*, ownerId: "1", repositoryId: "2"}`), []string{`12: github.repository: got "octo/*"`}},
		"a URL instead of a repository":            {github(`  {repository: github.com/octo/x, ownerId: "1", repositoryId: "2"}`), []string{`12: github.repository: got`}},
		"numbers left out":                         {github(`  repository: octo/x`), []string{"11: github.ownerId: got nothing, expected GitHub's number", "11: github.repositoryId: got nothing"}},
		"a number without quotes":                  {github(`  {repository: octo/x, ownerId: 12, repositoryId: "2"}`), []string{`12: github.ownerId: got 12 without quotes`}},
		"a name instead of a number":               {github(`  {repository: octo/x, ownerId: octo, repositoryId: "02"}`), []string{`12: github.ownerId: got "octo"`, `12: github.repositoryId: got "02"`}},
		"numbers of no repository":                 {github(`  {ownerId: "1", repositoryId: "2"}`), []string{"11: github.repository: got nothing"}},
		"exceptions with a day and a reason":       {scan(good), nil},
		"a severity that ECR doesn't have":         {scan("    refuse: severe"), []string{`12: registry.scan.refuse: got "severe", expected critical, high, medium, low or nothing`}},
		"a severity in upper case":                 {scan("    refuse: HIGH"), []string{`12: registry.scan.refuse: got "HIGH"`}},
		"an exception without a day or reason":     {scan("    exceptions: [{id: CVE-2026-1234}]"), []string{"12: registry.scan.exceptions[0].reason: got nothing", "12: registry.scan.exceptions[0].until: got nothing"}},
		"an exception for everything":              {scan(`    exceptions: [{id: "CVE-*", until: 2026-12-31, reason: x}]`), []string{`12: registry.scan.exceptions[0].id: got "CVE-*"`}},
		"an exception for a severity":              {scan(`    exceptions: [{id: high, until: 2026-12-31, reason: x}]`), []string{`12: registry.scan.exceptions[0].id: got "high"`}},
		"a day that doesn't exist":                 {scan(`    exceptions: [{id: CVE-2026-1234, until: 2026-02-30, reason: x}]`), []string{`12: registry.scan.exceptions[0].until: got "2026-02-30"`}},
		"a finding twice":                          {scan(`    exceptions: [{id: CVE-2026-1, until: 2026-12-31, reason: x}, {id: CVE-2026-1, until: 2027-12-31, reason: y}]`), []string{`12: registry.scan.exceptions[1].id: got "CVE-2026-1", expected each finding once`}},
		"a reason as long as a page":               {scan(`    exceptions: [{id: CVE-2026-1, until: 2026-12-31, reason: ` + strings.Repeat("x", 201) + `}]`), []string{"12: registry.scan.exceptions[0].reason: got"}},
		"findings of Amazon Inspector and of GHSA": {scan(`    exceptions: [{id: ALAS2023-2026-17, until: 2026-12-31, reason: x}, {id: GHSA-jfmj-5v4g-7637, until: 2026-12-31, reason: x}]`), nil},
	} {
		t.Run(sentence, func(t *testing.T) {
			cfg, err := parseConfig("platform.yaml", []byte(edit(t, base, c.edits...)), Profile{})
			var got []string
			if err != nil {
				got = slices.DeleteFunc(strings.Split(err.Error(), "\n"), func(line string) bool { return !strings.Contains(line, "platform.yaml:") })
			}
			if len(got) != len(c.want) || (err == nil) != (cfg != nil) {
				t.Fatalf("got  %q\nwant %q", got, c.want)
			}
			for i, line := range got {
				if !strings.Contains(line, "platform.yaml:"+c.want[i]) {
					t.Errorf("got  %q\nwant %q", line, c.want[i])
				}
			}
		})
	}
}

func TestWithoutARepositoryThereIsNoTrust(t *testing.T) {
	cfg, err := parseConfig("platform.yaml", []byte(base), Profile{})
	if err != nil || cfg.GitHub.Enabled() || cfg.Registry.Scan.Refuse != SeverityHigh {
		t.Errorf("%v: %+v, %+v", err, cfg.GitHub, cfg.Registry.Scan)
	}
}
