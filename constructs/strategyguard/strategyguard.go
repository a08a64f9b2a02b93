// Package strategyguard refuses a switch of a live service's deployment strategy that would leave its users without tasks.
package strategyguard

import (
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"slipway/constructs/gofunction"
	"slipway/constructs/loggroup"
	"slipway/constructs/nag"
)

// Props of the guard.
type Props struct {
	Code gofunction.Code
	// ClusterName, ServiceName and ServiceARN name the service; the guard comes before it.
	ClusterName, ServiceName, ServiceARN string
	// Strategy is the wanted one, in platform.yaml's words.
	Strategy string
	// RuleARN is the production rule, TargetGroupARN the template's own target group.
	RuleARN, TargetGroupARN string
	Logs                    loggroup.Props
}

// New deploys the guard; what it returns must be done before the service is touched. CloudFormation asks it only when the
// strategy changes.
func New(scope constructs.Construct, id string, props Props) constructs.IConstruct {
	this := constructs.NewConstruct(scope, jsii.String(id))
	function := gofunction.New(this, "Guard", gofunction.Props{
		Code:        props.Code,
		Name:        "strategyguard",
		Description: "Refuses an unsafe switch of the deployment strategy of " + props.ServiceName,
		Timeout:     time.Minute,
		Logs:        props.Logs,
	})
	function.Allow([]string{"ecs:DescribeServices"}, []string{props.ServiceARN}, nil)
	function.Allow([]string{"elasticloadbalancing:DescribeRules"}, []string{"*"}, nil) // knows no resource
	nag.Suppress(function.Construct(), "AwsSolutions-IAM5", "DescribeRules knows no resource; the log group's streams get their names later.")
	return awscdk.NewCustomResource(this, jsii.String("Strategy"), &awscdk.CustomResourceProps{
		ServiceToken:   jsii.String(function.ARN()),
		ResourceType:   jsii.String("Custom::SlipwayStrategy"),
		ServiceTimeout: awscdk.Duration_Minutes(jsii.Number(2)),
		Properties: &map[string]any{
			"Cluster": props.ClusterName, "Service": props.ServiceName, "Strategy": props.Strategy,
			"Rule": props.RuleARN, "TargetGroup": props.TargetGroupARN,
		},
	})
}
