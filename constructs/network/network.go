// Package network builds a stage's VPC: three zones, a private and a public subnet in each, a way out, and the rules
// about who may talk to whom.
package network

import (
	"net/netip"
	"slices"
	"strconv"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsec2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"slipway/constructs/loggroup"
	"slipway/constructs/nag"
	"slipway/constructs/nametag"
)

// NAT is how private subnets reach the internet. NAT is outbound only: nothing gets in through it.
type NAT string

// The NAT modes.
const (
	NATPerZone  NAT = "per-zone" // a gateway in each zone: no zone depends on another
	NATOne      NAT = "one"      // one gateway: cheaper, but its zone's failure cuts off the others
	NATInstance NAT = "instance" // one small EC2 instance: cheapest, no failover
)

// Names of the interface endpoints that can be asked for.
const (
	EndpointECR            = "ecr"
	EndpointLogs           = "logs"
	EndpointSecretsManager = "secretsmanager"
)

// Names of the subnet groups.
const (
	privateGroup = "private"
	publicGroup  = "public"
)

// Props of a Network.
type Props struct {
	// CIDR is the VPC's range.
	CIDR netip.Prefix
	// Zones are the names of the Availability Zones.
	Zones []string
	// PrivateSubnets and PublicSubnets are ranges inside CIDR, one per zone, in the order of Zones.
	PrivateSubnets []netip.Prefix
	PublicSubnets  []netip.Prefix
	// NAT is the way out of the private subnets.
	NAT NAT
	// InterfaceEndpoints is a subset of the Endpoint names; default none. S3's gateway endpoint is free and always there.
	InterfaceEndpoints []string
	// FlowLogGroupName is the log group of the flow logs, LogDays its retention, LogKey its KMS key.
	FlowLogGroupName string
	LogDays          int
	LogKey           awskms.IKey
	// Retain keeps the flow logs when the stack is deleted.
	Retain bool
}

// Network is a VPC with its subnets, and the security group of the application's tasks.
type Network struct {
	construct        constructs.Construct
	vpc              awsec2.Vpc
	appSecurityGroup awsec2.SecurityGroup
}

// New builds the network.
func New(scope constructs.Construct, id string, props Props) *Network {
	construct := constructs.NewConstruct(scope, jsii.String(id))
	n := &Network{construct: construct}

	provider, nats := natProvider(props)
	n.vpc = awsec2.NewVpc(construct, jsii.String("Vpc"), &awsec2.VpcProps{
		// The names are given, so that synthesis needs no look-up. CDK still compares them with the stack's zones.
		AvailabilityZones:  jsii.Strings(props.Zones...),
		IpAddresses:        awsec2.IpAddresses_Cidr(jsii.String(props.CIDR.String())),
		NatGatewayProvider: provider,
		NatGateways:        jsii.Number(nats),
		// Sixteenths of the VPC always leave room for six subnets; the configured ranges replace them below. For the
		// default ranges both are the same.
		SubnetConfiguration: &[]*awsec2.SubnetConfiguration{
			{Name: jsii.String(privateGroup), SubnetType: awsec2.SubnetType_PRIVATE_WITH_EGRESS, CidrMask: jsii.Number(props.CIDR.Bits() + 4)},
			// No address is handed out by the subnet: load balancers and NAT gateways bring their own.
			{Name: jsii.String(publicGroup), SubnetType: awsec2.SubnetType_PUBLIC, CidrMask: jsii.Number(props.CIDR.Bits() + 4),
				MapPublicIpOnLaunch: jsii.Bool(false)},
		},
		EnableDnsHostnames: jsii.Bool(true),
		EnableDnsSupport:   jsii.Bool(true),
		// The default security group keeps the rules that AWS gives it: its members may talk to each other and out. No
		// resource of the platform is in it, and CloudFormation can't empty it (CIS and FSBP EC2.2 want that); CDK would
		// bring a Node.js function with the right to change security groups for it.
		RestrictDefaultSecurityGroup: jsii.Bool(false),
	})

	nametag.Set(n.vpc)
	for _, subnet := range append(*n.vpc.PrivateSubnets(), *n.vpc.PublicSubnets()...) {
		nametag.Set(subnet)
	}
	setRanges(n.vpc.PrivateSubnets(), props.PrivateSubnets)
	setRanges(n.vpc.PublicSubnets(), props.PublicSubnets)
	if instances, ok := provider.(awsec2.NatInstanceProviderV2); ok {
		hardenNATInstances(instances, props)
	}
	n.addAccessControlLists(props)
	n.addFlowLogs(props)
	n.addEndpoints(props)
	n.addAppSecurityGroup(props)
	return n
}

