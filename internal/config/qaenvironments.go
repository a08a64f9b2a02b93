package config

import (
	"strconv"

	"slipway/internal/qalease"
)

// OfficeHours are when the QA environments are awake. Outside them their services are scaled to zero; deploying one, or
// `make qa-wake`, wakes it until the hours next end. Without From and Until they never sleep.
type OfficeHours struct {
	// From and Until are times of day such as "07:00", Until the later one; default none.
	From  string `yaml:"from"`
	Until string `yaml:"until"`
	// TimeZone is an IANA name such as Europe/Dublin; default UTC.
	TimeZone string `yaml:"timeZone"`
	// Weekends is whether they are awake on Saturday and Sunday; default false.
	Weekends bool `yaml:"weekends"`
}

// Set says whether there are office hours at all.
func (o OfficeHours) Set() bool { return o.From != "" || o.Until != "" }

// Lease is o as the list of environments takes it.
func (o OfficeHours) Lease() qalease.OfficeHours {
	if !o.Set() {
		return qalease.OfficeHours{}
	}
	return qalease.OfficeHours(o)
}

// RuleQuota is how many rules a load balancer takes, default rules not counted, unless AWS raised it for the account.
// https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-limits.html
const RuleQuota = 100

// maxEnvironments is what AWS's quotas may be raised to with some room: 1,000 target groups and services.
const maxEnvironments = 1000

func (v *validator) environments() {
	q := v.cfg.QA
	v.between("qa.maxEnvironments", q.MaxEnvironments, 1, maxEnvironments)
	const path = "qa.officeHours"
	o := q.OfficeHours
	if !o.Set() {
		const want = "from and until too, such as \"07:00\" and \"20:00\", or no officeHours"
		v.want(o.TimeZone == "UTC", path+".timeZone", "office hours without from and until", want)
		v.want(!o.Weekends, path+".weekends", "office hours without from and until", want)
		return
	}
	fromHour, fromMinute, err := qalease.ParseClock(o.From)
	v.want(err == nil, path+".from", quote(o.From), "a time of day such as \"07:00\"")
	untilHour, untilMinute, untilErr := qalease.ParseClock(o.Until)
	v.want(untilErr == nil, path+".until", quote(o.Until), "a time of day such as \"20:00\"")
	if err == nil && untilErr == nil {
		v.want(untilHour*60+untilMinute > fromHour*60+fromMinute, path+".until", quote(o.Until), "a time after from, which is %s, on the same day", o.From)
	}
	v.want(knownZone(o.TimeZone), path+".timeZone", quote(o.TimeZone), "a time zone by its IANA name, such as Europe/Dublin, or UTC")
}

// Rate is what an environment costs at most.
func (c *Config) Rate() qalease.Rate {
	size := c.QAStage().Service
	return qalease.RateOf(size.CPU, size.MemoryMiB)
}

// ListSettings are what the list of environments needs to know of the platform.
func (c *Config) ListSettings() qalease.Settings {
	return qalease.Settings{Platform: c.Platform, Domain: c.Domain, Hours: c.QA.OfficeHours.Lease(), Rate: c.Rate()}
}

// rules is the quota of listener rules: what AWS gives, or more if qa.maxEnvironments says that the account has more.
func (q QA) rules() int { return max(RuleQuota, q.MaxEnvironments) }

// RoomFor says why the load balancer or the configuration has no room for another environment, with what there is now; nothing
// if it has. rules are those of the shared listener besides its default.
func (c *Config) RoomFor(environments, rules int) (reason string) {
	switch q := c.QA; {
	case environments >= q.MaxEnvironments:
		return strconv.Itoa(environments) + " environments exist and qa.maxEnvironments is " + strconv.Itoa(q.MaxEnvironments) +
			"; delete one (make qa-list, make qa-down BRANCH=…) or raise qa.maxEnvironments"
	case rules >= q.rules():
		return "the shared load balancer has " + strconv.Itoa(rules) + " rules and takes " + strconv.Itoa(q.rules()) +
			"; delete an environment or a rule made by hand, or ask AWS for a higher quota and raise qa.maxEnvironments"
	}
	return ""
}
