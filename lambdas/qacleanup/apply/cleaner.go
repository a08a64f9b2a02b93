// Package apply carries out the plan of the QA cleanup.
package apply

import (
	"context"

	"slipway/internal/qacluster"
	"slipway/lambdas/qacleanup/decide"
)

// Cleaner deletes resources of one kind. Clean may be called again for what is gone already or half gone, and then
// succeeds. It returns a Later error for what can't be deleted yet and will be tried by the next run, and a Refused
// error for what people protect.
type Cleaner interface {
	Kind() decide.Kind
	Clean(context.Context, decide.Step) error
}

// Clients are the AWS clients that the cleaners use.
type Clients struct {
	ECS   ECS
	ELB   ELB
	Stack CloudFormation
}

// ECS are the calls of all cleaners of ECS resources, and the one that reads a lease again.
type ECS interface {
	qacluster.Describer
	serviceCalls
	taskCalls
	taskDefinitionCalls
}

// ELB are the calls of all cleaners of load balancing resources.
type ELB interface {
	ruleCalls
	targetGroupCalls
}

// CloudFormation is the call of the stacks' cleaner.
type CloudFormation interface{ stackCalls }

// Cleaners lists every cleaner. Which steps a target needs and their order is the plan's affair: package decide lists the
// kinds in the order in which a service is taken apart, and this list follows it.
//
// A new kind is a file with a cleaner, a line here, its piece in package decide, and its actions in testdata/actions.txt.
func Cleaners(c Clients) []Cleaner {
	return []Cleaner{
		stacks{c.Stack},
		listenerRules{c.ELB},
		tasks{c.ECS},
		targetGroups{c.ELB},
		taskDefinitions{c.ECS},
		services{c.ECS},
	}
}
