package config

import (
	"fmt"
	"maps"
	"net/mail"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// validator checks a decoded configuration with its defaults.
type validator struct {
	*document
	cfg *Config
}

func validate(cfg *Config, d *document) {
	v := &validator{document: d, cfg: cfg}
	v.platform()
	v.place()
	v.accounts()
	v.registry()
	v.scan()
	v.github()
	v.notifications()
	v.pipeline()
	v.stages()
	v.networks()
	v.qa()
	v.security()
	v.response()
}

// want notes a fault unless ok. A value that the file doesn't hold is marked as the default.
func (v *validator) want(ok bool, path, got, want string, args ...any) {
	if ok {
		return
	}
	if !v.set[path] && got != "nothing" {
		got += " (the default)"
	}
	v.fault(path, got, fmt.Sprintf(want, args...))
}

// between checks a whole number.
func (v *validator) between(path string, n, least, most int) {
	v.want(least <= n && n <= most, path, strconv.Itoa(n), "%d to %d", least, most)
}

var platformPattern = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)

func (v *validator) platform() {
	p := v.cfg.Platform
	v.want(len(p) >= 2 && len(p) <= 16 && platformPattern.MatchString(p), "platform", quote(p),
		"2 to 16 of a-z, 0-9 and single hyphens, a letter first, no hyphen last")
	// "aws" and "ssm" may not begin the name of an SSM parameter.
	v.want(!strings.HasPrefix(p, "aws") && !strings.HasPrefix(p, "ssm"), "platform", quote(p),
		"a name that doesn't begin with aws or ssm, which AWS keeps for itself")
	// Otherwise one platform's environments could be taken for another's.
	v.want(!strings.Contains(p, "-qa-env"), "platform", quote(p), "a name without -qa-env, which marks the QA environments' stacks")
}

var domainLabel = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// maxDomain leaves room for app.<stage>. in a certificate.
const maxDomain = maxCertificate - len("app.12345678.")

func (v *validator) place() {
	region := v.cfg.Region
	v.want(slices.Contains(regions, region), "region", quote(region), "an AWS Region: %s", join(regions))
	v.want(region != "us-west-1", "region", quote(region), "a Region with three Availability Zones for each account; us-west-1 has two")
	v.zones()

	domain := v.cfg.Domain
	labels := strings.Split(domain, ".")
	legal := len(labels) >= 2 && !digits(labels[len(labels)-1])
	for _, label := range labels {
		legal = legal && domainLabel.MatchString(label)
	}
	v.want(legal, "domain", quote(domain), "a DNS name in lower case with at least two parts and no dot at the end, such as example.com")
	v.want(len(domain) <= maxDomain, "domain", quote(domain),
		"at most %d characters, so that app.<stage>.<domain> fits the %d of a certificate", maxDomain, maxCertificate)
}

func (v *validator) zones() {
	zones := v.cfg.Zones
	v.want(len(zones) == zoneCount, "zones", fmt.Sprintf("%d zones", len(zones)), "three Availability Zones")
	if !v.set["zones"] || v.bad["region"] || !slices.Contains(regions, v.cfg.Region) {
		return
	}
	for i, zone := range zones {
		letter, ok := strings.CutPrefix(zone, v.cfg.Region)
		v.want(ok && len(letter) == 1 && "a" <= letter && letter <= "f", item("zones", i), quote(zone),
			"an Availability Zone of %s, such as %sa", v.cfg.Region, v.cfg.Region)
		v.want(slices.Index(zones, zone) == i, item("zones", i), quote(zone), "each zone once")
	}
}

var accountID = regexp.MustCompile(`^[0-9]{12}$`)

func (v *validator) accounts() {
	v.want(len(v.cfg.Accounts) > 0, "accounts", "nothing", "at least one name with an AWS account ID, such as shared: \"111111111111\"")
	for name, id := range v.cfg.Accounts {
		v.want(accountID.MatchString(id), child("accounts", name), quote(id), "an AWS account ID: 12 digits, in quotes")
	}
	v.account("registry.account", v.cfg.Registry.Account)
	v.account("dns.account", v.cfg.DNS.Account)
}

