package test

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// alarmsByName are the metric alarms of a stack.
func alarmsByName(stack template) map[string]resource {
	found := map[string]resource{}
	for _, alarm := range stack.all("AWS::CloudWatch::Alarm") {
		found[fmt.Sprint(alarm.at("AlarmName"))] = alarm
	}
	return found
}

// row is an alarm in one line: metric or expression, statistic, when it goes off, and what no data means.
func row(alarm resource) string {
	what := fmt.Sprintf("%v %v %v", alarm.at("Namespace"), alarm.at("MetricName"), alarm.at("Statistic"))
	if extended := alarm.at("ExtendedStatistic"); extended != nil {
		what = fmt.Sprintf("%v %v %v", alarm.at("Namespace"), alarm.at("MetricName"), extended)
	}
	period := alarm.at("Period")
	if metrics := list(alarm.at("Metrics")); len(metrics) > 0 {
		what, period = fmt.Sprint(at(metrics[0], "Expression")), at(metrics[1], "MetricStat.Period")
	}
	sign := map[string]string{"GreaterThanOrEqualToThreshold": ">=", "LessThanThreshold": "<"}[fmt.Sprint(alarm.at("ComparisonOperator"))]
	return fmt.Sprintf("%s %s %s, %s of %s x %ss, %v", what, sign, text(alarm.at("Threshold")), text(alarm.at("DatapointsToAlarm")),
		text(alarm.at("EvaluationPeriods")), text(period), alarm.at("TreatMissingData"))
}

// TestTheAlarmsOfProduction: metric names and statistics are those of AWS's documentation of each service.
func TestTheAlarmsOfProduction(t *testing.T) {
	for stack, want := range map[string]map[string]string{
		"slipway-prod-service": {
			"cpu":                      "AWS/ECS CPUUtilization Average >= 85, 3 of 3 x 300s, notBreaching",
			"memory":                   "AWS/ECS MemoryUtilization Average >= 85, 2 of 2 x 300s, notBreaching",
			"latency":                  "AWS/ApplicationELB TargetResponseTime p99 >= 2, 3 of 5 x 60s, notBreaching",
			"error-rate":               "IF(requests >= 20, 100 * FILL(errors, 0) / requests, 0) >= 5, 1 of 1 x 300s, notBreaching",
			"balancer-errors":          "AWS/ApplicationELB HTTPCode_ELB_5XX_Count Sum >= 10, 1 of 1 x 300s, notBreaching",
			"unhealthy-targets":        "AWS/ApplicationELB UnHealthyHostCount Maximum >= 1, 5 of 5 x 60s, notBreaching",
			"unhealthy-targets-2":      "AWS/ApplicationELB UnHealthyHostCount Maximum >= 1, 5 of 5 x 60s, notBreaching", // the other side
			"rollback-events":          "AWS/SQS ApproximateNumberOfMessagesVisible Maximum >= 1, 1 of 1 x 300s, notBreaching",
			"tasks":                    "desired - running >= 1, 10 of 10 x 60s, breaching",
			"image-resolver-errors":    "AWS/Lambda Errors Sum >= 1, 1 of 1 x 300s, notBreaching",
			"image-resolver-throttles": "AWS/Lambda Throttles Sum >= 1, 1 of 1 x 300s, notBreaching",
		},
		"slipway-prod-data": {
			"database-cpu":     "AWS/RDS CPUUtilization Average >= 80, 3 of 3 x 300s, breaching",
			"database-storage": "AWS/RDS FreeStorageSpace Minimum < 10737418240, 3 of 3 x 300s, ignore", // a tenth of 100 GiB
			// 8 GiB / 9531392 bytes are 901 connections, 70 % of them 630.
			"database-connections": "AWS/RDS DatabaseConnections Maximum >= 630, 2 of 2 x 300s, notBreaching",
			"replica-lag":          "AWS/RDS ReplicaLag Maximum >= 60, 10 of 10 x 60s, breaching",
		},
	} {
		got := alarmsByName(shippedAssembly(t).stack(t, stack))
		for name, line := range want {
			if actual := row(got["slipway-prod-"+name]); actual != line {
				t.Errorf("%s: %s is\n%s, want\n%s", stack, name, actual, line)
			}
		}
		for name := range got {
			short := strings.TrimPrefix(name, "slipway-prod-")
			// Other parts of these stacks may bring functions of their own; the rule for those is below.
			if _, expected := want[short]; !expected && !strings.HasSuffix(name, "-errors") && !strings.HasSuffix(name, "-throttles") {
				t.Errorf("%s: unexpected alarm %s", stack, name)
			}
		}
	}
}

