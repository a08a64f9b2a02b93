package config

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

var stagePattern = regexp.MustCompile(`^[a-z][a-z0-9]{1,7}$`)

func (v *validator) stages() {
	v.want(len(v.cfg.Stages) > 0, "stages", "nothing", "at least the stage that hosts the QA environments")
	production := ""
	for i, s := range v.cfg.Stages {
		path := item("stages", i)
		if v.bad[path] {
			continue
		}
		name := path + ".name"
		v.want(stagePattern.MatchString(s.Name), name, quote(s.Name), "2 to 8 of a-z and 0-9, a letter first")
		// app.<domain> is production's own address, which a stage's zone of that name would hide.
		v.want(s.Name != "app", name, quote(s.Name), "another name: app.<domain> is where production answers")
		first := slices.IndexFunc(v.cfg.Stages, func(other Stage) bool { return other.Name == s.Name })
		v.want(first == i, name, quote(s.Name), "a name of its own; stages[%d] in line %d has this one", first, v.line(item("stages", first)+".name"))
		v.account(path+".account", s.Account)
		if s.Production {
			v.want(production == "", path+".production", "true", "one production stage at most; %s in line %d is one", production, v.line(production))
			production = path
		}
		v.want(slices.Contains(logRetention, s.LogDays), path+".logDays", strconv.Itoa(s.LogDays),
			"a retention that CloudWatch Logs knows: %s", numbers(logRetention))
		v.artifacts(path+".artifacts", s.Artifacts)
		v.database(path+".database", s)
		v.service(path+".service", s)
		v.scaling(path+".scaling", s)
		v.waf(path+".waf", s.WAF)
		v.alarms(path+".alarms", s)
		v.tracing(path+".tracing", s.Tracing)
		v.deployment(path+".deployment", s)
	}
}