// account checks a reference to an account.
func (v *validator) account(path, name string) {
	_, ok := v.cfg.Accounts[name]
	names := slices.Sorted(maps.Keys(v.cfg.Accounts))
	if len(names) == 0 {
		if v.bad["accounts"] && name != "" {
			return
		}
		names = []string{"a name"}
	}
	v.want(ok, path, quote(name), "%s, from accounts", join(names))
}

// The pattern and length that ECR has for repository names.
var repositoryPattern = regexp.MustCompile(`^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*$`)

func (v *validator) registry() {
	r := v.cfg.Registry
	v.want(len(r.Repository) >= 2 && len(r.Repository) <= 256 && repositoryPattern.MatchString(r.Repository), "registry.repository",
		quote(r.Repository), "an ECR repository name in lower case, such as simple-flask-app")
	v.between("registry.keepImages", r.KeepImages, 1, 10000)
	v.between("registry.untaggedDays", r.UntaggedDays, 1, 3650)
}

func (v *validator) notifications() {
	for i, address := range v.cfg.Notifications {
		parsed, err := mail.ParseAddress(address)
		_, host, _ := strings.Cut(address, "@")
		v.want(err == nil && parsed.Address == address && strings.Contains(host, "."), item("notifications", i), quote(address),
			"an e-mail address, such as team@example.com")
		v.want(slices.Index(v.cfg.Notifications, address) == i, item("notifications", i), quote(address), "each address once")
	}
}

func (v *validator) qa() {
	q := v.cfg.QA
	var names []string
	for _, s := range v.cfg.Stages {
		if !s.Production && !slices.Contains(names, s.Name) {
			names = append(names, s.Name)
		}
	}
	stage, ok := v.cfg.Stage(q.Stage)
	switch {
	case len(v.cfg.Stages) == 0: // said already
	case len(names) == 0:
		v.want(false, "qa.stage", quote(q.Stage), "a stage that isn't production; there is none")
	case !ok:
		v.want(false, "qa.stage", quote(q.Stage), "a stage that isn't production: %s", join(names))
	case stage.Production:
		v.want(false, "qa.stage", quote(q.Stage)+", which is production", "another stage: %s", join(names))
	case q.Stage != "qa":
		// The environments answer at <slug>.qa.<domain>, so the zone qa.<domain> must be theirs.
		_, taken := v.cfg.Stage("qa")
		v.want(!taken, "qa.stage", quote(q.Stage), "qa: a stage of that name owns the zone qa.<domain> of the environments")
	}

	positive := func(path string, d Duration) {
		v.want(d > 0 && time.Duration(d)%time.Minute == 0, path, d.String(), "whole minutes, at least one, such as 48h or 1h30m")
	}
	positive("qa.defaultTtl", q.DefaultTTL)
	positive("qa.maxTtl", q.MaxTTL)
	positive("qa.maxLifetime", q.MaxLifetime)
	positive("qa.grace", q.Grace)
	v.ordered("qa.defaultTtl", q.DefaultTTL, "qa.maxTtl", q.MaxTTL)
	v.ordered("qa.maxTtl", q.MaxTTL, "qa.maxLifetime", q.MaxLifetime)

	if reason := scheduleFault(q.Schedule); reason != "" {
		v.want(false, "qa.schedule", quote(q.Schedule), "%s", reason)
	}
	if reason := scheduleFault(q.SweepSchedule); reason != "" {
		v.want(false, "qa.sweepSchedule", quote(q.SweepSchedule), "%s", reason)
	}
	v.allowed("qa.allowedCidrs", q.AllowedCIDRs)
	v.environments()
	v.signIn()
}

// ordered reports a first duration that is longer than the second, at the one that the file sets.
func (v *validator) ordered(first string, a Duration, second string, b Duration) {
	switch {
	case a <= b || v.bad[first] || v.bad[second]:
	case !v.set[first]:
		v.want(false, second, b.String(), "at least %s, which is %s by default", first, a)
	default:
		v.want(false, first, a.String(), "at most %s, which is %s", second, b)
	}
}
