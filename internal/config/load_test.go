package config

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// base is a valid file; the cases below change it.
const base = `platform: slipway
region: eu-west-1
zones: [eu-west-1a, eu-west-1b, eu-west-1c]
domain: example.com
accounts:
  shared: "111111111111"
  workload: "012345678901"
registry:
  account: shared
  repository: simple-flask-app
dns:
  account: shared
notifications: [team@example.com]
stages:
  - name: dev
    account: workload
    network:
      cidr: 10.1.0.0/16
    logDays: 30
  - name: qa
    account: shared
    network:
      cidr: 10.2.0.0/16
  - name: prod
    account: workload
    production: true
    network:
      cidr: 10.0.0.0/16
      privateSubnets: [10.0.0.0/20, 10.0.16.0/20, 10.0.32.0/20]
      publicSubnets: [10.0.48.0/20, 10.0.64.0/20, 10.0.80.0/20]
      nat: per-zone
      interfaceEndpoints: [ecr, logs]
    artifacts:
      infrequentAfterDays: 30
      archiveAfterDays: 90
      replicaBucketArn: arn:aws:s3:::slipway-copy
      replicaKeyArn: arn:aws:kms:eu-central-1:111111111111:key/01234567-89ab-cdef-0123-456789abcdef
    database:
      engineMajor: "17"
      instanceClass: m7g.large
      storageGiB: 100
      maxStorageGiB: 500
      backupDays: 35
      rotationDays: 30
    service:
      cpu: 1024
      memoryMiB: 2048
      minTasks: 2
      maxTasks: 8
      targetCpuPercent: 60
qa:
  stage: qa
  defaultTtl: 48h
  maxTtl: 168h
  maxLifetime: 720h
  grace: 2h
  schedule: rate(15 minutes)
  spot: false
`

// edit replaces the one place that old names in base.
func edit(t *testing.T, text string, pairs ...string) string {
	t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		if strings.Count(text, pairs[i]) != 1 {
			t.Fatalf("%q is %d times in the file", pairs[i], strings.Count(text, pairs[i]))
		}
		text = strings.Replace(text, pairs[i], pairs[i+1], 1)
	}
	return text
}

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "platform.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func mustParse(t *testing.T, text string, profile Profile) *Config {
	t.Helper()
	cfg, err := parseConfig("platform.yaml", []byte(text), profile)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func TestTheShippedConfigurationLoads(t *testing.T) {
	cfg, err := Load("../../platform.yaml", Profile{})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, s := range cfg.Stages {
		names = append(names, s.Name)
	}
	if want := []string{"dev", "qa", "stage", "prod"}; !slices.Equal(names, want) {
		t.Errorf("stages %v, want %v", names, want)
	}
	if cfg.Region != "eu-west-1" || cfg.Domain != "example.com" {
		t.Errorf("region %s, domain %s", cfg.Region, cfg.Domain)
	}
	prod, ok := cfg.ProductionStage()
	if !ok || prod.Database.BackupDays < 30 || !prod.Retain || prod.Network.NAT != NATPerZone {
		t.Errorf("production %+v", prod)
	}
	// The subnets that the platform's description gives for 10.0.0.0/16.
	private := []string{"10.0.0.0/20", "10.0.16.0/20", "10.0.32.0/20"}
	public := []string{"10.0.48.0/20", "10.0.64.0/20", "10.0.80.0/20"}
	if !slices.Equal(texts(prod.Network.PrivateSubnets), private) || !slices.Equal(texts(prod.Network.PublicSubnets), public) {
		t.Errorf("subnets %v and %v", prod.Network.PrivateSubnets, prod.Network.PublicSubnets)
	}
}

func texts(prefixes []netip.Prefix) []string {
	s := make([]string, len(prefixes))
	for i, p := range prefixes {
		s[i] = p.String()
	}
	return s
}

const shortest = `region: eu-west-1
domain: example.com
accounts: {main: "111111111111"}
registry: {account: main}
dns: {account: main}
stages:
  - {name: qa, account: main, network: {cidr: 10.2.0.0/16}}
  - {name: prod, account: main, production: true, network: {cidr: 10.0.0.0/24}}
`

