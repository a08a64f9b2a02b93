package test

import (
	"fmt"
	"net/netip"
	"slices"
	"sort"
	"strings"
	"sync"
	"testing"

	"slipway/internal/config"
)

var stageNames = []string{"dev", "qa", "stage", "prod"}

// varied is a synthesis of what the shipped configuration does not use: subnets of one's own, small networks, single
// endpoints, every PostgreSQL version, a replica where nothing is kept, replication of the bucket.
var varied = sync.OnceValues(func() (*assembly, error) {
	return synthesize(func(cfg *config.Config) {
		dev, qa, stage, prod := &cfg.Stages[0], &cfg.Stages[1], &cfg.Stages[2], &cfg.Stages[3]

		dev.Network.PrivateSubnets = prefixes("10.1.128.0/19", "10.1.160.0/19", "10.1.192.0/24")
		dev.Network.PublicSubnets = prefixes("10.1.7.0/24", "10.1.8.0/25", "10.1.0.0/27")
		dev.Network.NAT = config.NATPerZone
		dev.Network.InterfaceEndpoints = []string{"logs"}
		dev.Database.EngineMajor = "14"
		dev.Database.ReadReplica = true
		dev.Artifacts.ReplicaBucketARN = "arn:aws:s3:::artifacts-copy"
		dev.Artifacts.ReplicaKeyARN = "arn:aws:kms:eu-central-1:111111111111:key/01234567-89ab-cdef-0123-456789abcdef"

		qa.Network.NAT = config.NATInstance
		qa.Network.InterfaceEndpoints = []string{"secretsmanager"}
		qa.Database.EngineMajor = "15"

		stage.Network.CIDR = netip.MustParsePrefix("10.3.0.0/24")
		stage.Network.PrivateSubnets = prefixes("10.3.0.0/27", "10.3.0.32/27", "10.3.0.64/27")
		stage.Network.PublicSubnets = prefixes("10.3.0.96/27", "10.3.0.128/27", "10.3.0.160/27")
		stage.Network.InterfaceEndpoints = []string{"ecr"}
		stage.Database.EngineMajor = "16"
		stage.Artifacts.InfrequentAfterDays, stage.Artifacts.ArchiveAfterDays, stage.Artifacts.NoncurrentDays = 45, 120, 14

		prod.Network.InterfaceEndpoints = nil
		prod.Database.EngineMajor = "18"
		prod.Database.ReadReplica = false
	}, nil)
})

func prefixes(texts ...string) []netip.Prefix {
	parsed := make([]netip.Prefix, len(texts))
	for i, one := range texts {
		parsed[i] = netip.MustParsePrefix(one)
	}
	return parsed
}

// subnet is a subnet with what is attached to it.
type subnet struct {
	id, cidr, zone string
	public         bool
	table          string         // its route table
	out            map[string]any // the route of 0.0.0.0/0
	acl            string
}

// target is where a subnet's default route leads: the property and the logical ID.
func (s subnet) target() string {
	for _, kind := range []string{"GatewayId", "NatGatewayId", "InstanceId"} {
		if id := ref(s.out[kind]); id != "" {
			return kind + " " + id
		}
	}
	return "nowhere"
}

// ref is the logical ID that a Ref or the first part of a Fn::GetAtt names; empty for anything else.
func ref(value any) string {
	if id, ok := at(value, "Ref").(string); ok {
		return id
	}
	id, _ := at(value, "Fn::GetAtt.0").(string)
	return id
}

