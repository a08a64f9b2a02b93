package contract

// DataRequest is what the sweep of QA environments asks of the function that makes and drops their databases.
type DataRequest struct {
	Sweep       string `json:"sweep"`                 // SweepList or SweepDrop
	Environment string `json:"environment,omitempty"` // the slug whose database goes
}

// What a DataRequest may ask for.
const (
	SweepList = "list"
	SweepDrop = "drop"
)

// DataAnswer is its answer. A database that isn't there is dropped.
type DataAnswer struct {
	Environments []string `json:"environments,omitempty"` // slugs whose databases carry the platform's mark of ownership
}
