package config

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"time"
)

// Profile is where the synthesized stacks go.
type Profile struct {
	// Local targets the local AWS: every account becomes LocalAccount, the Lambdas are built for the host, and cleanup
	// runs every minute.
	Local bool
	// HostArchitecture is Go's name for this machine's architecture (runtime.GOARCH) or AWS's. Only the local profile
	// reads it.
	HostArchitecture string
}

// LocalAccount is the account ID of the local AWS.
const LocalAccount = "000000000000"

// The architectures of a Lambda function.
const (
	ArchitectureARM = "arm64"
	ArchitectureX86 = "x86_64"
)

const localSchedule = "rate(1 minute)"

// Load reads, checks and completes the configuration at path. If anything is wrong with it, the error is a Faults that
// lists everything; no Config is returned then.
func Load(path string, profile Profile) (*Config, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w; run in the directory that holds platform.yaml", err)
	}
	return parseConfig(filepath.ToSlash(path), data, profile)
}

func parseConfig(file string, data []byte, profile Profile) (*Config, error) {
	architecture, err := architectureOf(profile)
	if err != nil {
		return nil, err
	}
	cfg := &Config{}
	d := decode(file, data, cfg)
	if !d.bad[""] {
		fillDefaults(cfg, d.set)
		validate(cfg, d)
	}
	if err := d.faults.asError(); err != nil {
		return nil, err
	}
	cfg.LambdaArchitecture = architecture
	if profile.Local {
		cfg.Local = true
		cfg.QA.Schedule = localSchedule
		for i := range cfg.Stages {
			cfg.Stages[i].Tracing.SampleRatio = 0 // there is no X-Ray, and the collector's image can't be fetched offline
		}
		for name := range cfg.Accounts {
			cfg.Accounts[name] = LocalAccount
		}
	}
	return cfg, nil
}

func architectureOf(p Profile) (string, error) {
	if !p.Local {
		return ArchitectureARM, nil
	}
	switch p.HostArchitecture {
	case "arm64", "aarch64":
		return ArchitectureARM, nil
	case "amd64", "x86_64":
		return ArchitectureX86, nil
	}
	return "", fmt.Errorf("local profile: host architecture %q: Lambda knows arm64 and x86_64 only; use such a machine", p.HostArchitecture)
}

// fillDefaults sets what the file leaves out. A value that the file sets stays, also zero, for validation to judge.
func fillDefaults(c *Config, set map[string]bool) {
	orDefault(set, "platform", &c.Platform, "slipway")
	if !set["zones"] {
		c.Zones = defaultZones(c.Region)
	}
	orDefault(set, "registry.repository", &c.Registry.Repository, "simple-flask-app")
	orDefault(set, "registry.keepImages", &c.Registry.KeepImages, 200)
	orDefault(set, "registry.untaggedDays", &c.Registry.UntaggedDays, 7)
	orDefault(set, "registry.scan.refuse", &c.Registry.Scan.Refuse, SeverityHigh)
	fillPipeline(&c.Pipeline, set)
	for i := range c.Stages {
		fillStage(&c.Stages[i], set, item("stages", i))
	}
	fillSecurity(&c.Security, set)
	fillResponse(&c.Response, set)
	orDefault(set, "qa.stage", &c.QA.Stage, "qa")
	orDefault(set, "qa.defaultTtl", &c.QA.DefaultTTL, Duration(48*time.Hour))
	orDefault(set, "qa.maxTtl", &c.QA.MaxTTL, Duration(168*time.Hour))
	orDefault(set, "qa.maxLifetime", &c.QA.MaxLifetime, Duration(720*time.Hour))
	orDefault(set, "qa.grace", &c.QA.Grace, Duration(2*time.Hour))
	orDefault(set, "qa.schedule", &c.QA.Schedule, "rate(15 minutes)")
	orDefault(set, "qa.sweepSchedule", &c.QA.SweepSchedule, "rate(1 hour)")
	orDefault(set, "qa.maxEnvironments", &c.QA.MaxEnvironments, 90)
	orDefault(set, "qa.officeHours.timeZone", &c.QA.OfficeHours.TimeZone, "UTC")
	orDefault(set, "qa.signIn.scope", &c.QA.SignIn.Scope, "openid")
	orDefault(set, "qa.signIn.session", &c.QA.SignIn.Session, Duration(12*time.Hour))
	if c.QA.Spot == nil {
		spot := true
		c.QA.Spot = &spot
	}
}

