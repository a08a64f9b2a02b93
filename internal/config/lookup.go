package config

import "time"

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

// Delegated says whether a stage has a hosted zone <stage>.<domain> of its own, because another account holds the root
// zone. Names don't matter, only account IDs.
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

// ZoneName is the hosted zone that holds a stage's names: the root zone or the stage's own.
func (c *Config) ZoneName(s *Stage) string {
	if c.Delegated(s) {
		return s.Name + "." + c.Domain
	}
	return c.Domain
}

// Duration is d as the standard library has it.
func (d Duration) Duration() time.Duration { return time.Duration(d) }

// String writes d in Go's notation.
func (d Duration) String() string { return time.Duration(d).String() }

// MarshalText writes d as the configuration has it.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }
