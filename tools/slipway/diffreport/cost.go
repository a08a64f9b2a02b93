package diffreport

import (
	"encoding/json"
	"fmt"
	"sort"
	"strconv"
	"strings"

	"slipway/internal/prices"
)

// defaultTasks run where a service doesn't say how many.
const defaultTasks = 1

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
		return prices.NATGateway * prices.Hours, true
	case "AWS::EC2::EIP":
		return prices.PublicAddress * prices.Hours, true
	case "AWS::EC2::VPCEndpoint":
		if p["VpcEndpointType"] == "Interface" {
			return prices.Endpoint * prices.Hours * float64(max(1, len(listed(p["SubnetIds"])))), true
		}
	case "AWS::EC2::Instance":
		return instance(p)
	case "AWS::ElasticLoadBalancingV2::LoadBalancer":
		return (prices.LoadBalancer + prices.PublicAddress*float64(len(listed(p["Subnets"])))) * prices.Hours, true
	case "AWS::RDS::DBInstance":
		price, known = prices.Databases[fmt.Sprint(p["DBInstanceClass"])]
		price = price*prices.Hours + storage(t, p)*prices.DatabaseGiB
		if p["MultiAZ"] == true {
			price *= 2
		}
		return price, known
	case "AWS::ECS::Service":
		return service(t, id, p)
	case "AWS::KMS::Key":
		return prices.Key, true
	case "AWS::SecretsManager::Secret":
		return prices.Secret, true
	case "AWS::CloudWatch::Alarm":
		return prices.Alarm * float64(max(1, len(listed(p["Metrics"])))), true
	case "AWS::CloudWatch::Dashboard":
		return prices.Dashboard, true
	case "AWS::WAFv2::WebACL":
		return prices.WebACL + prices.WebACLRule*float64(len(listed(p["Rules"]))), true
	case "AWS::Route53::HostedZone":
		return prices.HostedZone, true
	}
	return 0, true
}

// instance is one of EC2's with its volumes, its public address and its detailed monitoring.
func instance(p map[string]any) (price float64, known bool) {
	price, known = prices.Instances[fmt.Sprint(p["InstanceType"])]
	for _, n := range listed(p["NetworkInterfaces"]) {
		if n, ok := n.(map[string]any); ok && n["AssociatePublicIpAddress"] == true {
			price += prices.PublicAddress
		}
	}
	price *= prices.Hours
	for _, device := range listed(p["BlockDeviceMappings"]) {
		if device, ok := device.(map[string]any); ok {
			volume, _ := device["Ebs"].(map[string]any)
			price += number(volume["VolumeSize"]) * prices.VolumeGiB
		}
	}
	if p["Monitoring"] == true {
		price += prices.DetailedMonitoring
	}
	return price, known
}

// storage is a database's in GiB; a replica has that of its source, if it is in the same template.
func storage(t Template, p map[string]any) float64 {
	if source := p["SourceDBInstanceIdentifier"]; source != nil {
		for id, r := range t.Resources {
			if r.Type == "AWS::RDS::DBInstance" && strings.Contains(compact(source), `"`+id+`"`) {
				return number(r.Properties["AllocatedStorage"])
			}
		}
	}
	return number(p["AllocatedStorage"])
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
			price := prices.Task(number(r.Properties["Cpu"]), number(r.Properties["Memory"])) * prices.Hours
			if strings.Contains(compact(p["CapacityProviderStrategy"]), "FARGATE_SPOT") {
				price *= prices.SpotShare
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
