package decide

import (
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func exit(code int32) *int32 { return &code }

func TestDiagnose(t *testing.T) {
	c := Config{Name: "prod", Cluster: "prod-cluster"}
	code := func(code string) Facts { return Facts{Deployment: &Deployment{Status: "Failed", Code: code}} }
	tasks := func(t ...Task) Facts { return Facts{Tasks: t} }
	for sentence, x := range map[string]struct {
		event Event
		facts Facts
		why   string // the most likely cause
		done  string
	}{
		"nothing could be read":            {Event{Source: CodeDeploy}, Facts{}, "Nothing that could be read says why", "could not be read"},
		"a test of the hook failed":        {Event{}, Facts{Deployment: &Deployment{FailedEvent: "BeforeAllowTraffic"}}, "failed its tests at BeforeAllowTraffic", "Nothing is known"},
		"the code of a hook":               {Event{}, code("HOOK_EXECUTION_FAILURE"), "failed its tests;", ""},
		"a step that is no hook failed":    {Event{Source: CodeDeploy}, Facts{Deployment: &Deployment{FailedEvent: "Install", Message: "no capacity"}}, "CodeDeploy says: no capacity", ""},
		"an alarm went off and is on":      {Event{}, Facts{Deployment: &Deployment{Code: "ALARM_ACTIVE"}, Alarms: []Alarm{{Name: "5xx"}}}, "The alarm went off: 5xx.", ""},
		"an alarm went off and is off":     {Event{}, code("ALARM_ACTIVE"), "An alarm of the deployment went off; it is off again.", ""},
		"an alarm stopped it":              {Event{State: "STOP"}, code("ALARM_ACTIVE"), "An alarm of the deployment", ""},
		"somebody stopped it":              {Event{State: "STOP"}, code("MANUAL_STOP"), "Somebody stopped it.", ""},
		"it was stopped, nobody says why":  {Event{State: "STOP"}, Facts{}, "by hand or by an alarm", ""},
		"it took too long":                 {Event{}, code("TIMEOUT"), "It took too long", ""},
		"an image that can't be pulled":    {Event{}, tasks(Task{Code: "TaskFailedToStart", Reason: "CannotPullContainerError: pull image manifest has been retried"}), "could not pull its image", ""},
		"a secret that can't be fetched":   {Event{}, tasks(Task{Code: "TaskFailedToStart", Reason: "ResourceInitializationError: unable to pull secrets"}), "could not fetch its secrets", ""},
		"a task that failed to start":      {Event{}, tasks(Task{Code: "TaskFailedToStart"}), "failed to start", ""},
		"a container without memory":       {Event{}, tasks(Task{Code: "EssentialContainerExited", Container: "OutOfMemoryError: Container killed due to memory usage", Exit: exit(137)}), "want of memory", ""},
		"a container that was killed":      {Event{}, tasks(Task{Code: "EssentialContainerExited", Exit: exit(137)}), "want of memory", ""},
		"a container that ended":           {Event{}, tasks(Task{Code: "EssentialContainerExited", Exit: exit(0)}), "exited by itself with code 0", ""},
		"a container without exit code":    {Event{}, tasks(Task{Code: "EssentialContainerExited"}), "exited by itself.", ""},
		"health checks":                    {Event{}, tasks(Task{Code: "ServiceSchedulerInitiated", Reason: "Task failed ELB health checks in (target-group x)"}), "failed its health checks", ""},
		"a spot task":                      {Event{}, tasks(Task{Code: "SpotInterruption"}), "AWS took the machine away", ""},
		"tasks that were stopped in order": {Event{}, tasks(Task{Code: "ServiceSchedulerInitiated", Reason: "Scaling activity initiated by (deployment x)", Exit: exit(137)}, Task{Code: "UserInitiated"}), "Nothing that could be read", ""},
		"the most frequent cause comes first": {Event{}, tasks(Task{Code: "EssentialContainerExited", Exit: exit(1)}, Task{Code: "TaskFailedToStart"}, Task{Code: "TaskFailedToStart"}),
			"2 times: a task failed to start.", ""},
		"targets that fail":                  {Event{}, Facts{Targets: []TargetGroup{{Name: "g", Total: 1, Reasons: map[string]int{"Target.Timeout": 1}}}}, "Targets in g aren't healthy: 1 × Target.Timeout.", ""},
		"targets that only come or go":       {Event{}, Facts{Targets: []TargetGroup{{Name: "g", Total: 1, Reasons: map[string]int{"Target.DeregistrationInProgress": 1}}}}, "Nothing that could be read", ""},
		"an alarm that may be somebody else": {Event{}, Facts{Alarms: []Alarm{{Name: "cpu"}}}, "An alarm is on: cpu.", ""},
		"a deployment brings it back":        {Event{Source: CodeDeploy}, Facts{Deployment: &Deployment{UndoneBy: "d-2"}}, "", "CodeDeploy brings the old version back with deployment d-2."},
		"CodeDeploy will bring it back":      {Event{Source: CodeDeploy}, Facts{Deployment: &Deployment{AutoRollback: true}}, "", "is set to bring the old version back"},
		"the rollback failed":                {Event{}, Facts{Deployment: &Deployment{Undoes: "d-1"}}, "", "the rollback of d-1, so nothing else brings the old version back: act now"},
		"ECS has rolled back":                {Event{}, Facts{Deployment: &Deployment{Status: "ROLLBACK_SUCCESSFUL"}}, "", "ECS has brought the old version back"},
		"ECS failed to roll back":            {Event{}, Facts{Deployment: &Deployment{Status: "ROLLBACK_FAILED"}}, "", "failed: act now"},
	} {
		d := Diagnose(c, x.event, x.facts)
		if !strings.Contains(d.Why[0], x.why) || !strings.Contains(d.Done, x.done) || !strings.Contains(d.What, "of service prod in cluster prod-cluster") {
			t.Errorf("%s: %+v", sentence, d)
		}
	}
}

func TestConfigFaults(t *testing.T) {
	for sentence, c := range map[string]struct{ text, fault string }{
		"nothing":                   {"", "read the configuration"},
		"an unknown key":            {`{"serviceArn": "x"}`, "unknown field"},
		"two objects":               {`{}{}`, "something follows"},
		"a service by name":         {`{"service": "prod", "records": "/r"}`, `service is "prod"; give it the ARN`},
		"a service without cluster": {`{"service": "arn:aws:ecs:eu-west-1:1:service/prod", "records": "/r"}`, "service is"},
		"records without a path":    {`{"service": "arn:aws:ecs:eu-west-1:1:service/c/s", "records": "r"}`, `records is "r"`},
		"no target group":           {`{"service": "arn:aws:ecs:eu-west-1:1:service/c/s", "records": "/r", "targetGroups": ["x"]}`, "targetGroups holds"},
		"too many alarms":           {`{"service": "arn:aws:ecs:eu-west-1:1:service/c/s", "records": "/r", "alarms": ["` + strings.Repeat(`a","`, 100) + `"]}`, "there are 101 alarms"},
	} {
		if _, err := ParseConfig(c.text); err == nil || !strings.Contains(err.Error(), c.fault) {
			t.Errorf("%s: %v", sentence, err)
		}
	}
	c, err := ParseConfig(`{"service": "arn:aws:ecs:eu-west-1:1:service/c/s", "records": "/r"}`)
	if err != nil || c.Cluster != "c" || c.Name != "s" || c.Container != "app" || c.StreamPrefix != "app" {
		t.Errorf("%+v, %v", c, err)
	}
}

// SSM takes letters, digits, _ . - in a part of a name, which may not begin with aws or ssm.
var legalKey = regexp.MustCompile(`^[a-zA-Z0-9_.-]{1,203}$`)

func TestKeyIsAlwaysALegalNameAndOnlyOfTheDeployment(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := Event{Source: CodeDeploy, ID: rapid.String().Draw(t, "id"), Deployment: rapid.String().Draw(t, "deployment"), State: "FAILURE"}
		key := Key(e, Facts{})
		if !legalKey.MatchString(key) || strings.HasPrefix(strings.ToLower(key), "aws") || strings.HasPrefix(strings.ToLower(key), "ssm") {
			t.Fatalf("%q", key)
		}
		if e.Deployment == "" {
			return
		}
		e.ID, e.State, e.Time = rapid.String().Draw(t, "other id"), "STOP", time.Now()
		if Key(e, Facts{Deployment: &Deployment{ID: "other"}}) != key {
			t.Fatal("the same deployment has another key")
		}
	})
}

func TestEventIsReadOrIgnoredButNeverPanics(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		source := rapid.SampledFrom([]string{`"aws.codedeploy"`, `"aws.ecs"`, `"x"`, `5`, `null`}).Draw(t, "source")
		kind := rapid.SampledFrom([]string{`"CodeDeploy Deployment State-change Notification"`, `"ECS Deployment State Change"`, `"x"`, `[]`}).Draw(t, "type")
		detail := rapid.SampledFrom([]string{`{}`, `null`, `[]`, `{"state": "FAILURE"}`, `{"state": 5}`, `{"eventName": "SERVICE_DEPLOYMENT_FAILED", "deploymentId": null}`}).Draw(t, "detail")
		resources := rapid.SampledFrom([]string{`[]`, `null`, `["arn:x"]`, `[5]`}).Draw(t, "resources")
		_, err := ParseEvent(Config{Service: "arn:x"}, []byte(`{"source": `+source+`, "detail-type": `+kind+`, "detail": `+detail+`, "resources": `+resources+`}`))
		var ignored *Ignored
		if err != nil && !errors.As(err, &ignored) {
			t.Fatalf("%v has no type", err)
		}
	})
}
