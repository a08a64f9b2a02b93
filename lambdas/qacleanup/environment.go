package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"slipway/internal/contract"
	"slipway/internal/qalease"
)

const defaultGrace = 2 * time.Hour // an environment whose creation takes longer has failed

// settings are what the function's environment variables say.
type settings struct {
	platform    string
	cluster     string
	listenerARN string
	topicARN    string
	switchName  string
	dryRun      bool
	grace       time.Duration
	list        qalease.Settings // what an environment costs
}

// readSettings reads the settings and reports all that is wrong with them at once. A dry run has to be switched on or off
// exactly: a misspelt "ture" must not delete anything.
func readSettings(getenv func(string) string) (settings, error) {
	var faults []error
	required := func(name, prefix string) string {
		value := getenv(name)
		if value == "" || !strings.HasPrefix(value, prefix) {
			want := "a value"
			if prefix != "" {
				want = "one that begins with " + prefix
			}
			faults = append(faults, fmt.Errorf("%s is %q; give it %s", name, value, want))
		}
		return value
	}
	s := settings{
		platform:    required(contract.EnvPlatform, ""),
		cluster:     required(contract.EnvCluster, ""),
		listenerARN: required(contract.EnvListenerARN, "arn:"),
		topicARN:    required(contract.EnvTopicARN, "arn:"),
		switchName:  required(contract.EnvSwitch, "/"),
		grace:       defaultGrace,
	}
	switch value := getenv(contract.EnvDryRun); value {
	case "true":
		s.dryRun = true
	case "false", "":
	default:
		faults = append(faults, fmt.Errorf("%s is %q; give it true or false", contract.EnvDryRun, value))
	}
	if value := getenv(contract.EnvGrace); value != "" {
		grace, err := time.ParseDuration(value)
		if err != nil || grace <= 0 {
			faults = append(faults, fmt.Errorf("%s is %q; give it a duration above zero, such as 2h", contract.EnvGrace, value))
		}
		s.grace = grace
	}
	if value := required(contract.EnvList, "{"); value != "" {
		if err := json.Unmarshal([]byte(value), &s.list); err != nil {
			faults = append(faults, fmt.Errorf("%s can't be read: %w", contract.EnvList, err))
		}
	}
	return s, errors.Join(faults...)
}
