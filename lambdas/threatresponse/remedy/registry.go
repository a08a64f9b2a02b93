package remedy

import (
	"context"
	"time"

	"slipway/lambdas/threatresponse/decide"
)

// Clients are the AWS clients of all remedies.
type Clients struct {
	EC2         EC2
	AutoScaling AutoScaling
	ELB         ELB
	IAM         IAM
	WAF         WAF
	SSM         SSM
	S3          S3
	ECS         ECS
	Scaling     Scaling
}

// EC2 are the calls of all remedies that need EC2.
type EC2 interface {
	instanceCalls
	addressCalls
}

// IAM are the calls of all remedies that need IAM.
type IAM interface {
	keyCalls
	sessionCalls
}

// Settings are what the remedies need to know besides.
type Settings struct {
	Platform string
	Account  string
	Stages   []string
	Sleep    func(context.Context, time.Duration) error
}

// All lists every remedy, in the order in which they are carried out: what stops the attacker comes first, evidence is made
// within each.
//
// A new remedy is a file here, a test, a line below, its name in contract.ResponseActions, and its IAM actions in
// testdata/actions.txt and in constructs/threatresponse. docs/adding-a-remediation.md walks through it.
func All(c Clients, s Settings) []Remedy {
	return []Remedy{
		instance{c.EC2, c.AutoScaling, c.ELB, s},
		accessKeys{c.IAM},
		sessions{c.IAM, s},
		address{c.WAF, c.SSM, c.EC2, s},
		bucket{c.S3, s},
		service{c.ECS, c.Scaling, s, true},
		service{c.ECS, c.Scaling, s, false},
	}
}

// Pure are the remedies as the plan sees them.
func Pure(remedies []Remedy) []decide.Remedy {
	pure := make([]decide.Remedy, len(remedies))
	for i, r := range remedies {
		pure[i] = r
	}
	return pure
}
