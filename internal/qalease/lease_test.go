package qalease_test

import (
	"strings"
	"testing"
	"time"

	"slipway/internal/contract"
	. "slipway/internal/qalease"
)

var now = time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC) // a Tuesday

const past, future = "2026-03-10T11:00:00Z", "2026-03-10T13:00:00Z"

const slug = "feature-x-0123abcd"

func tags(pairs ...string) map[string]string {
	m := map[string]string{contract.TagEnvironment: slug, contract.TagExpires: past, contract.TagMaxLifetime: "720h"}
	for i := 0; i < len(pairs); i += 2 {
		if m[pairs[i]] = pairs[i+1]; pairs[i+1] == "" {
			delete(m, pairs[i])
		}
	}
	return m
}

func service(name string, t map[string]string) Service {
	return Service{
		ARN: "arn:aws:ecs:eu-west-1:111111111111:service/qa-cluster/" + name, Name: name, Cluster: "qa-cluster",
		Status: "ACTIVE", CreatedAt: now.Add(-48 * time.Hour), Tags: t, Desired: 1, Running: 1,
	}
}

func TestLease(t *testing.T) {
	for name, c := range map[string]struct {
		tags    map[string]string
		created time.Time
		want    string // "over", "alive", or a part of the error
	}{
		"it is over at its very end":                 {tags: tags(contract.TagExpires, "2026-03-10T12:00:00Z"), want: "over"},
		"it is alive a second before":                {tags: tags(contract.TagExpires, "2026-03-10T12:00:01Z"), want: "alive"},
		"the hard maximum ends it before its expiry": {tags: tags(contract.TagExpires, future, contract.TagMaxLifetime, "48h"), want: "over"},
		"the hard maximum is not reached":            {tags: tags(contract.TagExpires, future, contract.TagMaxLifetime, "48h1s"), want: "alive"},
		"without a hard maximum the expiry counts":   {tags: tags(contract.TagMaxLifetime, ""), want: "over"},
		"no expiry":                                         {tags: tags(contract.TagExpires, ""), want: "no tag slipway:expires"},
		"no tags at all":                                    {tags: nil, want: "no tag slipway:expires"},
		"an expiry with an offset":                          {tags: tags(contract.TagExpires, "2026-03-10T12:00:00+01:00"), want: "not RFC 3339 in UTC"},
		"an expiry that is only a date":                     {tags: tags(contract.TagExpires, "2026-03-10"), want: "not RFC 3339"},
		"an empty environment":                              {tags: tags(contract.TagEnvironment, ""), want: "no tag slipway:environment"},
		"a hard maximum that is no duration, lease over":    {tags: tags(contract.TagMaxLifetime, "30d"), want: `"30d" is no duration above zero`},
		"a hard maximum of nothing":                         {tags: tags(contract.TagMaxLifetime, "0s"), want: "no duration above zero"},
		"a negative hard maximum":                           {tags: tags(contract.TagMaxLifetime, "-1h"), want: "no duration above zero"},
		"a hard maximum past and an expiry that is garbage": {tags: tags(contract.TagExpires, "soon", contract.TagMaxLifetime, "1h"), want: "not RFC 3339"},
		"a creation time that is unknown":                   {tags: tags(), created: time.Unix(0, 0), want: "its creation time is unknown"},
	} {
		t.Run(name, func(t *testing.T) {
			s := service("x", c.tags)
			if !c.created.IsZero() {
				s.CreatedAt = time.Time{}
			}
			lease, err := Read(s)
			got := "alive"
			switch {
			case err != nil:
				got = err.Error()
			case lease.Expired(now):
				got = "over"
			}
			if !strings.Contains(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}
