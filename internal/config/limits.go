package config

import (
	"slices"
	"strconv"
)

// Limits of AWS. Each list is that of the service's documentation.

// regions are those of the aws partition. China, GovCloud and the sovereign clouds are partitions of their own, with
// other ARNs and domain suffixes.
var regions = []string{
	"af-south-1",
	"ap-east-1", "ap-east-2",
	"ap-northeast-1", "ap-northeast-2", "ap-northeast-3",
	"ap-south-1", "ap-south-2",
	"ap-southeast-1", "ap-southeast-2", "ap-southeast-3", "ap-southeast-4", "ap-southeast-5", "ap-southeast-6", "ap-southeast-7",
	"ca-central-1", "ca-west-1",
	"eu-central-1", "eu-central-2",
	"eu-north-1",
	"eu-south-1", "eu-south-2",
	"eu-west-1", "eu-west-2", "eu-west-3",
	"il-central-1",
	"me-central-1", "me-south-1",
	"mx-central-1",
	"sa-east-1",
	"us-east-1", "us-east-2",
	"us-west-1", "us-west-2",
}

const zoneCount = 3

// defaultZones are the Region's first three zones. Two Regions have a gap in their letters; us-west-1 shows each
// account only two zones.
func defaultZones(region string) []string {
	letters := "abc"
	switch region {
	case "ap-northeast-1":
		letters = "acd"
	case "ca-central-1":
		letters = "abd"
	}
	zones := make([]string, zoneCount)
	for i := range zones {
		zones[i] = region + letters[i:i+1]
	}
	return zones
}

// logRetention is what CloudWatch Logs takes as retentionInDays.
var logRetention = []int{
	1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
}

// fargateMemory is the memory that Fargate offers for each number of CPU units, in MiB.
var fargateMemory = map[int][]int{
	256:   {512, 1024, 2048},
	512:   steps(1024, 4096, 1024),
	1024:  steps(2048, 8192, 1024),
	2048:  steps(4096, 16384, 1024),
	4096:  steps(8192, 30720, 1024),
	8192:  steps(16384, 61440, 4096),
	16384: steps(32768, 122880, 8192),
}

func steps(first, last, step int) []int {
	var s []int
	for n := first; n <= last; n += step {
		s = append(s, n)
	}
	return s
}

// engineMajors are the PostgreSQL major versions of RDS that Slipway supports.
var engineMajors = []string{"14", "15", "16", "17", "18"}

// Limits of networks: a VPC is at most a /16 in AWS, and at least a /24 here; a load balancer's subnet is at least a
// /27, any subnet at least a /28.
const (
	minVPCBits     = 16
	maxVPCBits     = 24
	maxPublicBits  = 27
	maxPrivateBits = 28
)

// Limits of the database.
const (
	minStorageGiB           = 20 // of gp3
	maxStorageGiB           = 65536
	maxBackupDays           = 35
	minProductionBackupDays = 30
	maxRotationDays         = 1000 // Secrets Manager's limit
)

// Other limits.
const (
	minInfrequentDays = 30   // S3 moves nothing younger to Standard-IA
	minArchiveGap     = 30   // S3's minimum stay in Standard-IA
	maxTasks          = 5000 // ECS's quota for one service
	minTargetCPU      = 10
	maxTargetCPU      = 90
	maxCertificate    = 64 // characters of the first name of an ACM certificate
)

// numbers writes a list of numbers as "1, 3 or 5".
func numbers(n []int) string {
	names := make([]string, len(n))
	for i, v := range n {
		names[i] = strconv.Itoa(v)
	}
	return join(names)
}

// sortedKeys are the keys of a table in order.
func sortedKeys(m map[int][]int) []int {
	keys := make([]int, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
