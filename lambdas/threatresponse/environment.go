package main

import (
	"slipway/internal/contract"
	"slipway/lambdas/internal/environ"
	"slipway/lambdas/threatresponse/decide"
)

// settings are what the function's environment variables say.
type settings struct {
	at       decide.Place // without the Region, which the SDK knows
	table    string
	topicARN string
	config   decide.Config
}

// readSettings reads the settings and reports all that is wrong with them at once.
func readSettings(getenv func(string) string) (settings, error) {
	from := environ.Reader{Get: getenv}
	s := settings{
		at:    decide.Place{Platform: from.Required(contract.EnvPlatform, ""), Account: from.Required(contract.EnvAccount, ""), Role: from.Required(contract.EnvRoleName, "")},
		table: from.Required(contract.EnvLedgerTable, ""), topicARN: from.Required(contract.EnvTopicARN, "arn:"),
	}
	var err error
	if s.config, err = decide.ParseConfig(getenv(contract.EnvResponse)); err != nil {
		from.Fault("%s: %w", contract.EnvResponse, err)
	}
	return s, from.Err()
}
