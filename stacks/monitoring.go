package stacks

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsecs"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsrds"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"slipway/constructs/front"
	"slipway/constructs/monitoring"
	"slipway/constructs/opstopic"
	"slipway/internal/config"
	"slipway/internal/contract"
)

// newOperations adds a stage's operations topic. It is in the data stack, the first one that has something to tell; the
// service's alarms use it too.
func newOperations(stack awscdk.Stack, cfg *config.Config, stage config.Stage) *opstopic.Topic {
	return opstopic.New(stack, "Operations", opstopic.Props{
		DisplayName: cfg.Platform + " " + stage.Name, Emails: cfg.Notifications, Retain: stage.Retain,
	})
}

func watchProps(cfg *config.Config, stage config.Stage, topic *opstopic.Topic) monitoring.Props {
	return monitoring.Props{Prefix: alarmPrefix(cfg, stage), Topic: topic.Resource()}
}

// alarmPrefix begins the name of each alarm of a stage.
func alarmPrefix(cfg *config.Config, stage config.Stage) string {
	return cfg.Platform + "-" + stage.Name
}

// watchData adds the alarms of a stage's database, and of the functions in its data stack.
func watchData(stack awscdk.Stack, cfg *config.Config, stage config.Stage, topic *opstopic.Topic, primary awsrds.DatabaseInstance) {
	scope := constructs.NewConstruct(stack, jsii.String("Monitoring"))
	// References rather than the names that are known: an alarm must not begin before its instance reports.
	instances := monitoring.Database{Instance: *primary.InstanceIdentifier()}
	if replica, ok := primary.Node().Scope().Node().TryFindChild(jsii.String("Replica")).(awsrds.DatabaseInstanceReadReplica); ok {
		instances.Replica = *replica.InstanceIdentifier()
	}
	props := watchProps(cfg, stage, topic)
	monitoring.Watch(scope, props, monitoring.DatabaseAlarms(instances, databaseThresholds(stage)))
	monitoring.WatchFunctions(scope, props, stack)
}

// watched are the alarms of a stage's service.
type watched struct {
	scope     constructs.Construct
	props     monitoring.Props
	service   monitoring.Service
	shown     []awscloudwatch.IAlarm
	stopping  []awscloudwatch.Alarm // roll a deployment back; they need nothing but the load balancer
	following []awscloudwatch.Alarm // watch the service itself
}

// watchService adds the alarms of a stage's service, which need not be there yet: those that roll a deployment back come
// first.
func watchService(stack awscdk.Stack, cfg *config.Config, stage config.Stage, on stageStacks, r *routes) *watched {
	w := &watched{scope: constructs.NewConstruct(stack, jsii.String("Monitoring"))}
	w.props = monitoring.Props{Prefix: alarmPrefix(cfg, stage), Topic: importTopic(w.scope, on)}
	w.service = monitoring.Service{
		Cluster: contract.ClusterName(stage.Name), Name: contract.ServiceName(stage.Name), LoadBalancer: *r.front.LoadBalancer().LoadBalancerFullName(),
	}
	for _, group := range r.groups() {
		w.service.TargetGroups = append(w.service.TargetGroups, *group.TargetGroupFullName())
	}
	table := monitoring.ServiceAlarms(w.service, serviceThresholds(stage))
	alarms, unhealthy := monitoring.WatchService(w.scope, w.props, table)
	w.shown = []awscloudwatch.IAlarm{unhealthy}
	for i, alarm := range alarms {
		w.shown = append(w.shown, alarm)
		if table[i].Stops {
			w.stopping = append(w.stopping, alarm)
		} else {
			w.following = append(w.following, alarm)
		}
	}
	return w
}

