// Package monitoring watches a stage: tables of alarms that tell the operations topic, one composite alarm that says whether
// users notice, and one dashboard.
package monitoring

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatchactions"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
)

// Alarm is a row of a table of alarms.
type Alarm struct {
	// Name ends the alarm's name. Tells is its description: what is wrong, and where to look first.
	Name  string
	Tells string
	// Metric has its period.
	Metric awscloudwatch.IMetric
	// Threshold is crossed by values at or above it; with Below by values under it.
	Threshold float64
	Below     bool
	// Datapoints of the last Periods must cross it.
	Periods    int
	Datapoints int
	// Missing is what no data means; each row says why.
	Missing awscloudwatch.TreatMissingData
	// Percentile leaves out periods with too few requests to tell a percentile.
	Percentile bool
	// Noticed marks what users notice: it makes the service unhealthy.
	Noticed bool
	// Stops marks what rolls a deployment back: faults of a new version that show within minutes, by metrics of the load
	// balancer, which exist before the service does.
	Stops bool
}

// Props of Watch.
type Props struct {
	// Prefix begins the names of the alarms.
	Prefix string
	// Topic hears of each alarm.
	Topic awssns.ITopic
}

// Watch makes the alarms of a table, in its order.
func Watch(scope constructs.Construct, props Props, table []Alarm) []awscloudwatch.Alarm {
	var alarms []awscloudwatch.Alarm
	for _, row := range table {
		options := &awscloudwatch.AlarmProps{
			AlarmName:          jsii.String(props.Prefix + "-" + row.Name),
			AlarmDescription:   jsii.String(row.Tells),
			Metric:             row.Metric,
			Threshold:          jsii.Number(row.Threshold),
			ComparisonOperator: awscloudwatch.ComparisonOperator_GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
			EvaluationPeriods:  jsii.Number(row.Periods),
			DatapointsToAlarm:  jsii.Number(row.Datapoints),
			TreatMissingData:   row.Missing,
		}
		if row.Below {
			options.ComparisonOperator = awscloudwatch.ComparisonOperator_LESS_THAN_THRESHOLD
		}
		if row.Percentile {
			options.EvaluateLowSampleCountPercentile = jsii.String("ignore")
		}
		alarm := awscloudwatch.NewAlarm(scope, jsii.String("Alarm-"+row.Name), options)
		alarm.AddAlarmAction(awscloudwatchactions.NewSnsAction(props.Topic))
		alarms = append(alarms, alarm)
	}
	return alarms
}

// metric is one metric; period in minutes.
func metric(namespace, name, statistic string, period int, dimensions map[string]string) awscloudwatch.Metric {
	values := map[string]*string{}
	for key, value := range dimensions {
		values[key] = jsii.String(value)
	}
	return awscloudwatch.NewMetric(&awscloudwatch.MetricProps{
		Namespace: jsii.String(namespace), MetricName: jsii.String(name), Statistic: jsii.String(statistic),
		Period: minutes(period), DimensionsMap: &values,
	})
}

// labelled is a metric with a name for a person.
func labelled(m awscloudwatch.Metric, label string) awscloudwatch.IMetric {
	return m.With(&awscloudwatch.MetricOptions{Label: jsii.String(label)})
}

// math is an expression over metrics; period in minutes.
func math(expression, label string, period int, using map[string]awscloudwatch.IMetric) awscloudwatch.MathExpression {
	return awscloudwatch.NewMathExpression(&awscloudwatch.MathExpressionProps{
		Expression: jsii.String(expression), Label: jsii.String(label), Period: minutes(period), UsingMetrics: &using,
	})
}

func minutes(n int) awscdk.Duration { return awscdk.Duration_Minutes(jsii.Number(n)) }
