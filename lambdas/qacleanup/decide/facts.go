// Package decide says what the QA cleanup deletes and what it keeps. It is pure: facts and the time go in, a plan comes
// out. When it can't be sure, it keeps.
package decide

import (
	"strings"
	"time"

	"slipway/internal/qalease"
)

// Input is what the decision needs besides the facts.
type Input struct {
	Now      time.Time
	Platform string        // prefix of all names
	Cluster  string        // name of the QA ECS cluster
	Grace    time.Duration // how long a stack without a service may take to get one
}

// Facts are what AWS said at the start of the run.
type Facts struct {
	Services   []Service
	Unreadable []Unreadable // services that are listed but could not be described
	Stacks     []Stack

	// What hand-made services consist of. HandMade says which services need these; for others they stay empty.
	Rules        []Rule // of the shared listener
	TargetGroups []TargetGroup
	Families     []Family
	LoadBalancer string // ARN of the shared front's load balancer
	PiecesError  string // why these could not be read
}

// Service is an ECS service of the QA cluster.
type Service = qalease.Service

// Unreadable is a service that AWS listed and then failed to describe.
type Unreadable = qalease.Unreadable

// Stack is a CloudFormation stack whose name begins like that of a QA environment.
type Stack struct {
	ID           string
	Name         string
	Status       string
	StatusReason string
	CreatedAt    time.Time
	ParentID     string // of a nested stack
	Protected    bool   // termination protection; known of those that Doomed names

	// Only of stacks whose status is DELETE_FAILED: how many deletions failed in a row, and when the last one did.
	FailedDeletions int
	LastFailure     time.Time

	// ReadError is why the protection or the failed deletions could not be read.
	ReadError string
}

// Rule is a rule of the shared listener.
type Rule struct {
	ARN      string
	Default  bool
	Forwards []string // ARNs of all the target groups it sends requests to
	Answers  bool     // it also answers or redirects by itself
	Tags     map[string]string
}

// TargetGroup is a target group of a hand-made service.
type TargetGroup struct {
	ARN           string
	Name          string
	LoadBalancers []string // ARNs of those which use it
	Tags          map[string]string
}

// Family is the task definition family of a hand-made service.
type Family struct {
	Name     string
	Tags     map[string]string // of the revision that the service runs
	Active   []string          // ARNs of revisions to deregister first
	Inactive []string          // ARNs of revisions already deregistered
}

// FamilyOf returns the family of a task definition's ARN, exactly: an ARN ends in task-definition/<family>:<revision>.
func FamilyOf(taskDefinition string) string {
	_, name, ok := strings.Cut(taskDefinition, ":task-definition/")
	if !ok {
		return ""
	}
	family, _, ok := strings.Cut(name, ":")
	if !ok {
		return ""
	}
	return family
}