// subnets reads a network's subnets, private ones first, each tier in the order of the zones.
func subnets(t *testing.T, stack template) []subnet {
	t.Helper()
	var found []subnet
	for _, r := range stack.all("AWS::EC2::Subnet") {
		r.want(t, "MapPublicIpOnLaunch", false)
		one := subnet{id: r.LogicalID, cidr: fmt.Sprint(r.at("CidrBlock")), zone: fmt.Sprint(r.at("AvailabilityZone"))}
		for _, association := range stack.all("AWS::EC2::SubnetRouteTableAssociation") {
			if ref(association.at("SubnetId")) != one.id {
				continue
			}
			if one.table != "" {
				t.Errorf("subnet %s has two route tables", one.id)
			}
			one.table = ref(association.at("RouteTableId"))
		}
		for _, route := range stack.all("AWS::EC2::Route") {
			if one.table != "" && ref(route.at("RouteTableId")) == one.table && route.at("DestinationCidrBlock") == "0.0.0.0/0" {
				if one.out != nil {
					t.Errorf("subnet %s has two default routes", one.id)
				}
				one.out = route.Properties
			}
		}
		for _, association := range stack.all("AWS::EC2::SubnetNetworkAclAssociation") {
			if ref(association.at("SubnetId")) != one.id {
				continue
			}
			if one.acl != "" {
				t.Errorf("subnet %s has two network ACLs", one.id)
			}
			one.acl = ref(association.at("NetworkAclId"))
		}
		// What makes a subnet public is its route to the internet gateway, not its name.
		gateway := ref(one.out["GatewayId"])
		one.public = gateway != "" && stack.Resources[gateway].Type == "AWS::EC2::InternetGateway"
		found = append(found, one)
	}
	sort.Slice(found, func(i, j int) bool {
		if found[i].public != found[j].public {
			return found[j].public
		}
		return found[i].zone < found[j].zone
	})
	if len(found) != 6 || found[2].public || !found[3].public {
		t.Fatalf("subnets %+v, want three private and three public ones", found)
	}
	return found
}

func TestNetworksSpanThreeZonesWithoutOverlap(t *testing.T) {
	for name, c := range map[string]struct {
		synthesis func() (*assembly, error)
		stack     string
		cidr      string
		subnets   []string // private, then public, in the order of the zones
	}{
		"production has the six subnets of 4,091 addresses": {shipped, "slipway-prod-network", "10.0.0.0/16",
			[]string{"10.0.0.0/20", "10.0.16.0/20", "10.0.32.0/20", "10.0.48.0/20", "10.0.64.0/20", "10.0.80.0/20"}},
		"development has the same in its own range": {shipped, "slipway-dev-network", "10.1.0.0/16",
			[]string{"10.1.0.0/20", "10.1.16.0/20", "10.1.32.0/20", "10.1.48.0/20", "10.1.64.0/20", "10.1.80.0/20"}},
		"QA has the same in its own range": {shipped, "slipway-qa-network", "10.2.0.0/16",
			[]string{"10.2.0.0/20", "10.2.16.0/20", "10.2.32.0/20", "10.2.48.0/20", "10.2.64.0/20", "10.2.80.0/20"}},
		"staging has the same in its own range": {shipped, "slipway-stage-network", "10.3.0.0/16",
			[]string{"10.3.0.0/20", "10.3.16.0/20", "10.3.32.0/20", "10.3.48.0/20", "10.3.64.0/20", "10.3.80.0/20"}},
		"subnets that the configuration lists are used as they are": {varied, "slipway-dev-network", "10.1.0.0/16",
			[]string{"10.1.128.0/19", "10.1.160.0/19", "10.1.192.0/24", "10.1.7.0/24", "10.1.8.0/25", "10.1.0.0/27"}},
		"a network of 256 addresses holds six subnets too": {varied, "slipway-stage-network", "10.3.0.0/24",
			[]string{"10.3.0.0/27", "10.3.0.32/27", "10.3.0.64/27", "10.3.0.96/27", "10.3.0.128/27", "10.3.0.160/27"}},
	} {
		t.Run(name, func(t *testing.T) {
			stack := must(t, c.synthesis).stack(t, c.stack)
			vpc := stack.one(t, "AWS::EC2::VPC")
			vpc.want(t, "CidrBlock", c.cidr)
			vpc.want(t, "EnableDnsHostnames", true) // private DNS of endpoints needs both
			vpc.want(t, "EnableDnsSupport", true)
			tables := map[string]string{}
			for i, one := range subnets(t, stack) {
				if one.cidr != c.subnets[i] {
					t.Errorf("subnet %s is %s, want %s", one.id, one.cidr, c.subnets[i])
				}
				if want := "eu-west-1" + string("abc"[i%3]); one.zone != want {
					t.Errorf("subnet %s is in %s, want %s", one.id, one.zone, want)
				}
				if other := tables[one.table]; other != "" || one.table == "" {
					t.Errorf("subnet %s shares its route table %q with %s", one.id, one.table, other)
				}
				tables[one.table] = one.id
			}
		})
	}
}