func TestEachDefaultIsAsDocumented(t *testing.T) {
	cfg := mustParse(t, shortest, Profile{HostArchitecture: "amd64"})
	qa, prod := cfg.Stages[0], cfg.Stages[1]
	for name, ok := range map[string]bool{
		"the platform is slipway":                cfg.Platform == "slipway",
		"the zones are a, b and c":               slices.Equal(cfg.Zones, []string{"eu-west-1a", "eu-west-1b", "eu-west-1c"}),
		"the repository is simple-flask-app":     reflect.DeepEqual(cfg.Registry, Registry{Account: "main", Repository: "simple-flask-app", KeepImages: 200, UntaggedDays: 7, Scan: Scan{Refuse: SeverityHigh}}),
		"nobody is notified":                     len(cfg.Notifications) == 0,
		"logs stay 30 days":                      qa.LogDays == 30 && prod.LogDays == 30,
		"a /16 gets /20 subnets":                 slices.Equal(texts(qa.Network.PrivateSubnets), []string{"10.2.0.0/20", "10.2.16.0/20", "10.2.32.0/20"}),
		"the public ones follow":                 slices.Equal(texts(qa.Network.PublicSubnets), []string{"10.2.48.0/20", "10.2.64.0/20", "10.2.80.0/20"}),
		"a /24 gets /27 subnets":                 slices.Equal(texts(prod.Network.PublicSubnets), []string{"10.0.0.96/27", "10.0.0.128/27", "10.0.0.160/27"}),
		"one NAT gateway":                        qa.Network.NAT == NATOne,
		"no interface endpoints":                 len(qa.Network.InterfaceEndpoints) == 0,
		"artifacts move after 30 and 90 days":    qa.Artifacts == Artifacts{InfrequentAfterDays: 30, ArchiveAfterDays: 90, NoncurrentDays: 90},
		"a small database":                       qa.Database == Database{EngineMajor: "17", InstanceClass: "t4g.micro", StorageGiB: 20, MaxStorageGiB: 100, BackupDays: 7, RotationDays: 30},
		"backups of production stay 35 days":     prod.Database.BackupDays == 35,
		"a small service":                        qa.Service == Service{CPU: 512, MemoryMiB: 1024, MinTasks: 1, MaxTasks: 4, TargetCPUPercent: 60},
		"more tasks in production":               prod.Service.MinTasks == 2 && prod.Service.MaxTasks == 8,
		"environments live two days":             cfg.QA.DefaultTTL.Duration() == 48*time.Hour && cfg.QA.MaxTTL.Duration() == 168*time.Hour,
		"and a month at most":                    cfg.QA.MaxLifetime.Duration() == 720*time.Hour && cfg.QA.Grace.Duration() == 2*time.Hour,
		"cleanup runs every quarter of an hour":  cfg.QA.Stage == "qa" && cfg.QA.Schedule == "rate(15 minutes)" && !cfg.QA.DryRun,
		"the sweep runs every hour":              cfg.QA.SweepSchedule == "rate(1 hour)",
		"environments run on Spot":               cfg.QA.Spot != nil && *cfg.QA.Spot,
		"90 environments fit":                    cfg.QA.MaxEnvironments == 90,
		"environments never sleep":               !cfg.QA.OfficeHours.Set() && cfg.QA.OfficeHours.Lease().Always(),
		"everyone may see the environments":      len(cfg.QA.AllowedCIDRs) == 0,
		"only the CPU scales":                    qa.Scaling.RequestsPerTarget == 0 && len(qa.Scaling.Schedules) == 0,
		"the web ACL blocks":                     qa.WAF.Mode == WAFBlock && qa.WAF.RateLimit == 2000,
		"artifacts may be large":                 slices.Equal(qa.WAF.UploadPaths, []string{"/artifacts", "/api/artifacts"}),
		"there is no pipeline":                   !cfg.Pipeline.Enabled() && cfg.Pipeline == Pipeline{},
		"every request is traced":                qa.Tracing.SampleRatio == 1,
		"production is sampled":                  prod.Tracing.SampleRatio == 0.05,
		"alarms have thresholds":                 qa.Alarms == Alarms{85, 85, 2000, 5, 20, 80, 10, 78, 60}, // 78 is 70 % of the 112 connections of 1 GiB
		"Lambdas are built for arm64 everywhere": cfg.LambdaArchitecture == "arm64" && !cfg.Local,
	} {
		if !ok {
			t.Errorf("not so: %s", name)
		}
	}
	if cfg := mustParse(t, edit(t, base, "spot: false", "dryRun: true"), Profile{}); !cfg.QA.DryRun || !*cfg.QA.Spot {
		t.Error("dryRun isn't read")
	}
	if cfg := mustParse(t, base, Profile{}); *cfg.QA.Spot {
		t.Error("spot: false isn't read")
	}
}

