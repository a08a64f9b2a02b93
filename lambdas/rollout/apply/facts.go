package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy"
	cdtypes "github.com/aws/aws-sdk-go-v2/service/codedeploy/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"slipway/lambdas/rollout/decide"
)

// active are the statuses of deployments that hold their group.
var active = []cdtypes.DeploymentStatus{
	cdtypes.DeploymentStatusCreated, cdtypes.DeploymentStatusQueued, cdtypes.DeploymentStatusInProgress,
	cdtypes.DeploymentStatusBaking, cdtypes.DeploymentStatusReady,
}

// facts reads the deployments first and what runs after them: a revision that runs is then never older news than the
// deployment that brought it.
func (r Roller) facts(ctx context.Context, w decide.Wish, began time.Time) (decide.Facts, error) {
	recent := &cdtypes.TimeRange{Start: aws.Time(began.Add(-decide.Lookback))}
	var ids []string
	for _, in := range []*codedeploy.ListDeploymentsInput{
		// An active one may be older than the look back: it may wait for days before it moves the traffic.
		{ApplicationName: &w.Application, DeploymentGroupName: &w.Group, IncludeOnlyStatuses: active},
		{ApplicationName: &w.Application, DeploymentGroupName: &w.Group, CreateTimeRange: recent},
	} {
		pages := codedeploy.NewListDeploymentsPaginator(r.CodeDeploy, in)
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			switch {
			case isUndeclared(err):
				return decide.Facts{}, fmt.Errorf("list the deployments of group %s of application %s: %w; deploy the stack that declares it", w.Group, w.Application, err)
			case err != nil:
				return decide.Facts{}, fmt.Errorf("list the deployments of group %s of application %s: %w", w.Group, w.Application, err)
			}
			ids = append(ids, page.Deployments...)
		}
	}
	slices.Sort(ids)
	facts := decide.Facts{}
	for _, id := range slices.Compact(ids) {
		d, err := r.deployment(ctx, id)
		if err != nil {
			return decide.Facts{}, err
		}
		facts.Deployments = append(facts.Deployments, d)
	}
	var err error
	facts.Running, err = r.running(ctx, w)
	facts.Now = r.Now()
	return facts, err
}

func (r Roller) deployment(ctx context.Context, id string) (decide.Deployment, error) {
	out, err := r.CodeDeploy.GetDeployment(ctx, &codedeploy.GetDeploymentInput{DeploymentId: &id})
	if err == nil && out.DeploymentInfo == nil {
		err = &laterError{errors.New("the answer is empty")}
	}
	if isUnknownDeployment(err) {
		err = &laterError{err} // it was listed a moment ago
	}
	if err != nil {
		return decide.Deployment{}, fmt.Errorf("get deployment %s: %w", id, err)
	}
	i := out.DeploymentInfo
	d := decide.Deployment{
		ID: id, Status: decide.Status(i.Status), Description: aws.ToString(i.Description),
		Created: aws.ToTime(i.CreateTime), Ended: aws.ToTime(i.CompleteTime),
		Rollback: i.Creator == cdtypes.DeploymentCreatorCodeDeployRollback,
	}
	if i.Revision != nil && i.Revision.AppSpecContent != nil {
		d.SHA256 = aws.ToString(i.Revision.AppSpecContent.Sha256)
	}
	if i.ErrorInformation != nil {
		d.ErrorCode, d.ErrorMessage = string(i.ErrorInformation.Code), aws.ToString(i.ErrorInformation.Message)
	}
	if b := i.RollbackInfo; b != nil {
		// The rollback's own information names its trigger, the trigger's its rollback.
		d.Rollback = d.Rollback || aws.ToString(b.RollbackTriggeringDeploymentId) != "" && aws.ToString(b.RollbackTriggeringDeploymentId) != id
		d.RollbackID, d.RollbackMessage = aws.ToString(b.RollbackDeploymentId), aws.ToString(b.RollbackMessage)
	}
	return d, nil
}

