package stacks

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsec2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsssm"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"slipway/constructs/network"
	"slipway/internal/config"
	"slipway/internal/contract"
)

// Network is the stack <platform>-<stage>-network: VPC, subnets, NAT, endpoints, flow logs.
type Network struct {
	Stack            awscdk.Stack
	VPC              awsec2.IVpc
	AppSecurityGroup awsec2.ISecurityGroup
	// LogKey encrypts log groups of the stage.
	LogKey awskms.IKey
	// NATAddresses are the public addresses of the NAT gateways.
	NATAddresses []string
}

// NewNetwork adds the network stack of a stage.
func NewNetwork(scope constructs.Construct, cfg *config.Config, stage config.Stage) *Network {
	stack := newStack(scope, cfg, stage.Account, contract.StageStack(cfg.Platform, stage.Name, contract.PartNetwork),
		"Network of "+stage.Name, stage.Retain)
	key := network.NewLogKey(stack, "LogKey", network.LogKeyProps{
		Description: "Log groups of " + cfg.Platform + " " + stage.Name, Retain: stage.Retain,
	})
	built := network.New(stack, "Network", network.Props{
		CIDR:               stage.Network.CIDR,
		Zones:              cfg.Zones,
		PrivateSubnets:     stage.Network.PrivateSubnets,
		PublicSubnets:      stage.Network.PublicSubnets,
		NAT:                network.NAT(stage.Network.NAT),
		InterfaceEndpoints: stage.Network.InterfaceEndpoints,
		FlowLogGroupName:   "/" + cfg.Platform + "/" + stage.Name + "/network/flow",
		LogDays:            stage.LogDays,
		LogKey:             key,
		Retain:             stage.Retain,
	})
	if stage.Name == cfg.QA.Stage {
		subnets := built.VPC().SelectSubnets(&awsec2.SubnetSelection{SubnetType: awsec2.SubnetType_PRIVATE_WITH_EGRESS})
		shareWithQAEnvironments(stack, cfg, contract.KeyVPCID, *built.VPC().VpcId())
		shareWithQAEnvironments(stack, cfg, contract.KeyLogKeyARN, *key.KeyArn())
		shareListWithQAEnvironments(stack, cfg, contract.KeyPrivateSubnetIDs, subnets.SubnetIds)
		shareWithQAEnvironments(stack, cfg, contract.KeyAppSecurityGroupID, *built.AppSecurityGroup().SecurityGroupId())
	}
	return &Network{Stack: stack, VPC: built.VPC(), AppSecurityGroup: built.AppSecurityGroup(), LogKey: key, NATAddresses: built.NATAddresses()}
}

// shareListWithQAEnvironments is shareWithQAEnvironments for a list.
func shareListWithQAEnvironments(stack awscdk.Stack, cfg *config.Config, key string, values *[]*string) {
	awsssm.NewStringListParameter(stack, jsii.String("Shared-"+key), &awsssm.StringListParameterProps{
		ParameterName:   jsii.String(contract.SharedParameter(cfg.Platform, cfg.QA.Stage, key)),
		Description:     jsii.String("Read by the QA environments"),
		StringListValue: values,
	})
}
