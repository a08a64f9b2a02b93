package contract

// Metrics of the QA cleanup, written in CloudWatch's embedded metric format, with the platform's name as dimension.
const (
	CleanupNamespace    = "Slipway/QACleanup"
	SweepNamespace      = "Slipway/QASweep"
	DimensionPlatform   = "Platform"
	MetricDeleted       = "Deleted"
	MetricFailed        = "Failed"
	MetricStuck         = "Stuck" // stacks that a person must unblock
	MetricLeft          = "Left"  // left to the next run
	MetricKept          = "Kept"
	MetricUnclear       = "Unclear" // kept because something about them can't be read
	MetricWouldDelete   = "WouldDelete"
	MetricWarned        = "Warned" // environments whose owners were told that the end is near
	MetricPaused        = "Paused" // 1 while people paused the cleanup
	MetricCleanupMillis = "Duration"
)
