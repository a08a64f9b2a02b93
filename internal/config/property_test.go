package config

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"pgregory.net/rapid"
)

// configs draws valid configurations with every field set.
func configs() *rapid.Generator[*Config] {
	return rapid.Custom(func(t *rapid.T) *Config {
		c := &Config{
			Platform: rapid.StringMatching(`[b-r][a-z0-9]{1,6}(-[a-z0-9]{1,4})?`).Filter(func(s string) bool { return !strings.Contains(s, "-qa-env") }).Draw(t, "platform"),
			Region:   rapid.SampledFrom(regions).Filter(func(r string) bool { return r != "us-west-1" }).Draw(t, "region"),
			Domain:   rapid.StringMatching(`[a-z0-9]{1,10}(-[a-z]{1,5})?\.[a-z]{2,6}`).Draw(t, "domain"),
			// Digits that YAML would read as a number, of every base.
			Accounts:      map[string]string{"shared": rapid.StringMatching(`[0-9]{12}`).Draw(t, "shared"), "007": rapid.StringMatching(`0[0-7]{11}`).Draw(t, "octal")},
			Notifications: []string{}, LambdaArchitecture: "arm64",
		}
		c.Pipeline = Pipeline{"", rapid.StringMatching(`[A-Za-z0-9._-]{1,9}(/[A-Za-z0-9._-]{1,9}){1,2}`).Draw(t, "source"), rapid.SampledFrom([]string{"main", "release/2026"}).Draw(t, "branch")}
		account := rapid.SampledFrom([]string{"shared", "007"})
		for _, letter := range rapid.Permutation([]string{"a", "b", "c", "d"}).Draw(t, "zones")[:3] {
			c.Zones = append(c.Zones, c.Region+letter)
		}
		for i := range rapid.IntRange(0, 3).Draw(t, "notifications") {
			c.Notifications = append(c.Notifications, fmt.Sprintf("team+%d@%s", i, c.Domain))
		}
		c.Registry = Registry{account.Draw(t, "registry"), rapid.StringMatching(`[a-z0-9]{1,5}((-|_|/)[a-z0-9]{1,5}){0,3}`).Filter(func(s string) bool { return len(s) > 1 && strings.Trim(s, "0123456789_") != "" }).Draw(t, "repository"), rapid.IntRange(1, 10000).Draw(t, "images"), rapid.IntRange(1, 3650).Draw(t, "untagged"), drawScan(t)}
		c.GitHub = GitHub{"o-1/r.2_x", rapid.StringMatching(`[1-9][0-9]{0,18}`).Draw(t, "owner"), rapid.StringMatching(`[1-9][0-9]{0,18}`).Draw(t, "repo"), rapid.Bool().Draw(t, "provider")}
		c.Pipeline.ConnectionARN = fmt.Sprintf("arn:aws:%s:%s:%s:connection/01234567-89ab-cdef-0123-456789abcdef",
			rapid.SampledFrom([]string{"codeconnections", "codestar-connections"}).Draw(t, "service"), c.Region, c.Accounts[c.Registry.Account])
		c.DNS.Account = account.Draw(t, "dns")
		names := []string{"dev", "stage", "prod"}[:rapid.IntRange(0, 3).Draw(t, "stages")]
		for i, name := range slices.Insert(names, 0, "qa") {
			c.Stages = append(c.Stages, drawStage(t, name, i, c))
			c.Stages[i].Account = account.Draw(t, "account")
		}
		ttl := rapid.SliceOfN(rapid.IntRange(1, 100000), 4, 4).Draw(t, "minutes")
		slices.Sort(ttl[:3])
		minutes := func(i int) Duration { return Duration(time.Duration(ttl[i]) * time.Minute) }
		spot := rapid.Bool().Draw(t, "spot")
		allowed := []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("203.0.113.7/32")}[:rapid.IntRange(0, 2).Draw(t, "allowed")]
		hours := rapid.SampledFrom([]OfficeHours{{TimeZone: "UTC"}, {"07:00", "20:00", "Europe/Dublin", true}, {"00:00", "23:59", "UTC", false}}).Draw(t, "hours")
		c.QA = QA{"qa", minutes(0), minutes(1), minutes(2), minutes(3), rapid.SampledFrom([]string{"rate(1 minute)", "cron(0 10 * * ? *)"}).Draw(t, "schedule"), "rate(2 hours)", rapid.Bool().Draw(t, "dry"), &spot, allowed, rapid.IntRange(1, 1000).Draw(t, "environments"), hours, drawSignIn(t, c)}
		c.Security = drawSecurity(t)
		c.Response = drawResponse(t)
		return c
	})
}

