package diffreport

import (
	"encoding/json"
	"fmt"
	"sort"
	"strconv"
	"strings"
)

// Prices in USD, of eu-west-1 on demand, from AWS's public price pages as known in November 2026; 730 hours a month. They
// tell whether a change costs ten or a thousand a month, not what the bill says: traffic, requests and tax aren't in.
//
// https://aws.amazon.com/vpc/pricing/, /fargate/pricing/, /rds/postgresql/pricing/, /elasticloadbalancing/pricing/, /kms/pricing/,
// /secrets-manager/pricing/, /cloudwatch/pricing/, /waf/pricing/, /ec2/pricing/on-demand/
const (
	hours = 730

	natGateway      = 0.048 * hours
	publicAddress   = 0.005 * hours
	endpoint        = 0.011 * hours // in one zone
	loadBalancer    = 0.0252 * hours
	vcpu            = 0.04048 * hours
	memoryGiB       = 0.004445 * hours
	key             = 1.0
	secret          = 0.40
	alarm           = 0.10
	dashboard       = 3.0
	webACL          = 5.0
	webACLRule      = 1.0
	databaseGiB     = 0.127 // gp3, one zone
	hostedZone      = 0.50
	spotShare       = 0.3 // of Fargate's price on demand
	defaultTasks    = 1
	mebibytesPerGiB = 1024
)

// databases and instances are hourly prices in one zone; a class that isn't here is said to have no price.
var (
	databases = map[string]float64{
		"db.t4g.micro": 0.017, "db.t4g.small": 0.035, "db.t4g.medium": 0.07, "db.t4g.large": 0.14,
		"db.m7g.large": 0.186, "db.m7g.xlarge": 0.371, "db.r7g.large": 0.265, "db.r7g.xlarge": 0.53,
	}
	instances = map[string]float64{"t4g.nano": 0.0046, "t4g.micro": 0.0092, "t4g.small": 0.0184, "t3.nano": 0.0057, "t3.micro": 0.0114}
)

// bill is what the templates cost a month by resource type, and what has no price here.
type bill struct {
	by      map[string]float64
	unknown []string
}

// monthly adds up what is billed by time. Everything else costs by use.
func monthly(templates map[string]Template) bill {
	b := bill{by: map[string]float64{}}
	for _, stack := range names(templates, nil) {
		t := templates[stack]
		for _, id := range names(t.Resources, nil) {
			r := t.Resources[id]
			price, known := cost(t, id, r)
			if !known {
				b.unknown = append(b.unknown, fmt.Sprintf("%s/%s (%s)", stack, id, r.Type))
			}
			b.by[r.Type] += price
		}
	}
	return b
}

func cost(t Template, id string, r Resource) (price float64, known bool) {
	p := r.Properties
	switch r.Type {
	case "AWS::EC2::NatGateway":
		return natGateway, true
	case "AWS::EC2::EIP":
		return publicAddress, true
	case "AWS::EC2::VPCEndpoint":
		if p["VpcEndpointType"] == "Interface" {
			return endpoint * float64(max(1, len(listed(p["SubnetIds"])))), true
		}
	case "AWS::EC2::Instance":
		price, known = instances[fmt.Sprint(p["InstanceType"])]
		return price * hours, known
	case "AWS::ElasticLoadBalancingV2::LoadBalancer":
		return loadBalancer + publicAddress*float64(len(listed(p["Subnets"]))), true
	case "AWS::RDS::DBInstance":
		price, known = databases[fmt.Sprint(p["DBInstanceClass"])]
		price = price*hours + number(p["AllocatedStorage"])*databaseGiB
		if p["MultiAZ"] == true {
			price *= 2
		}
		return price, known
	case "AWS::ECS::Service":
		return service(t, id, p)
	case "AWS::KMS::Key":
		return key, true
	case "AWS::SecretsManager::Secret":
		return secret, true
	case "AWS::CloudWatch::Alarm":
		return alarm * float64(max(1, len(listed(p["Metrics"])))), true
	case "AWS::CloudWatch::Dashboard":
		return dashboard, true
	case "AWS::WAFv2::WebACL":
		return webACL + webACLRule*float64(len(listed(p["Rules"]))), true
	case "AWS::Route53::HostedZone":
		return hostedZone, true
	}
	return 0, true
}

// service is the least that runs: the least number of its scalable target, or what it is made with, times the size of its
// task definition.
func service(t Template, id string, p map[string]any) (float64, bool) {
	tasks := number(p["DesiredCount"])
	for _, name := range names(t.Resources, nil) {
		if r := t.Resources[name]; r.Type == "AWS::ApplicationAutoScaling::ScalableTarget" && strings.Contains(compact(r.Properties["ResourceId"]), id) {
			tasks = number(r.Properties["MinCapacity"])
		}
	}
	if tasks == 0 {
		tasks = defaultTasks
	}
	// There is one task definition in a service's stack, whether the service names it by reference or by family.
	for _, name := range names(t.Resources, nil) {
		if r := t.Resources[name]; r.Type == "AWS::ECS::TaskDefinition" {
			price := number(r.Properties["Cpu"])/mebibytesPerGiB*vcpu + number(r.Properties["Memory"])/mebibytesPerGiB*memoryGiB
			if strings.Contains(compact(p["CapacityProviderStrategy"]), "FARGATE_SPOT") {
				price *= spotShare
			}
			return price * tasks, true
		}
	}
	return 0, false
}

func number(v any) float64 {
	switch v := v.(type) {
	case float64:
		return v
	case json.Number:
		n, _ := v.Float64()
		return n
	case string:
		n, _ := strconv.ParseFloat(v, 64)
		return n
	}
	return 0
}

// costChange is a line of the report.
type costChange struct {
	what          string
	before, after float64
}

// costChanges are the types whose cost changes, the largest difference first, and the sums.
func costChanges(before, after bill) (changes []costChange, sum costChange) {
	for _, kind := range names(before.by, after.by) {
		a, b := before.by[kind], after.by[kind]
		sum.before, sum.after = sum.before+a, sum.after+b
		if diff := b - a; diff > 0.005 || diff < -0.005 {
			changes = append(changes, costChange{kind, a, b})
		}
	}
	size := func(c costChange) float64 { return max(c.after-c.before, c.before-c.after) }
	sort.SliceStable(changes, func(i, j int) bool { return size(changes[i]) > size(changes[j]) })
	return changes, sum
}
