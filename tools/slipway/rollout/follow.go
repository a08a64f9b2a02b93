package rollout

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy"
	cdtypes "github.com/aws/aws-sdk-go-v2/service/codedeploy/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// CodeDeploy knows the steps of a blue/green deployment.
type CodeDeploy interface {
	GetDeployment(context.Context, *codedeploy.GetDeploymentInput, ...func(*codedeploy.Options)) (*codedeploy.GetDeploymentOutput, error)
	ListDeploymentTargets(context.Context, *codedeploy.ListDeploymentTargetsInput, ...func(*codedeploy.Options)) (*codedeploy.ListDeploymentTargetsOutput, error)
	BatchGetDeploymentTargets(context.Context, *codedeploy.BatchGetDeploymentTargetsInput, ...func(*codedeploy.Options)) (*codedeploy.BatchGetDeploymentTargetsOutput, error)
}

// Follower prints what is new about a service.
type Follower struct {
	Target     Target
	ECS        ECS
	CodeDeploy CodeDeploy
	Out        io.Writer
	// Since is when the deployment began: what happened before is no news.
	Since time.Time

	events map[string]bool   // IDs of service events that were printed
	states map[string]string // of deployments, task sets and lifecycle events
}

// Follow prints the news until the context ends. What can't be read is printed too, once, and tried again: following is for
// people, the verdict comes from Read.
func (f *Follower) Follow(ctx context.Context, every time.Duration) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		switch err := f.Poll(ctx); {
		case err == nil:
			delete(f.states, "error")
		case ctx.Err() == nil: // once, though each answer has an ID of its own
			f.once("error", "failing", "can't follow: "+err.Error())
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// Poll prints what is new since the last time.
func (f *Follower) Poll(ctx context.Context) error {
	if f.events == nil {
		f.events, f.states = map[string]bool{}, map[string]string{}
	}
	service, err := f.Target.service(ctx, f.ECS)
	if err != nil || service == nil {
		return err
	}
	f.news(service)
	for _, d := range service.Deployments {
		if d.RolloutState != "" && !aws.ToTime(d.UpdatedAt).Before(f.Since) {
			f.once(aws.ToString(d.Id), string(d.RolloutState), fmt.Sprintf("rollout of %s: %s, %d of %d tasks run, %d failed; %s",
				aws.ToString(d.TaskDefinition), d.RolloutState, d.RunningCount, d.DesiredCount, d.FailedTasks, aws.ToString(d.RolloutStateReason)))
		}
	}
	var deployments []string
	for _, set := range service.TaskSets {
		if id := aws.ToString(set.ExternalId); id != "" && !slices.Contains(deployments, id) {
			deployments = append(deployments, id) // CodeDeploy's deployment that made the task set
		}
	}
	for _, id := range deployments {
		if err := f.blueGreen(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

// news prints the service's events, which ECS gives newest first.
func (f *Follower) news(service *types.Service) {
	for _, e := range slices.Backward(service.Events) {
		if id := aws.ToString(e.Id); !f.events[id] && !aws.ToTime(e.CreatedAt).Before(f.Since) {
			f.events[id] = true
			f.say(aws.ToTime(e.CreatedAt), aws.ToString(e.Message))
		}
	}
}

func (f *Follower) blueGreen(ctx context.Context, id string) error {
	out, err := f.CodeDeploy.GetDeployment(ctx, &codedeploy.GetDeploymentInput{DeploymentId: &id})
	if err != nil {
		return fmt.Errorf("look at deployment %s: %w", id, err)
	}
	d := out.DeploymentInfo
	if d == nil || aws.ToTime(d.CreateTime).Before(f.Since) {
		return nil // an earlier one, whose tasks still serve
	}
	reason := ""
	if e := d.ErrorInformation; e != nil {
		reason = ": " + string(e.Code) + ", " + aws.ToString(e.Message)
	}
	f.once(id, string(d.Status), fmt.Sprintf("deployment %s: %s%s", id, d.Status, reason))
	targets, err := f.CodeDeploy.ListDeploymentTargets(ctx, &codedeploy.ListDeploymentTargetsInput{DeploymentId: &id})
	if err != nil || len(targets.TargetIds) == 0 {
		return err
	}
	// One service is one target.
	described, err := f.CodeDeploy.BatchGetDeploymentTargets(ctx, &codedeploy.BatchGetDeploymentTargetsInput{DeploymentId: &id, TargetIds: targets.TargetIds[:1]})
	if err != nil {
		return fmt.Errorf("look at the steps of deployment %s: %w", id, err)
	}
	for _, t := range described.DeploymentTargets {
		if t.EcsTarget == nil {
			continue
		}
		for _, e := range t.EcsTarget.LifecycleEvents {
			if e.Status != cdtypes.LifecycleEventStatusPending {
				name := aws.ToString(e.LifecycleEventName)
				f.once(id+name, string(e.Status), fmt.Sprintf("deployment %s: %s %s", id, name, e.Status))
			}
		}
	}
	return nil
}

// once says something about a thing, if its state is new.
func (f *Follower) once(thing, state, text string) {
	if f.states[thing] != state {
		f.states[thing] = state
		f.say(time.Now(), text)
	}
}

func (f *Follower) say(at time.Time, text string) {
	fmt.Fprintf(f.Out, "%s  %s\n", at.UTC().Format(time.TimeOnly), text)
}
