// Package decide says what is to be done about a finding. It is pure: the configuration and the finding go in, a plan comes
// out. The ledger, which knows what was done before, has the last word.
package decide

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"slipway/internal/contract"
	"slipway/lambdas/internal/environ"
)

// Config is the response's configuration.
type Config = contract.ResponseConfig

// Policy is a row of the configuration's table.
type Policy = contract.ResponsePolicy

// Protected is what the response leaves alone.
type Protected = contract.ResponseProtected

// Duration is how the configuration writes one.
type Duration = contract.TextDuration

// ParseConfig reads the configuration strictly and reports all that is wrong with it at once.
func ParseConfig(text string) (Config, error) {
	var c Config
	if err := environ.Decode(text, &c); err != nil {
		return Config{}, fmt.Errorf("read the configuration: %w", err)
	}
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	for name, d := range map[string]Duration{"approval": c.Approval, "block": c.Block, "keep": c.Keep} {
		if d <= 0 {
			fault("%s is %s; give it a duration such as 24h", name, time.Duration(d))
		}
	}
	for i, p := range c.Policies {
		if len(p.Findings) == 0 {
			fault("policy %d has no findings; give it types, or *", i+1)
		}
		if !slices.Contains(contract.ResponseModes, p.Mode) {
			fault("policy %d has the mode %q; give it one of %v", i+1, p.Mode, contract.ResponseModes)
		}
		if p.After != "" && !slices.Contains(contract.ResponseAfters, p.After) {
			fault("policy %d has after: %q; give it one of %v", i+1, p.After, contract.ResponseAfters)
		}
		for _, a := range p.Actions {
			if !slices.Contains(contract.ResponseActions, a) {
				fault("policy %d has the action %q; give it some of %v", i+1, a, contract.ResponseActions)
			}
		}
	}
	if len(faults) > 0 {
		return Config{}, fmt.Errorf("the configuration: %w", errors.Join(faults...))
	}
	return c, nil
}

// matches says whether text is what the pattern describes, in which * stands for any text.
func matches(pattern, text string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == text
	}
	rest, ok := strings.CutPrefix(text, parts[0])
	if !ok {
		return false
	}
	for _, part := range parts[1 : len(parts)-1] {
		i := strings.Index(rest, part)
		if i < 0 {
			return false
		}
		rest = rest[i+len(part):]
	}
	return strings.HasSuffix(rest, parts[len(parts)-1])
}

func matchesAny(patterns []string, texts ...string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		return slices.ContainsFunc(texts, func(t string) bool { return t != "" && matches(p, t) })
	})
}