func TestPrivateSubnetsReachTheInternetThroughNATOnly(t *testing.T) {
	for name, c := range map[string]struct {
		synthesis           func() (*assembly, error)
		stack               string
		gateways, instances int
	}{
		"one gateway serves all zones":            {shipped, "slipway-qa-network", 1, 0},
		"staging has one gateway too":             {shipped, "slipway-stage-network", 1, 0},
		"production has a gateway in each zone":   {shipped, "slipway-prod-network", 3, 0},
		"another stage can have one in each zone": {varied, "slipway-dev-network", 3, 0},
		"an instance is the cheapest":             {shipped, "slipway-dev-network", 0, 1},
		"another stage can have an instance":      {varied, "slipway-qa-network", 0, 1},
		"a small network has its gateway":         {varied, "slipway-stage-network", 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			stack := must(t, c.synthesis).stack(t, c.stack)
			for kind, want := range map[string]int{"AWS::EC2::NatGateway": c.gateways, "AWS::EC2::EIP": c.gateways, "AWS::EC2::Instance": c.instances} {
				if got := len(stack.all(kind)); got != want {
					t.Errorf("%d of %s, want %d", got, kind, want)
				}
			}
			all := subnets(t, stack)
			zoneOf := map[string]string{} // of NAT gateways and instances
			for _, nat := range append(stack.all("AWS::EC2::NatGateway"), stack.all("AWS::EC2::Instance")...) {
				place := ref(nat.at("SubnetId"))
				if place == "" {
					place = ref(nat.at("NetworkInterfaces.0.SubnetId"))
				}
				in := slices.IndexFunc(all, func(s subnet) bool { return s.id == place })
				if in < 0 || !all[in].public {
					t.Fatalf("NAT %s is in %q, want a public subnet", nat.LogicalID, place)
				}
				zoneOf[nat.LogicalID] = all[in].zone
			}
			used := map[string]bool{}
			for _, one := range all[:3] {
				kind, id, _ := strings.Cut(one.target(), " ")
				if zoneOf[id] == "" || (kind == "NatGatewayId") != (c.gateways > 0) {
					t.Errorf("private subnet %s leads to %s, want a NAT", one.id, one.target())
				}
				if c.gateways == 3 && zoneOf[id] != one.zone {
					t.Errorf("private subnet %s in %s leads to a NAT in %s, whose failure would cut it off", one.id, one.zone, zoneOf[id])
				}
				used[id] = true
			}
			if len(used) != c.gateways+c.instances {
				t.Errorf("%d of %d NATs are used", len(used), c.gateways+c.instances)
			}
			attached := stack.one(t, "AWS::EC2::VPCGatewayAttachment")
			if ref(attached.at("InternetGatewayId")) != stack.one(t, "AWS::EC2::InternetGateway").LogicalID {
				t.Error("the internet gateway is not attached")
			}
		})
	}
}

func TestTheNATInstanceIsHardened(t *testing.T) {
	stack := shippedAssembly(t).stack(t, "slipway-dev-network")
	instance := stack.one(t, "AWS::EC2::Instance")
	instance.want(t, "SourceDestCheck", false) // it forwards what isn't addressed to it
	instance.want(t, "MetadataOptions.HttpTokens", "required")
	volumes := list(instance.at("BlockDeviceMappings"))
	if len(volumes) != 1 || at(volumes[0], "Ebs.Encrypted") != true {
		t.Errorf("volumes %s, want one, encrypted", text(volumes))
	}
	instance.want(t, "KeyName", nil) // nobody logs in
	// The default route's target must route: without the address it reaches nothing.
	if text(instance.at("NetworkInterfaces.0.AssociatePublicIpAddress")) != "true" && text(instance.at("AssociatePublicIpAddress")) != "true" {
		t.Errorf("the instance has no public address: %s", text(instance.at("NetworkInterfaces")))
	}
	image := stack.Parameters[ref(instance.at("ImageId"))]
	if kind := fmt.Sprint(image["Type"]); kind != "AWS::SSM::Parameter::Value<AWS::EC2::Image::Id>" || !strings.Contains(fmt.Sprint(image["Default"]), "arm64") {
		t.Errorf("image %v, want AWS's public parameter for arm64", image)
	}
	for _, group := range stack.all("AWS::EC2::SecurityGroup") {
		for _, rule := range list(group.at("SecurityGroupIngress")) {
			if at(rule, "CidrIp") != "10.1.0.0/16" {
				t.Errorf("group %s lets in %s, want the VPC only", group.LogicalID, text(rule))
			}
		}
	}
}

