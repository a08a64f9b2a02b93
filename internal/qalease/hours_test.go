package qalease_test

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	. "slipway/internal/qalease"
)

func TestOfficeHoursThatMakeNoSense(t *testing.T) {
	for want, o := range map[string]OfficeHours{
		`time of day "7:00"`:         {From: "7:00", Until: "20:00", TimeZone: "UTC"},
		`time of day "24:00"`:        {From: "07:00", Until: "24:00", TimeZone: "UTC"},
		"the end must come after":    {From: "20:00", Until: "07:00", TimeZone: "UTC"},
		"from 07:00 until 07:00":     {From: "07:00", Until: "07:00", TimeZone: "UTC"},
		`time zone ""`:               {From: "07:00", Until: "20:00"},
		`time zone "Local"`:          {From: "07:00", Until: "20:00", TimeZone: "Local"},
		`time zone "Europe/Slipway"`: {From: "07:00", Until: "20:00", TimeZone: "Europe/Slipway"},
	} {
		if err := o.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", o, err, want)
		}
	}
	if err := (OfficeHours{From: "07:00", Until: "20:00", TimeZone: "Europe/Dublin"}).Check(); err != nil {
		t.Error(err)
	}
}

func TestAwakeBetween(t *testing.T) {
	dublin := OfficeHours{From: "07:00", Until: "20:00", TimeZone: "Europe/Dublin"}
	night := OfficeHours{From: "00:00", Until: "03:00", TimeZone: "Europe/Dublin", Weekends: true}
	at := func(s string) time.Time {
		parsed, err := time.Parse(time.RFC3339, s)
		if err != nil {
			t.Fatal(err)
		}
		return parsed
	}
	for sentence, c := range map[string]struct {
		hours      OfficeHours
		begin, end string
		want       time.Duration
	}{
		"no hours at all is always":                 {OfficeHours{}, "2026-03-10T00:00:00Z", "2026-03-11T00:00:00Z", 24 * time.Hour},
		"a whole Tuesday":                           {dublin, "2026-03-10T00:00:00Z", "2026-03-11T00:00:00Z", 13 * time.Hour},
		"a Tuesday evening":                         {dublin, "2026-03-10T19:00:00Z", "2026-03-10T23:00:00Z", time.Hour},
		"a Tuesday night":                           {dublin, "2026-03-10T21:00:00Z", "2026-03-11T06:59:00Z", 0},
		"a weekend":                                 {dublin, "2026-03-14T00:00:00Z", "2026-03-16T00:00:00Z", 0},
		"summer time begins an hour earlier in UTC": {dublin, "2026-07-01T06:00:00Z", "2026-07-01T07:00:00Z", time.Hour},
		// At 01:00 UTC of 29 March 2026 Dublin's clocks jumped from 01:00 to 02:00.
		"the night with an hour less": {night, "2026-03-29T00:00:00Z", "2026-03-29T12:00:00Z", 2 * time.Hour},
		// Of 25 October 2026 the hour from 01:00 to 02:00 comes twice.
		"the night with an hour more":  {night, "2026-10-24T20:00:00Z", "2026-10-25T12:00:00Z", 4 * time.Hour},
		"the end before the beginning": {dublin, "2026-03-11T00:00:00Z", "2026-03-10T00:00:00Z", 0},
	} {
		if got := c.hours.AwakeBetween(at(c.begin), at(c.end)); got != c.want {
			t.Errorf("%s: %s, want %s", sentence, got, c.want)
		}
	}
}

// Minute by minute is the same as all at once.
func TestAwakeBetweenAgreesWithCounting(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		hours := OfficeHours{
			From: rapid.SampledFrom([]string{"00:00", "01:30", "07:00"}).Draw(t, "from"), Until: rapid.SampledFrom([]string{"07:01", "20:00", "23:59"}).Draw(t, "until"),
			TimeZone: rapid.SampledFrom([]string{"UTC", "Europe/Dublin", "America/St_Johns", "Pacific/Kiritimati"}).Draw(t, "zone"), Weekends: rapid.Bool().Draw(t, "weekends"),
		}
		zone, err := time.LoadLocation(hours.TimeZone)
		if err != nil {
			t.Fatal(err)
		}
		begin := time.Date(2026, 3, 1, 0, rapid.IntRange(0, 90*1440).Draw(t, "begin"), 0, 0, time.UTC)
		minutes := rapid.IntRange(0, 3*1440).Draw(t, "minutes")
		var want time.Duration
		for i := range minutes {
			local := begin.Add(time.Duration(i) * time.Minute).In(zone)
			clock := local.Format("15:04")
			weekend := local.Weekday() == time.Saturday || local.Weekday() == time.Sunday
			if clock >= hours.From && clock < hours.Until && (hours.Weekends || !weekend) {
				want += time.Minute
			}
		}
		got := hours.AwakeBetween(begin, begin.Add(time.Duration(minutes)*time.Minute))
		if diff := (got - want).Abs(); diff > 0 && !nearJump(begin, minutes, zone) {
			t.Fatalf("%+v from %s for %d minutes: %s, counted %s", hours, begin, minutes, got, want)
		}
	})
}

// nearJump says whether the clocks change in between: a local time that comes twice, or not at all, can be read in two ways.
func nearJump(begin time.Time, minutes int, zone *time.Location) bool {
	_, before := begin.AddDate(0, 0, -1).In(zone).Zone()
	_, after := begin.Add(time.Duration(minutes)*time.Minute).AddDate(0, 0, 1).In(zone).Zone()
	return before != after
}
