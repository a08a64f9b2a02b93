package decide

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"
)

var began = time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)

const older = "arn:aws:ecs:eu-west-1:111111111111:task-definition/simple-flask-app:41"

func request() Request {
	return Request{Mark: NewMark("stack", "Rollout", "r-1"), TaskDefinition: revision, SHA256: "wanted", Timeout: 40 * time.Minute, Began: began}
}

// worlds draws what AWS may say at any time, possible or not.
func worlds(r Request) *rapid.Generator[Facts] {
	return rapid.Custom(func(t *rapid.T) Facts {
		f := Facts{
			Now:     began.Add(time.Duration(rapid.IntRange(0, 70*60).Draw(t, "second")) * time.Second),
			Running: rapid.SampledFrom([]string{revision, older, ""}).Draw(t, "running"),
		}
		for i := range rapid.IntRange(0, 4).Draw(t, "deployments") {
			d := Deployment{
				ID:       fmt.Sprint("d-", i),
				Status:   Status(rapid.SampledFrom([]string{"Created", "Queued", "InProgress", "Baking", "Ready", "Succeeded", "Failed", "Stopped", "New"}).Draw(t, "status")),
				SHA256:   rapid.SampledFrom([]string{"wanted", "other", ""}).Draw(t, "hash"),
				Rollback: rapid.IntRange(0, 3).Draw(t, "rollback") == 0,
				Description: rapid.SampledFrom([]string{
					"", "by hand", r.Mark.Describe(revision), NewMark("stack", "Rollout", "r-0").Describe(older), NewMark("stack", "Other", "r-1").Describe(revision),
				}).Draw(t, "description"),
				Created: began.Add(time.Duration(rapid.IntRange(-3600, 3600).Draw(t, "created")) * time.Second),
			}
			if !d.Active() {
				d.Ended = d.Created.Add(time.Duration(rapid.IntRange(0, 3600).Draw(t, "took")) * time.Second)
				d.RollbackID = rapid.SampledFrom([]string{"", "d-0", "d-1"}).Draw(t, "rolled back by")
			}
			f.Deployments = append(f.Deployments, d)
		}
		return f
	})
}

func TestDecideNeverLeavesItsBounds(t *testing.T) {
	r := request()
	rapid.Check(t, func(t *rapid.T) {
		f := worlds(r).Draw(t, "facts")
		step := Decide(r, f)
		isActive, own := false, false
		for _, d := range f.Deployments {
			isActive = isActive || d.Active()
			own = own || r.Mark.own(d)
		}
		switch step.Kind {
		case Start:
			switch {
			case isActive:
				t.Fatal("starts while a deployment holds the group")
			case own:
				t.Fatal("starts twice for one request")
			case f.Running == revision:
				t.Fatal("starts what runs already")
			case !f.Now.Before(r.deadline()):
				t.Fatal("starts after the time-out")
			}
		case Succeed:
			if f.Running != revision {
				t.Fatal("succeeds with another revision")
			}
			if isActive && (step.Deployment.Status != Succeeded || !r.Mark.own(step.Deployment)) {
				t.Fatal("succeeds while a deployment may move the traffic")
			}
		case Stop:
			d := step.Deployment
			switch {
			case !d.Active():
				t.Fatal("stops what has ended")
			case d.Rollback:
				t.Fatal("stops a rollback")
			case f.Now.Before(r.deadline()) && (!r.Mark.superseded(d) || f.Running != revision):
				t.Fatal("stops something before the time-out")
			case !r.Mark.own(d) && d.SHA256 != "wanted" && !r.Mark.superseded(d):
				t.Fatal("stops somebody else's")
			}
		case Wait, Fail:
			if step.Why == "" {
				t.Fatal("gives no reason")
			}
		default:
			t.Fatalf("%q", step.Kind)
		}
		if !f.Now.Before(r.Hard()) && step.Kind != Succeed && step.Kind != Fail {
			t.Fatalf("%s when the time is over", step.Kind)
		}
		if again := Decide(r, f); again != step {
			t.Fatal("decides otherwise the second time")
		}
	})
}

// The order in which CodeDeploy lists deployments means nothing.
func TestOrderOfDeploymentsDoesNotMatter(t *testing.T) {
	r := request()
	rapid.Check(t, func(t *rapid.T) {
		f := worlds(r).Draw(t, "facts")
		for i := range f.Deployments { // no two at the same moment
			f.Deployments[i].Created = f.Deployments[i].Created.Add(time.Duration(i))
		}
		want := Decide(r, f)
		f.Deployments = rapid.Permutation(f.Deployments).Draw(t, "order")
		if got := Decide(r, f); got != want {
			t.Fatalf("got %+v, want %+v", got, want)
		}
	})
}

// What the rollout does just before and at the moments when its mind changes.
func TestMoments(t *testing.T) {
	r := request()
	own := Deployment{ID: "d-1", Description: r.Mark.Describe(revision), SHA256: "wanted", Status: "InProgress", Created: began}
	ended := func(status Status, at time.Time) Deployment {
		d := own
		d.Status, d.Ended = status, at
		return d
	}
	other := Deployment{ID: "d-2", Status: "InProgress", SHA256: "other", Created: began.Add(-time.Minute)}
	rollback := Deployment{ID: "d-3", Status: "InProgress", Rollback: true, Created: began}
	same := rollback
	same.SHA256 = "wanted" // CodeDeploy brings back what CloudFormation wants back
	for sentence, c := range map[string]struct {
		deployment Deployment
		running    string
		at         time.Duration
		before     Kind
		after      Kind
	}{
		"ours is stopped at the time-out":                    {own, older, 40 * time.Minute, Wait, Stop},
		"one that doesn't stop is given up":                  {own, older, 48 * time.Minute, Stop, Fail},
		"another's is awaited for half of the time":          {other, older, 20 * time.Minute, Wait, Fail},
		"a rollback is awaited for all of it":                {rollback, older, 40 * time.Minute, Wait, Fail},
		"a rollback to what we want is never stopped":        {same, older, 40 * time.Minute, Wait, Fail},
		"ECS may lag behind a success":                       {ended(Succeeded, began.Add(10*time.Minute)), older, 11 * time.Minute, Wait, Fail},
		"but not for longer than there is time":              {ended(Succeeded, began.Add(48*time.Minute-time.Second)), older, 48 * time.Minute, Wait, Fail},
		"a rollback may begin soon after a failure":          {ended(Failed, began.Add(10*time.Minute)), older, 11 * time.Minute, Wait, Fail},
		"but it isn't awaited for longer than there is time": {ended(Failed, began.Add(48*time.Minute-time.Second)), older, 48 * time.Minute, Wait, Fail},
		"nothing is started after the time-out":              {Deployment{Status: Failed}, older, 40 * time.Minute, Start, Fail},
	} {
		f := Facts{Running: c.running, Deployments: []Deployment{c.deployment}}
		f.Now = began.Add(c.at - time.Nanosecond)
		if got := Decide(r, f); got.Kind != c.before {
			t.Errorf("%s: before, %+v", sentence, got)
		}
		f.Now = began.Add(c.at)
		if got := Decide(r, f); got.Kind != c.after {
			t.Errorf("%s: then, %+v", sentence, got)
		}
	}
}

// Two deliveries of one event may both start a deployment, if the first one ends at once. The newest counts.
func TestTwoOwnDeployments(t *testing.T) {
	r := request()
	description := r.Mark.Describe(revision)
	first := Deployment{ID: "d-1", Status: Failed, Description: description, Created: began, Ended: began.Add(time.Second)}
	for sentence, c := range map[string]struct {
		status Status
		want   Kind
	}{
		"the second is under way": {"InProgress", Wait}, "the second has succeeded": {Succeeded, Succeed}, "the second has failed": {Failed, Fail},
	} {
		second := Deployment{ID: "d-2", Status: c.status, Description: description, Created: began.Add(time.Second), Ended: began.Add(time.Minute)}
		step := Decide(r, Facts{Now: began.Add(10 * time.Minute), Running: revision, Deployments: []Deployment{second, first}})
		if step.Kind != c.want || step.Deployment.ID != "d-2" {
			t.Errorf("%s: %+v", sentence, step)
		}
	}
}

// CloudFormation takes 4,096 bytes for the whole answer, in which IDs and the framework's own words need room too.
func TestReasonIsBounded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.Map(rapid.IntRange(0, 5000), func(n int) string { return strings.Repeat("é\x01<", n) }))
		s := Step{Kind: Fail, Why: "deployment d-1 failed", Deployment: Deployment{ID: "d-1", ErrorCode: "TIMEOUT", ErrorMessage: text.Draw(t, "message")}}
		diagnosis := Diagnosis{Problem: text.Draw(t, "problem")}
		for range rapid.IntRange(0, 9).Draw(t, "events") {
			diagnosis.Events = append(diagnosis.Events, Event{Name: "AfterInstall", Status: "Failed", Message: text.Draw(t, "diagnosis")})
		}
		reason := Reason(s, Wish{TaskDefinition: revision}, diagnosis, older, "eu-west-1")
		body, err := json.Marshal(reason)
		if err != nil || len(body) > 1800 {
			t.Fatalf("%d bytes, %v", len(body), err)
		}
		if !strings.HasPrefix(reason, "deployment d-1 failed: TIMEOUT") || strings.ContainsAny(reason, "\n\r") || utf8.ValidString(s.Deployment.ErrorMessage) && !utf8.ValidString(reason) {
			t.Fatalf("got %q", reason)
		}
	})
}

// Cutting leaves no half character and cuts no more than it must.
func TestBounded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, limit := rapid.String().Draw(t, "s"), rapid.IntRange(20, 60).Draw(t, "limit")
		got := bounded(s, limit)
		switch size := encoded(got); {
		case size > limit:
			t.Fatalf("%q takes %d bytes", got, size)
		case encoded(s) <= limit && got != s:
			t.Fatal("cut for nothing")
		case encoded(s) > limit && (size < limit-6 || !strings.HasPrefix(s, strings.TrimSuffix(got, "…"))):
			t.Fatalf("%q is cut to %q", s, got)
		}
	})
}

func TestLink(t *testing.T) {
	for arn, want := range map[string]string{
		revision: "https://eu-west-1.console.aws.amazon.com/codesuite/codedeploy/deployments/d-1?region=eu-west-1",
		strings.Replace(revision, "aws", "aws-cn", 1):     "https://eu-west-1.console.amazonaws.cn/codesuite/codedeploy/deployments/d-1?region=eu-west-1",
		strings.Replace(revision, "aws", "aws-us-gov", 1): "https://eu-west-1.console.amazonaws-us-gov.com/codesuite/codedeploy/deployments/d-1?region=eu-west-1",
	} {
		if got := Link("d-1", "eu-west-1", arn); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
