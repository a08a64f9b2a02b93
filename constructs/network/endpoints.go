package network

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsec2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/jsii-runtime-go"
)

// addEndpoints keeps traffic to AWS inside its network. S3's gateway endpoint is free; interface endpoints cost about
// USD 8 a month for each zone and service, and are worth it where they save more NAT traffic than that.
func (n *Network) addEndpoints(props Props) {
	n.addS3Endpoint()
	if len(props.InterfaceEndpoints) == 0 {
		return
	}
	group := awsec2.NewSecurityGroup(n.construct, jsii.String("EndpointSecurityGroup"), &awsec2.SecurityGroupProps{
		Vpc:              n.vpc,
		Description:      jsii.String("Interface endpoints"),
		AllowAllOutbound: jsii.Bool(false),
	})
	group.AddIngressRule(awsec2.Peer_Ipv4(jsii.String(props.CIDR.String())), awsec2.Port_Tcp(jsii.Number(443)), jsii.String("HTTPS from the VPC"), nil)

	add := func(id string, service awsec2.IInterfaceVpcEndpointService) {
		n.vpc.AddInterfaceEndpoint(jsii.String(id), &awsec2.InterfaceVpcEndpointOptions{
			Service:           service,
			SecurityGroups:    &[]awsec2.ISecurityGroup{group},
			Subnets:           &awsec2.SubnetSelection{SubnetGroupName: jsii.String(privateGroup)},
			PrivateDnsEnabled: jsii.Bool(true),
			Open:              jsii.Bool(false), // the group above says who
		})
	}
	if wants(props, EndpointECR) { // pulling needs both, and S3 for the layers
		add("EcrApiEndpoint", awsec2.InterfaceVpcEndpointAwsService_ECR())
		add("EcrDockerEndpoint", awsec2.InterfaceVpcEndpointAwsService_ECR_DOCKER())
	}
	if wants(props, EndpointLogs) {
		add("LogsEndpoint", awsec2.InterfaceVpcEndpointAwsService_CLOUDWATCH_LOGS())
	}
	if wants(props, EndpointSecretsManager) {
		add("SecretsManagerEndpoint", awsec2.InterfaceVpcEndpointAwsService_SECRETS_MANAGER())
	}
}

// addS3Endpoint lets the private subnets reach this account's buckets and ECR's layers and nothing else in S3, so that
// a task can't carry data off to someone else's bucket. The policy only narrows: IAM and bucket policies still decide.
func (n *Network) addS3Endpoint() {
	endpoint := n.vpc.AddGatewayEndpoint(jsii.String("S3Endpoint"), &awsec2.GatewayVpcEndpointOptions{
		Service: awsec2.GatewayVpcEndpointAwsService_S3(),
		Subnets: &[]*awsec2.SubnetSelection{{SubnetGroupName: jsii.String(privateGroup)}},
	})
	stack := awscdk.Stack_Of(n.construct)
	endpoint.AddToPolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Sid:        jsii.String("OwnBuckets"),
		Principals: &[]awsiam.IPrincipal{awsiam.NewAnyPrincipal()},
		Actions:    jsii.Strings("s3:*"),
		Resources:  jsii.Strings("*"),
		Conditions: &map[string]any{"StringEquals": map[string]any{"aws:ResourceAccount": stack.Account()}},
	}))
	// ECR keeps image layers in a bucket of its own in each Region; its name is documented with ECR's VPC endpoints.
	endpoint.AddToPolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Sid:        jsii.String("ImageLayers"),
		Principals: &[]awsiam.IPrincipal{awsiam.NewAnyPrincipal()},
		Actions:    jsii.Strings("s3:GetObject"),
		Resources:  jsii.Strings("arn:" + *stack.Partition() + ":s3:::prod-" + *stack.Region() + "-starport-layer-bucket/*"),
	}))
}