func TestThresholdsFollowTheConfiguration(t *testing.T) {
	got := alarmsByName(must(t, tuned).stack(t, "slipway-dev-service"))
	got["slipway-dev-latency"].want(t, "Threshold", 0.75)
	got["slipway-dev-error-rate"].want(t, "Metrics.0.Expression", "IF(requests >= 50, 100 * FILL(errors, 0) / requests, 0)")
	data := alarmsByName(shippedAssembly(t).stack(t, "slipway-dev-data"))
	data["slipway-dev-database-connections"].want(t, "Threshold", 78) // 70 % of the 112 of 1 GiB
	if _, there := data["slipway-dev-replica-lag"]; there {
		t.Error("dev has no replica, and an alarm on its lag")
	}
}

// TestAlarmsLookAtTheRightThing: the dimensions are those under which each service publishes the metric.
func TestAlarmsLookAtTheRightThing(t *testing.T) {
	stack := shippedAssembly(t).stack(t, "slipway-prod-service")
	balancer := stack.one(t, "AWS::ElasticLoadBalancingV2::LoadBalancer").LogicalID
	group := "Targets" + idSuffix(t, stack, "Targets")
	attribute := func(id, name string) any { return map[string]any{"Fn::GetAtt": []string{id, name}} }
	dimension := func(name string, value any) any { return map[string]any{"Name": name, "Value": value} }
	ofService := []any{dimension("ClusterName", "prod-cluster"), dimension("ServiceName", "prod-service")}
	ofBalancer := []any{dimension("LoadBalancer", attribute(balancer, "LoadBalancerFullName"))}
	got := alarmsByName(stack)
	for _, name := range []string{"cpu", "memory"} {
		got["slipway-prod-"+name].want(t, "Dimensions", ofService)
	}
	for _, name := range []string{"latency", "balancer-errors"} {
		got["slipway-prod-"+name].want(t, "Dimensions", ofBalancer)
	}
	got["slipway-prod-unhealthy-targets"].want(t, "Dimensions", append(slices.Clone(ofBalancer), dimension("TargetGroup", attribute(group, "TargetGroupFullName"))))
	for name, want := range map[string]struct {
		dimensions any
		metrics    map[string]string
	}{
		"tasks":      {ofService, map[string]string{"desired": "ECS/ContainerInsights DesiredTaskCount", "running": "ECS/ContainerInsights RunningTaskCount"}},
		"error-rate": {ofBalancer, map[string]string{"requests": "AWS/ApplicationELB RequestCount", "errors": "AWS/ApplicationELB HTTPCode_Target_5XX_Count"}},
	} {
		metrics := map[string]string{}
		for _, query := range list(got["slipway-prod-"+name].at("Metrics"))[1:] {
			metrics[fmt.Sprint(at(query, "Id"))] = fmt.Sprint(at(query, "MetricStat.Metric.Namespace"), " ", at(query, "MetricStat.Metric.MetricName"))
			if text(at(query, "MetricStat.Metric.Dimensions")) != text(want.dimensions) || at(query, "ReturnData") != false {
				t.Errorf("%s looks at %s", name, text(query))
			}
		}
		if !maps.Equal(metrics, want.metrics) {
			t.Errorf("%s looks at %v, want %v", name, metrics, want.metrics)
		}
	}
}

