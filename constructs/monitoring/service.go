package monitoring

import (
	"fmt"

	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatchactions"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"slipway/internal/contract"
)

// Service is an ECS service behind a load balancer, by the dimensions of its metrics.
type Service struct {
	Cluster string
	Name    string
	// LoadBalancer and TargetGroups are full names as CloudWatch has them: app/…, targetgroup/…. Errors and response times
	// are those of the load balancer, whichever target group is live.
	LoadBalancer string
	TargetGroups []string
}

// ServiceThresholds are those of a service's alarms.
type ServiceThresholds struct {
	CPUPercent, MemoryPercent, LatencyMillis, ErrorPercent, MinRequests int
}

// Figures that need no tuning by stage.
const (
	balancerErrors = 10 // 5xx answers of the load balancer itself in five minutes
	tasksMinutes   = 10 // a deployment starts and replaces tasks within that
)

// ServiceAlarms is the table of a service.
func ServiceAlarms(s Service, t ServiceThresholds) []Alarm {
	table := []Alarm{
		{
			Name: "cpu", Tells: "The tasks are short of CPU although autoscaling had a quarter of an hour: raise maxTasks or cpu.",
			Metric: s.cpu(5), Threshold: float64(t.CPUPercent), Periods: 3, Datapoints: 3,
			// Without tasks there is no CPU to use; the alarm on tasks sees that.
			Missing: awscloudwatch.TreatMissingData_NOT_BREACHING,
		},
		{
			Name: "memory", Tells: "The tasks are short of memory; at 100 % ECS kills them. Raise memoryMiB, or look for a leak.",
			Metric: s.memory(5), Threshold: float64(t.MemoryPercent), Periods: 2, Datapoints: 2,
			Missing: awscloudwatch.TreatMissingData_NOT_BREACHING, // as with the CPU
		},
		{
			Name: "latency", Tells: "One in a hundred requests waits longer than the threshold. See the dashboard for CPU, database and traffic.",
			Metric: s.latency("p99"), Threshold: float64(t.LatencyMillis) / 1000, Periods: 5, Datapoints: 3,
			Missing:    awscloudwatch.TreatMissingData_NOT_BREACHING, // no requests, no latency
			Percentile: true, Noticed: true, Stops: true,
		},
		{
			Name: "error-rate", Tells: "Too many requests are answered with an error of the application. Its log says which.",
			Metric: s.errorRate(t.MinRequests), Threshold: float64(t.ErrorPercent), Periods: 1, Datapoints: 1,
			// Without requests there is no rate; below the floor the expression gives 0.
			Missing: awscloudwatch.TreatMissingData_NOT_BREACHING, Noticed: true, Stops: true,
		},
		{
			Name: "balancer-errors", Tells: "The load balancer itself answers with errors: no healthy task, or tasks that break connections off.",
			Metric: s.balancer("HTTPCode_ELB_5XX_Count", "Sum", 5), Threshold: balancerErrors, Periods: 1, Datapoints: 1,
			// The load balancer reports this count only when there is something to count.
			Missing: awscloudwatch.TreatMissingData_NOT_BREACHING, Noticed: true, Stops: true,
		},
		{
			Name: "tasks", Tells: "Fewer tasks run than should. The service's events and the stopped tasks' reasons say why.",
			Metric: s.tasksMissing(), Threshold: 1, Periods: tasksMinutes, Datapoints: tasksMinutes,
			// Container Insights counts the tasks each minute as long as there is a service, also when none runs. Silence
			// means that nobody counts, or that the service is gone.
			Missing: awscloudwatch.TreatMissingData_BREACHING, Noticed: true,
		},
	}
	for i, group := range s.TargetGroups {
		name := "unhealthy-targets"
		if i > 0 {
			name = fmt.Sprintf("%s-%d", name, i+1)
		}
		table = append(table, Alarm{
			Name: name, Tells: "A task fails the load balancer's health check for five minutes; ECS should have replaced it. Its log says why.",
			Metric: metric("AWS/ApplicationELB", "UnHealthyHostCount", "Maximum", 1, map[string]string{"LoadBalancer": s.LoadBalancer, "TargetGroup": group}),
			// A starting task is unhealthy for a moment.
			Threshold: 1, Periods: 5, Datapoints: 5,
			// A target group without targets reports nothing: the idle one of a blue/green pair. The alarm on tasks sees
			// whether all are gone.
			Missing: awscloudwatch.TreatMissingData_NOT_BREACHING, Noticed: true,
		})
	}
	return table
}

// WatchService makes the alarms of a table and the composite alarm over those that users notice. Each alarm tells the topic
// what is wrong; the composite tells it when the service begins and ends to be unhealthy.
func WatchService(scope constructs.Construct, props Props, table []Alarm) (alarms []awscloudwatch.Alarm, unhealthy awscloudwatch.CompositeAlarm) {
	alarms = Watch(scope, props, table)
	var noticed []awscloudwatch.IAlarmRule
	for i, row := range table {
		if row.Noticed {
			noticed = append(noticed, awscloudwatch.AlarmRule_FromAlarm(alarms[i], awscloudwatch.AlarmState_ALARM))
		}
	}
	unhealthy = awscloudwatch.NewCompositeAlarm(scope, jsii.String("Unhealthy"), &awscloudwatch.CompositeAlarmProps{
		CompositeAlarmName: jsii.String(props.Prefix + "-" + contract.ServiceUnhealthy),
		AlarmDescription:   jsii.String("Users notice: errors, slow answers or too few tasks. The alarms below it say which."),
		AlarmRule:          awscloudwatch.AlarmRule_AnyOf(noticed...),
	})
	action := awscloudwatchactions.NewSnsAction(props.Topic)
	unhealthy.AddAlarmAction(action)
	unhealthy.AddOkAction(action)
	return alarms, unhealthy
}

func (s Service) dimensions() map[string]string {
	return map[string]string{"ClusterName": s.Cluster, "ServiceName": s.Name}
}

func (s Service) cpu(period int) awscloudwatch.Metric {
	return metric("AWS/ECS", "CPUUtilization", "Average", period, s.dimensions())
}

func (s Service) memory(period int) awscloudwatch.Metric {
	return metric("AWS/ECS", "MemoryUtilization", "Average", period, s.dimensions())
}

func (s Service) tasks(name string) awscloudwatch.Metric {
	return metric("ECS/ContainerInsights", name, "Average", 1, s.dimensions())
}

func (s Service) tasksMissing() awscloudwatch.IMetric {
	return math("desired - running", "tasks missing", 1, map[string]awscloudwatch.IMetric{
		"desired": s.tasks("DesiredTaskCount"), "running": s.tasks("RunningTaskCount"),
	})
}

func (s Service) balancer(name, statistic string, period int) awscloudwatch.Metric {
	return metric("AWS/ApplicationELB", name, statistic, period, map[string]string{"LoadBalancer": s.LoadBalancer})
}

func (s Service) latency(statistic string) awscloudwatch.Metric {
	return s.balancer("TargetResponseTime", statistic, 1)
}

// errorRate is the share of the tasks' answers that are errors, 0 for fewer than floor requests in five minutes: one error
// among three requests at night is no outage.
func (s Service) errorRate(floor int) awscloudwatch.IMetric {
	return math(fmt.Sprintf("IF(requests >= %d, 100 * FILL(errors, 0) / requests, 0)", floor), "errors in % of requests", 5, map[string]awscloudwatch.IMetric{
		"requests": s.balancer("RequestCount", "Sum", 5), "errors": s.balancer("HTTPCode_Target_5XX_Count", "Sum", 5),
	})
}
