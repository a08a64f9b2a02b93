package main

import (
	"encoding/json"
	"time"

	"slipway/internal/contract"
	"slipway/internal/qalease"
	"slipway/lambdas/internal/environ"
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
	from := environ.Reader{Get: getenv}
	s := settings{
		platform:    from.Required(contract.EnvPlatform, ""),
		cluster:     from.Required(contract.EnvCluster, ""),
		listenerARN: from.Required(contract.EnvListenerARN, "arn:"),
		topicARN:    from.Required(contract.EnvTopicARN, "arn:"),
		switchName:  from.Required(contract.EnvSwitch, "/"),
		grace:       defaultGrace,
	}
	switch value := getenv(contract.EnvDryRun); value {
	case "true":
		s.dryRun = true
	case "false", "":
	default:
		from.Fault("%s is %q; give it true or false", contract.EnvDryRun, value)
	}
	if value := getenv(contract.EnvGrace); value != "" {
		grace, err := time.ParseDuration(value)
		if err != nil || grace <= 0 {
			from.Fault("%s is %q; give it a duration above zero, such as 2h", contract.EnvGrace, value)
		}
		s.grace = grace
	}
	if value := from.Required(contract.EnvList, "{"); value != "" {
		if err := json.Unmarshal([]byte(value), &s.list); err != nil {
			from.Fault("%s can't be read: %w", contract.EnvList, err)
		}
	}
	return s, from.Err()
}