func TestFlowLogsRecordEverythingForAsLongAsTheStageSays(t *testing.T) {
	for stage, days := range map[string]int{"dev": 30, "qa": 30, "stage": 30, "prod": 365} {
		t.Run(stage, func(t *testing.T) {
			stack := shippedAssembly(t).stack(t, "slipway-"+stage+"-network")
			flow := stack.one(t, "AWS::EC2::FlowLog")
			flow.want(t, "TrafficType", "ALL")
			flow.want(t, "ResourceType", "VPC")
			if ref(flow.at("ResourceId")) != stack.one(t, "AWS::EC2::VPC").LogicalID {
				t.Errorf("flow log of %s, want the VPC", text(flow.at("ResourceId")))
			}
			group := stack.Resources[ref(flow.at("LogGroupName"))]
			group.want(t, "RetentionInDays", days)
			if stack.Resources[ref(group.at("KmsKeyId"))].Type != "AWS::KMS::Key" {
				t.Errorf("flow logs are encrypted with %s, want a key of the stage", text(group.at("KmsKeyId")))
			}
			role := stack.Resources[ref(flow.at("DeliverLogsPermissionArn"))]
			role.want(t, "AssumeRolePolicyDocument.Statement.0.Principal.Service", "vpc-flow-logs.amazonaws.com")
		})
	}
}

// packet is what a network ACL judges.
type packet struct {
	from     string
	protocol int // 6 TCP, 17 UDP, 1 ICMP
	port     int // for ICMP: the type, with code 4
	egress   bool
}

// allowed judges a packet as AWS documents it: the lowest rule number that matches decides, and nothing matching denies.
func allowed(t *testing.T, entries []resource, p packet) bool {
	t.Helper()
	for _, entry := range entries { // sorted by number
		network, err := netip.ParsePrefix(fmt.Sprint(entry.at("CidrBlock")))
		if err != nil {
			t.Fatal(err)
		}
		protocol := text(entry.at("Protocol"))
		matches := (entry.at("Egress") == true) == p.egress && network.Contains(netip.MustParseAddr(p.from)) &&
			(protocol == "-1" || protocol == fmt.Sprint(p.protocol))
		if from, ok := entry.at("PortRange.From").(float64); ok && protocol != "-1" {
			matches = matches && int(from) <= p.port && p.port <= int(entry.at("PortRange.To").(float64))
		}
		if kind := entry.at("Icmp.Type"); kind != nil && protocol != "-1" {
			matches = matches && text(kind) == fmt.Sprint(p.port)
		}
		if matches {
			return entry.at("RuleAction") == "allow"
		}
	}
	return false
}

