package remedy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/applicationautoscaling"
	scalingtypes "github.com/aws/aws-sdk-go-v2/service/applicationautoscaling/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"slipway/internal/contract"
	"slipway/lambdas/threatresponse/decide"
	"slipway/lambdas/threatresponse/finding"
)

// ECS are the calls for tasks and services.
type ECS interface {
	DescribeServices(context.Context, *ecs.DescribeServicesInput, ...func(*ecs.Options)) (*ecs.DescribeServicesOutput, error)
	UpdateService(context.Context, *ecs.UpdateServiceInput, ...func(*ecs.Options)) (*ecs.UpdateServiceOutput, error)
	StopTask(context.Context, *ecs.StopTaskInput, ...func(*ecs.Options)) (*ecs.StopTaskOutput, error)
	ListServiceDeployments(context.Context, *ecs.ListServiceDeploymentsInput, ...func(*ecs.Options)) (*ecs.ListServiceDeploymentsOutput, error)
	DescribeTaskDefinition(context.Context, *ecs.DescribeTaskDefinitionInput, ...func(*ecs.Options)) (*ecs.DescribeTaskDefinitionOutput, error)
	DescribeServiceRevisions(context.Context, *ecs.DescribeServiceRevisionsInput, ...func(*ecs.Options)) (*ecs.DescribeServiceRevisionsOutput, error)
}

// Scaling are the calls for a service's autoscaling, whose minimum would undo a scale to zero.
type Scaling interface {
	DescribeScalableTargets(context.Context, *applicationautoscaling.DescribeScalableTargetsInput, ...func(*applicationautoscaling.Options)) (*applicationautoscaling.DescribeScalableTargetsOutput, error)
	RegisterScalableTarget(context.Context, *applicationautoscaling.RegisterScalableTargetInput, ...func(*applicationautoscaling.Options)) (*applicationautoscaling.RegisterScalableTargetOutput, error)
}

// service contains an ECS service: the task of the finding is stopped, and then the service is scaled to zero, or rolled back
// to the last revision that was deployed well. Stopping alone would start the same image again, and the network interface of a
// Fargate task can't be given other security groups.
type service struct {
	ecs     ECS
	scaling Scaling
	Settings
	rollBack bool
}

type serviceBefore struct {
	Controller     string       `json:"controller"` // ECS, CODE_DEPLOY, EXTERNAL
	Desired        int32        `json:"desired"`
	TaskDefinition string       `json:"taskDefinition,omitempty"`
	Good           string       `json:"good,omitempty"` // the task definition to roll back to
	Scalable       *scaleBefore `json:"scalable,omitempty"`
	Why            string       `json:"why,omitempty"` // why it isn't rolled back though it should be
}

type scaleBefore struct {
	Min       int32 `json:"min"`
	Max       int32 `json:"max"`
	In        bool  `json:"inSuspended"`
	Out       bool  `json:"outSuspended"`
	Scheduled bool  `json:"scheduledSuspended"`
}

func (r service) Action() string {
	if r.rollBack {
		return contract.ActionRollBackService
	}
	return contract.ActionStopService
}

func (service) Families() []finding.Family { return []finding.Family{finding.Runtime, finding.ECS} }

func (service) Targets(f finding.Finding, _ decide.Place) ([]decide.Target, []decide.Spared) {
	c := f.Cluster
	arn := clusterARN(c)
	_, cluster, ok := strings.Cut(arn, ":cluster/")
	if !ok || cluster == "" {
		return nil, nil
	}
	detail := map[string]string{"cluster": arn, "task": c.Task}
	if isExempt(c.Tags) {
		detail["exempt"] = "yes"
	}
	if name := c.Service(); name != "" {
		id := strings.Replace(arn, ":cluster/", ":service/", 1) + "/" + name
		return []decide.Target{{Kind: "service", ID: id, Name: cluster + "/" + name, Detail: detail, Marker: c.Task}}, nil
	}
	if c.Task == "" {
		return nil, nil
	}
	return []decide.Target{{Kind: "task", ID: c.Task, Name: "task " + last(c.Task), Detail: detail}}, nil
}

// clusterARN is the cluster's ARN; a finding that leaves it out still names the cluster in its task's.
func clusterARN(c *finding.Cluster) string {
	switch {
	case c == nil:
		return ""
	case c.ARN != "":
		return c.ARN
	}
	before, path, _ := strings.Cut(c.Task, ":task/")
	name, _, ok := strings.Cut(path, "/")
	if !ok {
		return ""
	}
	return before + ":cluster/" + name
}