// finish adds the alarms of the stack's functions, and the stage's dashboard. Call it when the stack is complete.
func (w *watched) finish(stack awscdk.Stack, cfg *config.Config, stage config.Stage, service awsecs.FargateService) {
	for _, alarm := range w.following {
		alarm.Node().AddDependency(service) // a service that isn't there yet has too few tasks
	}
	for _, alarm := range monitoring.WatchFunctions(w.scope, w.props, stack) {
		w.shown = append(w.shown, alarm)
	}
	addDashboard(w.scope, cfg, stage, w.service, w.shown, "https://"+contract.AppHost(stage.Name, stage.Production, cfg.Domain))
}

// watchFront is watchService for the load balancer that the QA environments share. It has no alarm on answers: what fails in
// an environment is for the owner of the branch.
func watchFront(stack awscdk.Stack, cfg *config.Config, stage config.Stage, on stageStacks, public *front.Front) {
	scope := constructs.NewConstruct(stack, jsii.String("Monitoring"))
	functions := monitoring.WatchFunctions(scope, monitoring.Props{Prefix: alarmPrefix(cfg, stage), Topic: importTopic(scope, on)}, stack)
	shown := make([]awscloudwatch.IAlarm, len(functions))
	for i, alarm := range functions {
		shown[i] = alarm
	}
	addDashboard(scope, cfg, stage, monitoring.Service{LoadBalancer: *public.LoadBalancer().LoadBalancerFullName()}, shown,
		"https://*."+contract.QADomain(cfg.Domain))
}

// importTopic is the operations topic as another stack of the stage sees it: by its exported ARN.
func importTopic(scope constructs.Construct, on stageStacks) awssns.ITopic {
	return awssns.Topic_FromTopicArn(scope, jsii.String("Operations"), jsii.String(on.data.Operations.ARN()))
}

func addDashboard(scope constructs.Construct, cfg *config.Config, stage config.Stage, service monitoring.Service, alarms []awscloudwatch.IAlarm, address string) {
	database := monitoring.Database{Instance: databaseIdentifier(cfg, stage)}
	if stage.Database.ReadReplica {
		database.Replica = database.Instance + "-replica"
	}
	thresholds := databaseThresholds(stage)
	// Those of the data stack, by their names: nothing is exported for a picture.
	for _, row := range monitoring.DatabaseAlarms(database, thresholds) {
		name := contract.AlarmName(cfg.Platform, stage.Name, row.Name)
		alarms = append(alarms, awscloudwatch.Alarm_FromAlarmName(scope, jsii.String("Shown-"+row.Name), jsii.String(name)))
	}
	monitoring.NewDashboard(scope, "Dashboard", monitoring.DashboardProps{
		Name:   alarmPrefix(cfg, stage),
		Title:  cfg.Platform + " " + stage.Name,
		Links:  address + "\n\nRed: open the alarm, its description says where to look. Then the log group `" + contract.LogGroupNameOfStage(cfg.Platform, stage.Name) + "`.",
		Region: cfg.Region, Alarms: alarms,
		Service: service, ServiceThresholds: serviceThresholds(stage), WebACL: contract.WebACLName(cfg.Platform, stage.Name),
		Database: database, DatabaseThresholds: thresholds,
	})
}

// databaseIdentifier is the name of a stage's database instance.
func databaseIdentifier(cfg *config.Config, stage config.Stage) string {
	return cfg.Platform + "-" + stage.Name
}

func serviceThresholds(stage config.Stage) monitoring.ServiceThresholds {
	a := stage.Alarms
	return monitoring.ServiceThresholds{
		CPUPercent: a.CPUPercent, MemoryPercent: a.MemoryPercent, LatencyMillis: a.LatencyMillis, ErrorPercent: a.ErrorPercent, MinRequests: a.MinRequests,
	}
}

func databaseThresholds(stage config.Stage) monitoring.DatabaseThresholds {
	a := stage.Alarms
	return monitoring.DatabaseThresholds{
		CPUPercent: a.DatabaseCPUPercent, Connections: a.DatabaseConnections, ReplicaLagSeconds: a.ReplicaLagSeconds,
		FreePercent: a.DatabaseFreePercent, StorageGiB: stage.Database.StorageGiB,
	}
}