func TestWhatOnlySomeStagesSetIsRead(t *testing.T) {
	cfg := mustParse(t, edit(t, base, "logDays: 30", `scaling:
      requestsPerTarget: 300
      schedules:
        - {schedule: cron(0 7 ? * MON-FRI *), timeZone: Europe/Dublin, minTasks: 3}
        - {schedule: cron(0 20 * * ? *), minTasks: 1}
    waf: {mode: count, rateLimit: 500, uploadPaths: []}
    alarms: {latencyMillis: 800, databaseConnections: 60}`, "spot: false", "allowedCidrs: [198.51.100.0/24, 203.0.113.7/32]"), Profile{})
	dev := cfg.Stages[0]
	if want := (ScheduledMinimum{"cron(0 7 ? * MON-FRI *)", "Europe/Dublin", 3}); dev.Scaling.RequestsPerTarget != 300 || dev.Scaling.Schedules[0] != want {
		t.Errorf("scaling %+v", dev.Scaling)
	}
	if want := (ScheduledMinimum{"cron(0 20 * * ? *)", "UTC", 1}); dev.Scaling.Schedules[1] != want {
		t.Errorf("schedule %+v, want %+v", dev.Scaling.Schedules[1], want)
	}
	if dev.WAF.Mode != WAFCount || dev.WAF.RateLimit != 500 || len(dev.WAF.UploadPaths) != 0 {
		t.Errorf("WAF %+v", dev.WAF)
	}
	if want := (Alarms{85, 85, 800, 5, 20, 80, 10, 60, 60}); dev.Alarms != want {
		t.Errorf("alarms %+v, want %+v", dev.Alarms, want)
	}
	if got := texts(cfg.QA.AllowedCIDRs); !slices.Equal(got, []string{"198.51.100.0/24", "203.0.113.7/32"}) {
		t.Errorf("allowed %v", got)
	}
}

// The memory of each class is AWS's figure for it; the connections follow from RDS's formula.
func TestConnectionsFollowTheMemoryOfTheInstanceClass(t *testing.T) {
	for class, want := range map[string]struct{ gib, connections int }{
		"t4g.micro": {1, 112}, "t3.small": {2, 225}, "t4g.medium": {4, 450}, "t4g.large": {8, 901}, "t3.2xlarge": {32, 3604},
		"m7g.large": {8, 901}, "m6i.xlarge": {16, 1802}, "m5.24xlarge": {384, 5000}, "r6g.large": {16, 1802}, "r7g.medium": {8, 901},
		"r6gd.16xlarge": {512, 5000}, "c6gd.medium": {2, 225}, "x2g.large": {32, 3604}, "x2iedn.xlarge": {128, 5000}, "z1d.large": {16, 1802},
		"q9.large": {0, 0}, "t4g.24xlarge": {0, 0}, "m7g": {0, 0}, "": {0, 0},
	} {
		if got := memoryGiB(class); got != want.gib {
			t.Errorf("%s has %d GiB, want %d", class, got, want.gib)
		}
		if got := connectionLimit(class); got != want.connections {
			t.Errorf("%s gives %d connections, want %d", class, got, want.connections)
		}
	}
}

func TestDefaultZonesFollowTheRegion(t *testing.T) {
	for region, want := range map[string]string{
		"eu-west-1": "eu-west-1a eu-west-1b eu-west-1c", "ap-northeast-1": "ap-northeast-1a ap-northeast-1c ap-northeast-1d",
		"ca-central-1": "ca-central-1a ca-central-1b ca-central-1d",
	} {
		cfg := mustParse(t, edit(t, shortest, "region: eu-west-1", "region: "+region), Profile{})
		if got := strings.Join(cfg.Zones, " "); got != want {
			t.Errorf("%s: %s, want %s", region, got, want)
		}
	}
}