func last(arn string) string { return arn[strings.LastIndex(arn, "/")+1:] }

func (r service) Capture(ctx context.Context, w Work) (json.RawMessage, error) {
	if w.Target.Kind == "task" {
		return remember(serviceBefore{}) // it can be stopped, never started again
	}
	cluster := w.Target.Detail["cluster"]
	s, err := r.look(ctx, cluster, w.Target.ID)
	if err != nil {
		return nil, err
	}
	for _, t := range s.Tags {
		if aws.ToString(t.Key) == contract.TagResponse && aws.ToString(t.Value) == contract.ResponseExempt {
			return nil, exempt()
		}
	}
	if s.SchedulingStrategy == ecstypes.SchedulingStrategyDaemon {
		return nil, &Spare{"a daemon service can't be scaled; isolate its instances, or delete it by hand"}
	}
	before := serviceBefore{Controller: string(ecstypes.DeploymentControllerTypeEcs), Desired: s.DesiredCount, TaskDefinition: aws.ToString(s.TaskDefinition)}
	if s.DeploymentController != nil {
		before.Controller = string(s.DeploymentController.Type)
	}
	if before.Scalable, err = r.scalable(ctx, w); err != nil {
		return nil, err
	}
	if r.rollBack {
		if before.Good, before.Why, err = r.lastGood(ctx, before.Controller, cluster, s); err != nil {
			return nil, err
		}
	}
	return remember(before)
}

// look describes the service. One that is gone, or on its way out, needs nothing.
func (r service) look(ctx context.Context, cluster, arn string) (ecstypes.Service, error) {
	out, err := r.ecs.DescribeServices(ctx, &ecs.DescribeServicesInput{
		Cluster: &cluster, Services: []string{arn}, Include: []ecstypes.ServiceField{ecstypes.ServiceFieldTags},
	})
	var gone *ecstypes.ClusterNotFoundException
	if errors.As(err, &gone) {
		return ecstypes.Service{}, &Spare{"the cluster isn't there any more"}
	}
	if err != nil {
		return ecstypes.Service{}, fmt.Errorf("look at service %s: %w", arn, err)
	}
	for _, s := range out.Services {
		if aws.ToString(s.Status) == "ACTIVE" {
			return s, nil
		}
	}
	for _, f := range out.Failures {
		if reason := aws.ToString(f.Reason); reason != "MISSING" {
			return ecstypes.Service{}, fmt.Errorf("look at service %s: %s", arn, reason)
		}
	}
	return ecstypes.Service{}, &Spare{"the service isn't there any more"}
}

// resourceID is how Application Auto Scaling names a service: service/<cluster>/<name>.
func resourceID(w Work) string {
	_, path, _ := strings.Cut(w.Target.ID, ":service/")
	return "service/" + path
}

func (r service) scalable(ctx context.Context, w Work) (*scaleBefore, error) {
	out, err := r.scaling.DescribeScalableTargets(ctx, &applicationautoscaling.DescribeScalableTargetsInput{
		ServiceNamespace: scalingtypes.ServiceNamespaceEcs, ResourceIds: []string{resourceID(w)},
		ScalableDimension: scalingtypes.ScalableDimensionECSServiceDesiredCount,
	})
	if err != nil {
		return nil, fmt.Errorf("look at the autoscaling of %s: %w", w.Target.Label(), err)
	}
	if len(out.ScalableTargets) == 0 {
		return nil, nil
	}
	t := out.ScalableTargets[0]
	before := &scaleBefore{Min: aws.ToInt32(t.MinCapacity), Max: aws.ToInt32(t.MaxCapacity)}
	if s := t.SuspendedState; s != nil {
		before.In, before.Out, before.Scheduled = aws.ToBool(s.DynamicScalingInSuspended), aws.ToBool(s.DynamicScalingOutSuspended), aws.ToBool(s.ScheduledScalingSuspended)
	}
	return before, nil
}

