// Package config holds the one typed description of the platform: platform.yaml, strictly decoded and validated, and
// the request of one synthesis (branch, image, lease), read from the CDK context. Nothing else in Slipway reads
// configuration.
package config

import (
	"net/netip"
	"time"
)

// Config is a validated platform.yaml with every default filled in.
type Config struct {
	// Platform prefixes every stack and physical name. 2–16 of a-z, 0-9 and single hyphens, a letter first; it doesn't
	// begin with aws or ssm and doesn't hold -qa-env; default "slipway".
	Platform string `yaml:"platform"`
	// Region is the AWS Region of every stack: one of the aws partition with three zones for each account.
	Region string `yaml:"region"`
	// Zones are the three Availability Zones of the Region that every VPC spans; default a, b and c, or what the Region
	// has instead of one of them.
	Zones []string `yaml:"zones"`
	// Domain is the DNS name of the root hosted zone, in lower case, at most 51 characters: app.<stage>.<domain> must fit a
	// certificate.
	Domain string `yaml:"domain"`
	// Accounts maps a name to a 12-digit AWS account ID, in quotes. Several names may share one ID.
	Accounts map[string]string `yaml:"accounts"`
	// Registry describes the image repository, which all stages share.
	Registry Registry `yaml:"registry"`
	// GitHub is the repository whose workflows deploy; default none.
	GitHub GitHub `yaml:"github"`
	// DNS says which account holds the root zone.
	DNS DNS `yaml:"dns"`
	// Notifications are the e-mail addresses subscribed to the operations topics; default none.
	Notifications []string `yaml:"notifications"`
	// Pipeline is the CDK pipeline; default none.
	Pipeline Pipeline `yaml:"pipeline"`
	// Stages in deployment order.
	Stages []Stage `yaml:"stages"`
	// QA governs the QA environments.
	QA QA `yaml:"qa"`
	// Security is the baseline of every account.
	Security Security `yaml:"security"`
	// Response is what is done about findings.
	Response Response `yaml:"response"`

	// LambdaArchitecture is "arm64", or the host's ("arm64" or "x86_64") in the local profile. Not read from the file.
	LambdaArchitecture string `yaml:"-"`
	// Local is true in the local profile. Not read from the file.
	Local bool `yaml:"-"`
}

// Registry is the ECR repository.
type Registry struct {
	// Account is a key of Config.Accounts.
	Account string `yaml:"account"`
	// Repository is the ECR repository name; default simple-flask-app.
	Repository string `yaml:"repository"`
	// KeepImages is how many tagged images the lifecycle policy keeps, 1–10000; default 200.
	KeepImages int `yaml:"keepImages"`
	// UntaggedDays is when untagged images expire, 1–3650; default 7.
	UntaggedDays int `yaml:"untaggedDays"`
	// Scan says which images may not be deployed.
	Scan Scan `yaml:"scan"`
}

// DNS is the root hosted zone. A stage in another account gets a delegated zone of its own: app.<domain> in
// production, qa.<domain> for the QA stage, <stage>.<domain> for any other.
type DNS struct {
	// Account is a key of Config.Accounts.
	Account string `yaml:"account"`
}

// Stage is one environment: its network, data, cluster and service.
type Stage struct {
	// Name is 2–8 characters, [a-z][a-z0-9]*, and not app.
	Name string `yaml:"name"`
	// Account is a key of Config.Accounts.
	Account string `yaml:"account"`
	// Production names this stage's service app.<domain> (others app.<stage>.<domain>). At most one stage.
	Production bool `yaml:"production"`
	// Retain keeps data, keys, logs and images when a stack is deleted, and protects stacks and database from deletion.
	Retain bool `yaml:"retain"`

	Network   Network   `yaml:"network"`
	Artifacts Artifacts `yaml:"artifacts"`
	Database  Database  `yaml:"database"`
	Service   Service   `yaml:"service"`
	Scaling   Scaling   `yaml:"scaling"`
	WAF       WAF       `yaml:"waf"`
	Alarms    Alarms    `yaml:"alarms"`
	Tracing   Tracing   `yaml:"tracing"`
	// Deployment is how a new version reaches the users.
	Deployment Deployment `yaml:"deployment"`
	// LogDays is the retention of the stage's log groups, a value that CloudWatch Logs knows; default 30.
	LogDays int `yaml:"logDays"`
}

// NATMode is how private subnets reach the internet.
type NATMode string

// The NAT modes, cheapest last.
const (
	NATPerZone  NATMode = "per-zone" // a NAT gateway in each zone
	NATOne      NATMode = "one"      // one NAT gateway
	NATInstance NATMode = "instance" // one small EC2 instance
)

