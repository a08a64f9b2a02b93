// Package rollout follows a service while a deployment changes it, and says in the end what really runs. A stack, or a
// waiter for a stable service, may be content while the old version serves again after a silent rollback.
package rollout

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Serving is what a service serves at a moment.
type Serving struct {
	// Revision is the ARN of the task definition that takes the requests; empty where there is none.
	Revision string
	// Digests counts the running tasks of that revision by the digest of their application image.
	Digests map[string]int
	// Unsettled says why the deployment isn't over; empty when it is.
	Unsettled string
	// Failed says why a deployment failed, as far as the service says.
	Failed string
}

// Judge compares what serves with the digest that was asked for.
func Judge(asked string, s Serving) error {
	var faults []error
	if s.Unsettled != "" {
		faults = append(faults, fmt.Errorf("the deployment isn't over: %s", s.Unsettled))
	}
	others := maps.Clone(s.Digests)
	delete(others, asked)
	switch {
	case len(s.Digests) == 0:
		faults = append(faults, fmt.Errorf("no task runs of %s", orNone(s.Revision)))
	case len(others) == 0:
	case s.Digests[asked] == 0:
		faults = append(faults, fmt.Errorf("it was rolled back: %s was asked for, %s serves", asked, list(others)))
	default:
		faults = append(faults, fmt.Errorf("%s was asked for, but %s serves as well", asked, list(others)))
	}
	if len(faults) > 0 && s.Failed != "" {
		faults = append(faults, errors.New(s.Failed))
	}
	return errors.Join(faults...)
}

func list(digests map[string]int) string {
	names := slices.Sorted(maps.Keys(digests))
	for i, name := range names {
		names[i] = orNone(name)
	}
	return strings.Join(names, ", ")
}

func orNone(s string) string {
	if s == "" {
		return "something without a name"
	}
	return s
}
