package decide

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Source is who deploys.
type Source string

// The two.
const (
	CodeDeploy Source = "CodeDeploy"
	ECS        Source = "ECS"
)

// Event is a deployment that failed or was stopped. Anything of it may be empty but the source.
type Event struct {
	Source      Source    `json:"source"`
	ID          string    `json:"id"`         // EventBridge's; the same in each delivery
	Deployment  string    `json:"deployment"` // ID
	State       string    `json:"state"`
	Reason      string    `json:"reason,omitempty"`
	Application string    `json:"application,omitempty"`
	Group       string    `json:"deploymentGroup,omitempty"`
	Region      string    `json:"region,omitempty"`
	Time        time.Time `json:"time,omitzero"`
}

// IgnoredKind is why an event is none of the responder's.
type IgnoredKind string

// The kinds. Each is a no-op and no error: another delivery would end the same way.
const (
	Malformed IgnoredKind = "malformed" // not to be read
	Unknown   IgnoredKind = "unknown"   // of another source, type or state than are known
	Other     IgnoredKind = "other"     // of another service
	Harmless  IgnoredKind = "harmless"  // of a deployment that goes well
)

// Ignored is the error of an event that needs nothing.
type Ignored struct {
	Kind IgnoredKind
	Why  string
}

func (i *Ignored) Error() string { return string(i.Kind) + ": " + i.Why }

// The states as AWS documents them; EventBridge's CodeDeploy events know no other, a rollback is a deployment of its own.
var (
	codeDeployStates = map[string]bool{"FAILURE": true, "STOP": true, "START": false, "READY": false, "SUCCESS": false}
	ecsStates        = map[string]bool{"SERVICE_DEPLOYMENT_FAILED": true, "SERVICE_DEPLOYMENT_IN_PROGRESS": false, "SERVICE_DEPLOYMENT_COMPLETED": false}
)

// ParseEvent reads an event of EventBridge. The error is always an *Ignored.
func ParseEvent(c Config, raw []byte) (Event, error) {
	var e struct {
		ID         string   `json:"id"`
		Source     string   `json:"source"`
		DetailType string   `json:"detail-type"`
		Time       string   `json:"time"`
		Region     string   `json:"region"`
		Resources  []string `json:"resources"`
		Detail     *struct {
			State       string `json:"state"`
			Deployment  string `json:"deploymentId"`
			Application string `json:"application"`
			Group       string `json:"deploymentGroup"`
			EventName   string `json:"eventName"`
			Reason      string `json:"reason"`
		} `json:"detail"`
	}
	if err := json.Unmarshal(raw, &e); err != nil {
		return Event{}, &Ignored{Malformed, err.Error()}
	}
	if e.Detail == nil {
		return Event{}, &Ignored{Malformed, "the event has no detail"}
	}
	d := e.Detail
	out := Event{ID: e.ID, Deployment: d.Deployment, Region: e.Region, Reason: d.Reason}
	out.Time, _ = time.Parse(time.RFC3339, e.Time) // only shown
	states := codeDeployStates
	switch e.Source + "/" + e.DetailType {
	case "aws.codedeploy/CodeDeploy Deployment State-change Notification":
		out.Source, out.State, out.Application, out.Group = CodeDeploy, d.State, d.Application, d.Group
		if isOther(c.Application, d.Application) || isOther(c.Group, d.Group) {
			return Event{}, &Ignored{Other, fmt.Sprintf("it is about deployment group %s of application %s", d.Group, d.Application)}
		}
	case "aws.ecs/ECS Deployment State Change":
		out.Source, out.State, states = ECS, d.EventName, ecsStates
		if len(e.Resources) > 0 && e.Resources[0] != c.Service {
			return Event{}, &Ignored{Other, "it is about " + e.Resources[0]}
		}
	default:
		return Event{}, &Ignored{Unknown, fmt.Sprintf("nothing is known of events %q of %q", e.DetailType, e.Source)}
	}
	bad, known := states[out.State]
	switch {
	case !known:
		return Event{}, &Ignored{Unknown, fmt.Sprintf("nothing is known of the state %q of a deployment by %s", out.State, out.Source)}
	case !bad:
		return Event{}, &Ignored{Harmless, fmt.Sprintf("deployment %s is in state %s", out.Deployment, out.State)}
	}
	return out, nil
}

// isOther says that an event names something else than what is configured. What it leaves out is no reason to stay silent.
func isOther(want, got string) bool { return want != "" && got != "" && want != got }

// Key names the failure: events with the same key are one, and get one message. It is a legal last part of the name of an
// SSM parameter.
func Key(e Event, f Facts) string {
	key := e.Deployment
	// ECS tells of one failed deployment under more than one of its short IDs; its service deployment is the same one.
	if e.Source == ECS && f.Deployment != nil && f.Deployment.ID != "" {
		key = f.Deployment.ID
	}
	if key == "" {
		key = e.ID
	}
	if key == "" {
		key = "unknown-" + e.Time.UTC().Format("20060102T150405Z")
	}
	key = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_.-", r) {
			return r
		}
		return '-'
	}, key)
	return "of-" + key[:min(len(key), 200)] // no name of a parameter may begin with aws or ssm
}