// lastGood finds the newest task definition other than the present one that ECS deployed well. ECS keeps 90 days of them.
func (r service) lastGood(ctx context.Context, controller, cluster string, s ecstypes.Service) (arn, why string, err error) {
	if controller != string(ecstypes.DeploymentControllerTypeEcs) {
		return "", "a service that " + controller + " deploys can't be given a task definition by ECS; it was scaled to zero instead", nil
	}
	deployments, err := r.ecs.ListServiceDeployments(ctx, &ecs.ListServiceDeploymentsInput{
		Cluster: &cluster, Service: s.ServiceArn, Status: []ecstypes.ServiceDeploymentStatus{ecstypes.ServiceDeploymentStatusSuccessful}, MaxResults: aws.Int32(100),
	})
	if err != nil {
		return "", "", fmt.Errorf("list the deployments of %s: %w", aws.ToString(s.ServiceArn), err)
	}
	const batch = 20 // revisions in one DescribeServiceRevisions
	var revisions []string
	for _, d := range deployments.ServiceDeployments { // the newest first
		if target := aws.ToString(d.TargetServiceRevisionArn); target != "" && len(revisions) < batch {
			revisions = append(revisions, target)
		}
	}
	if len(revisions) > 0 {
		out, err := r.ecs.DescribeServiceRevisions(ctx, &ecs.DescribeServiceRevisionsInput{ServiceRevisionArns: revisions})
		if err != nil {
			return "", "", fmt.Errorf("look at the revisions of %s: %w", aws.ToString(s.ServiceArn), err)
		}
		definitions := map[string]string{}
		for _, v := range out.ServiceRevisions {
			definitions[aws.ToString(v.ServiceRevisionArn)] = aws.ToString(v.TaskDefinition)
		}
		// The one in use too: without it nothing could be undone.
		if why, err := r.unusable(ctx, aws.ToString(s.TaskDefinition)); err != nil || why != "" {
			return "", why, err
		}
		passed := map[string]bool{aws.ToString(s.TaskDefinition): true}
		for _, v := range revisions {
			d := definitions[v]
			if d == "" || passed[d] {
				continue
			}
			passed[d] = true
			reason, err := r.unusable(ctx, d)
			if err != nil {
				return "", "", err
			}
			if reason == "" {
				return d, "", nil
			}
			why = reason
		}
	}
	if why == "" {
		why = "no other revision is known that was deployed well; it was scaled to zero instead"
	}
	return "", why, nil
}

// unusable says why ECS would not give a task definition to a service, asked by this function; "" if it would. ECS refuses what is
// deregistered, and IAM who may not pass the roles of the tasks: the function may pass those of the platform's own stacks.
func (r service) unusable(ctx context.Context, definition string) (string, error) {
	out, err := r.ecs.DescribeTaskDefinition(ctx, &ecs.DescribeTaskDefinitionInput{TaskDefinition: &definition})
	if err != nil {
		return "", fmt.Errorf("look at the task definition %s: %w", definition, err)
	}
	if out.TaskDefinition.Status != ecstypes.TaskDefinitionStatusActive {
		return last(definition) + " is deregistered, so no service can be given it; it was scaled to zero instead", nil
	}
	for _, role := range []string{aws.ToString(out.TaskDefinition.TaskRoleArn), aws.ToString(out.TaskDefinition.ExecutionRoleArn)} {
		if role != "" && !strings.HasPrefix(role, "arn:aws:iam::"+r.Account+":role/"+r.Platform+"-") {
			return last(role) + " is no role of " + r.Platform + "'s stacks, so it may not be passed; it was scaled to zero instead", nil
		}
	}
	return "", nil
}

func (r service) Apply(ctx context.Context, w Work) ([]string, error) {
	before, err := recall[serviceBefore](w)
	if err != nil {
		return nil, err
	}
	var notes []string
	stopped, err := r.stop(ctx, w)
	if err != nil {
		return nil, err
	}
	if stopped != "" {
		notes = append(notes, stopped)
	}
	if w.Target.Kind == "task" {
		return append(notes, "no service started it, so nothing starts it again; it can't be undone"), nil
	}
	cluster := w.Target.Detail["cluster"]
	if before.Good != "" {
		_, err := r.ecs.UpdateService(ctx, &ecs.UpdateServiceInput{Cluster: &cluster, Service: &w.Target.ID, TaskDefinition: &before.Good})
		if err := r.updated(err, w); err != nil {
			return notes, err
		}
		return append(notes, "rolled back to "+last(before.Good)+" (was "+last(before.TaskDefinition)+")"), nil
	}
	if before.Why != "" {
		notes = append(notes, before.Why)
	}
	if before.Scalable != nil {
		// First, for autoscaling lifts a service to its minimum whenever it looks.
		if err := r.register(ctx, w, scaleBefore{Min: 0, Max: before.Scalable.Max, In: true, Out: true, Scheduled: true}); err != nil {
			return notes, err
		}
		notes = append(notes, fmt.Sprintf("autoscaling suspended (was %d to %d)", before.Scalable.Min, before.Scalable.Max))
	}
	_, err = r.ecs.UpdateService(ctx, &ecs.UpdateServiceInput{Cluster: &cluster, Service: &w.Target.ID, DesiredCount: aws.Int32(0)})
	if err := r.updated(err, w); err != nil {
		return notes, err
	}
	return append(notes, fmt.Sprintf("scaled to 0 (was %d)", before.Desired)), nil
}