// Network is a stage's VPC.
type Network struct {
	// CIDR is the VPC's range, /16 to /24 in 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16, on its boundary; ranges of two
	// stages never overlap.
	CIDR netip.Prefix `yaml:"cidr"`
	// PrivateSubnets, one per zone, /28 at least; default: the first three sixteenths of the range (/20 of a /16; eighths
	// of a /24) that the public ones leave free.
	PrivateSubnets []netip.Prefix `yaml:"privateSubnets"`
	// PublicSubnets, one per zone, /27 at least; default: the next three blocks.
	PublicSubnets []netip.Prefix `yaml:"publicSubnets"`
	// NAT is the NAT mode; default one.
	NAT NATMode `yaml:"nat"`
	// InterfaceEndpoints is a subset of ecr, logs, secretsmanager. S3's gateway endpoint is always there; default none.
	InterfaceEndpoints []string `yaml:"interfaceEndpoints"`
}

// Artifacts is the artifacts bucket.
type Artifacts struct {
	// InfrequentAfterDays moves objects to S3 Standard-IA; at least 30 (S3's minimum); default 30.
	InfrequentAfterDays int `yaml:"infrequentAfterDays"`
	// ArchiveAfterDays moves objects to Glacier Instant Retrieval; at least 30 days later; default 90.
	ArchiveAfterDays int `yaml:"archiveAfterDays"`
	// NoncurrentDays expires replaced and deleted versions; default 90.
	NoncurrentDays int `yaml:"noncurrentDays"`
	// ReplicaBucketARN and ReplicaKeyARN name an existing versioned bucket in another Region, and the KMS key there; both or neither.
	ReplicaBucketARN string `yaml:"replicaBucketArn"`
	ReplicaKeyARN    string `yaml:"replicaKeyArn"`
}

// Database is a stage's RDS for PostgreSQL instance.
type Database struct {
	// EngineMajor is the PostgreSQL major version in quotes, 14–18, the only part that is pinned; default "17".
	EngineMajor string `yaml:"engineMajor"`
	// InstanceClass without the "db." prefix; default t4g.micro.
	InstanceClass string `yaml:"instanceClass"`
	// StorageGiB is 20–65536; default 20. MaxStorageGiB lets RDS grow it and is at least a tenth more; default 100.
	StorageGiB    int `yaml:"storageGiB"`
	MaxStorageGiB int `yaml:"maxStorageGiB"`
	// MultiAZ keeps a standby in another zone.
	MultiAZ bool `yaml:"multiAz"`
	// BackupDays is 1–35 (RDS's maximum), at least 30 in production; default 7, in production 35.
	BackupDays int `yaml:"backupDays"`
	// ReadReplica adds one.
	ReadReplica bool `yaml:"readReplica"`
	// RotationDays is how often the master password is rotated, 1–1000; default 30.
	RotationDays int `yaml:"rotationDays"`
}

// Service is the Fargate service of a stage, and the size of QA environments in the QA stage.
type Service struct {
	// CPU units and MemoryMiB form a pair that Fargate offers; default 512 and 1024.
	CPU       int `yaml:"cpu"`
	MemoryMiB int `yaml:"memoryMiB"`
	// MinTasks and MaxTasks bound autoscaling, 1–5000, in production 2–5000; default 1 and 4, in production 2 and 8.
	MinTasks int `yaml:"minTasks"`
	MaxTasks int `yaml:"maxTasks"`
	// TargetCPUPercent is what autoscaling aims for, 10–90; default 60.
	TargetCPUPercent int `yaml:"targetCpuPercent"`
}

// Scaling is what autoscaling follows besides the CPU.
type Scaling struct {
	// RequestsPerTarget is how many requests a minute one task should get, 1–1000000; default 0, which doesn't count requests.
	RequestsPerTarget int `yaml:"requestsPerTarget"`
	// Schedules change the least number of tasks at certain times; default none.
	Schedules []ScheduledMinimum `yaml:"schedules"`
}

// ScheduledMinimum sets the least number of tasks at a time of day. It holds until the next one.
type ScheduledMinimum struct {
	// Schedule is a cron(…) expression with EventBridge's six fields.
	Schedule string `yaml:"schedule"`
	// TimeZone is an IANA name such as Europe/Dublin; default UTC.
	TimeZone string `yaml:"timeZone"`
	// MinTasks is 1, in production 2, to the service's maxTasks.
	MinTasks int `yaml:"minTasks"`
}

// WAFMode is what the web ACL's rules do with a request that they match.
type WAFMode string

// The modes of the web ACL.
const (
	WAFBlock WAFMode = "block" // refuse it
	WAFCount WAFMode = "count" // only count and log it
)

