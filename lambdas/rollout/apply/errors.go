package apply

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	cdtypes "github.com/aws/aws-sdk-go-v2/service/codedeploy/types"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// IsPassing says that an error may be gone at the next poll: throttling, faults of AWS, lost connections, or that the
// invocation's time is over. What AWS refuses for good isn't among them.
func IsPassing(ctx context.Context, err error) bool {
	if ctx.Err() != nil {
		return true
	}
	var later *laterError
	return errors.As(err, &later) ||
		retry.IsErrorRetryables(retry.DefaultRetryables).IsErrorRetryable(err) == aws.TrueTernary
}

// laterError is the error of what AWS doesn't show yet.
type laterError struct{ error }

func (l *laterError) Unwrap() error { return l.error }

// isBusy says that another deployment holds the group, or all that the account may have at once are under way.
func isBusy(err error) bool {
	var limit *cdtypes.DeploymentLimitExceededException
	return errors.As(err, &limit)
}

// isOver says that a deployment had ended before it could be stopped.
func isOver(err error) bool {
	var over *cdtypes.DeploymentAlreadyCompletedException
	return errors.As(err, &over)
}

// isUnknownDeployment says that CodeDeploy doesn't know a deployment which it has just listed.
func isUnknownDeployment(err error) bool {
	var unknown *cdtypes.DeploymentDoesNotExistException
	return errors.As(err, &unknown)
}

// isUndeclared says that the deployment group, its application or its configuration isn't there.
func isUndeclared(err error) bool {
	var application *cdtypes.ApplicationDoesNotExistException
	var group *cdtypes.DeploymentGroupDoesNotExistException
	var config *cdtypes.DeploymentConfigDoesNotExistException
	return errors.As(err, &application) || errors.As(err, &group) || errors.As(err, &config)
}

func isNoCluster(err error) bool {
	var cluster *ecstypes.ClusterNotFoundException
	return errors.As(err, &cluster)
}
