package config

import (
	"slices"
	"strconv"
	"time"
)

// Security is what every account gets besides its stages: the trail, detection, and the settings of the account itself.
type Security struct {
	Trail     Trail     `yaml:"trail"`
	Password  Password  `yaml:"password"`
	GuardDuty GuardDuty `yaml:"guardDuty"`
	// BlockPublicBuckets keeps every bucket of the account from being public; default true. An account that has a public
	// website in a bucket needs false.
	BlockPublicBuckets *bool `yaml:"blockPublicBuckets"`
	// RecordConfiguration switches AWS Config on, which costs by the change; default false.
	RecordConfiguration bool `yaml:"recordConfiguration"`
	// SecurityHub checks the account against CIS 5.0 and AWS's Foundational Security Best Practices, which costs by the
	// check; default false. Its checks read what RecordConfiguration records.
	SecurityHub bool `yaml:"securityHub"`
}

// Password is the account's policy for the passwords of IAM users. A policy that is stricter already stays so.
type Password struct {
	// MinLength is 14–128; default 14.
	MinLength int `yaml:"minLength"`
	// Reuse is how many earlier passwords are refused, 1–24 (IAM's most); default 24.
	Reuse int `yaml:"reuse"`
	// MaxAgeDays is 0–1095, 0 for passwords that don't expire; default 90.
	MaxAgeDays int `yaml:"maxAgeDays"`
}

// GuardDuty is the Region's detector.
type GuardDuty struct {
	// Enabled false leaves GuardDuty alone altogether, as an organization's administrator may want it; default true.
	Enabled *bool `yaml:"enabled"`
	// Frequency is how often a finding that goes on is told again: 15m, 1h or 6h; default 15m.
	Frequency Duration `yaml:"frequency"`
	// Features are those that are on; every other one is switched off. Default s3, malware, rds, lambda, fargate-runtime.
	Features []Feature `yaml:"features"`
}

// Feature is an optional part of GuardDuty, with a price of its own.
type Feature string

// The features of GuardDuty.
const (
	FeatureS3             Feature = "s3"              // calls to buckets' objects
	FeatureMalware        Feature = "malware"         // scans of volumes after a finding
	FeatureRDS            Feature = "rds"             // logins to databases
	FeatureLambda         Feature = "lambda"          // the network traffic of functions
	FeatureEKSAudit       Feature = "eks-audit"       // Kubernetes' audit log
	FeatureFargateRuntime Feature = "fargate-runtime" // an agent beside Fargate tasks
	FeatureEC2Runtime     Feature = "ec2-runtime"     // an agent on instances
	FeatureEKSRuntime     Feature = "eks-runtime"     // an agent on Kubernetes' nodes
)

// Features are all of them.
var Features = []Feature{
	FeatureS3, FeatureMalware, FeatureRDS, FeatureLambda, FeatureEKSAudit, FeatureFargateRuntime, FeatureEC2Runtime, FeatureEKSRuntime,
}

// S3Events are the object-level events that the trail records.
type S3Events string

// The choices of S3Events.
const (
	S3EventsNone  S3Events = "none"  // none; GuardDuty looks at them by itself
	S3EventsWrite S3Events = "write" // objects that are written or deleted
	S3EventsAll   S3Events = "all"   // reads too
)

// Trail is the account's CloudTrail trail, of all Regions.
type Trail struct {
	// LockDays is how long nobody can change or delete the trail's files, 1–3650; default 365. Only where a stage retains
	// its data.
	LockDays int `yaml:"lockDays"`
	// ArchiveAfterDays moves the files to Glacier Instant Retrieval, 1–3650; default 90.
	ArchiveAfterDays int `yaml:"archiveAfterDays"`
	// KeepDays is when the files expire: later than ArchiveAfterDays and not before LockDays, at most 3650; default 1096.
	KeepDays int `yaml:"keepDays"`
	// LogDays is the retention of the trail's log group, which the alarms read; default 90.
	LogDays int `yaml:"logDays"`
	// S3Events is none, write or all; default none, since each event costs.
	S3Events S3Events `yaml:"s3Events"`
}

