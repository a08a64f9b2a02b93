package qalease

import (
	"time"

	"slipway/internal/prices"
)

// secrets are an environment's: the database's login, and what signs sessions.
const secrets = 2

// Rate is what an environment costs at most, in USD: Spot is less.
type Rate struct {
	AwakeHour float64 `json:"awakeHour"` // while its task runs
	Day       float64 `json:"day"`       // always
}

// RateOf is the rate of an environment with one task of a size as ECS has it.
func RateOf(cpuUnits, memoryMiB int) Rate {
	return Rate{
		AwakeHour: prices.Task(float64(cpuUnits), float64(memoryMiB)),
		Day:       secrets * prices.Secret / 30,
	}
}

// Between is what an environment costs at most between two times, if it sleeps outside the office hours.
func (r Rate) Between(hours OfficeHours, begin, end time.Time) float64 {
	if !begin.Before(end) {
		return 0
	}
	return r.AwakeHour*hours.AwakeBetween(begin, end).Hours() + r.Day*end.Sub(begin).Hours()/24
}

// ADay is what it costs at most a day, averaged over a week.
func (r Rate) ADay(hours OfficeHours) float64 {
	week := time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC) // a Monday, in a week without a change of the clocks
	return r.Between(hours, week, week.AddDate(0, 0, 7)) / 7
}
