// Package decide says whether a service may go over to another deployment strategy. It is pure.
package decide

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// The strategies of platform.yaml.
const (
	CodeDeploy = "codedeploy"
	ECS        = "ecs"
	Rolling    = "rolling"
)

// Wish is what the template wants.
type Wish struct {
	Cluster, Service string // names
	Strategy         string
	Rule             string // ARN of the production listener's rule
	TargetGroup      string // ARN of the target group that the template gives to the service, the blue one
}

// Parse reads the resource's properties and reports all that is wrong with them at once.
func Parse(properties map[string]string) (Wish, error) {
	w := Wish{
		Cluster: properties["Cluster"], Service: properties["Service"], Strategy: properties["Strategy"],
		Rule: properties["Rule"], TargetGroup: properties["TargetGroup"],
	}
	var faults []error
	for name, value := range map[string]string{"Cluster": w.Cluster, "Service": w.Service} {
		if value == "" {
			faults = append(faults, fmt.Errorf("%s is empty; give it a name", name))
		}
	}
	for name, value := range map[string]string{"Rule": w.Rule, "TargetGroup": w.TargetGroup} {
		if !strings.HasPrefix(value, "arn:") {
			faults = append(faults, fmt.Errorf("%s is %q; give it an ARN", name, value))
		}
	}
	if !slices.Contains([]string{CodeDeploy, ECS, Rolling}, w.Strategy) {
		faults = append(faults, fmt.Errorf("the property Strategy is %q; give it %s, %s or %s", w.Strategy, CodeDeploy, ECS, Rolling))
	}
	return w, errors.Join(faults...)
}

// Service is what runs.
type Service struct {
	Controller string // CODE_DEPLOY, ECS or EXTERNAL; empty is ECS
	Strategy   string // of ECS's controller: ROLLING, BLUE_GREEN, LINEAR or CANARY; empty is ROLLING
}

// Runs is the strategy of the service in platform.yaml's words; another controller keeps its own name.
func (s Service) Runs() string {
	switch s.Controller {
	case "CODE_DEPLOY":
		return CodeDeploy
	case "", "ECS":
		if s.Strategy == "" || s.Strategy == "ROLLING" {
			return Rolling
		}
		return ECS
	}
	return s.Controller
}

// Check refuses a switch that isn't safe. live are the target groups to which the production rule sends requests; they
// matter only where Changes says so.
func Check(w Wish, running Service, live []string) error {
	runs := running.Runs()
	if runs == w.Strategy {
		return nil
	}
	refuse := func(format string, args ...any) error {
		return fmt.Errorf("switch the deployment strategy of %s from %s to %s: %s; nothing was changed. docs/operations.md, \"Switching the strategy\", says how to do it",
			w.Service, runs, w.Strategy, fmt.Sprintf(format, args...))
	}
	if !Changes(w, running) {
		return refuse("the two have different deployment controllers, and the service must be made anew for that")
	}
	// ECS would start the tasks of the new strategy in the template's target group.
	if len(live) != 1 || live[0] != w.TargetGroup {
		return refuse("production's requests go to %s and not to the template's own target group %s alone, in which the new strategy starts; deploy once more with the old strategy, which brings them back",
			groups(live), group(w.TargetGroup))
	}
	return nil
}

// Changes says whether the service keeps its controller but changes its strategy, which depends on where requests go.
func Changes(w Wish, running Service) bool {
	runs := running.Runs()
	return runs != w.Strategy && (runs == ECS || runs == Rolling) && (w.Strategy == ECS || w.Strategy == Rolling)
}

func groups(arns []string) string {
	if len(arns) == 0 {
		return "no target group"
	}
	names := make([]string, len(arns))
	for i, arn := range arns {
		names[i] = group(arn)
	}
	return strings.Join(names, " and ")
}

// group is the name in arn:…:targetgroup/<name>/<id>.
func group(arn string) string {
	if parts := strings.Split(arn, "/"); len(parts) == 3 {
		return parts[1]
	}
	return arn
}
