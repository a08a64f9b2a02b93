package config

import (
	"slices"
	"strconv"
)

// Security is what every account gets besides its stages: the trail, detection, and the settings of the account itself.
type Security struct {
	Trail Trail `yaml:"trail"`
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
}

const maxTrailDays = 3650

func (v *validator) security() {
	v.trail("security.trail", v.cfg.Security.Trail)
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
