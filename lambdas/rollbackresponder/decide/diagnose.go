package decide

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Diagnosis is what a person wants to know first.
type Diagnosis struct {
	What string   `json:"what"`
	Why  []string `json:"why"` // the most likely cause first
	Done string   `json:"done"`
}

// Diagnose puts the facts in order. It claims no more than they say.
func Diagnose(c Config, e Event, f Facts) Diagnosis {
	d := Diagnosis{What: what(c, e, f), Done: done(e, f)}
	add := func(format string, args ...any) { d.Why = append(d.Why, fmt.Sprintf(format, args...)) }

	alarms := alarmNames(f)
	deployment := f.Deployment
	if deployment == nil {
		deployment = &Deployment{}
	}
	alarmed := deployment.Code == "ALARM_ACTIVE" || len(deployment.Alarms) > 0
	switch {
	case alarmed && len(alarms) > 0:
		add("The alarm went off: %s.", strings.Join(alarms, ", "))
	case alarmed:
		add("An alarm of the deployment went off; it is off again.")
	case deployment.Code == "HOOK_EXECUTION_FAILURE" || isHook(deployment.FailedEvent):
		add("The new version failed its tests%s; the hook's own message lists the requests.", at(deployment.FailedEvent))
	case deployment.Code == "MANUAL_STOP":
		add("Somebody stopped it.")
	case deployment.Code == "TIMEOUT":
		add("It took too long: the new tasks didn't become healthy, or a hook didn't answer.")
	case e.State == "STOP" && deployment.Code == "":
		add("It was stopped, by hand or by an alarm.")
	}
	causes := taskCauses(f.Tasks)
	for _, cause := range causes {
		add("%s", cause)
	}
	for _, t := range f.Targets {
		if t.Total > t.Healthy && unhealthy(t) != "" {
			add("Targets in %s aren't healthy: %s.", t.Name, unhealthy(t))
		}
	}
	if !alarmed && len(alarms) > 0 {
		add("An alarm is on: %s.", strings.Join(alarms, ", "))
	}
	for _, text := range []string{deployment.Message, e.Reason} {
		if text != "" && !slices.ContainsFunc(d.Why, func(w string) bool { return strings.Contains(w, text) }) {
			add("%s says: %s", e.Source, text)
		}
	}
	if len(d.Why) == 0 {
		add("Nothing that could be read says why; look at the service's events and its log.")
	}
	return d
}

func what(c Config, e Event, f Facts) string {
	verb := "failed"
	if e.State == "STOP" {
		verb = "was stopped"
	}
	name := e.Deployment
	if name == "" {
		name = "without an ID"
	}
	kind := "The deployment"
	if f.Deployment != nil && f.Deployment.Undoes != "" {
		kind = "The rollback"
	}
	return fmt.Sprintf("%s %s of service %s in cluster %s %s.", kind, name, c.Name, c.Cluster, verb)
}

func done(e Event, f Facts) string {
	d := f.Deployment
	switch {
	case d == nil:
		return fmt.Sprintf("What %s did about it could not be read; see which version answers.", e.Source)
	case d.Undoes != "":
		return fmt.Sprintf("This was the rollback of %s, so nothing else brings the old version back: act now.", d.Undoes)
	case d.UndoneBy != "":
		return fmt.Sprintf("%s brings the old version back with deployment %s.", e.Source, d.UndoneBy)
	case d.Status == "ROLLBACK_SUCCESSFUL":
		return "ECS has brought the old version back."
	case d.Status == "ROLLBACK_IN_PROGRESS" || d.Status == "ROLLBACK_REQUESTED":
		return "ECS is bringing the old version back."
	case d.Status == "ROLLBACK_FAILED":
		return "ECS tried to bring the old version back and failed: act now."
	case d.AutoRollback:
		return fmt.Sprintf("%s is set to bring the old version back by itself.", e.Source)
	}
	return "Nothing is known to bring the old version back by itself; see which version answers."
}

func at(event string) string {
	if event == "" {
		return ""
	}
	return " at " + event
}

// isHook says that a lifecycle event of CodeDeploy for ECS is one in which a hook decides.
func isHook(event string) bool {
	switch event {
	case "BeforeInstall", "AfterInstall", "AfterAllowTestTraffic", "BeforeAllowTraffic", "AfterAllowTraffic":
		return true
	}
	return false
}

func alarmNames(f Facts) (names []string) {
	if f.Deployment != nil {
		names = append(names, f.Deployment.Alarms...)
	}
	for _, a := range f.Alarms {
		if !slices.Contains(names, a.Name) {
			names = append(names, a.Name)
		}
	}
	return names
}

// taskCauses says why tasks stopped by themselves, each cause once with its count, the most frequent first. A task that
// the scheduler or a person stopped isn't a cause, unless it was for its health.
func taskCauses(tasks []Task) []string {
	counts := map[string]int{}
	for _, t := range tasks {
		if cause := taskCause(t); cause != "" {
			counts[cause]++
		}
	}
	causes := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		if counts[a] != counts[b] {
			return counts[b] - counts[a]
		}
		return strings.Compare(a, b)
	})
	for i, cause := range causes {
		if n := counts[cause]; n > 1 {
			causes[i] = fmt.Sprintf("%d times: %s", n, cause)
		}
	}
	return causes
}

func taskCause(t Task) string {
	text := t.Reason + " " + t.Container
	has := func(part string) bool { return strings.Contains(strings.ToLower(text), strings.ToLower(part)) }
	exit := int32(-1)
	if t.Exit != nil {
		exit = *t.Exit
	}
	switch {
	case has("CannotPull"):
		return "a task could not pull its image."
	case has("ResourceInitializationError"):
		return "a task could not fetch its secrets, or reach ECR or the logs, before it started."
	case has("OutOfMemory"), exit == 137 && t.Code == "EssentialContainerExited":
		return "a task was killed, most likely for want of memory (exit code 137)."
	case has("health check"):
		return "a task failed its health checks."
	case t.Code == "TaskFailedToStart":
		return "a task failed to start."
	case t.Code == "EssentialContainerExited" && exit >= 0:
		return fmt.Sprintf("a container exited by itself with code %d.", exit)
	case t.Code == "EssentialContainerExited":
		return "a container exited by itself."
	case t.Code == "SpotInterruption", t.Code == "InfrastructureHealth", t.Code == "TerminationNotice":
		return "AWS took the machine away (" + t.Code + ")."
	}
	return ""
}

// unhealthy lists why targets aren't healthy, leaving out those that come or go as they should.
func unhealthy(t TargetGroup) string {
	var parts []string
	for _, reason := range slices.Sorted(maps.Keys(t.Reasons)) {
		switch reason {
		case "Target.DeregistrationInProgress", "Elb.RegistrationInProgress", "Elb.InitialHealthChecking", "Target.NotInUse":
			continue
		}
		parts = append(parts, fmt.Sprintf("%d × %s", t.Reasons[reason], reason))
	}
	return strings.Join(parts, ", ")
}
