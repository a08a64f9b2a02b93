// Package report tells people about a failed deployment: one message that is understood in ten seconds, with the evidence
// below.
package report

import (
	"fmt"
	"net/url"
	"strings"

	"slipway/lambdas/rollbackresponder/decide"
)

// Marker is in each log line that holds a record, so that a log query finds them all.
const Marker = "slipway.rollback.record"

// Where tells people where they are.
type Where struct {
	Platform, Stage string
	Region          string // of the function, where the event names none
	Record          string // name of the parameter with the record
}

// Message writes the message.
func Message(w Where, c decide.Config, e decide.Event, f decide.Facts, d decide.Diagnosis) (subject, body string) {
	verb := "failed"
	if e.State == "STOP" {
		verb = "was stopped"
	}
	subject = fmt.Sprintf("%s %s: a deployment of %s %s", w.Platform, w.Stage, c.Name, verb)

	var b strings.Builder
	fmt.Fprintf(&b, "WHAT  %s\n", d.What)
	for i, why := range d.Why {
		title := "WHY   Most likely: "
		if i > 0 {
			title = "      Also: "
		}
		fmt.Fprintf(&b, "%s%s\n", title, why)
	}
	fmt.Fprintf(&b, "NOW   %s\n", d.Done)
	if s := f.Service; s != nil {
		fmt.Fprintf(&b, "      The service runs %d of %d tasks (%d more are starting).\n", s.Running, s.Desired, s.Pending)
	}
	if !e.Time.IsZero() {
		fmt.Fprintf(&b, "WHEN  %s\n", e.Time.UTC().Format("2006-01-02 15:04:05 UTC"))
	}
	section := func(title string, lines []string) {
		if len(lines) == 0 {
			return
		}
		fmt.Fprintf(&b, "\n%s\n", title)
		for _, line := range lines {
			fmt.Fprintf(&b, "- %s\n", line)
		}
	}
	section("Links", links(w, c, e))
	section("Alarms that are on", alarms(f))
	section("Stopped tasks, of the last hour", tasks(f))
	for _, t := range f.Tasks {
		section("Last log lines of task "+t.ID, t.Lines)
	}
	section("Targets", targets(f))
	if f.Service != nil {
		section("The service's last events (UTC)", f.Service.Events)
	}
	section("What could not be read", f.Problems)
	if w.Record != "" {
		fmt.Fprintf(&b, "\nThis failure's record: aws ssm get-parameter --name %s\n", w.Record)
	}
	return subject, b.String()
}

func alarms(f decide.Facts) (lines []string) {
	for _, a := range f.Alarms {
		lines = append(lines, join(a.Name, a.Reason))
	}
	return lines
}

func tasks(f decide.Facts) (lines []string) {
	for _, t := range f.Tasks {
		parts := []string{t.Code, t.Reason, t.Container}
		if t.Exit != nil {
			parts = append(parts, fmt.Sprintf("exit code %d", *t.Exit))
		}
		lines = append(lines, join(fmt.Sprintf("%s of %s", t.ID, t.Definition), parts...))
	}
	return lines
}

func targets(f decide.Facts) (lines []string) {
	for _, t := range f.Targets {
		line := fmt.Sprintf("%s: %d of %d healthy", t.Name, t.Healthy, t.Total)
		for reason, n := range t.Reasons {
			line += fmt.Sprintf("; %d × %s", n, reason)
		}
		lines = append(lines, line)
	}
	return lines
}

func join(name string, parts ...string) string {
	var said []string
	for _, p := range parts {
		if p != "" {
			said = append(said, p)
		}
	}
	if len(said) == 0 {
		return name
	}
	return name + ": " + strings.Join(said, "; ")
}

// links lead to the console's pages, in the order in which one looks.
func links(w Where, c decide.Config, e decide.Event) (lines []string) {
	region := e.Region
	if region == "" {
		region = w.Region
	}
	if region == "" {
		return nil
	}
	base := "https://" + region + ".console.aws.amazon.com"
	if e.Source == decide.CodeDeploy && e.Deployment != "" {
		lines = append(lines, fmt.Sprintf("Deployment: %s/codesuite/codedeploy/deployments/%s?region=%s", base, url.PathEscape(e.Deployment), region))
	}
	service := fmt.Sprintf("%s/ecs/v2/clusters/%s/services/%s", base, url.PathEscape(c.Cluster), url.PathEscape(c.Name))
	lines = append(lines, fmt.Sprintf("Service: %s/deployments?region=%s", service, region))
	if c.LogGroup != "" {
		// The console wants the name escaped twice, with $ for %.
		name := strings.ReplaceAll(url.QueryEscape(url.QueryEscape(c.LogGroup)), "%", "$")
		lines = append(lines, fmt.Sprintf("Log: %s/cloudwatch/home?region=%s#logsV2:log-groups/log-group/%s", base, region, name))
	}
	return lines
}
