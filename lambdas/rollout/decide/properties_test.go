package decide

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"
)

const revision = "arn:aws:ecs:eu-west-1:111111111111:task-definition/simple-flask-app:42"

func good() map[string]string {
	return map[string]string{
		"Cluster": "prod-cluster", "Service": "simple-flask-app", "TaskDefinition": revision, "Application": "slipway-prod",
		"DeploymentGroup": "slipway-prod-service", "ContainerName": "app", "ContainerPort": "8080", "TimeoutMinutes": "45",
	}
}

func TestParse(t *testing.T) {
	const hook = "arn:aws:lambda:eu-west-1:111111111111:function:hook"
	for sentence, c := range map[string]struct {
		change map[string]string
		faults []string
	}{
		"only what is required": {},
		"everything": {change: map[string]string{
			"DeploymentConfigName": "CodeDeployDefault.ECSAllAtOnce", "CapacityProvider": "FARGATE", "PlatformVersion": "1.4.0", "BeforeInstallHook": hook,
			"AfterInstallHook": hook, "AfterAllowTestTrafficHook": hook + ":live", "BeforeAllowTrafficHook": hook, "AfterAllowTrafficHook": hook,
		}},
		"another partition":          {change: map[string]string{"TaskDefinition": strings.Replace(revision, "arn:aws:", "arn:aws-us-gov:", 1)}},
		"the longest time-out":       {change: map[string]string{"TimeoutMinutes": "50"}},
		"a longer one than there is": {map[string]string{"TimeoutMinutes": "51"}, []string{`TimeoutMinutes is "51"; give it a number from 1 to 50`}},
		"no time at all":             {map[string]string{"TimeoutMinutes": "0"}, []string{"TimeoutMinutes"}},
		"a duration":                 {map[string]string{"TimeoutMinutes": "45m"}, []string{"TimeoutMinutes"}},
		"a port that is none":        {map[string]string{"ContainerPort": "65536"}, []string{`ContainerPort is "65536"; give it a number from 1 to 65535`}},
		"a family without revision":  {map[string]string{"TaskDefinition": strings.TrimSuffix(revision, ":42")}, []string{"give it the ARN of a revision"}},
		"a revision without its ARN": {map[string]string{"TaskDefinition": "simple-flask-app:42"}, []string{"give it the ARN of a revision"}},
		"a hook by name":             {map[string]string{"AfterInstallHook": "hook"}, []string{`AfterInstallHook is "hook"; give it the ARN of a Lambda function`}},
		"a hook of another platform": {map[string]string{"ValidateServiceHook": hook}, []string{"there is no property ValidateServiceHook"}},
		"all faults at once": {
			map[string]string{"Cluster": "", "Service": "", "TaskDefinition": "", "Application": "", "DeploymentGroup": "", "ContainerName": "", "ContainerPort": "", "TimeoutMinutes": "", "B": "x", "A": "x"},
			[]string{"Cluster is empty", "Service is empty", "TaskDefinition is empty", "Application is empty", "DeploymentGroup is empty", "ContainerName is empty", "ContainerPort is", "TimeoutMinutes is", "there is no property A, B"},
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			p := good()
			maps.Copy(p, c.change)
			w, err := Parse(p)
			if (err != nil) != (len(c.faults) > 0) {
				t.Fatalf("error %v", err)
			}
			for _, fault := range c.faults {
				if !strings.Contains(err.Error(), fault) {
					t.Errorf("%q isn't in %v", fault, err)
				}
			}
			if err == nil && (w.Cluster != p["Cluster"] || w.Service != p["Service"] || w.TaskDefinition != p["TaskDefinition"] || w.Application != p["Application"] ||
				w.Group != p["DeploymentGroup"] || w.Config != p["DeploymentConfigName"] || w.ContainerName != "app" || w.ContainerPort != 8080 ||
				w.CapacityProvider != p["CapacityProvider"] || w.PlatformVersion != p["PlatformVersion"] ||
				fmt.Sprint(int(w.Timeout.Minutes())) != p["TimeoutMinutes"]) {
				t.Errorf("got %+v", w)
			}
			for _, event := range Lifecycle {
				if err == nil && w.Hooks[event] != p[event+"Hook"] {
					t.Errorf("%s has the hook %q", event, w.Hooks[event])
				}
			}
		})
	}
}

// CloudFormation gives a custom resource one hour; the time-out and all that comes after it end before that.
func TestEverythingFitsIntoCloudFormationsHour(t *testing.T) {
	r := Request{Timeout: MaxTimeout}
	if room := time.Hour - r.Hard().Sub(r.Began); room < 2*time.Minute {
		t.Errorf("%s are left", room)
	}
}
