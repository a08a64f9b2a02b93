// Package emf writes metrics in CloudWatch's embedded metric format: a log line that CloudWatch turns into metrics, so
// that a Lambda needs no permission and no call for them.
package emf

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"
)

// Metric is one value, a count unless Unit says otherwise.
type Metric struct {
	Name  string
	Unit  string // a CloudWatch unit; empty means Count
	Value float64
}

const maxMetrics = 100 // in one line, by the format's specification

// Write writes one line with the metrics, all under the same dimensions.
func Write(w io.Writer, at time.Time, namespace string, dimensions map[string]string, metrics ...Metric) error {
	if len(metrics) == 0 || len(metrics) > maxMetrics {
		return fmt.Errorf("write metrics of %s: got %d, a line takes 1 to %d", namespace, len(metrics), maxMetrics)
	}
	type definition struct {
		Name string
		Unit string
	}
	line := map[string]any{}
	var definitions []definition
	for name, value := range dimensions {
		line[name] = value
	}
	for _, m := range metrics {
		if _, taken := line[m.Name]; taken {
			return fmt.Errorf("write metrics of %s: the name %s is there twice", namespace, m.Name)
		}
		if m.Unit == "" {
			m.Unit = "Count"
		}
		line[m.Name] = m.Value
		definitions = append(definitions, definition{m.Name, m.Unit})
	}
	line["_aws"] = map[string]any{
		"Timestamp": at.UnixMilli(),
		"CloudWatchMetrics": []any{map[string]any{
			"Namespace":  namespace,
			"Dimensions": [][]string{slices.Sorted(maps.Keys(dimensions))},
			"Metrics":    definitions,
		}},
	}
	body, err := json.Marshal(line)
	if err != nil {
		return fmt.Errorf("write metrics of %s: %w", namespace, err)
	}
	_, err = w.Write(append(body, '\n'))
	return err
}
