package qalease

import "time"

// Fargate's on-demand price for Linux on x86 in eu-west-1, and Secrets Manager's for a secret, in USD; list prices of November
// 2026. Spot is less, by up to 70 %, and changes; so what follows from these is an upper bound.
// https://aws.amazon.com/fargate/pricing/ https://aws.amazon.com/secrets-manager/pricing/
const (
	vcpuHour    = 0.04048
	gibHour     = 0.004445
	secretMonth = 0.40
	secrets     = 2 // the database's login, and what signs sessions
)

// Rate is what an environment costs at most, in USD.
type Rate struct {
	AwakeHour float64 `json:"awakeHour"` // while its task runs
	Day       float64 `json:"day"`       // always
}

// RateOf is the rate of an environment with one task of a size as ECS has it: 1024 CPU units are one vCPU.
func RateOf(cpuUnits, memoryMiB int) Rate {
	return Rate{
		AwakeHour: float64(cpuUnits)/1024*vcpuHour + float64(memoryMiB)/1024*gibHour,
		Day:       secrets * secretMonth / 30,
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
