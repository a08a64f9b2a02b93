package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"slipway/internal/contract"
	"slipway/lambdas/internal/fakeaws"
)

func TestListOfActionsIsExact(t *testing.T) {
	w := newWorld(t)
	w.environment("feature/old", now.Add(-time.Hour))
	w.handMade("demo", now.Add(-3*time.Hour))
	w.run()
	w.stacks.Settle(now, "a reason")
	w.environment("feature/soon", now.Add(time.Hour))
	w.run()
	fakeaws.CheckActions(t, "testdata/actions.txt", w.cloud.Actions())
}

// The least number of calls follows from the limits in AWS's API references: 100 services or stacks in a page, 10
// services in a description, one stack in a deletion. Reading the leases again costs 100 calls more.
func TestThousandExpiredEnvironmentsAmongFiveThousandServices(t *testing.T) {
	const all, expired = 5000, 1000
	w := newWorld(t)
	for i := range all {
		end := now.Add(48 * time.Hour)
		if i < expired {
			end = now.Add(-time.Hour)
		}
		w.environment(fmt.Sprintf("feature/%d", i), end)
	}
	summary := w.run()
	if summary.Counts.Deleted != expired || summary.Counts.Kept != all-expired || summary.Counts.Failed != 0 {
		t.Errorf("%+v", summary.Counts)
	}
	least := all/100 + all/10 + all/100 + expired + 2 // the message and the switch
	calls := w.cloud.TotalCalls()
	t.Logf("%d calls, at least %d are needed: %.3f times", calls, least, float64(calls)/float64(least))
	if float64(calls) > 1.1*float64(least) {
		t.Errorf("%d calls, more than 1.1 times the least possible %d", calls, least)
	}
	if body, err := json.Marshal(summary); err != nil || len(body) > 128<<10 {
		t.Errorf("the summary takes %d bytes, too many for a log line: %v", len(body), err)
	}
}

func TestMetricsOfARun(t *testing.T) {
	w := newWorld(t)
	w.environment("feature/old", now.Add(-time.Hour))
	w.environment("feature/young", now.Add(time.Hour))
	w.run()
	var line map[string]any
	if err := json.Unmarshal(bytes.TrimSpace(w.metrics.Bytes()), &line); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]any{"Platform": platform, "Deleted": 1.0, "Kept": 1.0, "Failed": 0.0, "Stuck": 0.0, "Left": 0.0, "Unclear": 0.0} {
		if line[name] != want {
			t.Errorf("%s is %v, want %v", name, line[name], want)
		}
	}
}

func TestSettings(t *testing.T) {
	good := map[string]string{
		contract.EnvPlatform: "slipway", contract.EnvCluster: "qa-cluster", contract.EnvListenerARN: "arn:aws:x", contract.EnvTopicARN: "arn:aws:y",
		contract.EnvSwitch: "/slipway/qa/cleanup", contract.EnvList: "{}",
	}
	for name, c := range map[string]struct {
		change map[string]string
		faults []string
	}{
		"the defaults are a real run and two hours of grace": {},
		"a dry run":                                             {change: map[string]string{contract.EnvDryRun: "true"}},
		"a misspelt dry run must not delete":                    {map[string]string{contract.EnvDryRun: "ture"}, []string{`SLIPWAY_DRY_RUN is "ture"; give it true or false`}},
		"a grace that is no duration":                           {map[string]string{contract.EnvGrace: "2"}, []string{`SLIPWAY_GRACE is "2"`}},
		"a grace of nothing would delete what is being created": {map[string]string{contract.EnvGrace: "0s"}, []string{`SLIPWAY_GRACE is "0s"`}},
		"all faults at once": {
			map[string]string{contract.EnvPlatform: "", contract.EnvCluster: "", contract.EnvListenerARN: "x", contract.EnvTopicARN: "", contract.EnvSwitch: "switch", contract.EnvList: ""},
			[]string{"SLIPWAY_SWITCH is \"switch\"", "SLIPWAY_QA_LIST", "SLIPWAY_PLATFORM", "SLIPWAY_QA_CLUSTER", `SLIPWAY_LISTENER_ARN is "x"; give it one that begins with arn:`, "SLIPWAY_TOPIC_ARN"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := readSettings(func(key string) string {
				if value, ok := c.change[key]; ok {
					return value
				}
				return good[key]
			})
			if (err != nil) != (len(c.faults) > 0) {
				t.Fatalf("error %v", err)
			}
			for _, fault := range c.faults {
				if !strings.Contains(err.Error(), fault) {
					t.Errorf("%q isn't in %v", fault, err)
				}
			}
			if err == nil && (s.dryRun != (c.change[contract.EnvDryRun] == "true") || s.grace != 2*time.Hour || s.platform != "slipway" || s.cluster != "qa-cluster" || s.listenerARN != "arn:aws:x" || s.topicARN != "arn:aws:y") {
				t.Errorf("got %+v", s)
			}
		})
	}
}
