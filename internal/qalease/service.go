// Package qalease reads the leases of QA environments and makes the list of them that people see: on the command line
// and on the preview page. It is pure: what AWS said and the time go in.
package qalease

import "time"

// Service is an ECS service of the QA cluster. Once it drains, AWS no longer lists it.
type Service struct {
	ARN            string
	Name           string
	Cluster        string // its name, from the service's own description
	Status         string // ACTIVE or DRAINING
	CreatedAt      time.Time
	Tags           map[string]string
	Desired        int
	Running        int      // tasks that run
	Starting       int      // tasks that start
	Daemon         bool     // it has no number of tasks to set
	TargetGroups   []string // ARNs, of all its deployments
	TaskDefinition string   // ARN
}

// Unreadable is a service that AWS listed and then failed to describe.
type Unreadable struct {
	ARN    string
	Reason string
}

// Tags that CloudFormation puts on what it creates. Nobody else can: AWS keeps the prefix for itself.
const (
	TagStackName = "aws:cloudformation:stack-name"
	TagStackID   = "aws:cloudformation:stack-id"
)
