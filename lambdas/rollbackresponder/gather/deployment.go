package gather

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy"
	cdtypes "github.com/aws/aws-sdk-go-v2/service/codedeploy/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"slipway/lambdas/internal/redact"
	"slipway/lambdas/rollbackresponder/decide"
)

// codeDeployment reads a deployment of CodeDeploy, and then which of its lifecycle events failed.
func (r Reader) codeDeployment(ctx context.Context, e decide.Event, facts *Facts) error {
	if e.Deployment == "" {
		return errors.New("the event doesn't say which")
	}
	out, err := r.CodeDeploy.GetDeployment(ctx, &codedeploy.GetDeploymentInput{DeploymentId: &e.Deployment})
	if err != nil {
		return err
	}
	info := out.DeploymentInfo
	if info == nil {
		return errors.New("CodeDeploy's answer is empty")
	}
	d := &decide.Deployment{ID: e.Deployment, Status: string(info.Status)}
	if info.ErrorInformation != nil {
		d.Code, d.Message = string(info.ErrorInformation.Code), redact.Line(aws.ToString(info.ErrorInformation.Message), maxText)
	}
	if back := info.RollbackInfo; back != nil {
		d.UndoneBy, d.Undoes = aws.ToString(back.RollbackDeploymentId), aws.ToString(back.RollbackTriggeringDeploymentId)
	}
	if auto := info.AutoRollbackConfiguration; auto != nil {
		d.AutoRollback = auto.Enabled && rollsBackOn(auto.Events, d.Code, info.Status)
	}
	facts.set(func(f *decide.Facts) { f.Deployment = d })

	event, message, err := r.failedEvent(ctx, e.Deployment)
	if err != nil {
		return fmt.Errorf("its lifecycle events: %w", err)
	}
	facts.set(func(f *decide.Facts) {
		with := *f.Deployment
		if with.FailedEvent = event; with.Message == "" {
			with.Message = message
		}
		f.Deployment = &with
	})
	return nil
}

func rollsBackOn(events []cdtypes.AutoRollbackEvent, code string, status cdtypes.DeploymentStatus) bool {
	for _, event := range events {
		switch event {
		case cdtypes.AutoRollbackEventDeploymentFailure:
			if status == cdtypes.DeploymentStatusFailed {
				return true
			}
		case cdtypes.AutoRollbackEventDeploymentStopOnAlarm:
			if code == string(cdtypes.ErrorCodeAlarmActive) {
				return true
			}
		case cdtypes.AutoRollbackEventDeploymentStopOnRequest:
			if code != string(cdtypes.ErrorCodeAlarmActive) && status == cdtypes.DeploymentStatusStopped {
				return true
			}
		}
	}
	return false
}

func (r Reader) failedEvent(ctx context.Context, id string) (event, message string, err error) {
	list, err := r.CodeDeploy.ListDeploymentTargets(ctx, &codedeploy.ListDeploymentTargetsInput{DeploymentId: &id})
	if err != nil || len(list.TargetIds) == 0 {
		return "", "", err
	}
	// A deployment to ECS has one target, the service.
	out, err := r.CodeDeploy.BatchGetDeploymentTargets(ctx, &codedeploy.BatchGetDeploymentTargetsInput{DeploymentId: &id, TargetIds: list.TargetIds[:1]})
	if err != nil {
		return "", "", err
	}
	for _, target := range out.DeploymentTargets {
		if target.EcsTarget == nil {
			continue
		}
		for _, e := range target.EcsTarget.LifecycleEvents {
			if e.Status != cdtypes.LifecycleEventStatusFailed {
				continue
			}
			if e.Diagnostics != nil {
				message = redact.Line(aws.ToString(e.Diagnostics.Message), maxText)
			}
			return aws.ToString(e.LifecycleEventName), message, nil
		}
	}
	return "", "", nil
}

// ecsDeployment reads the service deployment that an event of ECS is about: the newest one that went wrong. The event's
// own ID is another kind and leads nowhere.
func (r Reader) ecsDeployment(ctx context.Context, e decide.Event, facts *Facts) error {
	in := &ecs.ListServiceDeploymentsInput{Cluster: &r.Config.Cluster, Service: &r.Config.Service, MaxResults: aws.Int32(20)}
	if !e.Time.IsZero() {
		// A deployment and its bake time end within a day or so; older ones are other failures.
		in.CreatedAt = &ecstypes.CreatedAt{After: aws.Time(e.Time.Add(-48 * time.Hour)), Before: aws.Time(e.Time.Add(time.Minute))}
	}
	list, err := r.ECS.ListServiceDeployments(ctx, in)
	if err != nil {
		return err
	}
	var newest *ecstypes.ServiceDeploymentBrief
	for i, d := range list.ServiceDeployments {
		if newest == nil || aws.ToTime(d.CreatedAt).After(aws.ToTime(newest.CreatedAt)) {
			newest = &list.ServiceDeployments[i]
		}
	}
	if newest == nil || !wentWrong(newest.Status) {
		return errors.New("the service's newest deployment isn't one that went wrong")
	}
	out, err := r.ECS.DescribeServiceDeployments(ctx, &ecs.DescribeServiceDeploymentsInput{ServiceDeploymentArns: []string{aws.ToString(newest.ServiceDeploymentArn)}})
	if err != nil {
		return err
	}
	if len(out.ServiceDeployments) == 0 {
		return errors.New("ECS's answer is empty")
	}
	s := out.ServiceDeployments[0]
	arn := aws.ToString(s.ServiceDeploymentArn)
	d := &decide.Deployment{
		ID: arn[strings.LastIndexByte(arn, '/')+1:], Status: string(s.Status), Stage: string(s.LifecycleStage),
		Message: redact.Line(aws.ToString(s.StatusReason), maxText),
	}
	if s.Rollback != nil && aws.ToString(s.Rollback.Reason) != "" {
		d.Message = redact.Line(*s.Rollback.Reason, maxText)
	}
	if s.Alarms != nil {
		d.Alarms = s.Alarms.TriggeredAlarmNames
	}
	facts.set(func(f *decide.Facts) { f.Deployment = d })
	return nil
}

func wentWrong(s ecstypes.ServiceDeploymentStatus) bool {
	switch s {
	case ecstypes.ServiceDeploymentStatusRollbackRequested, ecstypes.ServiceDeploymentStatusRollbackInProgress,
		ecstypes.ServiceDeploymentStatusRollbackSuccessful, ecstypes.ServiceDeploymentStatusRollbackFailed,
		ecstypes.ServiceDeploymentStatusStopRequested, ecstypes.ServiceDeploymentStatusStopped:
		return true
	}
	return false
}
