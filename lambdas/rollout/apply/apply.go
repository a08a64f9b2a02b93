// Package apply reads the facts of a rollout and carries out its steps.
package apply

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy"
	cdtypes "github.com/aws/aws-sdk-go-v2/service/codedeploy/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"

	"slipway/lambdas/rollout/decide"
)

// CodeDeploy starts, follows and stops deployments.
type CodeDeploy interface {
	codedeploy.ListDeploymentsAPIClient
	ListDeploymentTargets(context.Context, *codedeploy.ListDeploymentTargetsInput, ...func(*codedeploy.Options)) (*codedeploy.ListDeploymentTargetsOutput, error)
	CreateDeployment(context.Context, *codedeploy.CreateDeploymentInput, ...func(*codedeploy.Options)) (*codedeploy.CreateDeploymentOutput, error)
	GetDeployment(context.Context, *codedeploy.GetDeploymentInput, ...func(*codedeploy.Options)) (*codedeploy.GetDeploymentOutput, error)
	StopDeployment(context.Context, *codedeploy.StopDeploymentInput, ...func(*codedeploy.Options)) (*codedeploy.StopDeploymentOutput, error)
	BatchGetDeploymentTargets(context.Context, *codedeploy.BatchGetDeploymentTargetsInput, ...func(*codedeploy.Options)) (*codedeploy.BatchGetDeploymentTargetsOutput, error)
}

// ECS tells which revision runs.
type ECS interface {
	DescribeServices(context.Context, *ecs.DescribeServicesInput, ...func(*ecs.Options)) (*ecs.DescribeServicesOutput, error)
}

// Roller rolls revisions out, one step at a time.
type Roller struct {
	CodeDeploy CodeDeploy
	ECS        ECS
	Region     string
	Now        func() time.Time
	Log        *slog.Logger
}

// Result is the outcome of a step. A rollout that is neither done nor refused by an error goes on.
type Result struct {
	Done       bool
	Deployment string // ID, or NoDeployment
}

// FailedError is a rollout's final failure, in words for CloudFormation.
type FailedError struct{ Reason string }

func (f *FailedError) Error() string { return f.Reason }

// Step reads the facts anew, decides, and carries the decision out. It may be repeated at will: everything that it needs
// to know again is what AWS remembers.
func (r Roller) Step(ctx context.Context, w decide.Wish, mark decide.Mark, began time.Time) (Result, error) {
	spec, err := decide.BuildAppSpec(w)
	if err != nil {
		return Result{}, err
	}
	request := decide.Request{Mark: mark, TaskDefinition: w.TaskDefinition, SHA256: spec.SHA256, Timeout: w.Timeout, Began: began}
	facts, err := r.facts(ctx, w, began)
	if err != nil {
		return Result{}, err
	}
	step := decide.Decide(request, facts)
	r.Log.InfoContext(ctx, "step", "step", step.Kind, "why", step.Why, "deployment", step.Deployment.ID, "status", step.Deployment.Status,
		"wanted", w.TaskDefinition, "running", facts.Running)
	switch step.Kind {
	case decide.Start:
		return Result{}, r.start(ctx, w, spec, mark)
	case decide.Stop:
		return Result{}, r.stop(ctx, step.Deployment.ID)
	case decide.Succeed:
		id := step.Deployment.ID
		if id == "" {
			id = decide.NoDeployment
		}
		return Result{Done: true, Deployment: id}, nil
	case decide.Fail:
		return Result{}, r.fail(ctx, w, step, facts.Running)
	}
	return Result{}, nil
}

func (r Roller) start(ctx context.Context, w decide.Wish, spec decide.AppSpec, mark decide.Mark) error {
	in := &codedeploy.CreateDeploymentInput{
		ApplicationName: &w.Application, DeploymentGroupName: &w.Group,
		Description: aws.String(mark.Describe(w.TaskDefinition)),
		Revision: &cdtypes.RevisionLocation{
			RevisionType:   cdtypes.RevisionLocationTypeAppSpecContent,
			AppSpecContent: &cdtypes.AppSpecContent{Content: &spec.Content, Sha256: &spec.SHA256},
		},
	}
	if w.Config != "" {
		in.DeploymentConfigName = &w.Config
	}
	out, err := r.CodeDeploy.CreateDeployment(ctx, in)
	switch {
	case isBusy(err):
		// Another one came first, or the answer about ours got lost and the client asked again. The next look tells.
		r.Log.InfoContext(ctx, "the group is busy", "error", err.Error())
		return nil
	case isUndeclared(err):
		return fmt.Errorf("start the deployment of %s: %w; deploy the stack that declares it", decide.Short(w.TaskDefinition), err)
	case err != nil:
		return fmt.Errorf("start the deployment of %s with deployment group %s of application %s: %w", decide.Short(w.TaskDefinition), w.Group, w.Application, err)
	}
	r.Log.InfoContext(ctx, "started", "deployment", aws.ToString(out.DeploymentId))
	return nil
}

func (r Roller) stop(ctx context.Context, id string) error {
	out, err := r.CodeDeploy.StopDeployment(ctx, &codedeploy.StopDeploymentInput{DeploymentId: &id, AutoRollbackEnabled: aws.Bool(true)})
	switch {
	case isOver(err):
		return nil // what it came to, the next look tells
	case err != nil:
		return fmt.Errorf("stop deployment %s: %w; stop it in CodeDeploy's console", id, err)
	}
	r.Log.InfoContext(ctx, "stopping", "deployment", id, "status", out.Status, "message", aws.ToString(out.StatusMessage))
	return nil
}

// fail tells why. What can't be found out about it doesn't keep the failure from being told.
func (r Roller) fail(ctx context.Context, w decide.Wish, step decide.Step, running string) error {
	var diagnosis decide.Diagnosis
	if step.Deployment.ID != "" {
		var err error
		if diagnosis, err = r.diagnose(ctx, step.Deployment.ID); err != nil {
			diagnosis = decide.Diagnosis{Problem: err.Error()}
		}
	}
	r.Log.ErrorContext(ctx, "failed", "step", step, "diagnosis", diagnosis)
	return &FailedError{Reason: decide.Reason(step, w, diagnosis, running, r.Region)}
}
