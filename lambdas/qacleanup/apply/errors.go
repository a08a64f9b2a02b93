package apply

import (
	"context"
	"errors"
	"strings"

	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/aws/smithy-go"
)

// Later is the error of something that can't be deleted yet. It is no failure: the next run tries again.
type Later struct{ Why string }

func (l *Later) Error() string { return l.Why }

// Refused is the error of something that people keep from being deleted. It stays, which is no failure.
type Refused struct{ Why string }

func (r *Refused) Error() string { return r.Why }

func isRefused(err error) bool {
	var refused *Refused
	return errors.As(err, &refused)
}

func isLater(err error) bool {
	var later *Later
	return errors.As(err, &later)
}

// isGone says that what should be deleted isn't there.
func isGone(err error) bool {
	var rule *elbtypes.RuleNotFoundException
	var group *elbtypes.TargetGroupNotFoundException
	var service *ecstypes.ServiceNotFoundException
	var inactive *ecstypes.ServiceNotActiveException // a service that is draining or inactive: its deletion has begun
	return errors.As(err, &rule) || errors.As(err, &group) || errors.As(err, &service) || errors.As(err, &inactive) ||
		isStackGone(err)
}

// isStackGone recognizes CloudFormation's answer for a stack that doesn't exist, which has no code of its own.
func isStackGone(err error) bool { return isValidation(err, "does not exist") }

// isProtected says that someone switched a stack's termination protection on since it was described.
func isProtected(err error) bool { return isValidation(err, "TerminationProtection is enabled") }

// isBusyStack says that CloudFormation began to work on the stack since it was described.
func isBusyStack(err error) bool { return isValidation(err, "_IN_PROGRESS") }

func isValidation(err error, text string) bool {
	var api smithy.APIError
	return errors.As(err, &api) && api.ErrorCode() == "ValidationError" && strings.Contains(api.ErrorMessage(), text)
}

// isInUse says that something still refers to what should be deleted.
func isInUse(err error) bool {
	var group *elbtypes.ResourceInUseException
	return errors.As(err, &group)
}

// isOutOfTime says that the run's time ended during a call, so that its outcome is unknown.
func isOutOfTime(ctx context.Context, err error) bool {
	return ctx.Err() != nil && (errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) || isCanceled(err))
}

func isCanceled(err error) bool {
	var canceled *smithy.CanceledError
	return errors.As(err, &canceled)
}
