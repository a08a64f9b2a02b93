// Package kinds lists and deletes the remains of QA environments, a file for each kind of resource.
package kinds

import (
	"context"
	"errors"
	"strings"

	"github.com/aws/smithy-go"

	"slipway/internal/contract"
	"slipway/lambdas/qasweep/decide"
)

// Kind lists and deletes resources of one or more kinds.
//
// List returns everything that carries the platform's name or tags of an environment, whether that environment exists or not; an
// error means that this kind isn't swept this time. Delete deletes pieces of one kind and one environment. It may be called again for
// what is gone already or half gone, and then succeeds.
//
// A new kind is a file here, a line in decide.Order and in the handler's list, its actions in testdata/actions.txt, tests, and the policy.
type Kind interface {
	Kinds() []decide.Kind
	List(context.Context) ([]decide.Piece, error)
	Delete(context.Context, []decide.Piece) error
}

// Platform is whose remains are swept.
type Platform struct {
	Name    string
	Cluster string
	Domain  string
	Stage   string // the QA stage's
}

// slugOfHost is the environment of a host name, exactly.
func (p Platform) slugOfHost(host string) (slug string, ok bool) {
	slug, ok = strings.CutSuffix(strings.TrimSuffix(strings.ToLower(host), "."), "."+contract.QADomain(p.Domain))
	return slug, ok && contract.IsSlug(slug)
}

// isGone says that AWS answered with one of the codes by which the service says that there is no such thing.
func isGone(err error, codes ...string) bool {
	var api smithy.APIError
	if !errors.As(err, &api) {
		return false
	}
	for _, code := range codes {
		if api.ErrorCode() == code {
			return true
		}
	}
	return false
}
