package decide

import (
	"encoding/json"
	"errors"
	"fmt"
)

// Source is who asks the hook.
type Source string

// CodeDeploy waits for a call of PutLifecycleEventHookExecutionStatus, ECS for the function's return value.
const (
	CodeDeploy Source = "codedeploy"
	ECS        Source = "ecs"
)

// Event is what the hook is asked.
type Event struct {
	Source     Source `json:"source"`
	Deployment string `json:"deployment"` // ID in CodeDeploy, ARN in ECS
	Execution  string `json:"execution"`  // ID of this question
	Stage      string `json:"stage,omitempty"`
	Service    string `json:"service,omitempty"` // ARN
	// RollingBack says that ECS moves traffic back to the blue side. CodeDeploy's event doesn't say; the deployment does.
	RollingBack bool `json:"rollingBack,omitempty"`
}

// ErrNobody is the error of an event that says nothing of whom to answer.
var ErrNobody = errors.New("the event is neither CodeDeploy's nor ECS's")

// ParseEvent recognizes the two kinds of event. With an error there may still be a Source: then the answer, a failure, can
// be given. Names are compared exactly, which encoding/json alone wouldn't do.
func ParseEvent(raw []byte) (Event, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(raw, &fields); err != nil {
		return Event{}, fmt.Errorf("%w: %w", ErrNobody, err)
	}
	var faults []error
	text := func(from map[string]json.RawMessage, name string) (s string) {
		if err := json.Unmarshal(from[name], &s); err != nil || s == "" {
			faults = append(faults, fmt.Errorf("the event's %s is no text", name))
			return ""
		}
		return s
	}
	has := func(name string) bool { _, ok := fields[name]; return ok }
	switch {
	case has("DeploymentId") || has("LifecycleEventHookExecutionId"):
		e := Event{Deployment: text(fields, "DeploymentId"), Execution: text(fields, "LifecycleEventHookExecutionId")}
		if len(faults) > 0 { // without both IDs there is nobody to tell
			return e, fmt.Errorf("%w: %w", ErrNobody, errors.Join(faults...))
		}
		e.Source = CodeDeploy
		return e, nil
	case has("lifecycleStage") || has("executionDetails"):
		e := Event{Source: ECS, Stage: text(fields, "lifecycleStage")}
		// The rest is for the report; what is missing is no reason to fail a deployment.
		_ = json.Unmarshal(fields["resourceArn"], &e.Deployment)
		_ = json.Unmarshal(fields["executionId"], &e.Execution)
		var details struct {
			Service    string             `json:"serviceArn"`
			Target     string             `json:"targetServiceRevisionArn"`
			Test       map[string]float64 `json:"testTrafficWeights"`
			Production map[string]float64 `json:"productionTrafficWeights"`
		}
		if err := json.Unmarshal(fields["executionDetails"], &details); err != nil && has("executionDetails") {
			faults = append(faults, fmt.Errorf("the event's executionDetails: %w", err))
		}
		e.Service = details.Service
		switch e.Stage {
		case stageProduction:
			e.RollingBack = movesAway(details.Target, details.Production)
		case stageTest:
			e.RollingBack = movesAway(details.Target, details.Test)
		}
		return e, errors.Join(faults...)
	}
	return Event{}, ErrNobody
}

// Stages of an ECS deployment at which a hook can run.
const (
	stageTest       = "TEST_TRAFFIC_SHIFT"
	stageProduction = "PRODUCTION_TRAFFIC_SHIFT"
)

// movesAway says that the weights take all traffic from the target. Hooks of the two shifting stages run again in a
// rollback, and ECS documents the weights as the way to tell.
func movesAway(target string, weights map[string]float64) bool {
	if w, ok := weights[target]; !ok || w != 0 {
		return false
	}
	for revision, w := range weights {
		if revision != target && w == 100 {
			return true
		}
	}
	return false
}

// CheckStage says whether green answers at the test listener at an ECS stage. CodeDeploy's event has no stage.
func CheckStage(e Event) error {
	if e.Source != ECS || e.RollingBack {
		return nil
	}
	switch e.Stage {
	case "POST_TEST_TRAFFIC_SHIFT", "PRE_PRODUCTION_TRAFFIC_SHIFT", stageProduction, "POST_PRODUCTION_TRAFFIC_SHIFT":
		return nil
	}
	return fmt.Errorf("at stage %q the test listener doesn't surely lead to the new version; register the hook for POST_TEST_TRAFFIC_SHIFT", e.Stage)
}
