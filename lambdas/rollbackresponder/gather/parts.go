package gather

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cwtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	logtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"slipway/lambdas/internal/redact"
	"slipway/lambdas/rollbackresponder/decide"
)

// service reads the counts and the newest events of the service.
func (r Reader) service(ctx context.Context, _ decide.Event, facts *Facts) error {
	out, err := r.ECS.DescribeServices(ctx, &ecs.DescribeServicesInput{Cluster: &r.Config.Cluster, Services: []string{r.Config.Service}})
	if err != nil {
		return err
	}
	if len(out.Services) == 0 {
		reason := "no answer"
		if len(out.Failures) > 0 {
			reason = aws.ToString(out.Failures[0].Reason)
		}
		return fmt.Errorf("ECS doesn't describe it: %s", reason)
	}
	s := out.Services[0]
	answer := &decide.Service{Desired: s.DesiredCount, Running: s.RunningCount, Pending: s.PendingCount}
	for _, e := range s.Events[:min(len(s.Events), maxEvents)] { // ECS gives the newest first
		answer.Events = append(answer.Events, aws.ToTime(e.CreatedAt).UTC().Format("15:04:05 ")+redact.Line(aws.ToString(e.Message), maxText))
	}
	facts.set(func(f *decide.Facts) { f.Service = answer })
	return nil
}

// tasks reads the tasks that stopped in the last hour, which is how long ECS keeps them, and the end of their logs. One page
// of a hundred is what one description takes; more tell no more.
func (r Reader) tasks(ctx context.Context, _ decide.Event, facts *Facts) error {
	list, err := r.ECS.ListTasks(ctx, &ecs.ListTasksInput{
		Cluster: &r.Config.Cluster, ServiceName: &r.Config.Name, DesiredStatus: ecstypes.DesiredStatusStopped, MaxResults: aws.Int32(100),
	})
	if err != nil || len(list.TaskArns) == 0 {
		return err
	}
	out, err := r.ECS.DescribeTasks(ctx, &ecs.DescribeTasksInput{Cluster: &r.Config.Cluster, Tasks: list.TaskArns})
	if err != nil {
		return err
	}
	tasks := make([]decide.Task, 0, len(out.Tasks))
	for _, t := range out.Tasks {
		tasks = append(tasks, r.task(t))
	}
	// Those that stopped by themselves come first: a rollback also stops good tasks, and later than the bad ones.
	slices.SortStableFunc(tasks, func(a, b decide.Task) int {
		if by, other := byItself(a), byItself(b); by != other {
			if by {
				return -1
			}
			return 1
		}
		return b.Stopped.Compare(a.Stopped)
	})
	tasks = tasks[:min(len(tasks), maxTasks)]
	facts.set(func(f *decide.Facts) { f.Tasks = slices.Clone(tasks) })
	if r.Config.LogGroup == "" {
		return nil
	}
	var failed []error
	for i, t := range tasks[:min(len(tasks), maxLogs)] {
		lines, err := r.lines(ctx, t.ID)
		if err != nil {
			failed = append(failed, fmt.Errorf("the log of task %s: %w", t.ID, err))
			continue
		}
		facts.set(func(f *decide.Facts) { f.Tasks[i].Lines = lines })
	}
	return errors.Join(failed...)
}

func byItself(t decide.Task) bool {
	return t.Code != string(ecstypes.TaskStopCodeServiceSchedulerInitiated) && t.Code != string(ecstypes.TaskStopCodeUserInitiated)
}

// task keeps what says why a task stopped. Its overrides hold environment variables and are never looked at.
func (r Reader) task(t ecstypes.Task) decide.Task {
	answer := decide.Task{
		ID: last(aws.ToString(t.TaskArn)), Definition: last(aws.ToString(t.TaskDefinitionArn)), Stopped: aws.ToTime(t.StoppedAt),
		Code: string(t.StopCode), Reason: redact.Line(aws.ToString(t.StoppedReason), maxText),
	}
	for _, c := range t.Containers {
		switch {
		case aws.ToString(c.Name) == r.Config.Container:
			answer.Exit, answer.Container = c.ExitCode, redact.Line(aws.ToString(c.Reason), maxText)
			return answer
		case aws.ToString(c.Reason) != "" && answer.Container == "": // of a sidecar, if the application has nothing to say
			answer.Container = redact.Line(aws.ToString(c.Name)+": "+*c.Reason, maxText)
		}
	}
	return answer
}