// stop ends the task of the finding. What was in its memory and its file system is lost.
func (r service) stop(ctx context.Context, w Work) (string, error) {
	task, cluster := w.Target.Detail["task"], w.Target.Detail["cluster"]
	if task == "" {
		return "", nil
	}
	_, err := r.ecs.StopTask(ctx, &ecs.StopTaskInput{Cluster: &cluster, Task: &task, Reason: aws.String("Slipway: GuardDuty finding, ledger entry " + w.ID)})
	var not *ecstypes.InvalidParameterException
	switch {
	case errors.As(err, &not) && strings.Contains(err.Error(), "was not found"):
		return "task " + last(task) + " isn't there any more", nil
	case err != nil:
		return "", fmt.Errorf("stop task %s: %w", task, err)
	}
	return "stopped task " + last(task), nil
}

// updated judges the error of UpdateService.
func (service) updated(err error, w Work) error {
	var missing *ecstypes.ServiceNotFoundException
	var inactive *ecstypes.ServiceNotActiveException
	if err == nil || errors.As(err, &missing) || errors.As(err, &inactive) {
		return nil
	}
	return fmt.Errorf("update service %s: %w", w.Target.Label(), err)
}

func (r service) register(ctx context.Context, w Work, s scaleBefore) error {
	_, err := r.scaling.RegisterScalableTarget(ctx, &applicationautoscaling.RegisterScalableTargetInput{
		ServiceNamespace: scalingtypes.ServiceNamespaceEcs, ResourceId: aws.String(resourceID(w)),
		ScalableDimension: scalingtypes.ScalableDimensionECSServiceDesiredCount, MinCapacity: &s.Min, MaxCapacity: &s.Max,
		SuspendedState: &scalingtypes.SuspendedState{DynamicScalingInSuspended: &s.In, DynamicScalingOutSuspended: &s.Out, ScheduledScalingSuspended: &s.Scheduled},
	})
	if err != nil {
		return fmt.Errorf("change the autoscaling of %s: %w", w.Target.Label(), err)
	}
	return nil
}

func (r service) Undo(ctx context.Context, w Work) ([]string, error) {
	before, err := recall[serviceBefore](w)
	if err != nil {
		return nil, err
	}
	if w.Target.Kind == "task" {
		return []string{"a stopped task stays stopped"}, nil
	}
	cluster := w.Target.Detail["cluster"]
	s, err := r.look(ctx, cluster, w.Target.ID)
	var gone *Spare
	if errors.As(err, &gone) {
		return []string{gone.Why}, nil
	}
	if err != nil {
		return nil, err
	}
	if before.Good != "" {
		if aws.ToString(s.TaskDefinition) != before.Good {
			return []string{"someone deployed " + last(aws.ToString(s.TaskDefinition)) + " since; that stays"}, nil
		}
		_, err := r.ecs.UpdateService(ctx, &ecs.UpdateServiceInput{Cluster: &cluster, Service: &w.Target.ID, TaskDefinition: &before.TaskDefinition})
		if err := r.updated(err, w); err != nil {
			return nil, err
		}
		return []string{"back at " + last(before.TaskDefinition)}, nil
	}
	_, err = r.ecs.UpdateService(ctx, &ecs.UpdateServiceInput{Cluster: &cluster, Service: &w.Target.ID, DesiredCount: &before.Desired})
	if err := r.updated(err, w); err != nil {
		return nil, err
	}
	notes := []string{fmt.Sprintf("scaled to %d again", before.Desired)}
	if before.Scalable != nil {
		if err := r.register(ctx, w, *before.Scalable); err != nil {
			return notes, err
		}
		notes = append(notes, fmt.Sprintf("autoscaling from %d to %d again", before.Scalable.Min, before.Scalable.Max))
	}
	return notes, nil
}