// WAF is the web ACL of the stage's load balancer.
type WAF struct {
	// Mode is block or count; default block. Addresses that are known to attack, and those outside qa.allowedCidrs, are
	// refused in both.
	Mode WAFMode `yaml:"mode"`
	// RateLimit is the number of requests that one address may make in five minutes, 10–2000000000; default 2000.
	RateLimit int `yaml:"rateLimit"`
	// UploadPaths take bodies over 8 KB, and so does everything below them; at most 5; default /artifacts and /api/artifacts.
	UploadPaths []string `yaml:"uploadPaths"`
}

// Alarms are the thresholds at which the operations topic hears of it.
type Alarms struct {
	// CPUPercent and MemoryPercent of the service's tasks on average, 1–100; default 85.
	CPUPercent    int `yaml:"cpuPercent"`
	MemoryPercent int `yaml:"memoryPercent"`
	// LatencyMillis is the response time that one in a hundred requests exceeds, 1–60000; default 2000.
	LatencyMillis int `yaml:"latencyMillis"`
	// ErrorPercent of the requests answered with 5xx, 1–100; default 5. Fewer requests than MinRequests in five minutes
	// say nothing, 1–1000000; default 20.
	ErrorPercent int `yaml:"errorPercent"`
	MinRequests  int `yaml:"minRequests"`
	// DatabaseCPUPercent is 1–100; default 80.
	DatabaseCPUPercent int `yaml:"databaseCpuPercent"`
	// DatabaseFreePercent of storageGiB that must stay free, 1–50; default 10, below which RDS should have added storage.
	DatabaseFreePercent int `yaml:"databaseFreePercent"`
	// DatabaseConnections is 1–262143; default 70 % of what the memory of the instance class gives, which must be set where
	// Slipway doesn't know the class.
	DatabaseConnections int `yaml:"databaseConnections"`
	// ReplicaLagSeconds is how far the read replica may stay behind, 1–86400; default 60.
	ReplicaLagSeconds int `yaml:"replicaLagSeconds"`
}

// QA governs the QA environments and their cleanup.
type QA struct {
	// Stage is the name of the stage that hosts the environments; default qa. Another name than qa works only while no stage
	// has that one, and in the account of the root zone: the environments answer at <slug>.qa.<domain>.
	Stage string `yaml:"stage"`
	// DefaultTTL and MaxTTL bound a lease; MaxLifetime counts from the service's creation and no renewal passes it.
	// Whole minutes, each at most the next; defaults 48h, 168h and 720h.
	DefaultTTL  Duration `yaml:"defaultTtl"`
	MaxTTL      Duration `yaml:"maxTtl"`
	MaxLifetime Duration `yaml:"maxLifetime"`
	// Grace is the age after which a stack without a service (a failed creation) is removed; default 2h.
	Grace Duration `yaml:"grace"`
	// Schedule is an EventBridge rate or cron expression; default rate(15 minutes).
	Schedule string `yaml:"schedule"`
	// SweepSchedule is the same for the sweep of what environments left behind; default rate(1 hour).
	SweepSchedule string `yaml:"sweepSchedule"`
	// DryRun reports what cleanup would delete and deletes nothing; default false.
	DryRun bool `yaml:"dryRun"`
	// Spot runs the environments on Fargate Spot; default true.
	Spot *bool `yaml:"spot"`
	// AllowedCIDRs are the public IPv4 networks from which the environments can be reached; default everyone.
	AllowedCIDRs []netip.Prefix `yaml:"allowedCidrs"`
	// MaxEnvironments is how many may exist at a time, 1–1000; default 90, which leaves room for other rules among the 100 that a
	// load balancer takes. More needs a raised quota of AWS.
	MaxEnvironments int `yaml:"maxEnvironments"`
	// OfficeHours are when they are awake; default always.
	OfficeHours OfficeHours `yaml:"officeHours"`
	// SignIn makes people sign in before they reach an environment; default off.
	SignIn SignIn `yaml:"signIn"`
}

// Duration is a time.Duration written in Go's notation, such as 48h or 90m.
type Duration time.Duration

// Request is what one synthesis was asked for through the CDK context.
type Request struct {
	// ImageTag is the tag or digest (sha256:…) to deploy; empty keeps what runs.
	ImageTag string
	// Environment is the QA environment to synthesize; nil without -c branch.
	Environment *Environment
}

// Environment is one QA environment's lease.
type Environment struct {
	// Slug is contract.Slug(Branch).
	Slug   string
	Branch string
	Owner  string
	// Expires is the end of the lease, in UTC, whole seconds.
	Expires time.Time
}
