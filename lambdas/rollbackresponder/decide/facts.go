package decide

import "time"

// Facts are what could be read about a failed deployment. What could not is empty, and a problem says so. All text is
// redacted and short already.
type Facts struct {
	Deployment *Deployment   `json:"deployment,omitempty"`
	Service    *Service      `json:"service,omitempty"`
	Tasks      []Task        `json:"tasks,omitempty"` // stopped ones, the newest first
	Targets    []TargetGroup `json:"targets,omitempty"`
	Alarms     []Alarm       `json:"alarms,omitempty"` // those that are on
	Problems   []string      `json:"problems,omitempty"`
}

// Deployment is what CodeDeploy or ECS itself says.
type Deployment struct {
	ID          string   `json:"id"`
	Status      string   `json:"status"`
	Code        string   `json:"code,omitempty"` // CodeDeploy's error code
	Message     string   `json:"message,omitempty"`
	FailedEvent string   `json:"failedEvent,omitempty"` // CodeDeploy's lifecycle event that failed
	Stage       string   `json:"stage,omitempty"`       // ECS's
	Alarms      []string `json:"alarms,omitempty"`      // that ECS saw go off
	// UndoneBy is the deployment that brings the old version back; Undoes the one that this deployment should have undone.
	UndoneBy     string `json:"undoneBy,omitempty"`
	Undoes       string `json:"undoes,omitempty"`
	AutoRollback bool   `json:"autoRollback,omitempty"`
}

// Service is the ECS service now.
type Service struct {
	Desired int32    `json:"desired"`
	Running int32    `json:"running"`
	Pending int32    `json:"pending"`
	Events  []string `json:"events,omitempty"` // the newest first
}

// Task is a stopped task.
type Task struct {
	ID         string    `json:"id"`
	Definition string    `json:"definition,omitempty"` // family and revision
	Stopped    time.Time `json:"stopped,omitzero"`
	Code       string    `json:"code,omitempty"`
	Reason     string    `json:"reason,omitempty"`
	Container  string    `json:"container,omitempty"` // why the container stopped
	Exit       *int32    `json:"exit,omitempty"`
	Lines      []string  `json:"lines,omitempty"` // the last ones of its log
}

// TargetGroup is the health of its targets.
type TargetGroup struct {
	Name    string         `json:"name"`
	Healthy int            `json:"healthy"`
	Total   int            `json:"total"`
	Reasons map[string]int `json:"reasons,omitempty"` // of those that aren't healthy
}

// Alarm is one that is on.
type Alarm struct {
	Name   string `json:"name"`
	Reason string `json:"reason,omitempty"`
}