// TestEveryAlarmTellsSomebodyWhatItMeans, and leaves missing data not to chance.
func TestEveryAlarmTellsSomebodyWhatItMeans(t *testing.T) {
	eachResource(t, func(t *testing.T, stack string, all template, r resource) {
		if r.Type != "AWS::CloudWatch::Alarm" {
			return
		}
		if len(list(r.at("AlarmActions"))) != 1 || !strings.Contains(text(r.at("AlarmActions.0")), "Topic") {
			t.Errorf("%s: %s tells nobody: %s", stack, r.LogicalID, text(r.at("AlarmActions")))
		}
		if r.at("TreatMissingData") == nil || len(fmt.Sprint(r.at("AlarmDescription"))) < 40 {
			t.Errorf("%s: %s says neither what it means nor what no data means: %s", stack, r.LogicalID, text(r.Properties))
		}
		if stage, _, _ := strings.Cut(strings.TrimPrefix(stack, "slipway-"), "-"); !strings.HasPrefix(fmt.Sprint(r.at("AlarmName")), "slipway-"+stage+"-") {
			t.Errorf("%s: alarm %v isn't called after its stage", stack, r.at("AlarmName"))
		}
	})
}

func TestNoTwoAlarmsOfAnAccountShareAName(t *testing.T) {
	seen := map[string]string{}
	for name, stack := range shippedAssembly(t).templates {
		for _, kind := range []string{"AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm"} {
			for _, alarm := range stack.all(kind) {
				called := fmt.Sprint(alarm.at("AlarmName"))
				if other, taken := seen[called]; taken {
					t.Errorf("%s and %s both have an alarm %s", name, other, called)
				}
				seen[called] = name
			}
		}
	}
	if len(seen) < 30 {
		t.Errorf("%d alarms only", len(seen))
	}
}

// TestEveryFunctionOfOursIsWatched: whoever adds one gets its alarms without asking.
func TestEveryFunctionOfOursIsWatched(t *testing.T) {
	functions := 0
	eachResource(t, func(t *testing.T, stack string, all template, r resource) {
		if r.Type != "AWS::Lambda::Function" || !strings.HasPrefix(fmt.Sprint(r.at("Runtime")), "provided") {
			return
		}
		functions++
		for _, metric := range []string{"Errors", "Throttles"} {
			watched := slices.ContainsFunc(all.all("AWS::CloudWatch::Alarm"), func(alarm resource) bool {
				return alarm.at("Namespace") == "AWS/Lambda" && alarm.at("MetricName") == metric &&
					text(alarm.at("Dimensions")) == fmt.Sprintf(`[{"Name":"FunctionName","Value":{"Ref":"%s"}}]`, r.LogicalID)
			})
			if !watched {
				t.Errorf("%s: nobody hears of %s of %s", stack, metric, r.LogicalID)
			}
		}
	})
	if functions < 5 {
		t.Errorf("%d functions only", functions)
	}
}

func TestEveryDeadLetterQueueIsWatched(t *testing.T) {
	queues := 0
	eachResource(t, func(t *testing.T, stack string, all template, r resource) {
		if r.Type != "AWS::SQS::Queue" || r.at("RedrivePolicy") != nil {
			return
		}
		queues++
		if !slices.ContainsFunc(all.all("AWS::CloudWatch::Alarm"), func(alarm resource) bool {
			return alarm.at("MetricName") == "ApproximateNumberOfMessagesVisible" && strings.Contains(text(alarm.at("Dimensions")), `"`+r.LogicalID+`"`)
		}) {
			t.Errorf("%s: nobody hears of messages in %s", stack, r.LogicalID)
		}
	})
	if queues == 0 {
		t.Error("no queue at all")
	}
}

