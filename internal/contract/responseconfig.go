package contract

import (
	"net/netip"
	"time"
)

// ResponseConfig is the response's configuration: the stack writes it as JSON into EnvResponse.
type ResponseConfig struct {
	// Stages are those of this account, by name; each has its cluster, its block lists and its stacks.
	Stages []string `json:"stages"`
	// QAStage hosts the QA environments.
	QAStage string `json:"qaStage"`
	// Policies in order: the first that covers a finding decides.
	Policies []ResponsePolicy `json:"policies"`
	// Protected is never touched; people are told.
	Protected ResponseProtected `json:"protected"`
	// Approval is how long an action waits for a person, Block how long an address stays blocked, Keep how long what is
	// finished stays in the ledger.
	Approval TextDuration `json:"approval"`
	Block    TextDuration `json:"block"`
	Keep     TextDuration `json:"keep"`
	// ActOnSamples treats GuardDuty's sample findings like real ones.
	ActOnSamples bool `json:"actOnSamples,omitempty"`
}

// ResponsePolicy is a row of the table in platform.yaml.
type ResponsePolicy struct {
	// Findings are types; * stands for any text. Only types that Slipway knows can match.
	Findings []string `json:"findings"`
	// MinSeverity is GuardDuty's number.
	MinSeverity float64 `json:"minSeverity"`
	// Stages of the resource; none means all, also a resource of no stage.
	Stages  []string      `json:"stages,omitempty"`
	Actions []string      `json:"actions"`
	Mode    ResponseMode  `json:"mode"`
	After   ResponseAfter `json:"after,omitempty"`
}

// ResponseProtected are principals, resources and addresses that only lead to a message.
type ResponseProtected struct {
	Principals []string       `json:"principals,omitempty"` // names of users and roles; * stands for any text
	Resources  []string       `json:"resources,omitempty"`  // IDs, names or ARNs; * stands for any text
	Addresses  []netip.Prefix `json:"addresses,omitempty"`
}

// TextDuration is a time.Duration as text, such as 24h.
type TextDuration time.Duration

// UnmarshalText reads Go's notation.
func (d *TextDuration) UnmarshalText(text []byte) error {
	read, err := time.ParseDuration(string(text))
	*d = TextDuration(read)
	return err
}

// MarshalText writes Go's notation.
func (d TextDuration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }
