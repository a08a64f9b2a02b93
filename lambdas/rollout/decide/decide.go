// Package decide says what a rollout does next. It is pure: the wish, the time, and what AWS said go in.
package decide

import (
	"fmt"
	"time"
)

// Status is a deployment's status, in CodeDeploy's words.
type Status string

// The statuses of deployments that have ended. Any other means that the deployment holds its group, also one that
// CodeDeploy may add one day.
const (
	Succeeded Status = "Succeeded"
	Failed    Status = "Failed"
	Stopped   Status = "Stopped"
)

// Deployment is what CodeDeploy says about one deployment of the group.
type Deployment struct {
	ID                      string
	Status                  Status
	Description             string
	SHA256                  string // of its AppSpec
	Rollback                bool   // CodeDeploy itself started it to undo another
	Created, Ended          time.Time
	ErrorCode, ErrorMessage string
	RollbackID              string // of the deployment that undoes this one
	RollbackMessage         string
}

// Active says that the deployment holds its group: CodeDeploy takes no other one.
func (d Deployment) Active() bool {
	return d.Status != Succeeded && d.Status != Failed && d.Status != Stopped
}

// Request is one request of CloudFormation.
type Request struct {
	Mark           Mark
	TaskDefinition string
	SHA256         string // of its AppSpec
	Timeout        time.Duration
	Began          time.Time
}

func (r Request) deadline() time.Time { return r.Began.Add(r.Timeout) }

// Hard is when the request is answered, whatever the state: soon after, nobody would hear the answer.
func (r Request) Hard() time.Time { return r.deadline().Add(StopGrace) }

// Facts are what AWS says now.
type Facts struct {
	Now         time.Time
	Running     string       // ARN of the revision that serves production traffic
	Deployments []Deployment // of the group: all active ones and all since Lookback before the request
}

// Lookback is how far back a request's own deployment is searched: Lambda delivers an event again for up to six hours.
const Lookback = 7 * time.Hour

// Settle is how long after a deployment's end AWS may take to show all of its effects: the running revision, and the
// rollback that it starts.
const Settle = time.Minute

// Kind is what is to be done.
type Kind string

// All kinds of steps.
const (
	Start   Kind = "start"   // a deployment
	Wait    Kind = "wait"    // and look again
	Stop    Kind = "stop"    // the deployment, with rollback, and look again
	Succeed Kind = "succeed" // the wanted revision runs
	Fail    Kind = "fail"
)

// Step is what the rollout does now.
type Step struct {
	Kind       Kind
	Deployment Deployment // the one that it is about; may be empty
	Rollback   Deployment // of a failed one, as far as known
	Why        string
}

// Decide says what to do next. Nothing starts while a deployment holds the group, nothing starts twice for a request, and
// nothing succeeds unless the wanted revision runs.
func Decide(r Request, f Facts) Step {
	own, hasOwn := newest(f.Deployments, func(d Deployment) bool { return r.Mark.own(d) })
	if hasOwn && own.Status == Succeeded {
		return succeeded(r, f, own)
	}
	// Which revision runs is no answer while a deployment is under way: it may be about to move the traffic.
	if d, ok := newest(f.Deployments, func(d Deployment) bool {
		return d.Active() && (r.Mark.own(d) || d.SHA256 == r.SHA256 && !d.Rollback)
	}); ok {
		return wanted(r, f, d)
	}
	if d, ok := newest(f.Deployments, Deployment.Active); ok {
		if hasOwn {
			// Ours has failed and CodeDeploy rolls back. Whoever is told of the failure finds the service at rest.
			if f.Now.Before(r.Hard()) {
				return Step{Kind: Wait, Deployment: d, Why: fmt.Sprintf("deployment %s has ended, deployment %s is %s", own.ID, d.ID, d.Status)}
			}
			return failed(r, f, own)
		}
		return held(r, f, d)
	}
	switch {
	case hasOwn:
		if !settled(r, f, own) {
			return Step{Kind: Wait, Deployment: own, Why: fmt.Sprintf("deployment %s has ended, CodeDeploy may roll it back yet", own.ID)}
		}
		return failed(r, f, own)
	case f.Running == r.TaskDefinition:
		// Somebody's deployment of the same revision counts, and so does none at all: the service was created with it,
		// or CodeDeploy's rollback has already done what CloudFormation's rollback asks for.
		d, _ := newest(f.Deployments, func(d Deployment) bool { return d.Status == Succeeded && d.SHA256 == r.SHA256 })
		return Step{Kind: Succeed, Deployment: d, Why: "the service runs it already"}
	case !f.Now.Before(r.deadline()):
		return Step{Kind: Fail, Why: fmt.Sprintf("no deployment of %s could be started within %s; the account may have as many deployments at once as its quota allows; deploy again", Short(r.TaskDefinition), r.Timeout)}
	}
	return Step{Kind: Start, Why: fmt.Sprintf("the service runs %s, not %s", Short(f.Running), Short(r.TaskDefinition))}
}

// succeeded compares what runs with what was wanted, for somebody may have moved the traffic since.
func succeeded(r Request, f Facts, own Deployment) Step {
	switch {
	case f.Running == r.TaskDefinition:
		return Step{Kind: Succeed, Deployment: own, Why: "its deployment succeeded"}
	case f.Now.Before(own.Ended.Add(Settle)) && f.Now.Before(r.Hard()):
		return Step{Kind: Wait, Deployment: own, Why: "its deployment succeeded, the service doesn't show it yet"}
	}
	return Step{Kind: Fail, Deployment: own, Why: fmt.Sprintf("deployment %s succeeded, but the service runs %s, not %s; someone may have deployed since; deploy again",
		own.ID, Short(f.Running), Short(r.TaskDefinition))}
}

// wanted follows a deployment of the wanted AppSpec that is under way: ours, or one of somebody else that is adopted.
// Should an adopted one fail, ours follows, and fails or succeeds for reasons of its own.
func wanted(r Request, f Facts, d Deployment) Step {
	switch {
	case f.Now.Before(r.deadline()):
		return Step{Kind: Wait, Deployment: d, Why: fmt.Sprintf("deployment %s is %s", d.ID, d.Status)}
	case f.Now.Before(r.Hard()):
		return Step{Kind: Stop, Deployment: d, Why: fmt.Sprintf("deployment %s has not ended within %s", d.ID, r.Timeout)}
	}
	return Step{Kind: Fail, Deployment: d, Why: fmt.Sprintf("deployment %s of %s did not end within %s, and was still %s %s after it was told to stop; stop it in CodeDeploy's console, and see there which way the traffic goes",
		d.ID, Short(r.TaskDefinition), r.Timeout, d.Status, StopGrace)}
}

// held waits for a deployment that holds the group for another purpose, and leaves at least half the time for ours.
func held(r Request, f Facts, d Deployment) Step {
	limit := r.Began.Add(r.Timeout / 2)
	if d.Rollback {
		limit = r.deadline() // at its end there may be nothing left to deploy
	}
	if r.Mark.superseded(d) && f.Running == r.TaskDefinition {
		// CloudFormation gave its earlier request up and wants back what still serves the traffic. Letting the
		// deployment go on would move all users to a revision that nobody wants, and then back.
		if f.Now.Before(limit) {
			return Step{Kind: Stop, Deployment: d, Why: fmt.Sprintf("deployment %s is one that CloudFormation has given up", d.ID)}
		}
	}
	if f.Now.Before(limit) {
		return Step{Kind: Wait, Deployment: d, Why: fmt.Sprintf("deployment %s, which isn't ours, is %s", d.ID, d.Status)}
	}
	return Step{Kind: Fail, Deployment: d, Why: fmt.Sprintf("%s was not deployed: another deployment, %s, was still %s after %s; deploy again when it has ended",
		Short(r.TaskDefinition), d.ID, d.Status, limit.Sub(r.Began))}
}

// settled says that no rollback of a failed deployment is to be expected any more.
func settled(r Request, f Facts, own Deployment) bool {
	if d, ok := rollbackOf(f, own); ok && !d.Active() {
		return true
	}
	return !f.Now.Before(own.Ended.Add(Settle)) || !f.Now.Before(r.Hard())
}

func rollbackOf(f Facts, own Deployment) (Deployment, bool) {
	return newest(f.Deployments, func(d Deployment) bool { return own.RollbackID != "" && d.ID == own.RollbackID })
}

func failed(r Request, f Facts, own Deployment) Step {
	what := "failed"
	switch {
	case !own.Ended.Before(r.deadline()):
		what = fmt.Sprintf("did not end within %s and was stopped", r.Timeout)
	case own.Status == Stopped:
		what = "was stopped"
	}
	back, _ := rollbackOf(f, own)
	return Step{Kind: Fail, Deployment: own, Rollback: back, Why: fmt.Sprintf("deployment %s of %s %s", own.ID, Short(r.TaskDefinition), what)}
}

func newest(all []Deployment, is func(Deployment) bool) (found Deployment, ok bool) {
	for _, d := range all {
		if is(d) && (!ok || d.Created.After(found.Created)) {
			found, ok = d, true
		}
	}
	return found, ok
}
