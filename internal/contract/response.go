package contract

// Names that the response to findings shares with its stack and with the command line.

// ResponseMode is how far a policy of the response goes.
type ResponseMode string

// The modes.
const (
	ModeOff     ResponseMode = "off"     // nothing is done, nobody is told
	ModeDryRun  ResponseMode = "dry-run" // people are told what would be done
	ModeApprove ResponseMode = "approve" // it is done when a person says so
	ModeAuto    ResponseMode = "auto"    // it is done at once
)

// ResponseModes are all modes.
var ResponseModes = []ResponseMode{ModeOff, ModeDryRun, ModeApprove, ModeAuto}

// ResponseAfter is what becomes of a finding that was contained.
type ResponseAfter string

// What may be done with it.
const (
	AfterLeave    ResponseAfter = "leave"
	AfterAnnotate ResponseAfter = "annotate" // a comment says what was done
	AfterArchive  ResponseAfter = "archive"  // a comment, and it leaves the list of current findings
)

// ResponseAfters are all of them.
var ResponseAfters = []ResponseAfter{AfterLeave, AfterAnnotate, AfterArchive}

// Actions of the response, as the policy table names them.
const (
	ActionIsolateInstance   = "isolate-instance"
	ActionDisableAccessKeys = "disable-access-keys"
	ActionRevokeSessions    = "revoke-sessions"
	ActionBlockAddress      = "block-address"
	ActionBlockPublicAccess = "block-public-access"
	ActionRollBackService   = "roll-back-service"
	ActionStopService       = "stop-service"
)

// ResponseActions are all actions, in the order in which they are carried out.
var ResponseActions = []string{
	ActionIsolateInstance, ActionDisableAccessKeys, ActionRevokeSessions, ActionBlockAddress, ActionBlockPublicAccess,
	ActionRollBackService, ActionStopService,
}

// TagResponse with the value ResponseExempt on a resource keeps the response away from it.
const (
	TagResponse    = "slipway:response"
	ResponseExempt = "exempt"
)

// TagQuarantine marks an isolated instance, its quarantine group and its snapshots with the ledger's entry.
const TagQuarantine = "slipway:quarantine"

// QuarantineGroup is the security group without rules into which isolated instances go; one in each VPC that needs it.
func QuarantineGroup(platform string) string { return platform + "-quarantine" }

// DenyOlderSessions is the inline policy that ends the sessions of a role or user.
func DenyOlderSessions(platform string) string { return platform + "-deny-older-sessions" }

// ResponseFunction is the Lambda of the response in each account.
func ResponseFunction(platform string) string { return platform + "-threat-response" }

// LedgerIndex finds the entries of a state by their due time.
const LedgerIndex = "by-state"

// Attributes of the ledger that its index and its expiry need.
const (
	LedgerID    = "id"
	LedgerState = "state"
	LedgerDue   = "due"   // seconds since 1970: when the sweep must look at the entry
	LedgerPurge = "purge" // seconds since 1970: when DynamoDB may delete it
)

// Metrics of the response, in CloudWatch's embedded metric format, with the platform's name as dimension.
const (
	ResponseNamespace  = "Slipway/ThreatResponse"
	MetricContained    = "Contained"
	MetricWaiting      = "Waiting"      // for a person's approval
	MetricWouldContain = "WouldContain" // dry runs
	MetricUncontained  = "Uncontained"  // an action failed; a person must look
	MetricReleased     = "Released"
	MetricOnlyTold     = "OnlyTold" // findings about which nothing could or should be done
)

// Environment variables of the response.
const (
	EnvResponse    = "SLIPWAY_THREAT_RESPONSE" // JSON, the Lambda's decide.Config
	EnvLedgerTable = "SLIPWAY_LEDGER_TABLE"
	EnvRoleName    = "SLIPWAY_ROLE_NAME" // the function's own role, which it never touches
	EnvAccount     = "SLIPWAY_ACCOUNT"
)

// Commands to the response.
const (
	ResponseCommandPurpose = "threat-response-command" // tells a command from a finding
	ResponseCommandApprove = "approve"
	ResponseCommandReject  = "reject"
	ResponseCommandUndo    = "undo"
	ResponseCommandList    = "list"
	ResponseCommandSweep   = "sweep"
)

// ResponseCommand is what the command line and the schedule send to the function.
type ResponseCommand struct {
	Purpose string `json:"purpose"` // ResponseCommandPurpose
	Command string `json:"command"`
	ID      string `json:"id,omitempty"` // of a ledger entry
	By      string `json:"by,omitempty"` // who asks
	Why     string `json:"why,omitempty"`
	All     bool   `json:"all,omitempty"` // list: also what is finished
}

// ResponseEntry is a line of the ledger as the function answers it.
type ResponseEntry struct {
	ID       string   `json:"id"`
	State    string   `json:"state"`
	Action   string   `json:"action,omitempty"`
	Target   string   `json:"target,omitempty"`
	Stage    string   `json:"stage,omitempty"`
	Severity float64  `json:"severity,omitempty"`
	Finding  string   `json:"finding"` // type
	Title    string   `json:"title,omitempty"`
	Since    string   `json:"since,omitempty"` // RFC 3339
	Until    string   `json:"until,omitempty"` // RFC 3339: when it ends, or lapses, by itself
	By       string   `json:"by,omitempty"`
	Notes    []string `json:"notes,omitempty"`
	Error    string   `json:"error,omitempty"`
}

// ResponseAnswer is what the function answers to a command.
type ResponseAnswer struct {
	Message string          `json:"message"`
	Entries []ResponseEntry `json:"entries,omitempty"`
	Failed  bool            `json:"failed,omitempty"`
}
