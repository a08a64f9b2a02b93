package fakeaws

import (
	"fmt"
	"regexp"
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
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"
)

// Failures is what a deployment that failed leaves behind: stopped tasks, their logs, unhealthy targets, alarms.
type Failures struct {
	cloud            *Cloud
	cluster, service string // names

	Tasks       []ecstypes.Task // all stopped
	Deployments []ecstypes.ServiceDeployment
	Streams     map[string][]string // group + ":" + stream → lines
	EmptyPages  int                 // that many pages of a log come empty first, as CloudWatch Logs may do
	Health      map[string][]elbtypes.TargetHealth
	Metric      []cwtypes.MetricAlarm
	Composite   []cwtypes.CompositeAlarm
	AlarmPage   int
}

// NewFailures adds the remains of the service's deployments to the cloud.
func NewFailures(c *Cloud, cluster, service string) *Failures {
	f := &Failures{
		cloud: c, cluster: cluster, service: service, Streams: map[string][]string{}, Health: map[string][]elbtypes.TargetHealth{}, AlarmPage: 50,
	}
	On(c, ecsID, f.listTasks)
	On(c, ecsID, f.describeTasks)
	On(c, ecsID, f.listDeployments)
	On(c, ecsID, f.describeDeployments)
	On(c, "CloudWatch Logs", f.logEvents)
	On(c, elbID, f.targetHealth)
	On(c, "CloudWatch", f.describeAlarms)
	return f
}

func (f *Failures) invalid(format string, args ...any) error {
	return f.cloud.refuse(&ecstypes.InvalidParameterException{Message: aws.String(fmt.Sprintf(format, args...))})
}

func (f *Failures) listTasks(in *ecs.ListTasksInput) (*ecs.ListTasksOutput, error) {
	size := int(aws.ToInt32(in.MaxResults))
	switch {
	case aws.ToString(in.Cluster) != f.cluster:
		return nil, f.cloud.refuse(&ecstypes.ClusterNotFoundException{Message: in.Cluster})
	case aws.ToString(in.ServiceName) != f.service:
		return nil, f.cloud.refuse(&ecstypes.ServiceNotFoundException{Message: in.ServiceName})
	case size < 0 || size > 100:
		return nil, f.invalid("maxResults %d", size)
	case in.DesiredStatus != ecstypes.DesiredStatusStopped:
		return &ecs.ListTasksOutput{}, nil
	case size == 0:
		size = 100
	}
	var arns []string
	for _, t := range f.Tasks {
		arns = append(arns, *t.TaskArn)
	}
	part, next, err := page(f.cloud, arns, in.NextToken, size)
	return &ecs.ListTasksOutput{TaskArns: part, NextToken: next}, err
}

func (f *Failures) describeTasks(in *ecs.DescribeTasksInput) (*ecs.DescribeTasksOutput, error) {
	if n := len(in.Tasks); n == 0 || n > 100 {
		return nil, f.invalid("%d tasks, 1 to 100 are allowed", n)
	}
	out := &ecs.DescribeTasksOutput{}
	for _, t := range f.Tasks {
		if slices.Contains(in.Tasks, *t.TaskArn) {
			out.Tasks = append(out.Tasks, t)
		}
	}
	return out, nil
}

func (f *Failures) listDeployments(in *ecs.ListServiceDeploymentsInput) (*ecs.ListServiceDeploymentsOutput, error) {
	if size := aws.ToInt32(in.MaxResults); size < 0 || size > 100 {
		return nil, f.invalid("maxResults %d", size)
	}
	if !strings.HasSuffix(aws.ToString(in.Service), ":service/"+f.cluster+"/"+f.service) || aws.ToString(in.Cluster) != f.cluster {
		return nil, f.cloud.refuse(&ecstypes.ServiceNotFoundException{Message: in.Service})
	}
	out := &ecs.ListServiceDeploymentsOutput{}
	for _, d := range f.Deployments {
		if r := in.CreatedAt; r != nil && (r.After != nil && d.CreatedAt.Before(*r.After) || r.Before != nil && d.CreatedAt.After(*r.Before)) {
			continue
		}
		out.ServiceDeployments = append(out.ServiceDeployments, ecstypes.ServiceDeploymentBrief{
			ServiceDeploymentArn: d.ServiceDeploymentArn, Status: d.Status, CreatedAt: d.CreatedAt,
		})
	}
	return out, nil
}

func (f *Failures) describeDeployments(in *ecs.DescribeServiceDeploymentsInput) (*ecs.DescribeServiceDeploymentsOutput, error) {
	if n := len(in.ServiceDeploymentArns); n == 0 || n > 20 {
		return nil, f.invalid("%d service deployments, 1 to 20 are allowed", n)
	}
	out := &ecs.DescribeServiceDeploymentsOutput{}
	for _, d := range f.Deployments {
		if slices.Contains(in.ServiceDeploymentArns, *d.ServiceDeploymentArn) {
			out.ServiceDeployments = append(out.ServiceDeployments, d)
		}
	}
	return out, nil
}

