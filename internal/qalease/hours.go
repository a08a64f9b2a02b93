package qalease

import (
	"fmt"
	"time"
	_ "time/tzdata" // the same time zones on every machine, and in a Lambda, which brings none
)

// OfficeHours are when QA environments are awake. The zero value means always.
type OfficeHours struct {
	From     string `json:"from,omitempty"`     // 07:00
	Until    string `json:"until,omitempty"`    // 20:00, after From
	TimeZone string `json:"timeZone,omitempty"` // IANA name
	Weekends bool   `json:"weekends,omitempty"` // awake on Saturday and Sunday too
}

// Always says that the environments never sleep.
func (o OfficeHours) Always() bool { return o == OfficeHours{} }

// Check says what is wrong with the hours.
func (o OfficeHours) Check() error {
	_, err := o.parse()
	return err
}

type hours struct {
	from, until clock
	zone        *time.Location
	weekends    bool
}

// clock is a time of day.
type clock struct{ hour, minute int }

// ParseClock reads a time of day as 07:00, from 00:00 to 23:59.
func ParseClock(s string) (hour, minute int, err error) {
	t, err := time.Parse("15:04", s)
	if err != nil || len(s) != len("15:04") {
		return 0, 0, fmt.Errorf("time of day %q: write it as 07:00", s)
	}
	return t.Hour(), t.Minute(), nil
}

func (o OfficeHours) parse() (h hours, err error) {
	h.weekends = o.Weekends
	if h.from.hour, h.from.minute, err = ParseClock(o.From); err != nil {
		return h, err
	}
	if h.until.hour, h.until.minute, err = ParseClock(o.Until); err != nil {
		return h, err
	}
	if h.from.hour*60+h.from.minute >= h.until.hour*60+h.until.minute {
		return h, fmt.Errorf("office hours from %s until %s: the end must come after the beginning, on the same day", o.From, o.Until)
	}
	h.zone, err = time.LoadLocation(o.TimeZone)
	if err != nil || o.TimeZone == "" || o.TimeZone == "Local" {
		return h, fmt.Errorf("time zone %q: give its IANA name, such as Europe/Dublin", o.TimeZone)
	}
	return h, nil
}

// AwakeBetween is how much of the time between the two lies within the office hours; all of it if they are none, or wrong.
func (o OfficeHours) AwakeBetween(begin, end time.Time) time.Duration {
	if !begin.Before(end) {
		return 0
	}
	h, err := o.parse()
	if o.Always() || err != nil {
		return end.Sub(begin)
	}
	var awake time.Duration
	year, month, day := begin.In(h.zone).Date()
	for {
		midnight := time.Date(year, month, day, 0, 0, 0, 0, h.zone)
		opens := time.Date(year, month, day, h.from.hour, h.from.minute, 0, 0, h.zone)
		closes := time.Date(year, month, day, h.until.hour, h.until.minute, 0, 0, h.zone)
		if !opens.Before(end) && !midnight.Before(end) {
			return awake
		}
		weekend := opens.Weekday() == time.Saturday || opens.Weekday() == time.Sunday
		if from, until := later(opens, begin), earlier(closes, end); (h.weekends || !weekend) && from.Before(until) {
			awake += until.Sub(from)
		}
		day++ // time.Date carries it into the next month
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
