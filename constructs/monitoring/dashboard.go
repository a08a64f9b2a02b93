package monitoring

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/aws-cdk-go/awscdk/v2/interfaces/interfacesawscloudwatch"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
)

// DashboardProps of NewDashboard.
type DashboardProps struct {
	// Name of the dashboard; Title and Links are its first words, in Markdown.
	Name  string
	Title string
	Links string
	// Region of the metrics.
	Region string
	// Alarms are shown by their state, the worst first.
	Alarms []awscloudwatch.IAlarm
	// Service without a Cluster is a load balancer alone.
	Service           Service
	ServiceThresholds ServiceThresholds
	WebACL            string
	// Database is the stage's database.
	Database           Database
	DatabaseThresholds DatabaseThresholds
}

const (
	third  = 8 // of the 24 columns
	height = 6
)

// NewDashboard makes the stage's dashboard, from the top: is all well; what users see; what the service does; what the
// database does.
func NewDashboard(scope constructs.Construct, id string, props DashboardProps) awscloudwatch.Dashboard {
	dashboard := awscloudwatch.NewDashboard(scope, jsii.String(id), &awscloudwatch.DashboardProps{
		DashboardName:   jsii.String(props.Name),
		DefaultInterval: awscdk.Duration_Hours(jsii.Number(3)),
		PeriodOverride:  awscloudwatch.PeriodOverride_AUTO,
	})
	alarms := make([]interfacesawscloudwatch.IAlarmRef, len(props.Alarms))
	for i, alarm := range props.Alarms {
		alarms[i] = alarm
	}
	dashboard.AddWidgets(
		awscloudwatch.NewTextWidget(&awscloudwatch.TextWidgetProps{
			Markdown: jsii.String("# " + props.Title + "\n" + props.Links), Width: jsii.Number(third), Height: jsii.Number(4),
		}),
		awscloudwatch.NewAlarmStatusWidget(&awscloudwatch.AlarmStatusWidgetProps{
			Title: jsii.String("State"), Alarms: &alarms, SortBy: awscloudwatch.AlarmStatusWidgetSortBy_STATE_UPDATED_TIMESTAMP,
			Width: jsii.Number(2 * third), Height: jsii.Number(4),
		}),
	)

	s, limits := props.Service, props.ServiceThresholds
	dashboard.AddWidgets(
		graph("Traffic: requests a minute", 0, "",
			labelled(s.balancer("RequestCount", "Sum", 1), "requests"),
			labelled(metric("AWS/WAFV2", "BlockedRequests", "Sum", 1, map[string]string{"WebACL": props.WebACL, "Region": props.Region, "Rule": "ALL"}), "blocked by the web ACL"),
			labelled(metric("AWS/WAFV2", "CountedRequests", "Sum", 1, map[string]string{"WebACL": props.WebACL, "Region": props.Region, "Rule": "ALL"}), "counted by the web ACL"),
		),
		graph("Latency in seconds", float64(limits.LatencyMillis)/1000, "alarm",
			labelled(s.latency("p99"), "p99"), labelled(s.latency("p90"), "p90"), labelled(s.latency("p50"), "p50")),
		graph("Errors a minute", 0, "",
			labelled(s.balancer("HTTPCode_Target_5XX_Count", "Sum", 1), "5xx of the application"),
			labelled(s.balancer("HTTPCode_ELB_5XX_Count", "Sum", 1), "5xx of the load balancer"),
			labelled(s.balancer("HTTPCode_Target_4XX_Count", "Sum", 1), "4xx of the application")),
	)
	if s.Cluster != "" {
		dashboard.AddWidgets(
			graph("Tasks", 0, "", labelled(s.tasks("DesiredTaskCount"), "desired"), labelled(s.tasks("RunningTaskCount"), "running"), labelled(s.tasks("PendingTaskCount"), "starting")),
			graph("CPU of the tasks in %", float64(limits.CPUPercent), "alarm", labelled(s.cpu(1), "average")),
			graph("Memory of the tasks in %", float64(limits.MemoryPercent), "alarm", labelled(s.memory(1), "average")),
		)
	}
	d, most := props.Database, props.DatabaseThresholds
	dashboard.AddWidgets(
		graph("Database: CPU in %", float64(most.CPUPercent), "alarm", labelled(d.metric("CPUUtilization", "Average"), "average")),
		graph("Database: connections", float64(most.Connections), "alarm", labelled(d.metric("DatabaseConnections", "Maximum"), "most")),
		graph("Database: free storage in bytes", float64(most.StorageGiB<<30)*float64(most.FreePercent)/100, "alarm below", labelled(d.metric("FreeStorageSpace", "Minimum"), "free")),
	)
	if d.Replica != "" {
		dashboard.AddWidgets(graph("Database: replica's lag in seconds", float64(most.ReplicaLagSeconds), "alarm",
			labelled(metric("AWS/RDS", "ReplicaLag", "Maximum", 1, map[string]string{"DBInstanceIdentifier": d.Replica}), "lag")))
	}
	return dashboard
}

// graph draws metrics, and a line at a threshold if there is one.
func graph(title string, threshold float64, label string, metrics ...awscloudwatch.IMetric) awscloudwatch.IWidget {
	props := &awscloudwatch.GraphWidgetProps{
		Title: jsii.String(title), Left: &metrics, Width: jsii.Number(third), Height: jsii.Number(height),
		LeftYAxis: &awscloudwatch.YAxisProps{Min: jsii.Number(0), ShowUnits: jsii.Bool(false)},
	}
	if threshold > 0 {
		props.LeftAnnotations = &[]*awscloudwatch.HorizontalAnnotation{{
			Value: jsii.Number(threshold), Label: jsii.String(label), Color: awscloudwatch.Color_RED(),
		}}
	}
	return awscloudwatch.NewGraphWidget(props)
}
