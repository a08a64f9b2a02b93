package contract

// EnvSweep holds a Sweep as JSON.
const EnvSweep = "SLIPWAY_SWEEP"

// Sweep is what the sweep of QA environments' remains needs to know, as its stack tells it.
type Sweep struct {
	Platform string   `json:"platform"`
	Cluster  string   `json:"cluster"`
	Domain   string   `json:"domain"`
	Stage    string   `json:"stage"`    // the QA stage's
	Stages   []string `json:"stages"`   // all stages whose image parameters are in this account
	Listener string   `json:"listener"` // ARN of the shared listener
	Topic    string   `json:"topic"`    // ARN
	Switch   string   `json:"switch"`   // CleanupSwitch
	Memory   string   `json:"memory"`   // SweepMemory
	Bucket   string   `json:"bucket"`
	Zone     string   `json:"zone"` // name of the hosted zone
	// Repository and Registry are the images'; empty where other accounts may run them unseen, and images are then never deleted.
	Repository string `json:"repository,omitempty"`
	Registry   string `json:"registry,omitempty"`
	Data       string `json:"data,omitempty"` // the function that drops databases; empty if there is none
	Grace      string `json:"grace"`          // Go duration
	DryRun     bool   `json:"dryRun"`
}

// SweepMemory is the parameter in which the sweep remembers since when an environment has been without an owner.
func SweepMemory(platform, stage string) string {
	return "/" + platform + "/" + stage + "/sweep-memory"
}
