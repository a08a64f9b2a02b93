package config

import (
	"math"
	"strings"
	"testing"
)

func TestRoomFor(t *testing.T) {
	cfg := mustParse(t, shortest, Profile{})
	for sentence, c := range map[string]struct {
		most, environments, rules int
		want                      string
	}{
		"there is room":                               {90, 89, 99, ""},
		"the configuration's limit is reached":        {90, 90, 90, "90 environments exist and qa.maxEnvironments is 90"},
		"the load balancer's 100 rules are reached":   {90, 80, 100, "the shared load balancer has 100 rules and takes 100"},
		"a larger limit says that AWS raised its own": {150, 120, 120, ""},
		"a larger limit of AWS is reached":            {150, 149, 150, "the shared load balancer has 150 rules and takes 150"},
	} {
		cfg.QA.MaxEnvironments = c.most
		if got := cfg.RoomFor(c.environments, c.rules); !strings.HasPrefix(got, c.want) || (got == "") != (c.want == "") {
			t.Errorf("%s: %q, want %q", sentence, got, c.want)
		}
	}
}

func TestListSettings(t *testing.T) {
	cfg := mustParse(t, edit(t, base, "spot: false", `officeHours: {from: "07:00", until: "20:00", timeZone: Europe/Dublin}`), Profile{})
	s := cfg.ListSettings()
	// Half a vCPU and a GiB at Fargate's prices, by default.
	if s.Platform != "slipway" || s.Domain != "example.com" || s.Hours.TimeZone != "Europe/Dublin" || math.Abs(s.Rate.AwakeHour-0.024685) > 1e-9 {
		t.Errorf("%+v", s)
	}
}