func TestOneListOfSubnetsLeavesRoomForTheOther(t *testing.T) {
	cfg := mustParse(t, edit(t, shortest, "cidr: 10.2.0.0/16", "cidr: 10.2.0.0/16, publicSubnets: [10.2.0.0/20, 10.2.32.0/24, 10.2.64.0/20]"), Profile{})
	if got := texts(cfg.Stages[0].Network.PrivateSubnets); !slices.Equal(got, []string{"10.2.16.0/20", "10.2.48.0/20", "10.2.80.0/20"}) {
		t.Errorf("private subnets %v", got)
	}
}

func TestTheLocalProfile(t *testing.T) {
	for host, want := range map[string]string{"arm64": "arm64", "aarch64": "arm64", "amd64": "x86_64", "x86_64": "x86_64"} {
		cfg := mustParse(t, base, Profile{Local: true, HostArchitecture: host})
		for _, stage := range cfg.Stages {
			if stage.Tracing.SampleRatio != 0 {
				t.Errorf("%s: %s is traced, and there is no X-Ray", host, stage.Name)
			}
		}
		if !cfg.Local || cfg.LambdaArchitecture != want || cfg.QA.Schedule != "rate(1 minute)" {
			t.Errorf("%s: local %v, architecture %s, schedule %s", host, cfg.Local, cfg.LambdaArchitecture, cfg.QA.Schedule)
		}
		for name := range map[string]bool{"shared": true, "workload": true} {
			if cfg.Account(name) != "000000000000" {
				t.Errorf("account %s is %s", name, cfg.Account(name))
			}
		}
		if len(cfg.DelegatedStages()) != 0 {
			t.Errorf("%d delegated stages in one account", len(cfg.DelegatedStages()))
		}
	}
	for _, host := range []string{"", "riscv64"} {
		if _, err := parseConfig("platform.yaml", []byte(base), Profile{Local: true, HostArchitecture: host}); err == nil || !strings.Contains(err.Error(), "Lambda knows arm64 and x86_64") {
			t.Errorf("%q: %v", host, err)
		}
	}
	// The file is checked in full all the same.
	if _, err := parseConfig("platform.yaml", []byte(edit(t, base, `"012345678901"`, `"1"`)), Profile{Local: true, HostArchitecture: "arm64"}); err == nil {
		t.Error("a bad account ID passes in the local profile")
	}
}

func TestALoadedConfigurationAnswersQuestions(t *testing.T) {
	cfg := mustParse(t, base, Profile{})
	if cfg.Account("workload") != "012345678901" || cfg.Account("nobody") != "" {
		t.Error("Account")
	}
	if s, ok := cfg.Stage("prod"); !ok || s != &cfg.Stages[2] {
		t.Error("Stage finds no prod")
	}
	if _, ok := cfg.Stage("none"); ok {
		t.Error("Stage finds what isn't there")
	}
	if cfg.QAStage() != &cfg.Stages[1] {
		t.Error("QAStage")
	}
	var delegated []string
	for _, s := range cfg.DelegatedStages() {
		delegated = append(delegated, s.Name+" "+cfg.ZoneName(s))
	}
	if want := []string{"dev dev.example.com", "prod app.example.com"}; !slices.Equal(delegated, want) {
		t.Errorf("delegated %v, want %v", delegated, want)
	}
	if zone := cfg.ZoneName(cfg.QAStage()); zone != "example.com" {
		t.Errorf("the QA stage's zone is %s", zone)
	}
	// Two names of one account are one account.
	same := mustParse(t, edit(t, base, `"012345678901"`, `"111111111111"`), Profile{})
	if len(same.DelegatedStages()) != 0 {
		t.Error("a second name of the same account counts as another account")
	}
}

func TestAnchorsAndAliasesWork(t *testing.T) {
	text := edit(t, base, "cidr: 10.1.0.0/16", "cidr: 10.1.0.0/16\n      interfaceEndpoints: &all [ecr, logs]", "[ecr, logs]\n    artifacts", "*all\n    artifacts")
	cfg := mustParse(t, text, Profile{})
	if got := cfg.Stages[2].Network.InterfaceEndpoints; !slices.Equal(got, []string{"ecr", "logs"}) {
		t.Errorf("got %v", got)
	}
}

func TestAMissingFileSaysWhatToDo(t *testing.T) {
	_, err := Load(filepath.Join(t.TempDir(), "platform.yaml"), Profile{})
	if !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "run in the directory") {
		t.Fatal(err)
	}
}
