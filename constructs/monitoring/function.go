package monitoring

import (
	"strings"
	"unicode"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
)

// WatchFunctions alarms on each Go function within a construct that isn't watched already. Call it last, when all of them
// are there. What the CDK brings along runs on Node.js and is left out: its failures fail the deployment.
func WatchFunctions(scope constructs.Construct, props Props, within constructs.IConstruct) []awscloudwatch.Alarm {
	var alarms []awscloudwatch.Alarm
	for _, child := range *within.Node().FindAll(constructs.ConstructOrder_PREORDER) {
		function, ok := child.(awslambda.CfnFunction)
		if !ok || function.Runtime() == nil || !strings.HasPrefix(*function.Runtime(), "provided") {
			continue
		}
		name := functionName(strings.TrimPrefix(*function.Node().Path(), *awscdk.Stack_Of(function).Node().Path()))
		if scope.Node().TryFindChild(jsii.String("Alarm-"+name+"-throttles")) == nil {
			alarms = append(alarms, Watch(scope, props, []Alarm{Errors(name, *function.Ref()), Throttles(name, *function.Ref())})...)
		}
	}
	return alarms
}

// Errors is the alarm on failed runs of a function.
func Errors(name, function string) Alarm {
	return Alarm{
		Name: name + "-errors", Tells: "A run of the function failed. Its log group says why.",
		Metric: lambda("Errors", function), Threshold: 1, Periods: 1, Datapoints: 1,
		Missing: awscloudwatch.TreatMissingData_NOT_BREACHING, // no run, no error
	}
}

// Throttles is the alarm on runs that Lambda refused.
func Throttles(name, function string) Alarm {
	return Alarm{
		Name: name + "-throttles", Tells: "Lambda refused to run the function: the account's or the function's concurrency is used up.",
		Metric: lambda("Throttles", function), Threshold: 1, Periods: 1, Datapoints: 1,
		Missing: awscloudwatch.TreatMissingData_NOT_BREACHING, // no run, nothing refused
	}
}

// DeadLetters is the alarm on a queue whose messages nobody takes out but a person.
func DeadLetters(name, queue string) Alarm {
	return Alarm{
		Name: name, Tells: "An event could not be handled and is in the dead-letter queue, for fourteen days. Mend the cause, then send it again.",
		Metric:    metric("AWS/SQS", "ApproximateNumberOfMessagesVisible", "Maximum", 5, map[string]string{"QueueName": queue}),
		Threshold: 1, Periods: 1, Datapoints: 1,
		Missing: awscloudwatch.TreatMissingData_NOT_BREACHING, // a queue without messages for six hours stops reporting
	}
}

func lambda(name, function string) awscloudwatch.Metric {
	return metric("AWS/Lambda", name, "Sum", 5, map[string]string{"FunctionName": function})
}

// functionName makes image-resolver of slipway-prod-service/ImageResolver/Function/Resource.
func functionName(path string) string {
	_, path, _ = strings.Cut(path, "/")
	path = strings.TrimSuffix(strings.TrimSuffix(path, "/Resource"), "/Function")
	var name strings.Builder
	for i, letter := range strings.ReplaceAll(path, "/", "-") {
		if unicode.IsUpper(letter) && i > 0 && !strings.HasSuffix(name.String(), "-") {
			name.WriteByte('-')
		}
		name.WriteRune(unicode.ToLower(letter))
	}
	return name.String()
}
