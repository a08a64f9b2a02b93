// Package rollbackresponder is the Lambda that tells people why a deployment failed or was stopped.
package rollbackresponder

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsevents"
	"github.com/aws/aws-cdk-go/awscdk/v2/awseventstargets"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"slipway/constructs/gofunction"
	"slipway/constructs/loggroup"
	"slipway/constructs/monitoring"
	"slipway/constructs/nag"
	"slipway/internal/contract"
)

// Props of the responder.
type Props struct {
	Code            gofunction.Code
	Platform, Stage string
	Region, Account string
	// ServiceARN is arn:…:service/<cluster>/<name>.
	ServiceARN string
	// DeploymentGroup is CodeDeploy's application and group, which have one name; empty listens to ECS instead.
	DeploymentGroup string
	// AppLogGroup has the tasks' log lines.
	AppLogGroup string
	// TargetGroupARNs of the service, and the names of the alarms that stop a deployment.
	TargetGroupARNs, AlarmNames []string
	TopicARN, TopicKeyARN       string
	Logs                        loggroup.Props
	// Watch has what the alarm on the dead-letter queue needs.
	Watch monitoring.Props
}

// settings is what lambdas/rollbackresponder/decide reads.
type settings struct {
	Service      string   `json:"service"`
	Application  string   `json:"application,omitempty"`
	Group        string   `json:"deploymentGroup,omitempty"`
	LogGroup     string   `json:"logGroup"`
	Container    string   `json:"container"`
	TargetGroups []string `json:"targetGroups"`
	Alarms       []string `json:"alarms,omitempty"`
	Records      string   `json:"records"`
}

// New deploys the responder, its rule and its dead-letter queue with an alarm.
func New(scope constructs.Construct, id string, props Props) []awscloudwatch.Alarm {
	this := constructs.NewConstruct(scope, jsii.String(id))
	failed := awssqs.NewQueue(this, jsii.String("Failed"), &awssqs.QueueProps{
		EnforceSSL: jsii.Bool(true), Encryption: awssqs.QueueEncryption_SQS_MANAGED, RetentionPeriod: awscdk.Duration_Days(jsii.Number(14)),
	})
	nag.Suppress(failed, "AwsSolutions-SQS3", "This is the dead-letter queue.")
	records := contract.RollbackRecords(props.Platform, props.Stage)
	text, err := json.Marshal(settings{
		Service: props.ServiceARN, Application: props.DeploymentGroup, Group: props.DeploymentGroup, LogGroup: props.AppLogGroup,
		Container: contract.ContainerName, TargetGroups: props.TargetGroupARNs, Alarms: props.AlarmNames, Records: records,
	})
	if err != nil { // strings only
		panic(fmt.Sprintf("rollbackresponder: write the settings: %v", err))
	}
	function := gofunction.New(this, "Responder", gofunction.Props{
		Code:        props.Code,
		Name:        "rollbackresponder",
		Description: "Tells why a deployment of " + props.Stage + " failed",
		Timeout:     2 * time.Minute,
		Environment: map[string]string{
			contract.EnvPlatform: props.Platform, contract.EnvStage: props.Stage, contract.EnvTopicARN: props.TopicARN,
			contract.EnvRollbackResponder: string(text),
		},
		Logs:            props.Logs,
		DeadLetterQueue: failed,
		RetryAttempts:   2,
		MaxEventAge:     time.Hour,
	})
	allow(function, props, records)
	awsevents.NewRule(this, jsii.String("Rule"), &awsevents.RuleProps{
		Description:  jsii.String("Deployments of " + props.Stage + " that failed or were stopped"),
		EventPattern: pattern(props),
		Targets: &[]awsevents.IRuleTarget{awseventstargets.NewLambdaFunction(function.Resource(), &awseventstargets.LambdaFunctionProps{
			DeadLetterQueue: failed, MaxEventAge: awscdk.Duration_Hours(jsii.Number(1)), RetryAttempts: jsii.Number(5),
		})},
	})
	return monitoring.Watch(this, props.Watch, []monitoring.Alarm{monitoring.DeadLetters("rollback-events", *failed.QueueName())})
}

// pattern lets in what the responder answers.
// https://docs.aws.amazon.com/codedeploy/latest/userguide/monitoring-cloudwatch-events.html
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_service_deployment_events.html
func pattern(props Props) *awsevents.EventPattern {
	if props.DeploymentGroup == "" {
		return &awsevents.EventPattern{
			Source: jsii.Strings("aws.ecs"), DetailType: jsii.Strings("ECS Deployment State Change"), Resources: jsii.Strings(props.ServiceARN),
			Detail: &map[string]any{"eventName": []string{"SERVICE_DEPLOYMENT_FAILED"}},
		}
	}
	return &awsevents.EventPattern{
		Source: jsii.Strings("aws.codedeploy"), DetailType: jsii.Strings("CodeDeploy Deployment State-change Notification"),
		Detail: &map[string]any{
			"application": []string{props.DeploymentGroup}, "deploymentGroup": []string{props.DeploymentGroup}, "state": []string{"FAILURE", "STOP"},
		},
	}
}

func allow(function *gofunction.Function, props Props, records string) {
	arn := func(service, resource string) string {
		return fmt.Sprintf("arn:aws:%s:%s:%s:%s", service, props.Region, props.Account, resource)
	}
	clusterARN := strings.Replace(props.ServiceARN[:strings.LastIndex(props.ServiceARN, "/")], ":service/", ":cluster/", 1)
	inCluster := map[string]any{"ArnEquals": map[string]any{"ecs:cluster": clusterARN}}
	tasks := strings.Replace(clusterARN, ":cluster/", ":task/", 1) + "/*"
	deployments := strings.Replace(props.ServiceARN, ":service/", ":service-deployment/", 1) + "/*"

	if props.DeploymentGroup != "" {
		function.Allow([]string{"codedeploy:GetDeployment"}, []string{arn("codedeploy", "deploymentgroup:"+props.DeploymentGroup+"/"+props.DeploymentGroup)}, nil)
		// Neither knows a resource.
		function.Allow([]string{"codedeploy:ListDeploymentTargets", "codedeploy:BatchGetDeploymentTargets"}, []string{"*"}, nil)
	}
	function.Allow([]string{"ecs:DescribeServices", "ecs:ListServiceDeployments"}, []string{props.ServiceARN}, nil)
	function.Allow([]string{"ecs:DescribeServiceDeployments"}, []string{deployments}, nil)
	function.Allow([]string{"ecs:ListTasks"}, []string{"*"}, inCluster) // knows no cluster as a resource, only the condition
	function.Allow([]string{"ecs:DescribeTasks"}, []string{tasks}, inCluster)
	function.Allow([]string{"elasticloadbalancing:DescribeTargetHealth"}, []string{"*"}, nil) // knows no resource
	function.Allow([]string{"cloudwatch:DescribeAlarms"}, []string{arn("cloudwatch", "alarm:*")}, nil)
	function.Allow([]string{"logs:GetLogEvents"}, []string{arn("logs", "log-group:"+props.AppLogGroup+":log-stream:*")}, nil)
	function.Allow([]string{"ssm:GetParameter", "ssm:PutParameter"}, []string{arn("ssm", "parameter"+records+"/*")}, nil)
	function.Allow([]string{"sns:Publish"}, []string{props.TopicARN}, nil)
	function.Allow([]string{"kms:Decrypt", "kms:GenerateDataKey"}, []string{props.TopicKeyARN}, nil)
	nag.Suppress(function.Construct(), "AwsSolutions-IAM5", "Tasks, deployments, log streams and records get their names later, within this stage; the other actions know no resource.")
}
