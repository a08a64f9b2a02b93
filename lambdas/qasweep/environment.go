package main

import (
	"encoding/json"
	"fmt"
	"time"

	"slipway/internal/contract"
)

// settings are what the function's environment variable says.
type settings struct {
	contract.Sweep
	grace time.Duration
}

// readSettings reads the settings.
func readSettings(getenv func(string) string) (s settings, err error) {
	if err := json.Unmarshal([]byte(getenv(contract.EnvSweep)), &s.Sweep); err != nil {
		return s, fmt.Errorf("%s can't be read: %w", contract.EnvSweep, err)
	}
	for name, value := range map[string]string{
		"platform": s.Platform, "cluster": s.Cluster, "domain": s.Domain, "stage": s.Stage, "listener": s.Listener, "topic": s.Topic,
		"switch": s.Switch, "memory": s.Memory, "bucket": s.Bucket, "zone": s.Zone,
	} {
		if value == "" {
			return s, fmt.Errorf("%s has no %s; deploy the stack again", contract.EnvSweep, name)
		}
	}
	s.grace, err = time.ParseDuration(s.Grace)
	if err != nil || s.grace <= 0 {
		return s, fmt.Errorf("%s: grace is %q; give it a duration above zero, such as 2h", contract.EnvSweep, s.Grace)
	}
	return s, nil
}
