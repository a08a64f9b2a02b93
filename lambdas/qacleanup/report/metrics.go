package report

import (
	"io"
	"time"

	"slipway/lambdas/internal/emf"
)

// Names of the metrics; the stacks' alarms use the same ones.
const (
	MetricNamespace  = "Slipway/QACleanup"
	DimensionName    = "Platform"
	MetricDeleted    = "Deleted"
	MetricFailed     = "Failed"
	MetricStuck      = "Stuck"
	MetricLeft       = "Left"
	MetricKept       = "Kept"
	MetricUnclear    = "Unclear"
	MetricWouldClean = "WouldDelete"
	MetricDuration   = "Duration"
)

// Metrics writes the run's metrics. Zero is written too, so that an alarm sees the end of a problem.
func Metrics(w io.Writer, platform string, s Summary, began, ended time.Time) error {
	c := s.Counts
	value := func(name string, n int) emf.Metric { return emf.Metric{Name: name, Value: float64(n)} }
	return emf.Write(w, ended, MetricNamespace, map[string]string{DimensionName: platform},
		value(MetricDeleted, c.Deleted), value(MetricFailed, c.Failed), value(MetricStuck, c.Stuck), value(MetricLeft, c.Left),
		value(MetricKept, c.Kept), value(MetricUnclear, c.Unclear), value(MetricWouldClean, c.WouldDelete),
		emf.Metric{Name: MetricDuration, Unit: "Milliseconds", Value: float64(ended.Sub(began).Milliseconds())},
	)
}
