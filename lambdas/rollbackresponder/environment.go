package main

import (
	"slipway/internal/contract"
	"slipway/lambdas/internal/environ"
	"slipway/lambdas/rollbackresponder/decide"
)

// settings are what the function's environment variables say.
type settings struct {
	platform, stage, topicARN string
	config                    decide.Config
}

// readSettings reads the settings and reports all that is wrong with them at once.
func readSettings(getenv func(string) string) (settings, error) {
	from := environ.Reader{Get: getenv}
	s := settings{platform: from.Required(contract.EnvPlatform, ""), stage: from.Required(contract.EnvStage, ""), topicARN: from.Required(contract.EnvTopicARN, "arn:")}
	var err error
	if s.config, err = decide.ParseConfig(getenv(contract.EnvRollbackResponder)); err != nil {
		from.Fault("%s: %w", contract.EnvRollbackResponder, err)
	}
	return s, from.Err()
}