func TestTheServiceIsUnhealthyWhenUsersNotice(t *testing.T) {
	for _, stage := range []string{"dev", "stage", "prod"} {
		stack := shippedAssembly(t).stack(t, "slipway-"+stage+"-service")
		composite := stack.one(t, "AWS::CloudWatch::CompositeAlarm")
		composite.want(t, "AlarmName", "slipway-"+stage+"-service-unhealthy")
		rule := text(composite.at("AlarmRule"))
		for name, alarm := range alarmsByName(stack) {
			noticed := slices.Contains([]string{"latency", "error-rate", "balancer-errors", "tasks", "unhealthy-targets", "unhealthy-targets-2"}, strings.TrimPrefix(name, "slipway-"+stage+"-"))
			if noticed != strings.Contains(rule, `["`+alarm.LogicalID+`","Arn"]`) {
				t.Errorf("%s: %s in the composite alarm: %v", stage, name, !noticed)
			}
		}
		if strings.Contains(rule, " AND ") || len(list(composite.at("AlarmActions"))) != 1 || len(list(composite.at("OKActions"))) != 1 {
			t.Errorf("%s: %s tells %s and %s", stage, rule, text(composite.at("AlarmActions")), text(composite.at("OKActions")))
		}
	}
}

func TestTheOperationsTopicReachesPeople(t *testing.T) {
	for _, stage := range stageNames {
		stack := must(t, tuned).stack(t, "slipway-"+stage+"-data")
		topic := stack.one(t, "AWS::SNS::Topic")
		topic.want(t, "DisplayName", "slipway "+stage)
		subscription := stack.one(t, "AWS::SNS::Subscription")
		subscription.want(t, "Protocol", "email")
		subscription.want(t, "Endpoint", "team@example.com")
		subscription.want(t, "TopicArn", map[string]any{"Ref": topic.LogicalID})
		// CloudWatch must be able to use the key, or alarms get lost without a word.
		key := stack.Resources[fmt.Sprint(at(topic.at("KmsMasterKeyId"), "Fn::GetAtt.0"))]
		if policy := text(key.at("KeyPolicy")); !strings.Contains(policy, "cloudwatch.amazonaws.com") || !strings.Contains(policy, "kms:GenerateDataKey*") {
			t.Errorf("%s: the key's policy is %s", stage, policy)
		}
	}
}

// dashboard is a stage's dashboard with a letter for each value that only CloudFormation knows.
func dashboard(t *testing.T, stage string) []any {
	t.Helper()
	resource := shippedAssembly(t).stack(t, "slipway-"+stage+"-service").one(t, "AWS::CloudWatch::Dashboard")
	resource.want(t, "DashboardName", "slipway-"+stage)
	var body strings.Builder
	for _, part := range list(resource.at("DashboardBody.Fn::Join.1")) {
		if s, ok := part.(string); ok {
			body.WriteString(s)
		} else {
			body.WriteString("x")
		}
	}
	var parsed map[string]any
	if err := json.Unmarshal([]byte(body.String()), &parsed); err != nil {
		t.Fatalf("%s: %v\n%s", stage, err, body.String())
	}
	return list(parsed["widgets"])
}

func TestTheDashboardIsReadFromTheTop(t *testing.T) {
	for _, stage := range stageNames {
		widgets := dashboard(t, stage)
		if at(widgets[0], "type") != "text" || !strings.Contains(fmt.Sprint(at(widgets[0], "properties.markdown")), "# slipway "+stage) {
			t.Errorf("%s: begins with %s", stage, text(widgets[0]))
		}
		if at(widgets[1], "type") != "alarm" || len(list(at(widgets[1], "properties.alarms"))) < 4 {
			t.Errorf("%s: the first row shows no state: %s", stage, text(widgets[1]))
		}
		taken := map[string]bool{}
		for _, widget := range widgets {
			x, y, width, height := number(widget, "x"), number(widget, "y"), number(widget, "width"), number(widget, "height")
			if x+width > 24 {
				t.Errorf("%s: %s is wider than the page", stage, text(at(widget, "properties.title")))
			}
			for column := x; column < x+width; column++ {
				for line := y; line < y+height; line++ {
					cell := fmt.Sprint(column, ",", line)
					if taken[cell] {
						t.Errorf("%s: two widgets at %s", stage, cell)
					}
					taken[cell] = true
				}
			}
		}
		all := text(widgets)
		want := []string{"RequestCount", "BlockedRequests", "TargetResponseTime", "HTTPCode_Target_5XX_Count", "HTTPCode_ELB_5XX_Count", "CPUUtilization", "DatabaseConnections", "FreeStorageSpace"}
		if stage != "qa" {
			want = append(want, "RunningTaskCount", "DesiredTaskCount", "MemoryUtilization")
		}
		if stage == "prod" {
			want = append(want, "ReplicaLag")
		}
		for _, metric := range want {
			if !strings.Contains(all, `"`+metric+`"`) {
				t.Errorf("%s: the dashboard lacks %s", stage, metric)
			}
		}
		// Every alarm that it shows exists.
		for _, name := range regexp.MustCompile(`:alarm:([a-z0-9-]+)"`).FindAllStringSubmatch(all, -1) {
			if _, there := alarmsByName(shippedAssembly(t).stack(t, "slipway-"+stage+"-data"))[name[1]]; !there {
				t.Errorf("%s: shows %s, which is no alarm", stage, name[1])
			}
		}
	}
}