func (f *Failures) logEvents(in *cloudwatchlogs.GetLogEventsInput) (*cloudwatchlogs.GetLogEventsOutput, error) {
	limit := int(aws.ToInt32(in.Limit))
	if limit < 0 || limit > 10_000 {
		return nil, f.cloud.refuse(&logtypes.InvalidParameterException{Message: aws.String("limit")})
	}
	lines, ok := f.Streams[aws.ToString(in.LogGroupName)+":"+aws.ToString(in.LogStreamName)]
	if !ok {
		return nil, &logtypes.ResourceNotFoundException{Message: aws.String("The specified log stream does not exist.")}
	}
	if f.EmptyPages > 0 {
		f.EmptyPages--
		return &cloudwatchlogs.GetLogEventsOutput{NextBackwardToken: aws.String(fmt.Sprint("b/", f.EmptyPages))}, nil
	}
	if limit > 0 && !aws.ToBool(in.StartFromHead) {
		lines = lines[max(0, len(lines)-limit):]
	}
	out := &cloudwatchlogs.GetLogEventsOutput{NextBackwardToken: aws.String("b/end")}
	for _, line := range lines {
		out.Events = append(out.Events, logtypes.OutputLogEvent{Message: &line})
	}
	return out, nil
}

func (f *Failures) targetHealth(in *elb.DescribeTargetHealthInput) (*elb.DescribeTargetHealthOutput, error) {
	targets, ok := f.Health[aws.ToString(in.TargetGroupArn)]
	if !ok {
		return nil, &elbtypes.TargetGroupNotFoundException{Message: aws.String("One or more target groups not found")}
	}
	out := &elb.DescribeTargetHealthOutput{}
	for _, h := range targets {
		out.TargetHealthDescriptions = append(out.TargetHealthDescriptions, elbtypes.TargetHealthDescription{TargetHealth: &h})
	}
	return out, nil
}

// describeAlarms wants names: without them it would show every alarm of the account, which no Lambda here needs.
func (f *Failures) describeAlarms(in *cloudwatch.DescribeAlarmsInput) (*cloudwatch.DescribeAlarmsOutput, error) {
	if n := len(in.AlarmNames); n == 0 || n > 100 {
		return nil, f.cloud.refuse(Invalid("%d alarm names, 1 to 100 are allowed", n))
	}
	wants := func(name *string, state cwtypes.StateValue, kind cwtypes.AlarmType) bool {
		return slices.Contains(in.AlarmNames, *name) && (in.StateValue == "" || in.StateValue == state) &&
			(slices.Contains(in.AlarmTypes, kind) || len(in.AlarmTypes) == 0 && kind == cwtypes.AlarmTypeMetricAlarm)
	}
	var metric []cwtypes.MetricAlarm
	for _, a := range f.Metric {
		if wants(a.AlarmName, a.StateValue, cwtypes.AlarmTypeMetricAlarm) {
			metric = append(metric, a)
		}
	}
	part, next, err := page(f.cloud, metric, in.NextToken, f.AlarmPage)
	out := &cloudwatch.DescribeAlarmsOutput{MetricAlarms: part, NextToken: next}
	for _, a := range f.Composite {
		if next == nil && wants(a.AlarmName, a.StateValue, cwtypes.AlarmTypeCompositeAlarm) {
			out.CompositeAlarms = append(out.CompositeAlarms, a)
		}
	}
	return out, err
}

var parameterName = regexp.MustCompile(`^(/[a-zA-Z0-9_.-]+){1,15}$`)

// AllowPut lets parameters be written.
func (s *SSM) AllowPut(c *Cloud) {
	On(c, "SSM", func(in *ssm.PutParameterInput) (*ssm.PutParameterOutput, error) {
		name, value := aws.ToString(in.Name), aws.ToString(in.Value)
		for part := range strings.SplitSeq(strings.ToLower(name), "/") {
			if strings.HasPrefix(part, "aws") || strings.HasPrefix(part, "ssm") {
				return nil, c.refuse(Invalid("no name of a parameter may begin with aws or ssm: %s", name))
			}
		}
		switch {
		case !parameterName.MatchString(name) || len(name) > 1011:
			return nil, c.refuse(Invalid("parameter name %q", name))
		case value == "" || len(value) > 4096 && in.Tier != ssmtypes.ParameterTierAdvanced:
			return nil, c.refuse(Invalid("a value of %d characters", len(value)))
		case strings.Contains(value, "{{"):
			return nil, c.refuse(Invalid("a value that refers to another parameter"))
		}
		if _, there := s.Parameters[name]; there && !aws.ToBool(in.Overwrite) {
			return nil, &ssmtypes.ParameterAlreadyExists{Message: aws.String("The parameter already exists.")}
		}
		s.Parameters[name] = value
		return &ssm.PutParameterOutput{Version: 1}, nil
	})
}
