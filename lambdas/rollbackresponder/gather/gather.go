// Package gather reads what there is to know about a failed deployment. Everything is read at once, and each part that
// can't be read is a problem in the facts, never the end.
package gather

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"

	"slipway/lambdas/internal/redact"
	"slipway/lambdas/rollbackresponder/decide"
)

// CodeDeploy tells of its deployments.
type CodeDeploy interface {
	GetDeployment(context.Context, *codedeploy.GetDeploymentInput, ...func(*codedeploy.Options)) (*codedeploy.GetDeploymentOutput, error)
	ListDeploymentTargets(context.Context, *codedeploy.ListDeploymentTargetsInput, ...func(*codedeploy.Options)) (*codedeploy.ListDeploymentTargetsOutput, error)
	BatchGetDeploymentTargets(context.Context, *codedeploy.BatchGetDeploymentTargetsInput, ...func(*codedeploy.Options)) (*codedeploy.BatchGetDeploymentTargetsOutput, error)
}

// ECS tells of the service, its deployments and its tasks.
type ECS interface {
	DescribeServices(context.Context, *ecs.DescribeServicesInput, ...func(*ecs.Options)) (*ecs.DescribeServicesOutput, error)
	ListTasks(context.Context, *ecs.ListTasksInput, ...func(*ecs.Options)) (*ecs.ListTasksOutput, error)
	DescribeTasks(context.Context, *ecs.DescribeTasksInput, ...func(*ecs.Options)) (*ecs.DescribeTasksOutput, error)
	ListServiceDeployments(context.Context, *ecs.ListServiceDeploymentsInput, ...func(*ecs.Options)) (*ecs.ListServiceDeploymentsOutput, error)
	DescribeServiceDeployments(context.Context, *ecs.DescribeServiceDeploymentsInput, ...func(*ecs.Options)) (*ecs.DescribeServiceDeploymentsOutput, error)
}

// ELB tells of the targets' health.
type ELB interface {
	DescribeTargetHealth(context.Context, *elb.DescribeTargetHealthInput, ...func(*elb.Options)) (*elb.DescribeTargetHealthOutput, error)
}

// Logs has the tasks' log lines.
type Logs interface {
	GetLogEvents(context.Context, *cloudwatchlogs.GetLogEventsInput, ...func(*cloudwatchlogs.Options)) (*cloudwatchlogs.GetLogEventsOutput, error)
}

// CloudWatch has the alarms.
type CloudWatch interface {
	DescribeAlarms(context.Context, *cloudwatch.DescribeAlarmsInput, ...func(*cloudwatch.Options)) (*cloudwatch.DescribeAlarmsOutput, error)
}

// Reader reads the facts.
type Reader struct {
	Config     decide.Config
	CodeDeploy CodeDeploy
	ECS        ECS
	ELB        ELB
	Logs       Logs
	CloudWatch CloudWatch
	Log        *slog.Logger
}

// Limits of what is read and kept.
const (
	maxText   = 400 // characters of one text
	maxEvents = 5   // of the service
	maxTasks  = 5   // stopped ones that are kept
	maxLogs   = 3   // of them, with log lines
	maxLines  = 10  // of each log
)

// Facts collects facts while they are read: what has come is there even if the rest never does.
type Facts struct {
	mu sync.Mutex
	f  decide.Facts
}

// Now returns what has come until now.
func (f *Facts) Now() decide.Facts {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := f.f
	// Parts that still come must not change what is out.
	out.Tasks, out.Targets, out.Problems = slices.Clone(out.Tasks), slices.Clone(out.Targets), slices.Clone(out.Problems)
	return out
}

func (f *Facts) set(change func(*decide.Facts)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(&f.f)
}

// Problem adds something that could not be read.
func (f *Facts) Problem(what string, err error) {
	f.set(func(facts *decide.Facts) {
		facts.Problems = append(facts.Problems, redact.Line(fmt.Sprintf("%s: %v", what, err), maxText))
		slices.Sort(facts.Problems)
	})
}

// Read reads all facts about an event into facts.
func (r Reader) Read(ctx context.Context, e decide.Event, facts *Facts) {
	parts := map[string]func(context.Context, decide.Event, *Facts) error{
		"the deployment": r.ecsDeployment, "the service": r.service, "the stopped tasks": r.tasks, "the targets": r.targets, "the alarms": r.alarms,
	}
	if e.Source == decide.CodeDeploy {
		parts["the deployment"] = r.codeDeployment
	}
	var wg sync.WaitGroup
	for what, read := range parts {
		wg.Go(func() {
			defer func() {
				if p := recover(); p != nil { // here, for a panic in a goroutine can be caught nowhere else
					r.Log.Error("panic", "panic", fmt.Sprint(p), "stack trace", string(debug.Stack()))
					facts.Problem(what, fmt.Errorf("the function panicked; its log has the details"))
				}
			}()
			if err := read(ctx, e, facts); err != nil {
				facts.Problem(what, err)
			}
		})
	}
	wg.Wait()
}
