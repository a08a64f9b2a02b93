package main

import (
	"errors"
	"fmt"
	"strings"

	"slipway/internal/contract"
	"slipway/lambdas/rollbackresponder/decide"
)

// settings are what the function's environment variables say.
type settings struct {
	platform, stage, topicARN string
	config                    decide.Config
}

// readSettings reads the settings and reports all that is wrong with them at once.
func readSettings(getenv func(string) string) (settings, error) {
	var faults []error
	required := func(name, prefix string) string {
		value := getenv(name)
		if value == "" || !strings.HasPrefix(value, prefix) {
			faults = append(faults, fmt.Errorf("%s is %q; give it %s", name, value, map[bool]string{true: "one that begins with " + prefix, false: "a value"}[prefix != ""]))
		}
		return value
	}
	s := settings{platform: required(contract.EnvPlatform, ""), stage: required(contract.EnvStage, ""), topicARN: required(contract.EnvTopicARN, "arn:")}
	var err error
	if s.config, err = decide.ParseConfig(getenv(contract.EnvRollbackResponder)); err != nil {
		faults = append(faults, fmt.Errorf("%s: %w", contract.EnvRollbackResponder, err))
	}
	return s, errors.Join(faults...)
}