func drawSignIn(t *rapid.T, c *Config) SignIn {
	s := SignIn{Scope: "openid email", Session: Duration(time.Duration(rapid.IntRange(60, 604800).Draw(t, "session")) * time.Second)}
	if rapid.Bool().Draw(t, "sign-in") {
		s.Issuer, s.AuthorizationEndpoint, s.TokenEndpoint, s.UserInfoEndpoint = "https://a.example", "https://a.example/b?c=d", "https://a.example/t", "https://a.example/u"
		s.ClientID, s.SecretARN = "id: x", "arn:aws:secretsmanager:"+c.Region+":"+c.Accounts[c.Stages[0].Account]+":secret:a-b-012345"
	}
	return s
}

func drawScan(t *rapid.T) Scan {
	s := Scan{rapid.SampledFrom([]Severity{SeverityCritical, SeverityLow, SeverityNothing}).Draw(t, "refuse"), []ScanException{}}
	for i := range rapid.IntRange(0, 3).Draw(t, "exceptions") {
		day := time.Date(2026, 1, 1+rapid.IntRange(0, 999).Draw(t, "day"), 0, 0, 0, 0, time.UTC)
		s.Exceptions = append(s.Exceptions, ScanException{fmt.Sprintf("CVE-2026-%04d", i), day.Format(time.DateOnly), "not reachable: no such route"})
	}
	return s
}

func drawStage(t *rapid.T, name string, i int, c *Config) Stage {
	bits := rapid.IntRange(16, 24).Draw(t, "bits")
	vpc := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i), 0, 0}), bits)
	var blocks []netip.Prefix
	for n := range 8 {
		blocks = append(blocks, netip.PrefixFrom(offset(vpc.Addr(), uint32(n)<<(32-bits-3)), bits+3))
	}
	blocks = rapid.Permutation(blocks).Draw(t, "blocks")
	percent := rapid.IntRange(1, 100)
	cpu := rapid.SampledFrom(sortedKeys(fargateMemory)).Draw(t, "cpu")
	infrequent, storage, tasks := rapid.IntRange(30, 400).Draw(t, "ia"), rapid.IntRange(20, 50000).Draw(t, "storage"), rapid.IntRange(2, 100).Draw(t, "tasks")
	s := Stage{
		Name: name, Production: name == "prod", Retain: rapid.Bool().Draw(t, "retain"),
		Network:   Network{vpc, blocks[:3], blocks[3:6], rapid.SampledFrom(natModes).Draw(t, "nat"), rapid.Permutation(endpoints).Draw(t, "endpoints")[:rapid.IntRange(0, 3).Draw(t, "n")]},
		Artifacts: Artifacts{InfrequentAfterDays: infrequent, ArchiveAfterDays: infrequent + 30 + rapid.IntRange(0, 99).Draw(t, "archive"), NoncurrentDays: rapid.IntRange(1, 999).Draw(t, "noncurrent")},
		Database: Database{
			rapid.SampledFrom(engineMajors).Draw(t, "major"), rapid.SampledFrom([]string{"t4g.micro", "m7g.large", "r6gd.16xlarge", "x2iedn.xlarge"}).Draw(t, "class"),
			storage, storage + (storage+9)/10, rapid.Bool().Draw(t, "multi"), rapid.IntRange(30, 35).Draw(t, "backup"), rapid.Bool().Draw(t, "replica"), rapid.IntRange(1, 1000).Draw(t, "rotation"),
		},
		Service: Service{cpu, rapid.SampledFrom(fargateMemory[cpu]).Draw(t, "memory"), tasks, tasks + rapid.IntRange(0, 9).Draw(t, "more"), rapid.IntRange(10, 90).Draw(t, "target")},
		LogDays: rapid.SampledFrom(logRetention).Draw(t, "logs"),
		Scaling: Scaling{Schedules: []ScheduledMinimum{{"cron(0 7 ? * MON-FRI *)", "Europe/Dublin", tasks}, {"cron(0 19 * * ? *)", "UTC", 2}}[:rapid.IntRange(0, 2).Draw(t, "schedules")]},
		Tracing: Tracing{SampleRatio: float64(rapid.IntRange(0, 1000).Draw(t, "traced")) / 1000},
		WAF: WAF{
			rapid.SampledFrom([]WAFMode{WAFBlock, WAFCount}).Draw(t, "mode"), rapid.IntRange(minRateLimit, maxRateLimit).Draw(t, "rate"),
			[]string{"/files", "/a/b-c"}[:rapid.IntRange(0, 2).Draw(t, "paths")],
		},
		Alarms: Alarms{
			percent.Draw(t, "cpu"), percent.Draw(t, "memory"), rapid.IntRange(1, 60000).Draw(t, "latency"), percent.Draw(t, "errors"), rapid.IntRange(1, 1000).Draw(t, "floor"),
			percent.Draw(t, "database"), rapid.IntRange(1, 50).Draw(t, "free"), rapid.IntRange(1, 5000).Draw(t, "connections"), rapid.IntRange(1, 600).Draw(t, "lag"),
		},
	}
	s.Deployment = deployments(s).Draw(t, "deployment")
	if rapid.Bool().Draw(t, "requests") {
		s.Scaling.RequestsPerTarget = rapid.IntRange(1, maxRequestsPerTarget).Draw(t, "perTarget")
	}
	if rapid.Bool().Draw(t, "replicate") {
		other := rapid.SampledFrom(regions).Filter(func(r string) bool { return r != c.Region }).Draw(t, "other")
		s.Artifacts.ReplicaBucketARN = "arn:aws:s3:::copy-" + name
		s.Artifacts.ReplicaKeyARN = "arn:aws:kms:" + other + ":012345678901:key/mrk-0123456789abcdef0123456789abcdef"
	}
	return s
}