func TestNetworkACLsAreASecondFence(t *testing.T) {
	const internet = "198.51.100.7"
	inside := map[string]string{"dev": "10.1.20.9", "qa": "10.2.20.9", "stage": "10.3.20.9", "prod": "10.0.20.9"}
	for _, stage := range stageNames {
		stack := shippedAssembly(t).stack(t, "slipway-"+stage+"-network")
		entries := map[string][]resource{} // by ACL
		for _, entry := range stack.all("AWS::EC2::NetworkAclEntry") {
			acl := ref(entry.at("NetworkAclId"))
			entries[acl] = append(entries[acl], entry)
		}
		tier := map[string]bool{} // public or not, by ACL
		for _, one := range subnets(t, stack) {
			if one.acl == "" {
				t.Errorf("%s: subnet %s has the default ACL, which allows everything", stage, one.id)
			}
			if public, seen := tier[one.acl]; seen && public != one.public {
				t.Errorf("%s: private and public subnets share an ACL", stage)
			}
			tier[one.acl] = one.public
		}
		for acl, public := range tier {
			rules := entries[acl]
			number := func(r resource) int { n, _ := r.at("RuleNumber").(float64); return int(n) }
			sort.Slice(rules, func(i, j int) bool { return number(rules[i]) < number(rules[j]) })
			count := map[string]int{}
			for _, rule := range rules {
				count[fmt.Sprint("egress ", rule.at("Egress"))]++
				count[fmt.Sprint("number ", number(rule), " egress ", rule.at("Egress"))]++
				if number(rule) < 1 || number(rule) > 32766 {
					t.Errorf("%s: rule %s has the number %d, AWS takes 1 to 32766", stage, rule.LogicalID, number(rule))
				}
			}
			for what, n := range count {
				if strings.HasPrefix(what, "number") && n > 1 {
					t.Errorf("%s: %s: %s stands %d times", stage, acl, what, n)
				}
				if n > 20 { // the quota that an account begins with
					t.Errorf("%s: %s: %d rules with %s, AWS takes 20", stage, acl, n, what)
				}
			}
			for name, c := range map[string]struct {
				packet
				private, public bool
			}{
				"SSH from the internet is refused":                     {packet{internet, 6, 22, false}, false, false},
				"remote desktop from the internet is refused":          {packet{internet, 6, 3389, false}, false, false},
				"mail from the internet is refused":                    {packet{internet, 6, 25, false}, false, false},
				"HTTP from the internet reaches public subnets only":   {packet{internet, 6, 80, false}, false, true},
				"HTTPS from the internet reaches public subnets only":  {packet{internet, 6, 443, false}, false, true},
				"the lowest port of answers to a NAT gateway comes in": {packet{internet, 6, 1024, false}, true, true},
				"the highest port of answers comes in":                 {packet{internet, 6, 65535, false}, true, true},
				"answers over UDP come in":                             {packet{internet, 17, 40000, false}, true, true},
				"the hint that a packet was too large comes in":        {packet{internet, 1, 3, false}, true, true},
				"the load balancer reaches the tasks":                  {packet{inside[stage], 6, 8080, false}, true, true},
				"tasks reach the database":                             {packet{inside[stage], 6, 5432, false}, true, true},
				"tasks reach endpoints and the NAT":                    {packet{inside[stage], 6, 443, false}, true, true},
				"tasks and NAT reach the internet":                     {packet{internet, 6, 443, true}, true, true},
				"the load balancer's answers reach any client's port":  {packet{internet, 6, 1025, true}, true, true},
				"an address of another stage counts as from outside":   {packet{"10.9.0.1", 6, 22, false}, false, false},
			} {
				want := c.private
				if public {
					want = c.public
				}
				if got := allowed(t, rules, c.packet); got != want {
					t.Errorf("%s, public %v: %s: allowed %v", stage, public, name, got)
				}
			}
		}
	}
}

