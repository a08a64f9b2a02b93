// Package decide says what is to be done about a finding. It is pure: the configuration and the finding go in, a plan comes
// out. The ledger, which knows what was done before, has the last word.
package decide

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"time"

	"slipway/internal/contract"
)

// Config is what the stack writes as JSON into one environment variable.
type Config struct {
	// Stages are those of this account, by name; each has its cluster, its block lists and its stacks.
	Stages []string `json:"stages"`
	// QAStage hosts the QA environments.
	QAStage string `json:"qaStage"`
	// Policies in order: the first that matches a finding decides.
	Policies []Policy `json:"policies"`
	// Protected is never touched; people are told.
	Protected Protected `json:"protected"`
	// Approval is how long an action waits for a person, Block how long an address stays blocked, Keep how long what is
	// finished stays in the ledger.
	Approval Duration `json:"approval"`
	Block    Duration `json:"block"`
	Keep     Duration `json:"keep"`
	// ActOnSamples treats GuardDuty's sample findings like real ones.
	ActOnSamples bool `json:"actOnSamples,omitempty"`
}

// Policy is a row of the table in platform.yaml.
type Policy struct {
	// Findings are types; * stands for any text. Only types that Slipway knows can match.
	Findings []string `json:"findings"`
	// MinSeverity is GuardDuty's number.
	MinSeverity float64 `json:"minSeverity"`
	// Stages of the resource; none means all, also a resource of no stage.
	Stages  []string               `json:"stages,omitempty"`
	Actions []string               `json:"actions"`
	Mode    contract.ResponseMode  `json:"mode"`
	After   contract.ResponseAfter `json:"after,omitempty"`
}

// Protected are principals, resources and addresses that only lead to a message.
type Protected struct {
	Principals []string       `json:"principals,omitempty"` // names of users and roles; * stands for any text
	Resources  []string       `json:"resources,omitempty"`  // IDs, names or ARNs; * stands for any text
	Addresses  []netip.Prefix `json:"addresses,omitempty"`
}

// Duration is a time.Duration as text, such as 24h.
type Duration time.Duration

// UnmarshalText reads Go's notation.
func (d *Duration) UnmarshalText(text []byte) error {
	read, err := time.ParseDuration(string(text))
	*d = Duration(read)
	return err
}

// MarshalText writes Go's notation.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// ParseConfig reads the configuration strictly and reports all that is wrong with it at once.
func ParseConfig(text string) (Config, error) {
	var c Config
	decoder := json.NewDecoder(bytes.NewReader([]byte(text)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&c); err != nil {
		return Config{}, fmt.Errorf("read the configuration: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return Config{}, errors.New("read the configuration: something follows the JSON object")
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
