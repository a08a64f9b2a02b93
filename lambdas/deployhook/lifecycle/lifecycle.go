// Package lifecycle talks to CodeDeploy about the lifecycle event that waits for the hook.
package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/codedeploy"
	cdtypes "github.com/aws/aws-sdk-go-v2/service/codedeploy/types"
	"github.com/aws/smithy-go"

	"slipway/lambdas/deployhook/decide"
)

// Client is CodeDeploy.
type Client interface {
	GetDeployment(context.Context, *codedeploy.GetDeploymentInput, ...func(*codedeploy.Options)) (*codedeploy.GetDeploymentOutput, error)
	PutLifecycleEventHookExecutionStatus(context.Context, *codedeploy.PutLifecycleEventHookExecutionStatusInput, ...func(*codedeploy.Options)) (*codedeploy.PutLifecycleEventHookExecutionStatusOutput, error)
}

const (
	lookTime   = 5 * time.Second // for a question whose answer is only good to have
	perTry     = 5 * time.Second // for one call of the answer, with the SDK's own retries
	firstPause = 200 * time.Millisecond
	lastPause  = 2 * time.Second
)

// RollingBack says whether the deployment brings back an older version. CodeDeploy runs the hooks then, too.
func RollingBack(ctx context.Context, client Client, id string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	out, err := client.GetDeployment(ctx, &codedeploy.GetDeploymentInput{DeploymentId: &id})
	if err != nil {
		return false, fmt.Errorf("look up deployment %s: %w; it is tested as if it weren't a rollback", id, err)
	}
	return out.DeploymentInfo != nil && out.DeploymentInfo.Creator == cdtypes.DeploymentCreatorCodeDeployRollback, nil
}

// Answer tells CodeDeploy the outcome and tries until it knows, for as long as ctx lasts: an answer that never comes holds
// the deployment for an hour. An answer that got lost on its way back may be given again; CodeDeploy then says that the
// event is complete, which is what was wanted.
func Answer(ctx context.Context, client Client, e decide.Event, passed bool) error {
	status := cdtypes.LifecycleEventStatusFailed
	if passed {
		status = cdtypes.LifecycleEventStatusSucceeded
	}
	in := &codedeploy.PutLifecycleEventHookExecutionStatusInput{
		DeploymentId: &e.Deployment, LifecycleEventHookExecutionId: &e.Execution, Status: status,
	}
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		err := put(ctx, client, in)
		switch {
		case err == nil || isAnswered(err):
			return nil
		case isRefused(err):
			return fmt.Errorf("tell CodeDeploy %s about deployment %s: %w", status, e.Deployment, err)
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return fmt.Errorf("tell CodeDeploy %s about deployment %s: %w; check the function's role and its way to CodeDeploy's API, and stop the deployment by hand",
				status, e.Deployment, errors.Join(err, ctx.Err()))
		}
	}
}

func put(ctx context.Context, client Client, in *codedeploy.PutLifecycleEventHookExecutionStatusInput) error {
	ctx, cancel := context.WithTimeout(ctx, perTry)
	defer cancel()
	_, err := client.PutLifecycleEventHookExecutionStatus(ctx, in)
	return err
}

// isAnswered says that the event has its answer: this one, whose confirmation was lost, or that of the same event
// delivered twice.
func isAnswered(err error) bool {
	var done *cdtypes.LifecycleEventAlreadyCompletedException
	return errors.As(err, &done)
}

// isRefused says that another attempt ends the same way.
func isRefused(err error) bool {
	var api smithy.APIError
	if !errors.As(err, &api) {
		return false
	}
	switch api.ErrorCode() {
	case "DeploymentDoesNotExistException", "DeploymentIdRequiredException", "InvalidDeploymentIdException",
		"InvalidLifecycleEventHookExecutionIdException", "InvalidLifecycleEventHookExecutionStatusException",
		"UnsupportedActionForDeploymentTypeException", "AccessDeniedException", "UnrecognizedClientException":
		return true
	}
	return false
}