func TestEndpointsAreThoseOfTheConfiguration(t *testing.T) {
	ecr := []string{"com.amazonaws.eu-west-1.ecr.api", "com.amazonaws.eu-west-1.ecr.dkr"} // a pull needs both
	logs, secrets := "com.amazonaws.eu-west-1.logs", "com.amazonaws.eu-west-1.secretsmanager"
	for name, c := range map[string]struct {
		synthesis func() (*assembly, error)
		stack     string
		cidr      string
		want      []string
	}{
		"production lists all three":   {shipped, "slipway-prod-network", "10.0.0.0/16", append(slices.Clone(ecr), logs, secrets)},
		"a stage without any":          {shipped, "slipway-qa-network", "10.2.0.0/16", nil},
		"ECR alone":                    {varied, "slipway-stage-network", "10.3.0.0/24", ecr},
		"logs alone":                   {varied, "slipway-dev-network", "10.1.0.0/16", []string{logs}},
		"secrets alone":                {varied, "slipway-qa-network", "10.2.0.0/16", []string{secrets}},
		"production can do without it": {varied, "slipway-prod-network", "10.0.0.0/16", nil},
	} {
		t.Run(name, func(t *testing.T) {
			stack := must(t, c.synthesis).stack(t, c.stack)
			all := subnets(t, stack)
			var got []string
			gateways := 0
			for _, endpoint := range stack.all("AWS::EC2::VPCEndpoint") {
				if endpoint.at("VpcEndpointType") == "Gateway" {
					gateways++
					if !strings.Contains(text(endpoint.at("ServiceName")), ".s3") {
						t.Errorf("gateway endpoint of %s, want S3", text(endpoint.at("ServiceName")))
					}
					tables := list(endpoint.at("RouteTableIds"))
					for _, private := range all[:3] {
						if !slices.ContainsFunc(tables, func(table any) bool { return ref(table) == private.table }) {
							t.Errorf("private subnet %s reaches S3 through NAT", private.id)
						}
					}
					continue
				}
				got = append(got, fmt.Sprint(endpoint.at("ServiceName")))
				endpoint.want(t, "VpcEndpointType", "Interface")
				endpoint.want(t, "PrivateDnsEnabled", true)
				if in := list(endpoint.at("SubnetIds")); len(in) != 3 || ref(in[0]) != all[0].id || ref(in[1]) != all[1].id || ref(in[2]) != all[2].id {
					t.Errorf("endpoint %s is in %s, want the private subnets", endpoint.LogicalID, text(in))
				}
				groups := list(endpoint.at("SecurityGroupIds"))
				if len(groups) != 1 {
					t.Fatalf("endpoint %s has %d groups", endpoint.LogicalID, len(groups))
				}
				ingress := list(stack.Resources[ref(groups[0])].at("SecurityGroupIngress"))
				if len(ingress) != 1 || at(ingress[0], "CidrIp") != c.cidr || at(ingress[0], "IpProtocol") != "tcp" ||
					text(at(ingress[0], "FromPort")) != "443" || text(at(ingress[0], "ToPort")) != "443" {
					t.Errorf("endpoint %s lets in %s, want port 443 from %s", endpoint.LogicalID, text(ingress), c.cidr)
				}
			}
			slices.Sort(got)
			if !slices.Equal(got, c.want) {
				t.Errorf("interface endpoints %v, want %v", got, c.want)
			}
			if gateways != 1 {
				t.Errorf("%d gateway endpoints, want S3's", gateways)
			}
		})
	}
}

// TestTheS3EndpointReachesNoOtherAccount: with the default policy, a task could carry data off to anybody's bucket.
func TestTheS3EndpointReachesNoOtherAccount(t *testing.T) {
	for stack, account := range map[string]string{"slipway-dev-network": "222222222222", "slipway-prod-network": "333333333333"} {
		for _, endpoint := range must(t, several).stack(t, stack).all("AWS::EC2::VPCEndpoint") {
			if endpoint.at("VpcEndpointType") != "Gateway" {
				continue
			}
			for _, statement := range list(endpoint.at("PolicyDocument.Statement")) {
				layers := text(at(statement, "Resource")) == `"arn:aws:s3:::prod-eu-west-1-starport-layer-bucket/*"` && at(statement, "Action") == "s3:GetObject"
				if !layers && at(statement, "Condition.StringEquals.aws:ResourceAccount") != account {
					t.Errorf("%s: the endpoint allows %s", stack, text(statement))
				}
			}
		}
	}
}

// TestTheApplicationsGroupLetsNobodyInByItself: rules written into the group belong to the network's stack, and a front
// could then be neither added nor removed without it.
func TestTheApplicationsGroupLetsNobodyInByItself(t *testing.T) {
	for _, stage := range stageNames {
		stack := shippedAssembly(t).stack(t, "slipway-"+stage+"-network")
		found := 0
		for _, group := range stack.all("AWS::EC2::SecurityGroup") {
			if !strings.Contains(fmt.Sprint(group.at("GroupDescription")), "application") {
				continue
			}
			found++
			if group.at("SecurityGroupIngress") != nil {
				t.Errorf("%s: the application's group lets in %s", stage, text(group.at("SecurityGroupIngress")))
			}
			for _, rule := range list(group.at("SecurityGroupEgress")) {
				if at(rule, "CidrIp") == "0.0.0.0/0" && text(at(rule, "FromPort")) != "443" {
					t.Errorf("%s: the application reaches the internet by %s, want HTTPS only", stage, text(rule))
				}
			}
		}
		if found != 1 || len(stack.all("AWS::EC2::SecurityGroupIngress")) != 0 {
			t.Errorf("%s: %d groups of the application, and rules beside it: %d", stage, found, len(stack.all("AWS::EC2::SecurityGroupIngress")))
		}
	}
}