// VPC is the network's VPC.
func (n *Network) VPC() awsec2.Vpc { return n.vpc }

// AppSecurityGroup is the security group of the application's tasks. It lets nothing in: whoever puts a load balancer
// in front adds that rule, as a resource of its own.
func (n *Network) AppSecurityGroup() awsec2.SecurityGroup { return n.appSecurityGroup }

// NATAddresses are the public addresses of the NAT gateways, tokens; none for a NAT instance, whose address changes.
func (n *Network) NATAddresses() []string {
	var addresses []string
	for _, subnet := range *n.vpc.PublicSubnets() {
		if eip, ok := subnet.Node().TryFindChild(jsii.String("EIP")).(awsec2.CfnEIP); ok {
			addresses = append(addresses, *eip.Ref())
		}
	}
	return addresses
}

// setRanges writes the configured ranges, which the L2 construct can't take one by one.
func setRanges(subnets *[]awsec2.ISubnet, ranges []netip.Prefix) {
	for i, subnet := range *subnets {
		subnet.Node().DefaultChild().(awsec2.CfnSubnet).SetCidrBlock(jsii.String(ranges[i].String()))
	}
}

func (n *Network) addFlowLogs(props Props) {
	group := loggroup.New(n.construct, "FlowLogGroup", loggroup.Props{
		Name: props.FlowLogGroupName, Days: props.LogDays, Key: props.LogKey, Retain: props.Retain,
	})
	role := awsiam.NewRole(n.construct, jsii.String("FlowLogRole"), &awsiam.RoleProps{
		Description: jsii.String("VPC flow logs are written with it"),
		AssumedBy: awsiam.NewServicePrincipal(jsii.String("vpc-flow-logs.amazonaws.com"), &awsiam.ServicePrincipalOpts{
			Conditions: &map[string]any{"StringEquals": map[string]any{"aws:SourceAccount": awscdk.Stack_Of(n.construct).Account()}},
		}),
	})
	nametag.Set(n.vpc.AddFlowLog(jsii.String("FlowLog"), &awsec2.FlowLogOptions{
		Destination:            awsec2.FlowLogDestination_ToCloudWatchLogs(group, role),
		TrafficType:            awsec2.FlowLogTrafficType_ALL,
		MaxAggregationInterval: awsec2.FlowLogMaxAggregationInterval_TEN_MINUTES,
	}))
}

// addAppSecurityGroup names what a task may reach. Amazon's DNS resolver, the task metadata service and the time
// service aren't filtered by security groups; the DNS rules are for a resolver of your own inside the VPC.
func (n *Network) addAppSecurityGroup(props Props) {
	n.appSecurityGroup = awsec2.NewSecurityGroup(n.construct, jsii.String("AppSecurityGroup"), &awsec2.SecurityGroupProps{
		Vpc:              n.vpc,
		Description:      jsii.String("Tasks of the application"),
		AllowAllOutbound: jsii.Bool(false),
	})
	// The database's own group is made later and refers to this one, so that the rule here can't name it without a
	// circle; that group lets only this one in.
	inside := awsec2.Peer_Ipv4(jsii.String(props.CIDR.String()))
	n.appSecurityGroup.AddEgressRule(inside, awsec2.Port_Tcp(jsii.Number(5432)), jsii.String("PostgreSQL"), nil)
	n.appSecurityGroup.AddEgressRule(inside, awsec2.Port_Tcp(jsii.Number(53)), jsii.String("DNS"), nil)
	n.appSecurityGroup.AddEgressRule(inside, awsec2.Port_Udp(jsii.Number(53)), jsii.String("DNS"), nil)
	// AWS's APIs (ECR, Secrets Manager, S3, X-Ray) and other people's; their addresses change.
	n.appSecurityGroup.AddEgressRule(awsec2.Peer_AnyIpv4(), awsec2.Port_Tcp(jsii.Number(443)), jsii.String("HTTPS"), nil)
}

