package report

import (
	"io"
	"time"

	"slipway/internal/contract"
	"slipway/lambdas/internal/emf"
)

// Metrics writes the run's metrics. Zero is written too, so that an alarm sees the end of a problem.
func Metrics(w io.Writer, platform string, s Summary, began, ended time.Time) error {
	c := s.Counts
	value := func(name string, n int) emf.Metric { return emf.Metric{Name: name, Value: float64(n)} }
	paused := 0
	if s.Paused {
		paused = 1
	}
	return emf.Write(w, ended, contract.CleanupNamespace, map[string]string{contract.DimensionPlatform: platform},
		value(contract.MetricDeleted, c.Deleted), value(contract.MetricFailed, c.Failed), value(contract.MetricStuck, c.Stuck), value(contract.MetricLeft, c.Left),
		value(contract.MetricKept, c.Kept), value(contract.MetricUnclear, c.Unclear), value(contract.MetricWouldDelete, c.WouldDelete),
		value(contract.MetricWarned, c.Warned), value(contract.MetricPaused, paused),
		emf.Metric{Name: contract.MetricCleanupMillis, Unit: "Milliseconds", Value: float64(ended.Sub(began).Milliseconds())},
	)
}