func last(arn string) string { return arn[strings.LastIndexByte(arn, '/')+1:] }

// lines reads the end of a task's log. A container that never ran has none. CloudWatch may answer an empty page with more
// behind it.
func (r Reader) lines(ctx context.Context, task string) (lines []string, err error) {
	stream := strings.Join([]string{r.Config.StreamPrefix, r.Config.Container, task}, "/")
	in := &cloudwatchlogs.GetLogEventsInput{LogGroupName: &r.Config.LogGroup, LogStreamName: &stream, Limit: aws.Int32(maxLines)}
	for range 3 {
		out, err := r.Logs.GetLogEvents(ctx, in)
		var none *logtypes.ResourceNotFoundException
		switch {
		case errors.As(err, &none):
			return nil, nil
		case err != nil:
			return nil, err
		}
		for _, e := range out.Events {
			if line := redact.Line(aws.ToString(e.Message), maxText); line != "" {
				lines = append(lines, line)
			}
		}
		if len(out.Events) > 0 || out.NextBackwardToken == nil || aws.ToString(in.NextToken) == *out.NextBackwardToken {
			break
		}
		in.NextToken = out.NextBackwardToken
	}
	return lines, nil
}

// targets reads the health of the targets of each group.
func (r Reader) targets(ctx context.Context, _ decide.Event, facts *Facts) error {
	var failed []error
	for _, arn := range r.Config.TargetGroups {
		out, err := r.ELB.DescribeTargetHealth(ctx, &elb.DescribeTargetHealthInput{TargetGroupArn: &arn})
		if err != nil {
			failed = append(failed, fmt.Errorf("of %s: %w", groupName(arn), err))
			continue
		}
		group := decide.TargetGroup{Name: groupName(arn), Total: len(out.TargetHealthDescriptions), Reasons: map[string]int{}}
		for _, t := range out.TargetHealthDescriptions {
			if t.TargetHealth == nil {
				continue
			}
			if t.TargetHealth.State == elbtypes.TargetHealthStateEnumHealthy {
				group.Healthy++
				continue
			}
			reason := string(t.TargetHealth.Reason)
			if reason == "" {
				reason = string(t.TargetHealth.State)
			}
			group.Reasons[reason]++
		}
		facts.set(func(f *decide.Facts) { f.Targets = append(f.Targets, group) })
	}
	return errors.Join(failed...)
}

// groupName is the name in arn:…:targetgroup/<name>/<id>.
func groupName(arn string) string {
	if parts := strings.Split(arn, "/"); len(parts) == 3 {
		return parts[1]
	}
	return arn
}

// alarms reads which of the configured alarms are on.
func (r Reader) alarms(ctx context.Context, _ decide.Event, facts *Facts) error {
	if len(r.Config.Alarms) == 0 {
		return nil // without names, CloudWatch would show every alarm of the account
	}
	pages := cloudwatch.NewDescribeAlarmsPaginator(r.CloudWatch, &cloudwatch.DescribeAlarmsInput{
		AlarmNames: r.Config.Alarms, StateValue: cwtypes.StateValueAlarm, AlarmTypes: []cwtypes.AlarmType{cwtypes.AlarmTypeMetricAlarm, cwtypes.AlarmTypeCompositeAlarm},
	})
	var alarms []decide.Alarm
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return err
		}
		for _, a := range page.MetricAlarms {
			alarms = append(alarms, decide.Alarm{Name: aws.ToString(a.AlarmName), Reason: redact.Line(aws.ToString(a.StateReason), maxText)})
		}
		for _, a := range page.CompositeAlarms {
			alarms = append(alarms, decide.Alarm{Name: aws.ToString(a.AlarmName), Reason: redact.Line(aws.ToString(a.StateReason), maxText)})
		}
	}
	facts.set(func(f *decide.Facts) { f.Alarms = alarms })
	return nil
}