func fillStage(s *Stage, set map[string]bool, path string) {
	backupDays, minTasks, maxTasks := 7, 1, 4
	if s.Production {
		backupDays, minTasks, maxTasks = 35, 2, 8
	}
	orDefault(set, path+".logDays", &s.LogDays, 30)
	orDefault(set, path+".network.nat", &s.Network.NAT, NATOne)
	orDefault(set, path+".artifacts.infrequentAfterDays", &s.Artifacts.InfrequentAfterDays, 30)
	orDefault(set, path+".artifacts.archiveAfterDays", &s.Artifacts.ArchiveAfterDays, 90)
	orDefault(set, path+".artifacts.noncurrentDays", &s.Artifacts.NoncurrentDays, 90)
	orDefault(set, path+".database.engineMajor", &s.Database.EngineMajor, "17")
	orDefault(set, path+".database.instanceClass", &s.Database.InstanceClass, "t4g.micro")
	orDefault(set, path+".database.storageGiB", &s.Database.StorageGiB, 20)
	orDefault(set, path+".database.maxStorageGiB", &s.Database.MaxStorageGiB, 100)
	orDefault(set, path+".database.backupDays", &s.Database.BackupDays, backupDays)
	orDefault(set, path+".database.rotationDays", &s.Database.RotationDays, 30)
	orDefault(set, path+".service.cpu", &s.Service.CPU, 512)
	orDefault(set, path+".service.memoryMiB", &s.Service.MemoryMiB, 1024)
	orDefault(set, path+".service.minTasks", &s.Service.MinTasks, minTasks)
	orDefault(set, path+".service.maxTasks", &s.Service.MaxTasks, maxTasks)
	orDefault(set, path+".service.targetCpuPercent", &s.Service.TargetCPUPercent, 60)
	fillSubnets(&s.Network, set, path+".network")
	for i := range s.Scaling.Schedules {
		orDefault(set, item(path+".scaling.schedules", i)+".timeZone", &s.Scaling.Schedules[i].TimeZone, "UTC")
	}
	orDefault(set, path+".waf.mode", &s.WAF.Mode, WAFBlock)
	orDefault(set, path+".waf.rateLimit", &s.WAF.RateLimit, 2000)
	orDefault(set, path+".waf.uploadPaths", &s.WAF.UploadPaths, []string{"/artifacts", "/api/artifacts"})
	fillTracing(&s.Tracing, s.Production, set, path+".tracing")
	fillAlarms(&s.Alarms, s.Database.InstanceClass, set, path+".alarms")
	fillDeployment(s, set, path+".deployment")
}

func fillAlarms(a *Alarms, instanceClass string, set map[string]bool, path string) {
	orDefault(set, path+".cpuPercent", &a.CPUPercent, 85)
	orDefault(set, path+".memoryPercent", &a.MemoryPercent, 85)
	orDefault(set, path+".latencyMillis", &a.LatencyMillis, 2000)
	orDefault(set, path+".errorPercent", &a.ErrorPercent, 5)
	orDefault(set, path+".minRequests", &a.MinRequests, 20)
	orDefault(set, path+".databaseCpuPercent", &a.DatabaseCPUPercent, 80)
	orDefault(set, path+".databaseFreePercent", &a.DatabaseFreePercent, 10)
	// RDS keeps some of the memory for itself, most of all in small classes: 81 of the 112 connections that 1 GiB would
	// give. Seven tenths are below that too.
	orDefault(set, path+".databaseConnections", &a.DatabaseConnections, connectionLimit(instanceClass)*7/10)
	orDefault(set, path+".replicaLagSeconds", &a.ReplicaLagSeconds, 60)
}

// fillSubnets takes the first free blocks for what is left out, so that giving only one of the two lists works.
func fillSubnets(n *Network, set map[string]bool, path string) {
	if !networkStart(n.CIDR) || n.CIDR.Bits() < minVPCBits || n.CIDR.Bits() > maxVPCBits {
		return // validation says so
	}
	if !set[path+".privateSubnets"] {
		n.PrivateSubnets = freeBlocks(n.CIDR, n.PublicSubnets)
	}
	if !set[path+".publicSubnets"] {
		n.PublicSubnets = freeBlocks(n.CIDR, n.PrivateSubnets)
	}
}

// freeBlocks is the first three sixteenths of a network that overlap none of taken; eighths of a /24, for a load
// balancer's subnet is at least a /27.
func freeBlocks(network netip.Prefix, taken []netip.Prefix) []netip.Prefix {
	bits := min(network.Bits()+4, maxPublicBits)
	var free []netip.Prefix
	for i := 0; i < 1<<(bits-network.Bits()) && len(free) < zoneCount; i++ {
		block := netip.PrefixFrom(offset(network.Addr(), uint32(i)<<(32-bits)), bits)
		if !overlapsAny(block, taken) {
			free = append(free, block)
		}
	}
	return free
}

// orDefault sets a field that the file leaves out.
func orDefault[T any](set map[string]bool, path string, field *T, value T) {
	if !set[path] {
		*field = value
	}
}
