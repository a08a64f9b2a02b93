package config

import (
	"maps"
	"slices"
	"time"

	"slipway/internal/contract"
)

// Account is the ID of a named account; empty if there is no such name, which a loaded Config never asks for.
func (c *Config) Account(name string) string { return c.Accounts[name] }

// Stage finds a stage by its name.
func (c *Config) Stage(name string) (*Stage, bool) {
	for i := range c.Stages {
		if c.Stages[i].Name == name {
			return &c.Stages[i], true
		}
	}
	return nil, false
}

// QAStage is the stage that hosts the QA environments; nil only in a Config that Load didn't make.
func (c *Config) QAStage() *Stage {
	s, _ := c.Stage(c.QA.Stage)
	return s
}

// ProductionStage is the production stage, if there is one.
func (c *Config) ProductionStage() (*Stage, bool) {
	for i := range c.Stages {
		if c.Stages[i].Production {
			return &c.Stages[i], true
		}
	}
	return nil, false
}

// Delegated says whether a stage has a hosted zone of its own (ZoneName), because another account holds the root zone.
// Names don't matter, only account IDs.
func (c *Config) Delegated(s *Stage) bool { return c.Account(s.Account) != c.Account(c.DNS.Account) }

// DelegatedStages are the stages for which Delegated is true, in deployment order.
func (c *Config) DelegatedStages() []*Stage {
	var stages []*Stage
	for i := range c.Stages {
		if c.Delegated(&c.Stages[i]) {
			stages = append(stages, &c.Stages[i])
		}
	}
	return stages
}

// ZoneName is the hosted zone that holds a stage's names: the root zone, or in another account the stage's own:
// <stage>.<domain>, which holds app.<stage>.<domain>. The names of production and of the QA environments don't contain
// the stage's, so their own zones are app.<domain> and qa.<domain>.
func (c *Config) ZoneName(s *Stage) string {
	switch {
	case !c.Delegated(s):
		return c.Domain
	case s.Production:
		return contract.AppHost(s.Name, true, c.Domain)
	case s.Name == c.QA.Stage:
		return contract.QADomain(c.Domain)
	default:
		return s.Name + "." + c.Domain
	}
}

// Duration is d as the standard library has it.
func (d Duration) Duration() time.Duration { return time.Duration(d) }

// String writes d in Go's notation.
func (d Duration) String() string { return time.Duration(d).String() }

// MarshalText writes d as the configuration has it.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// SecurityAccount is an account with a stack of its own for security.
type SecurityAccount struct {
	// Name is the first of the account's names in platform.yaml.
	Name string
	// ID has twelve digits.
	ID string
	// Stages are those in the account, in deployment order.
	Stages []Stage
}

// SecurityAccounts are the distinct accounts of platform.yaml, in the order of their IDs: several names may share one.
func (c *Config) SecurityAccounts() []SecurityAccount {
	byID := map[string]*SecurityAccount{}
	for _, name := range slices.Sorted(maps.Keys(c.Accounts)) {
		id := c.Accounts[name]
		if byID[id] == nil {
			byID[id] = &SecurityAccount{Name: name, ID: id}
		}
	}
	for _, stage := range c.Stages {
		if account := byID[c.Account(stage.Account)]; account != nil {
			account.Stages = append(account.Stages, stage)
		}
	}
	var accounts []SecurityAccount
	for _, id := range slices.Sorted(maps.Keys(byID)) {
		accounts = append(accounts, *byID[id])
	}
	return accounts
}
