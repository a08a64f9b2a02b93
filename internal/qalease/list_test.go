package qalease_test

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"slipway/internal/contract"
	. "slipway/internal/qalease"
)

var settings = Settings{Platform: "slipway", Domain: "example.com", Rate: RateOf(512, 1024)}

func TestStates(t *testing.T) {
	name := contract.QAEnvironmentStack("slipway", slug)
	living := func(change func(*Service)) Service {
		s := service(slug, tags(contract.TagExpires, future, TagStackName, name))
		change(&s)
		return s
	}
	plain := func(*Service) {}
	for sentence, c := range map[string]struct {
		service Service
		stack   string
		want    string // state and note
	}{
		"one whose task runs is running":                   {living(plain), "UPDATE_COMPLETE", "running"},
		"one scaled to zero sleeps":                        {living(func(s *Service) { s.Desired, s.Running = 0, 0 }), "", "sleeping"},
		"one whose task isn't up yet starts":               {living(func(s *Service) { s.Running, s.Starting = 0, 1 }), "", "starting: 0 of 1 tasks run"},
		"one whose lease is over has ended, asleep or not": {living(func(s *Service) { s.Tags[contract.TagExpires], s.Desired = past, 0 }), "", "ended: its lease ended at " + past},
		"one without a readable lease says why":            {living(func(s *Service) { s.Tags[contract.TagExpires] = "soon" }), "", `no lease: tag slipway:expires: expiry "soon": not RFC 3339 in UTC with whole seconds; write it as 2026-01-31T18:00:00Z`},
		"a service that drains is being deleted":           {living(func(s *Service) { s.Status = "DRAINING" }), "", "deleting"},
		"so is one whose stack goes":                       {living(plain), "DELETE_IN_PROGRESS", "deleting"},
		"a stack at work is updating":                      {living(plain), "UPDATE_IN_PROGRESS", "updating: its stack is UPDATE_IN_PROGRESS"},
		"a failed deletion is told":                        {living(plain), "DELETE_FAILED", "failed: its stack is DELETE_FAILED"},
		"an update that was rolled back leaves it running": {living(plain), "UPDATE_ROLLBACK_COMPLETE", "running"},
		"a rollback that failed is told":                   {living(plain), "UPDATE_ROLLBACK_FAILED", "failed: its stack is UPDATE_ROLLBACK_FAILED"},
		"a daemon has no number of tasks to be zero":       {living(func(s *Service) { s.Desired, s.Running, s.Daemon = 0, 0, true }), "", "running"},
	} {
		t.Run(sentence, func(t *testing.T) {
			f := Facts{Services: []Service{c.service}}
			if c.stack != "" {
				f.Stacks = []Stack{{Name: name, Status: c.stack}}
			}
			rows := Rows(settings, f, now)
			if len(rows) != 1 {
				t.Fatalf("%d rows: %+v", len(rows), rows)
			}
			got := strings.TrimSuffix(string(rows[0].State)+": "+rows[0].Note, ": ")
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestEachEnvironmentIsListedOnceAndWhatEndsFirstComesFirst(t *testing.T) {
	first := service(slug, tags(contract.TagExpires, "2026-03-10T13:00:00Z", contract.TagBranch, "feature/x", contract.TagOwner, "dana"))
	hand := service("demo", tags(contract.TagExpires, "2026-03-11T13:00:00Z", contract.TagEnvironment, "demo"))
	gone := service("gone", tags())
	gone.Status = "INACTIVE"
	rows := Rows(settings, Facts{
		Services:   []Service{service("bare", nil), hand, gone, first},
		Unreadable: []Unreadable{{ARN: "arn:aws:ecs:eu-west-1:1:service/qa-cluster/odd", Reason: "ACCESS_DENIED"}},
		Stacks: []Stack{
			{Name: "slipway-qa-env-dead-0123abcd", Status: "ROLLBACK_COMPLETE", CreatedAt: now},
			{Name: "slipway-qa-env-new-0123abcd", Status: "CREATE_IN_PROGRESS", CreatedAt: now},
			{Name: "slipway-qa-env-past-0123abcd", Status: "DELETE_COMPLETE", CreatedAt: now},
			{Name: "slipway-qa-service", Status: "CREATE_COMPLETE"},
		},
	}, now)
	var got []string
	for _, r := range rows {
		got = append(got, strings.TrimSpace(fmt.Sprintf("%s %s %s", r.Slug, r.State, r.URL)))
	}
	want := []string{
		slug + " running https://" + slug + ".qa.example.com",
		"demo running", // nothing says where a service made by hand answers
		"bare no lease",
		"dead-0123abcd failed https://dead-0123abcd.qa.example.com",
		"new-0123abcd updating https://new-0123abcd.qa.example.com",
		"odd unreadable",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if r := rows[0]; r.Branch != "feature/x" || r.Owner != "dana" || r.Age(now) != 48*time.Hour {
		t.Errorf("%+v", r)
	}
	if left, ok := rows[0].EndsIn(now); !ok || left != time.Hour {
		t.Errorf("ends in %s, %v", left, ok)
	}
	if _, ok := rows[2].EndsIn(now); ok {
		t.Error("what has no lease has no end")
	}
}

func TestAnyFactsGiveEachServiceOneRow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var f Facts
		for i := range rapid.IntRange(0, 6).Draw(t, "services") {
			s := service(fmt.Sprint("s", i), map[string]string{})
			for _, key := range []string{contract.TagEnvironment, contract.TagExpires, contract.TagMaxLifetime, TagStackName} {
				if value := rapid.SampledFrom([]string{"", past, future, "720h", slug, contract.QAEnvironmentStack("slipway", slug), "x"}).Draw(t, key); value != "" {
					s.Tags[key] = value
				}
			}
			s.Desired, s.Running = rapid.IntRange(0, 2).Draw(t, "desired"), rapid.IntRange(0, 2).Draw(t, "running")
			f.Services = append(f.Services, s)
		}
		if rapid.Bool().Draw(t, "stack") {
			f.Stacks = []Stack{{Name: contract.QAEnvironmentStack("slipway", slug), Status: "CREATE_COMPLETE", CreatedAt: now}}
		}
		rows := Rows(settings, f, now)
		if len(rows) < len(f.Services) || len(rows) > len(f.Services)+len(f.Stacks) {
			t.Fatalf("%d rows of %d services and %d stacks", len(rows), len(f.Services), len(f.Stacks))
		}
		for i, r := range rows {
			if r.Slug == "" || r.State == "" || r.Cost < 0 || i > 0 && !r.Ends.IsZero() && r.Ends.Before(rows[i-1].Ends) {
				t.Fatalf("row %d of %+v", i, rows)
			}
		}
	})
}

func TestCost(t *testing.T) {
	hours := OfficeHours{From: "07:00", Until: "20:00", TimeZone: "Europe/Dublin"}
	for sentence, c := range map[string]struct{ got, want float64 }{
		// 0.5 x 0.04048 + 1 x 0.004445 USD an hour, the price list's figures.
		"half a vCPU and a GiB for an hour":     {RateOf(512, 1024).AwakeHour, 0.024685},
		"a vCPU and two GiB for an hour":        {RateOf(1024, 2048).AwakeHour, 0.04937},
		"a day awake, and a day of two secrets": {RateOf(512, 1024).ADay(OfficeHours{}), 24*0.024685 + 2*0.4/30},
		"five days of thirteen hours, averaged": {RateOf(512, 1024).ADay(hours), 5.0*13/7*0.024685 + 2*0.4/30},
		"a weekend asleep costs the secrets":    {RateOf(512, 1024).Between(hours, now.AddDate(0, 0, 4), now.AddDate(0, 0, 5)), 2 * 0.4 / 30},
		"what hasn't begun costs nothing":       {RateOf(512, 1024).Between(hours, now, now.Add(-time.Hour)), 0},
	} {
		if math.Abs(c.got-c.want) > 1e-9 {
			t.Errorf("%s: %f, want %f", sentence, c.got, c.want)
		}
	}
}

func TestShort(t *testing.T) {
	for want, d := range map[string]time.Duration{
		"0m": 59 * time.Second, "5m": 5 * time.Minute, "4h 5m": 4*time.Hour + 5*time.Minute, "2d 0h": 48 * time.Hour, "-1h 0m": -time.Hour, "3d 4h": 76*time.Hour + time.Minute,
	} {
		if got := Short(d); got != want {
			t.Errorf("%s is %q, want %q", d, got, want)
		}
	}
}