// addAccessControlLists puts a second, coarse fence around each tier. Network ACLs have no memory: what answers a
// request must be allowed in by itself, on the port that the request came from. Amazon's DNS resolver, DHCP and the
// metadata services aren't filtered by them.
func (n *Network) addAccessControlLists(props Props) {
	private := n.newACL("PrivateAcl", n.vpc.PrivateSubnets())
	private.allowInside(props.CIDR) // load balancer to task, task to database and endpoints, and their answers
	private.denyAdministration()
	private.allowAnswers() // to what went out through NAT or S3's gateway endpoint

	public := n.newACL("PublicAcl", n.vpc.PublicSubnets())
	public.allowInside(props.CIDR) // private subnets to NAT, tasks' answers to the load balancer
	public.denyAdministration()
	public.allow("Http", awsec2.AclTraffic_TcpPort(jsii.Number(80)))   // redirected to HTTPS
	public.allow("Https", awsec2.AclTraffic_TcpPort(jsii.Number(443))) // clients to the load balancer
	public.allowAnswers()                                              // to NAT, on the ports that it chose

	for _, list := range []*accessControlList{private, public} {
		nag.Suppress(list.NetworkAcl, "AwsSolutions-VPC3",
			"The lists are few, coarse and documented rule by rule: a second fence behind the security groups, which blocks remote administration even when a group is opened by mistake.")
	}
}

// Linux, Lambda and NAT gateways choose source ports from here up (a NAT gateway uses 1024–65535).
const (
	firstEphemeralPort = 1024
	lastPort           = 65535
)

type accessControlList struct {
	awsec2.NetworkAcl
	next int
}

func (n *Network) newACL(id string, subnets *[]awsec2.ISubnet) *accessControlList {
	list := &accessControlList{next: 100, NetworkAcl: awsec2.NewNetworkAcl(n.construct, jsii.String(id), &awsec2.NetworkAclProps{
		Vpc:             n.vpc,
		SubnetSelection: &awsec2.SubnetSelection{Subnets: subnets},
	})}
	// Going out, the security groups decide: a stateless list would have to repeat every client's ports.
	nametag.Set(list.NetworkAcl)
	list.AddEntry(jsii.String("OutAll"), &awsec2.CommonNetworkAclEntryOptions{
		Cidr: awsec2.AclCidr_AnyIpv4(), RuleNumber: jsii.Number(100), Traffic: awsec2.AclTraffic_AllTraffic(),
		Direction: awsec2.TrafficDirection_EGRESS, RuleAction: awsec2.Action_ALLOW,
	})
	return list
}

func (l *accessControlList) in(id string, from awsec2.AclCidr, traffic awsec2.AclTraffic, action awsec2.Action) {
	l.AddEntry(jsii.String("In"+id), &awsec2.CommonNetworkAclEntryOptions{
		Cidr: from, RuleNumber: jsii.Number(l.next), Traffic: traffic,
		Direction: awsec2.TrafficDirection_INGRESS, RuleAction: action,
	})
	l.next += 10 // the lowest number that matches wins; the gaps leave room for rules made in an emergency
}

func (l *accessControlList) allow(id string, traffic awsec2.AclTraffic) {
	l.in(id, awsec2.AclCidr_AnyIpv4(), traffic, awsec2.Action_ALLOW)
}

func (l *accessControlList) allowInside(cidr netip.Prefix) {
	l.in("Vpc", awsec2.AclCidr_Ipv4(jsii.String(cidr.String())), awsec2.AclTraffic_AllTraffic(), awsec2.Action_ALLOW)
}

// denyAdministration keeps SSH and RDP from the internet out. 3389 lies among the ephemeral ports: one in 64,512
// connections through a NAT gateway gets that port and fails, which a client's retry on a new connection mends.
func (l *accessControlList) denyAdministration() {
	for _, port := range []int{22, 3389} {
		l.in("Deny"+strconv.Itoa(port), awsec2.AclCidr_AnyIpv4(), awsec2.AclTraffic_TcpPort(jsii.Number(port)), awsec2.Action_DENY)
	}
}

func (l *accessControlList) allowAnswers() {
	l.allow("TcpAnswers", awsec2.AclTraffic_TcpPortRange(jsii.Number(firstEphemeralPort), jsii.Number(lastPort)))
	l.allow("UdpAnswers", awsec2.AclTraffic_UdpPortRange(jsii.Number(firstEphemeralPort), jsii.Number(lastPort)))
	// "Fragmentation needed": without it, path MTU discovery fails and large transfers hang.
	l.allow("PathMtu", awsec2.AclTraffic_Icmp(&awsec2.AclIcmp{Type: jsii.Number(3), Code: jsii.Number(4)}))
}

func wants(props Props, endpoint string) bool {
	return slices.Contains(props.InterfaceEndpoints, endpoint)
}
