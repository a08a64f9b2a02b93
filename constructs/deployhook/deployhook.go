// Package deployhook is the Lambda that tests a new version at the test listener before users get it.
package deployhook

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2/awsec2"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"slipway/constructs/gofunction"
	"slipway/constructs/loggroup"
	"slipway/internal/contract"
)

// Props of the hook.
type Props struct {
	Code     gofunction.Code
	Platform string
	Stage    string
	// VPC is where it runs: the test listener knows it by the address of the NAT gateway.
	VPC awsec2.IVpc
	// Tests is what it asks, and what the answers must be.
	Tests Tests
	// TopicARN and TopicKeyARN tell people of failures.
	TopicARN, TopicKeyARN string
	// DeploymentGroupARN is the one that it may answer; empty under ECS's own blue/green, which reads the return value.
	DeploymentGroupARN string
	Logs               loggroup.Props
}

// Tests is the hook's configuration, as lambdas/deployhook/decide reads it.
type Tests struct {
	URL        string     `json:"url"`
	Host       string     `json:"host"`
	Requests   []Request  `json:"requests"`
	Version    *struct{}  `json:"version"` // the defaults: /version must name a commit
	Migration  *struct{}  `json:"migration,omitempty"`
	ErrorRate  *ErrorRate `json:"errorRate,omitempty"`
	BudgetSecs int        `json:"budgetSeconds"`
}

// Request is one GET request and its expected answer.
type Request struct {
	Path      string `json:"path"`
	Status    int    `json:"status"`
	MaxMillis int    `json:"maxMillis"`
	Contains  string `json:"contains,omitempty"`
	Matches   string `json:"matches,omitempty"`
}

// ErrorRate compares the two sides.
type ErrorRate struct {
	Samples       int    `json:"samples"`
	MaxPercent    int    `json:"maxPercent,omitempty"`
	ProductionURL string `json:"productionUrl"`
}

const (
	budget = 4 * time.Minute
	// answering is what the hook keeps for its answer and the message, with some to spare.
	answering = time.Minute
)

// New deploys the hook.
func New(scope constructs.Construct, id string, props Props) *gofunction.Function {
	this := constructs.NewConstruct(scope, jsii.String(id))
	group := awsec2.NewSecurityGroup(this, jsii.String("SecurityGroup"), &awsec2.SecurityGroupProps{
		Vpc:              props.VPC,
		Description:      jsii.String("Deployment hook of " + props.Stage + ": out to the load balancer and to AWS"),
		AllowAllOutbound: jsii.Bool(false),
	})
	// The load balancer's addresses change, and so do those of AWS's APIs.
	group.AddEgressRule(awsec2.Peer_AnyIpv4(), awsec2.Port_Tcp(jsii.Number(443)), jsii.String("AWS and the production listener"), nil)
	group.AddEgressRule(awsec2.Peer_AnyIpv4(), awsec2.Port_Tcp(jsii.Number(contract.TestListenerPort)), jsii.String("The test listener"), nil)

	props.Tests.BudgetSecs = int(budget.Seconds())
	if props.Tests.Version == nil {
		props.Tests.Version = &struct{}{}
	}
	function := gofunction.New(this, "Hook", gofunction.Props{
		Code:        props.Code,
		Name:        "deployhook",
		Description: "Tests a new version of " + props.Stage + " before users get it",
		Timeout:     budget + answering,
		Environment: map[string]string{
			contract.EnvPlatform:   props.Platform,
			contract.EnvStage:      props.Stage,
			contract.EnvTopicARN:   props.TopicARN,
			contract.EnvDeployHook: marshal(props.Tests),
		},
		Logs:    props.Logs,
		Network: &gofunction.Network{VPC: props.VPC, SecurityGroups: []awsec2.ISecurityGroup{group}},
	})
	if props.DeploymentGroupARN != "" {
		function.Allow([]string{"codedeploy:GetDeployment", "codedeploy:PutLifecycleEventHookExecutionStatus"}, []string{props.DeploymentGroupARN}, nil)
	}
	function.Allow([]string{"sns:Publish"}, []string{props.TopicARN}, nil)
	function.Allow([]string{"kms:Decrypt", "kms:GenerateDataKey"}, []string{props.TopicKeyARN}, nil)
	return function
}

func marshal(tests Tests) string {
	text, err := json.Marshal(tests)
	if err != nil { // strings and numbers only
		panic(fmt.Sprintf("deployhook: write the configuration: %v", err))
	}
	return string(text)
}