// running is the revision of the task set that serves production traffic.
func (r Roller) running(ctx context.Context, w decide.Wish) (string, error) {
	out, err := r.ECS.DescribeServices(ctx, &ecs.DescribeServicesInput{Cluster: &w.Cluster, Services: []string{w.Service}})
	switch {
	case isNoCluster(err):
		return "", fmt.Errorf("read service %s: %w; deploy the stack of cluster %s first", w.Service, err, w.Cluster)
	case err != nil:
		return "", fmt.Errorf("read service %s of cluster %s: %w", w.Service, w.Cluster, err)
	case len(out.Services) == 0 && len(out.Failures) > 0:
		return "", fmt.Errorf("read service %s of cluster %s: %s; deploy its stack again", w.Service, w.Cluster, aws.ToString(out.Failures[0].Reason))
	case len(out.Services) == 0:
		return "", fmt.Errorf("read service %s of cluster %s: ECS didn't describe it; deploy its stack again", w.Service, w.Cluster)
	}
	s := out.Services[0]
	if status := aws.ToString(s.Status); status != "ACTIVE" {
		return "", fmt.Errorf("service %s of cluster %s is %s, so nothing can be deployed to it; deploy its stack again", w.Service, w.Cluster, status)
	}
	if s.DeploymentController == nil || s.DeploymentController.Type != ecstypes.DeploymentControllerTypeCodeDeploy {
		controller := ecstypes.DeploymentControllerTypeEcs // ECS's default
		if s.DeploymentController != nil {
			controller = s.DeploymentController.Type
		}
		return "", fmt.Errorf("service %s of cluster %s has the deployment controller %s, so CodeDeploy can't deploy to it; a service's controller is chosen when it is created: see the strategy in platform.yaml", w.Service, w.Cluster, controller)
	}
	for _, set := range s.TaskSets {
		if aws.ToString(set.Status) == "PRIMARY" {
			return aws.ToString(set.TaskDefinition), nil
		}
	}
	if len(s.TaskSets) > 0 {
		return "", &laterError{fmt.Errorf("service %s of cluster %s has no primary task set at the moment", w.Service, w.Cluster)}
	}
	return aws.ToString(s.TaskDefinition), nil // that of its creation, as long as there is no task set
}

// batch is how many targets BatchGetDeploymentTargets takes.
const batch = 25

// diagnose reads what CodeDeploy says about the deployment's lifecycle events.
func (r Roller) diagnose(ctx context.Context, id string) (d decide.Diagnosis, err error) {
	in := &codedeploy.ListDeploymentTargetsInput{DeploymentId: &id}
	for {
		page, err := r.CodeDeploy.ListDeploymentTargets(ctx, in)
		if err != nil {
			return d, fmt.Errorf("list the targets of deployment %s: %w", id, err)
		}
		for ids := range slices.Chunk(page.TargetIds, batch) {
			out, err := r.CodeDeploy.BatchGetDeploymentTargets(ctx, &codedeploy.BatchGetDeploymentTargetsInput{DeploymentId: &id, TargetIds: ids})
			if err != nil {
				return d, fmt.Errorf("get the targets of deployment %s: %w", id, err)
			}
			for _, target := range out.DeploymentTargets {
				addTarget(&d, target.EcsTarget)
			}
		}
		if in.NextToken = page.NextToken; aws.ToString(in.NextToken) == "" {
			return d, nil
		}
	}
}

func addTarget(d *decide.Diagnosis, target *cdtypes.ECSTarget) {
	if target == nil {
		return
	}
	for _, e := range target.LifecycleEvents {
		event := decide.Event{Name: aws.ToString(e.LifecycleEventName), Status: string(e.Status)}
		if x := e.Diagnostics; x != nil {
			event.Code, event.Script, event.Message = string(x.ErrorCode), aws.ToString(x.ScriptName), aws.ToString(x.Message)
		}
		d.Events = append(d.Events, event)
	}
	for _, s := range target.TaskSetsInfo {
		d.TaskSets = append(d.TaskSets, decide.TaskSet{
			Label: string(s.TaskSetLabel), Status: aws.ToString(s.Status), Desired: s.DesiredCount, Running: s.RunningCount, Weight: s.TrafficWeight,
		})
	}
}
