package main

import (
	"encoding/json"
	"errors"
	"fmt"

	"slipway/internal/contract"
	"slipway/internal/qalease"
)

// readSettings reads what the function's environment variables say, and reports all that is wrong with them at once.
func readSettings(getenv func(string) string) (settings qalease.Settings, cluster string, err error) {
	var faults []error
	if cluster = getenv(contract.EnvCluster); cluster == "" {
		faults = append(faults, fmt.Errorf("%s is empty; give it the QA cluster's name", contract.EnvCluster))
	}
	if err := json.Unmarshal([]byte(getenv(contract.EnvList)), &settings); err != nil {
		faults = append(faults, fmt.Errorf("%s can't be read: %w", contract.EnvList, err))
	} else if settings.Platform == "" || settings.Domain == "" {
		faults = append(faults, fmt.Errorf("%s lacks platform or domain", contract.EnvList))
	}
	return settings, cluster, errors.Join(faults...)
}
