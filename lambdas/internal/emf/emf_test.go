package emf

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"
	"time"
)

// The expected object follows the specification of the embedded metric format in CloudWatch's documentation.
func TestLineFollowsTheSpecification(t *testing.T) {
	var out bytes.Buffer
	at := time.Date(2026, 1, 31, 18, 0, 0, 0, time.UTC)
	err := Write(&out, at, "Slipway", map[string]string{"Service": "qacleanup", "Platform": "slipway"},
		Metric{Name: "Deleted", Value: 2}, Metric{Name: "Duration", Unit: "Milliseconds", Value: 12.5})
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Count(out.Bytes(), []byte("\n")) != 1 {
		t.Fatalf("want one line, got %q", out.String())
	}
	want := `{
		"_aws": {
			"Timestamp": 1769882400000,
			"CloudWatchMetrics": [{
				"Namespace": "Slipway",
				"Dimensions": [["Platform", "Service"]],
				"Metrics": [{"Name": "Deleted", "Unit": "Count"}, {"Name": "Duration", "Unit": "Milliseconds"}]
			}]
		},
		"Platform": "slipway", "Service": "qacleanup", "Deleted": 2, "Duration": 12.5
	}`
	var got, expected any
	if json.Unmarshal(out.Bytes(), &got) != nil || json.Unmarshal([]byte(want), &expected) != nil || !reflect.DeepEqual(got, expected) {
		t.Errorf("got  %s\nwant %s", out.String(), want)
	}
}

func TestRefusesWhatCloudWatchWouldDrop(t *testing.T) {
	for name, metrics := range map[string][]Metric{
		"no metric":                       {},
		"more than 100":                   make([]Metric, 101),
		"the same name twice":             {{Name: "A"}, {Name: "A"}},
		"a metric named like a dimension": {{Name: "Service"}},
	} {
		if err := Write(&bytes.Buffer{}, time.Now(), "Slipway", map[string]string{"Service": "x"}, metrics...); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
