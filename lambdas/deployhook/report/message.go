package report

import (
	"fmt"
	"strings"
)

// Where tells people where they are and where to read on.
type Where struct {
	Platform, Stage string
	LogGroup        string // empty where it isn't known
}

const maxLines = 40

// Text is the report for a terminal or a mail.
func Text(r Report) string {
	var b strings.Builder
	switch {
	case r.Skipped != "":
		fmt.Fprintf(&b, "Nothing was tested: %s.\n", r.Skipped)
	case r.Passed:
		fmt.Fprintf(&b, "All checks passed in %d ms.\n", r.Millis)
	default:
		fmt.Fprintf(&b, "The checks failed after %d ms:\n", r.Millis)
		for _, reason := range r.Reasons {
			fmt.Fprintf(&b, "- %s\n", reason)
		}
	}
	if len(r.Entries) > 0 {
		b.WriteString("\nRequests (check, attempt, status, time, verdict):\n")
	}
	for _, e := range r.Entries[:min(len(r.Entries), maxLines)] {
		attempt := ""
		if e.Attempt > 1 {
			attempt = fmt.Sprintf(" attempt %d", e.Attempt)
		}
		fmt.Fprintf(&b, "- %s %s %s%s: %d, %d ms, %s\n", e.Check, e.Method, e.Path, attempt, e.Status, e.Millis, e.Verdict)
		if e.Body != "" {
			fmt.Fprintf(&b, "  it answered: %s\n", e.Body)
		}
	}
	if more := len(r.Entries) - maxLines + r.Omitted; len(r.Entries) >= maxLines && more > 0 {
		fmt.Fprintf(&b, "- and %d more\n", more)
	}
	if r.Green != nil {
		fmt.Fprintf(&b, "\nGreen: %d of %d sample requests failed", r.Green.Errors, r.Green.Requests)
		if r.Blue != nil {
			fmt.Fprintf(&b, "; blue: %d of %d", r.Blue.Errors, r.Blue.Requests)
		}
		b.WriteString(".\n")
	}
	return b.String()
}

// Message is what people get when the hook stops a deployment; it is empty otherwise.
func Message(w Where, r Report) (subject, body string) {
	if r.Passed {
		return "", ""
	}
	subject = fmt.Sprintf("%s %s: the new version failed its tests", w.Platform, w.Stage)
	var b strings.Builder
	fmt.Fprintf(&b, "The deployment %s was stopped before it went on: the new version failed its tests.\n", r.Event.Deployment)
	users := "Users keep the version that they had"
	if r.Event.Stage == "PRODUCTION_TRAFFIC_SHIFT" || r.Event.Stage == "POST_PRODUCTION_TRAFFIC_SHIFT" {
		users = "Users may have got the new version, and get the old one back"
	}
	fmt.Fprintf(&b, "%s. %s undoes the rest; fix the cause and deploy again.\n\n", users, who(r))
	b.WriteString(Text(r))
	if w.LogGroup != "" {
		fmt.Fprintf(&b, "\nThe whole report, also later:\naws logs filter-log-events --log-group-name %s --filter-pattern '{ $.report.event.execution = \"%s\" }'\n",
			w.LogGroup, r.Event.Execution)
	}
	return subject, b.String()
}

func who(r Report) string {
	if r.Event.Source == "codedeploy" {
		return "CodeDeploy"
	}
	return "ECS"
}
