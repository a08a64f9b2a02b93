package config

import (
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // time zones are checked the same way on every machine
)

// Limits of autoscaling and of the web ACL.
const (
	maxRequestsPerTarget = 1_000_000
	maxSchedules         = 20
	maxUploadPaths       = 5
	minRateLimit         = 10 // WAF's limits of a rate-based rule
	maxRateLimit         = 2_000_000_000
)

func (v *validator) scaling(path string, s Stage) {
	requests := path + ".requestsPerTarget"
	v.want(!v.set[requests] || s.Scaling.RequestsPerTarget >= 1 && s.Scaling.RequestsPerTarget <= maxRequestsPerTarget, requests,
		strconv.Itoa(s.Scaling.RequestsPerTarget), "1 to %d requests a minute, or no such key", maxRequestsPerTarget)
	v.want(len(s.Scaling.Schedules) <= maxSchedules, path+".schedules", strconv.Itoa(len(s.Scaling.Schedules))+" schedules", "at most %d", maxSchedules)
	for i, scheduled := range s.Scaling.Schedules {
		p := item(path+".schedules", i)
		if v.bad[p] {
			continue
		}
		reason := scheduleFault(scheduled.Schedule)
		if !strings.HasPrefix(scheduled.Schedule, "cron(") {
			reason = "cron(minutes hours day-of-month month day-of-week year), such as cron(0 7 ? * MON-FRI *)"
		}
		v.want(reason == "", p+".schedule", quote(scheduled.Schedule), "%s", reason)
		v.want(knownZone(scheduled.TimeZone), p+".timeZone", quote(scheduled.TimeZone), "a time zone by its IANA name, such as Europe/Dublin, or UTC")
		if !v.bad[parent(path)+".service.maxTasks"] {
			v.want(scheduled.MinTasks >= leastTasks(s) && scheduled.MinTasks <= s.Service.MaxTasks, p+".minTasks", strconv.Itoa(scheduled.MinTasks),
				"%d to %d, the service's maxTasks", leastTasks(s), s.Service.MaxTasks)
		}
	}
}

// knownZone refuses "" and "Local", which Go takes as well.
func knownZone(name string) bool {
	_, err := time.LoadLocation(name)
	return err == nil && name != "" && name != "Local"
}

// What a path may hold here: no wildcard, no encoding, no dots, since the rule compares it with the decoded, normalised one.
var uploadPath = regexp.MustCompile(`^(/[A-Za-z0-9_~-]+)+$`)

func (v *validator) waf(path string, w WAF) {
	v.want(w.Mode == WAFBlock || w.Mode == WAFCount, path+".mode", quote(string(w.Mode)), "%s or %s", WAFBlock, WAFCount)
	v.between(path+".rateLimit", w.RateLimit, minRateLimit, maxRateLimit)
	v.want(len(w.UploadPaths) <= maxUploadPaths, path+".uploadPaths", strconv.Itoa(len(w.UploadPaths))+" paths", "at most %d", maxUploadPaths)
	for i, p := range w.UploadPaths {
		at := item(path+".uploadPaths", i)
		v.want(uploadPath.MatchString(p) && len(p) <= 100, at, quote(p), "a path of letters, digits, _, ~ and hyphens, such as /artifacts, at most 100 characters")
		v.want(slices.Index(w.UploadPaths, p) == i, at, quote(p), "each path once")
	}
}

func (v *validator) alarms(path string, s Stage) {
	a := s.Alarms
	v.between(path+".cpuPercent", a.CPUPercent, 1, 100)
	v.between(path+".memoryPercent", a.MemoryPercent, 1, 100)
	v.between(path+".latencyMillis", a.LatencyMillis, 1, 60_000)
	v.between(path+".errorPercent", a.ErrorPercent, 1, 100)
	v.between(path+".minRequests", a.MinRequests, 1, 1_000_000)
	v.between(path+".databaseCpuPercent", a.DatabaseCPUPercent, 1, 100)
	v.between(path+".databaseFreePercent", a.DatabaseFreePercent, 1, 50)
	v.between(path+".replicaLagSeconds", a.ReplicaLagSeconds, 1, 86_400)

	connections := path + ".databaseConnections"
	class := parent(path) + ".database.instanceClass"
	switch {
	case v.set[connections]:
		v.between(connections, a.DatabaseConnections, 1, 262_143)
	case !v.bad[class] && a.DatabaseConnections == 0:
		v.want(false, connections, "nothing", "the number of connections to alarm at: the memory of %s isn't known here", s.Database.InstanceClass)
	}
}

// allowed checks the networks that may reach the QA environments.
func (v *validator) allowed(path string, networks []netip.Prefix) {
	for i, network := range networks {
		p := item(path, i)
		if !network.IsValid() {
			continue // decoding said why
		}
		v.boundary(p, network)
		v.want(network.Bits() > 0, p, network.String(), "a network of at most half the internet; leave the key out to allow everyone")
		v.want(!overlapsAny(network, privateRanges), p, network.String(), "a public network: that is how clients reach a public load balancer")
		v.want(slices.Index(networks, network) == i, p, network.String(), "each network once")
	}
}