func fillSecurity(s *Security, set map[string]bool) {
	orDefault(set, "security.trail.lockDays", &s.Trail.LockDays, 365)
	orDefault(set, "security.trail.archiveAfterDays", &s.Trail.ArchiveAfterDays, 90)
	orDefault(set, "security.trail.keepDays", &s.Trail.KeepDays, 1096)
	orDefault(set, "security.trail.logDays", &s.Trail.LogDays, 90)
	orDefault(set, "security.trail.s3Events", &s.Trail.S3Events, S3EventsNone)
	orDefault(set, "security.password.minLength", &s.Password.MinLength, 14)
	orDefault(set, "security.password.reuse", &s.Password.Reuse, 24)
	orDefault(set, "security.password.maxAgeDays", &s.Password.MaxAgeDays, 90)
	orDefault(set, "security.guardDuty.frequency", &s.GuardDuty.Frequency, Duration(15*time.Minute))
	orDefault(set, "security.guardDuty.features", &s.GuardDuty.Features,
		[]Feature{FeatureS3, FeatureMalware, FeatureRDS, FeatureLambda, FeatureFargateRuntime})
	for _, field := range []**bool{&s.GuardDuty.Enabled, &s.BlockPublicBuckets} {
		if *field == nil {
			yes := true
			*field = &yes
		}
	}
}

const maxTrailDays = 3650

func (v *validator) security() {
	s := v.cfg.Security
	v.trail("security.trail", s.Trail)
	v.between("security.password.minLength", s.Password.MinLength, 14, 128)
	v.between("security.password.reuse", s.Password.Reuse, 1, 24)
	v.between("security.password.maxAgeDays", s.Password.MaxAgeDays, 0, 1095)
	v.guardDuty("security.guardDuty", s.GuardDuty)
	v.want(!s.SecurityHub || s.RecordConfiguration, "security.securityHub", "true", "recordConfiguration: true with it: most of its checks read what AWS Config records")
}

func (v *validator) guardDuty(path string, g GuardDuty) {
	frequencies := []time.Duration{15 * time.Minute, time.Hour, 6 * time.Hour}
	v.want(slices.Contains(frequencies, g.Frequency.Duration()), path+".frequency", g.Frequency.String(), "15m, 1h or 6h")
	names := make([]string, len(Features))
	for i, feature := range Features {
		names[i] = string(feature)
	}
	for i, feature := range g.Features {
		at := item(path+".features", i)
		v.want(slices.Contains(Features, feature), at, quote(string(feature)), "%s", join(names))
		v.want(slices.Index(g.Features, feature) == i, at, quote(string(feature)), "each feature once")
	}
}

func (v *validator) trail(path string, t Trail) {
	v.between(path+".lockDays", t.LockDays, 1, maxTrailDays)
	v.between(path+".archiveAfterDays", t.ArchiveAfterDays, 1, maxTrailDays)
	if !v.bad[path+".lockDays"] && !v.bad[path+".archiveAfterDays"] {
		least := max(t.LockDays, t.ArchiveAfterDays+1)
		v.want(t.KeepDays >= least && t.KeepDays <= maxTrailDays+1, path+".keepDays", strconv.Itoa(t.KeepDays),
			"%d to %d: after lockDays, %d, and archiveAfterDays, %d", least, maxTrailDays+1, t.LockDays, t.ArchiveAfterDays)
	}
	v.want(slices.Contains(logRetention, t.LogDays), path+".logDays", strconv.Itoa(t.LogDays),
		"a retention that CloudWatch Logs knows: %s", numbers(logRetention))
	choices := []S3Events{S3EventsNone, S3EventsWrite, S3EventsAll}
	v.want(slices.Contains(choices, t.S3Events), path+".s3Events", quote(string(t.S3Events)), "none, write or all")
}