// deployments draws what a stage may do: blue/green only behind a NAT gateway and outside the QA stage.
func deployments(s Stage) *rapid.Generator[Deployment] {
	return rapid.Custom(func(t *rapid.T) Deployment {
		alarms, migration := rapid.Bool().Draw(t, "alarms"), rapid.Bool().Draw(t, "migration")
		d := Deployment{
			Strategy: StrategyRolling, Shift: rapid.SampledFrom([]Shift{ShiftAllAtOnce, ShiftCanary, ShiftLinear}).Draw(t, "shift"),
			Percent: rapid.IntRange(20, 99).Draw(t, "percent"), IntervalMinutes: rapid.IntRange(1, 4).Draw(t, "interval"), BakeMinutes: rapid.IntRange(0, 14).Draw(t, "bake"),
			Alarms: &alarms,
			Hook: Hook{Migration: &migration, Samples: rapid.IntRange(0, 1000).Draw(t, "samples"), MaxErrorPercent: rapid.IntRange(0, 100).Draw(t, "more"),
				Requests: []SmokeRequest{{Path: "/ready?deep=1", Status: 204, MaxMillis: 1}, {Path: "/", Status: 200, MaxMillis: 10000, Contains: "ok: ", Matches: "^a.*b$"}}[:rapid.IntRange(1, 2).Draw(t, "smoke")]},
		}
		if s.Name != "qa" && s.Network.NAT != NATInstance {
			d.Strategy = rapid.SampledFrom([]Strategy{StrategyCodeDeploy, StrategyECS, StrategyRolling}).Draw(t, "strategy")
		}
		return d
	})
}

func TestAValidConfigurationSurvivesTheFile(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		want := configs().Draw(t, "config")
		text, err := marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, "platform.yaml")
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := Load(path, Profile{})
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("got  %+v\nwant %+v\n%s", got, want, text)
		}
	})
}

var bareDigits = regexp.MustCompile(`(?m)^( *[^ ]+: )([0-9]{12})$|^( *(?:ownerId|repositoryId): )([0-9]+)$`)

// marshal writes a configuration as a person would: account IDs in quotes, which the library leaves out when the digits
// are no octal number, no empty replica keys, and no target of no requests.
func marshal(c *Config) ([]byte, error) {
	text, err := yaml.Marshal(c)
	if err != nil {
		return nil, err
	}
	lines := slices.DeleteFunc(strings.Split(string(text), "\n"), func(line string) bool {
		line = strings.TrimSpace(line)
		return strings.HasPrefix(line, "replica") && strings.HasSuffix(line, `: ""`) || line == "requestsPerTarget: 0"
	})
	return bareDigits.ReplaceAll([]byte(strings.Join(lines, "\n")), []byte(`$1$3"$2$4"`)), nil
}