var (
	bucketARN = regexp.MustCompile(`^arn:aws:s3:::[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)
	keyARN    = regexp.MustCompile(`^arn:aws:kms:([a-z0-9-]+):[0-9]{12}:key/([0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|mrk-[0-9a-f]{32})$`)
)

func (v *validator) artifacts(path string, a Artifacts) {
	const most = 36500 // a hundred years
	v.want(a.InfrequentAfterDays >= minInfrequentDays && a.InfrequentAfterDays <= most, path+".infrequentAfterDays", strconv.Itoa(a.InfrequentAfterDays),
		"%d to %d: S3 moves nothing younger than %d days to Standard-IA", minInfrequentDays, most, minInfrequentDays)
	least := a.InfrequentAfterDays + minArchiveGap
	if !v.bad[path+".infrequentAfterDays"] {
		v.want(a.ArchiveAfterDays >= least && a.ArchiveAfterDays <= most+minArchiveGap, path+".archiveAfterDays", strconv.Itoa(a.ArchiveAfterDays),
			"%d to %d: objects stay in Standard-IA for at least %d days after infrequentAfterDays, %d",
			least, most+minArchiveGap, minArchiveGap, a.InfrequentAfterDays)
	}
	v.between(path+".noncurrentDays", a.NoncurrentDays, 1, most)

	bucket, key := path+".replicaBucketArn", path+".replicaKeyArn"
	if a.ReplicaBucketARN == "" && a.ReplicaKeyARN == "" {
		v.want(!v.set[bucket], bucket, "an empty string", "the ARN of a bucket, or neither key")
		v.want(!v.set[key], key, "an empty string", "the ARN of a KMS key, or neither key")
		return
	}
	v.want(bucketARN.MatchString(a.ReplicaBucketARN) && !strings.Contains(a.ReplicaBucketARN, ".."), bucket, quote(a.ReplicaBucketARN),
		"the ARN of a bucket, such as arn:aws:s3:::artifacts-copy, whenever replicaKeyArn is set")
	match := keyARN.FindStringSubmatch(a.ReplicaKeyARN)
	v.want(match != nil, key, quote(a.ReplicaKeyARN),
		"the ARN of a KMS key (no alias), such as arn:aws:kms:eu-central-1:111111111111:key/<id>, whenever replicaBucketArn is set")
	if match != nil {
		v.want(slices.Contains(regions, match[1]), key, quote(a.ReplicaKeyARN), "a key in an AWS Region; %s is none", match[1])
		v.want(match[1] != v.cfg.Region, key, quote(a.ReplicaKeyARN), "a key in another Region than %s: the copy must survive the loss of this one", v.cfg.Region)
	}
}

var instanceClass = regexp.MustCompile(`^[a-z]+[0-9]+[a-z]*\.(micro|small|medium|large|([1-9][0-9]?)?xlarge)$`)

func (v *validator) database(path string, s Stage) {
	d := s.Database
	v.want(slices.Contains(engineMajors, d.EngineMajor), path+".engineMajor", quote(d.EngineMajor),
		"a PostgreSQL major version in quotes: %s", join(engineMajors))
	v.want(!strings.HasPrefix(d.InstanceClass, "db."), path+".instanceClass", quote(d.InstanceClass), "the class without its prefix db.")
	v.want(instanceClass.MatchString(d.InstanceClass), path+".instanceClass", quote(d.InstanceClass),
		"an RDS instance class, such as t4g.micro or m7g.2xlarge")

	v.between(path+".storageGiB", d.StorageGiB, minStorageGiB, maxStorageGiB)
	if !v.bad[path+".storageGiB"] {
		// RDS refuses a limit which is less than a tenth above the storage.
		least := min(d.StorageGiB+(d.StorageGiB+9)/10, maxStorageGiB)
		v.want(d.MaxStorageGiB >= least && d.MaxStorageGiB <= maxStorageGiB, path+".maxStorageGiB", strconv.Itoa(d.MaxStorageGiB),
			"%d to %d: at least a tenth more than storageGiB, %d", least, maxStorageGiB, d.StorageGiB)
	}
	least, why := 1, ""
	if s.Production {
		least, why = minProductionBackupDays, " in production"
	}
	v.want(d.BackupDays >= least && d.BackupDays <= maxBackupDays, path+".backupDays", strconv.Itoa(d.BackupDays),
		"%d to %d%s; %d is the most that RDS keeps", least, maxBackupDays, why, maxBackupDays)
	v.between(path+".rotationDays", d.RotationDays, 1, maxRotationDays)
}

// leastTasks is what a stage may come down to: in production one zone, or one task, may fail.
func leastTasks(s Stage) int {
	if s.Production {
		return 2
	}
	return 1
}

func (v *validator) service(path string, stage Stage) {
	s := stage.Service
	memory, ok := fargateMemory[s.CPU]
	v.want(ok, path+".cpu", strconv.Itoa(s.CPU), "CPU units that Fargate offers: %s", numbers(sortedKeys(fargateMemory)))
	if ok {
		v.want(slices.Contains(memory, s.MemoryMiB), path+".memoryMiB", strconv.Itoa(s.MemoryMiB),
			"memory that Fargate offers with %d CPU units: %s MiB", s.CPU, memoryRange(memory))
	}
	v.between(path+".minTasks", s.MinTasks, leastTasks(stage), maxTasks)
	if !v.bad[path+".minTasks"] {
		v.want(s.MaxTasks >= s.MinTasks && s.MaxTasks <= maxTasks, path+".maxTasks", strconv.Itoa(s.MaxTasks),
			"%d to %d: at least minTasks", s.MinTasks, maxTasks)
	}
	v.between(path+".targetCpuPercent", s.TargetCPUPercent, minTargetCPU, maxTargetCPU)
}

// memoryRange writes a row of Fargate's table: all values if they are few, or their range.
func memoryRange(memory []int) string {
	if len(memory) <= 4 {
		return numbers(memory)
	}
	return fmt.Sprintf("%d to %d in steps of %d", memory[0], memory[len(memory)-1], memory[1]-memory[0])
}
