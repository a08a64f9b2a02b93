// Package prices is the one table of AWS's prices. The list of QA environments and `slipway diff-report` reckon with it, and
// tests hold the figures of the documents against it.
package prices

// AsOf is when the table was put together: list prices in USD of eu-west-1, on demand, as known then from AWS's public price
// pages. They tell whether something costs ten or a thousand a month, not what the bill says: traffic, requests and tax
// aren't in.
//
// https://aws.amazon.com/vpc/pricing/, /ec2/pricing/on-demand/, /ebs/pricing/, /fargate/pricing/, /rds/postgresql/pricing/,
// /elasticloadbalancing/pricing/, /kms/pricing/, /secrets-manager/pricing/, /cloudwatch/pricing/, /waf/pricing/, /route53/pricing/
const AsOf = "November 2026"

// Hours are those of a month, as AWS's own calculator takes them.
const Hours = 730

// By the hour.
const (
	NATGateway    = 0.048
	PublicAddress = 0.005
	Endpoint      = 0.011 // an interface endpoint in one zone
	LoadBalancer  = 0.0252
	VCPU          = 0.04048 // Fargate, Linux on x86
	MemoryGiB     = 0.004445
)

// By the month.
const (
	Key                = 1.0
	Secret             = 0.40
	Alarm              = 0.10 // each metric in it
	Dashboard          = 3.0
	WebACL             = 5.0
	WebACLRule         = 1.0
	DatabaseGiB        = 0.127 // gp3, one zone
	VolumeGiB          = 0.088 // gp3
	DetailedMonitoring = 7 * 0.30
	HostedZone         = 0.50
)

// SpotShare is what Fargate Spot costs at least, of the price on demand; it changes.
const SpotShare = 0.3

// Databases and Instances are hourly prices in one zone. A class that isn't here has no price.
var (
	Databases = map[string]float64{
		"db.t4g.micro": 0.017, "db.t4g.small": 0.035, "db.t4g.medium": 0.07, "db.t4g.large": 0.14,
		"db.m7g.large": 0.186, "db.m7g.xlarge": 0.371, "db.r7g.large": 0.265, "db.r7g.xlarge": 0.53,
	}
	Instances = map[string]float64{"t4g.nano": 0.0046, "t4g.micro": 0.0092, "t4g.small": 0.0184, "t3.nano": 0.0057, "t3.micro": 0.0114}
)

// Task is the hourly price of a task of a size as ECS has it: 1024 CPU units are one vCPU.
func Task(cpuUnits, memoryMiB float64) float64 {
	return cpuUnits/1024*VCPU + memoryMiB/1024*MemoryGiB
}
