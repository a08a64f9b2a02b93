// Package decide says which events are a failed deployment, and what most likely made it fail. It is pure: events and
// facts go in.
package decide

import (
	"errors"
	"fmt"
	"strings"

	"slipway/lambdas/internal/environ"
)

// Config says which service the responder looks after. The stack writes it as JSON into one environment variable.
type Config struct {
	Service      string   `json:"service"`                   // ARN of the ECS service: arn:…:service/<cluster>/<name>
	Application  string   `json:"application,omitempty"`     // of CodeDeploy. Default: any.
	Group        string   `json:"deploymentGroup,omitempty"` // of CodeDeploy. Default: any.
	LogGroup     string   `json:"logGroup,omitempty"`        // of the tasks. Default: no log lines are read.
	StreamPrefix string   `json:"streamPrefix,omitempty"`    // of awslogs. Default: the container's name.
	Container    string   `json:"container,omitempty"`       // the one whose log and exit code tell most. Default: app.
	TargetGroups []string `json:"targetGroups,omitempty"`    // ARNs, at most 5. Default: no target's health is read.
	Alarms       []string `json:"alarms,omitempty"`          // names, at most 100. Default: no alarm is read.
	Records      string   `json:"records"`                   // path of SSM parameters, such as /slipway/prod/rollbacks

	Cluster string `json:"-"` // of Service
	Name    string `json:"-"` // of Service
}

const (
	maxTargetGroups = 5
	maxAlarms       = 100 // names in one DescribeAlarms
)

// ParseConfig reads the configuration strictly and reports all that is wrong with it at once.
func ParseConfig(text string) (Config, error) {
	var c Config
	if err := environ.Decode(text, &c); err != nil {
		return Config{}, fmt.Errorf("read the configuration: %w", err)
	}
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	_, rest, found := strings.Cut(c.Service, ":service/")
	parts := strings.Split(rest, "/")
	if !found || !strings.HasPrefix(c.Service, "arn:") || len(parts) != 2 || parts[0] == "" || parts[1] == "" {
		fault("service is %q; give it the ARN arn:…:service/<cluster>/<name>", c.Service)
	} else {
		c.Cluster, c.Name = parts[0], parts[1]
	}
	if c.Container == "" {
		c.Container = "app"
	}
	if c.StreamPrefix == "" {
		c.StreamPrefix = c.Container
	}
	if len(c.TargetGroups) > maxTargetGroups {
		fault("there are %d target groups; give at most %d", len(c.TargetGroups), maxTargetGroups)
	}
	for _, arn := range c.TargetGroups {
		if !strings.Contains(arn, ":targetgroup/") {
			fault("targetGroups holds %q; give it ARNs of target groups", arn)
		}
	}
	if len(c.Alarms) > maxAlarms {
		fault("there are %d alarms; give at most %d", len(c.Alarms), maxAlarms)
	}
	if !strings.HasPrefix(c.Records, "/") || strings.HasSuffix(c.Records, "/") {
		fault("records is %q; give it a path of parameters, such as /slipway/prod/rollbacks", c.Records)
	}
	if len(faults) > 0 {
		return Config{}, fmt.Errorf("the configuration: %w", errors.Join(faults...))
	}
	return c, nil
}
