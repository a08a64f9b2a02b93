package bluegreen

import (
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/customresources"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"slipway/constructs/gofunction"
	"slipway/constructs/loggroup"
	"slipway/constructs/nag"
	"slipway/internal/contract"
)

// Rollout is the custom resource that brings the revision into production.
type Rollout struct {
	resource awscdk.CustomResource
}

// Resource is what must be done before anything may say that the new revision runs.
func (r *Rollout) Resource() constructs.IConstruct { return r.resource }

// newRollout deploys the handlers, the CDK's framework that polls them, and the custom resource. configuration is the
// deployment configuration's name.
func newRollout(scope constructs.Construct, props Props, configuration *string) *Rollout {
	onEvent := newHandler(scope, "OnEvent", props, contract.RolloutOnEvent)
	isComplete := newHandler(scope, "IsComplete", props, contract.RolloutIsComplete)

	provider := customresources.NewProvider(scope, jsii.String("Provider"), &customresources.ProviderProps{
		OnEventHandler:    onEvent.Resource(),
		IsCompleteHandler: isComplete.Resource(),
		QueryInterval:     awscdk.Duration_Seconds(jsii.Number(15)),
		TotalTimeout:      awscdk.Duration_Hours(jsii.Number(1)), // CloudFormation waits no longer
		LogGroup:          loggroup.New(scope, "FrameworkLogs", props.Logs("rollout-framework")),
		// Its log would repeat the events, and with them CloudFormation's ResponseURL, which is a secret.
		FrameworkLambdaLoggingLevel: awslambda.ApplicationLogLevel_FATAL,
	})
	suppressFramework(provider)
	describeFramework(provider, props.Name)

	resource := awscdk.NewCustomResource(scope, jsii.String("Rollout"), &awscdk.CustomResourceProps{
		ServiceToken:   provider.ServiceToken(),
		ResourceType:   jsii.String("Custom::SlipwayRollout"),
		ServiceTimeout: awscdk.Duration_Hours(jsii.Number(1)),
		Properties: &map[string]any{
			"Cluster": props.ClusterName, "Service": props.ServiceName,
			"TaskDefinition": props.TaskDefinition.TaskDefinitionArn(),
			"Application":    props.Name, "DeploymentGroup": props.Name,
			"ContainerName": props.ContainerName, "ContainerPort": strconv.Itoa(props.ContainerPort),
			"TimeoutMinutes":            strconv.Itoa(props.TimeoutMinutes),
			"DeploymentConfigName":      configuration,
			"AfterAllowTestTrafficHook": props.HookARN,
		},
	})
	return &Rollout{resource: resource}
}

func newHandler(scope constructs.Construct, id string, props Props, handler string) *gofunction.Function {
	function := gofunction.New(scope, id, gofunction.Props{
		Code:        props.Code,
		Name:        "rollout",
		Description: "Rollout of " + props.Name + ": " + handler,
		Timeout:     time.Minute,
		Environment: map[string]string{contract.EnvRolloutHandler: handler},
		Logs:        props.Logs("rollout-" + handler),
	})
	arn := func(resource string) string {
		return fmt.Sprintf("arn:aws:codedeploy:%s:%s:%s", props.Region, props.Account, resource)
	}
	function.Allow([]string{"codedeploy:CreateDeployment", "codedeploy:GetDeployment", "codedeploy:ListDeployments"},
		[]string{arn("deploymentgroup:" + props.Name + "/" + props.Name)}, nil)
	function.Allow([]string{"codedeploy:RegisterApplicationRevision"}, []string{arn("application:" + props.Name)}, nil)
	function.Allow([]string{"codedeploy:GetDeploymentConfig"}, []string{arn("deploymentconfig:*")}, nil)
	// None of these three knows a resource.
	function.Allow([]string{"codedeploy:StopDeployment", "codedeploy:ListDeploymentTargets", "codedeploy:BatchGetDeploymentTargets"}, []string{"*"}, nil)
	function.Allow([]string{"ecs:DescribeServices"}, []string{props.ServiceARN}, nil)
	nag.Suppress(function.Construct(), "AwsSolutions-IAM5", "A deployment configuration's name isn't known beforehand, and is only read; the deployment's other actions know no resource.")
	return function
}

// describeFramework gives the framework's functions descriptions without the construct's path, which differs between
// `cdk deploy` and the pipeline: both must deploy the same template.
func describeFramework(provider customresources.Provider, name string) {
	for _, child := range *provider.Node().FindAll(constructs.ConstructOrder_PREORDER) {
		if function, ok := child.(awslambda.CfnFunction); ok {
			function.SetDescription(jsii.String("CDK's provider framework, rollout of " + name))
		}
	}
}

// suppressFramework answers for the CDK's own functions, whose code and policies aren't ours to write.
func suppressFramework(provider customresources.Provider) {
	nag.Suppress(provider, "AwsSolutions-L1", "The CDK chooses the runtime of its provider framework.")
	nag.Suppress(provider, "AwsSolutions-IAM4", "The CDK's provider framework writes its logs with AWSLambdaBasicExecutionRole.")
	nag.Suppress(provider, "AwsSolutions-IAM5", "The CDK's provider framework may invoke any version of the two handlers, and log from its state machine.")
	nag.Suppress(provider, "AwsSolutions-SF1", "The state machine only repeats isComplete, whose log tells each step; its own log would need rights over all log deliveries of the account.")
	nag.Suppress(provider, "AwsSolutions-SF2", "The state machine only repeats isComplete; a trace would show nothing else.")
}