func number(widget any, key string) int {
	value, _ := at(widget, key).(float64)
	return int(value)
}

func TestScalingFollowsTheCPUUnlessMoreIsAskedFor(t *testing.T) {
	plain := shippedAssembly(t).stack(t, "slipway-prod-service")
	plain.one(t, "AWS::ApplicationAutoScaling::ScalingPolicy").want(t,
		"TargetTrackingScalingPolicyConfiguration.PredefinedMetricSpecification.PredefinedMetricType", "ECSServiceAverageCPUUtilization")
	plain.one(t, "AWS::ApplicationAutoScaling::ScalableTarget").want(t, "ScheduledActions", nil)

	stack := must(t, tuned).stack(t, "slipway-prod-service")
	target := stack.one(t, "AWS::ApplicationAutoScaling::ScalableTarget")
	for i, want := range []struct {
		schedule string
		least    int
	}{{"cron(0 7 ? * MON-FRI *)", 3}, {"cron(0 20 ? * MON-FRI *)", 1}} {
		action := fmt.Sprintf("ScheduledActions.%d.", i)
		target.want(t, action+"Schedule", want.schedule)
		target.want(t, action+"Timezone", "Europe/Dublin")
		target.want(t, action+"ScalableTargetAction", map[string]any{"MinCapacity": want.least})
	}
	policies := stack.all("AWS::ApplicationAutoScaling::ScalingPolicy")
	if len(policies) != 2 {
		t.Fatalf("%d policies", len(policies))
	}
	requests := policies[slices.IndexFunc(policies, func(p resource) bool { return p.at("PolicyName") == "prod-requests-per-target" })]
	requests.want(t, "ScalingTargetId", map[string]any{"Ref": target.LogicalID})
	requests.want(t, "TargetTrackingScalingPolicyConfiguration.TargetValue", 300)
	// AWS doesn't support the predefined ALBRequestCountPerTarget for blue/green deployments.
	requests.want(t, "TargetTrackingScalingPolicyConfiguration.PredefinedMetricSpecification", nil)
	returned := 0
	for _, query := range list(requests.at("TargetTrackingScalingPolicyConfiguration.CustomizedMetricSpecification.Metrics")) {
		switch at(query, "Id") {
		case "requests":
			if text(at(query, "MetricStat.Metric.MetricName")) != `"RequestCount"` || at(query, "MetricStat.Stat") != "Sum" {
				t.Errorf("requests are %s", text(query))
			}
		case "tasks":
			if text(at(query, "MetricStat.Metric.MetricName")) != `"RunningTaskCount"` || at(query, "MetricStat.Stat") != "Average" {
				t.Errorf("tasks are %s", text(query))
			}
		case "each":
			if at(query, "Expression") != "FILL(requests, 0) / tasks" {
				t.Errorf("follows %s", text(query))
			}
		default:
			t.Errorf("unexpected query %s", text(query))
		}
		if at(query, "ReturnData") == true {
			returned++
		}
	}
	if returned != 1 {
		t.Errorf("%d queries return data, want one", returned)
	}
}