// mutations draws what goes wrong when people edit a file, any number of times.
func mutations() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		lines := strings.Split(rapid.SampledFrom([]string{base, shortest}).Draw(t, "file"), "\n")
		for range rapid.IntRange(0, 12).Draw(t, "mutations") {
			i := rapid.IntRange(0, len(lines)-1).Draw(t, "line")
			key, _, _ := strings.Cut(lines[i], ":")
			switch rapid.IntRange(0, 7).Draw(t, "kind") {
			case 0:
				if len(lines) > 1 {
					lines = slices.Delete(lines, i, i+1)
				}
			case 1:
				lines = slices.Insert(lines, i, lines[i])
			case 2:
				lines[i] = rapid.SampledFrom([]string{"  ", "- ", "\t", "#"}).Draw(t, "prefix") + lines[i]
			case 3:
				lines[i] = strings.TrimPrefix(lines[i], "  ")
			case 4:
				lines[i] = key + ": " + rapid.OneOf(rapid.SampledFrom([]string{"", "null", "0", "-1", "99999", "010", "1e3", ".nan", "true", "[]", "{}", "[[a]]", "{a: {b: c}}", "*x", "&x y", "!!int 3", "|", "2h", "-5m", "10.0.0.1/8", "0.0.0.0/0", "::/0", `"`, "'", "? x", "<<: {}", "@", "`"}), rapid.StringN(0, 12, -1)).Draw(t, "value")
			case 5:
				j := rapid.IntRange(0, len(lines)-1).Draw(t, "other")
				lines[i], lines[j] = lines[j], lines[i]
			case 6:
				lines[i] = rapid.StringN(0, 8, -1).Draw(t, "key") + lines[i]
			case 7:
				lines = lines[:i+1]
			}
		}
		return strings.Join(lines, "\n")
	})
}

func TestAnyMutationIsRefusedWithFaultsOrLoads(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { checkAny(t, mutations().Draw(t, "text")) })
}

// checkAny holds for every text at all.
func checkAny(t interface{ Fatalf(string, ...any) }, text string) {
	cfg, err := parseConfig("platform.yaml", []byte(text), Profile{})
	if err != nil {
		var faults Faults
		if !errors.As(err, &faults) || len(faults) == 0 || cfg != nil {
			t.Fatalf("%T, configuration %v", err, cfg)
		}
		last, lines := 0, strings.Count(text, "\n")+strings.Count(text, "\r")+1
		for _, f := range faults {
			if f.Line < 1 || f.Line > lines || f.Line < last || f.Got == "" || f.Want == "" {
				t.Fatalf("%+v after line %d of %d in\n%s", f, last, lines, text)
			}
			if f.Excerpt == "" && strings.Contains(f.String(), "\n") && !strings.Contains(f.Got, "syntax error") {
				t.Fatalf("a fault of two lines: %q", f)
			}
			last = f.Line
		}
		return
	}
	again, err := marshal(cfg)
	if err != nil {
		t.Fatalf("write: %v", err)
	}
	back, err := parseConfig("platform.yaml", again, Profile{})
	if err != nil {
		t.Fatalf("what loads doesn't load again: %v\n%s", err, again)
	}
	if cfg.Notifications == nil {
		cfg.Notifications = []string{}
	}
	if cfg.QA.AllowedCIDRs == nil {
		cfg.QA.AllowedCIDRs = []netip.Prefix{}
	}
	if cfg.Registry.Scan.Exceptions == nil {
		cfg.Registry.Scan.Exceptions = []ScanException{}
	}
	for i := range cfg.Stages {
		if cfg.Stages[i].Scaling.Schedules == nil {
			cfg.Stages[i].Scaling.Schedules = []ScheduledMinimum{}
		}
		if cfg.Stages[i].Network.InterfaceEndpoints == nil {
			cfg.Stages[i].Network.InterfaceEndpoints = []string{}
		}
	}
	if !reflect.DeepEqual(back, cfg) {
		t.Fatalf("got  %+v\nwant %+v", back, cfg)
	}
}

func FuzzLoad(f *testing.F) {
	for _, seed := range []string{
		base, shortest, "", "a: &a [*a]", "- - -", "stages: [{name: qa}]", "accounts: {a: 012345678901}", "x: |\n  y", "region: \"a\\nb\"", "%YAML 1.2\n---\n{}", "? a\n: b", "qa: {maxTtl: 9999999h}",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) { checkAny(t, text) })
}
