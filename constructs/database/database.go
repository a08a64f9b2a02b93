// Package database builds a stage's RDS for PostgreSQL instance, its secret and the rotation of that secret.
package database

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsec2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsrds"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssecretsmanager"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"slipway/constructs/loggroup"
	"slipway/constructs/nag"
	"slipway/constructs/retention"
)

const (
	port = 5432
	// databaseName is the first database of the instance.
	databaseName = "app"
	// masterUser owns it; "admin" and "postgres" are the first names that attackers try.
	masterUser = "slipway_admin"
	// excluded holds what RDS refuses in a master password, and the backslash.
	excluded = " /@\"'\\"
)

// logExports are the logs that RDS sends to CloudWatch Logs.
var logExports = []string{"postgresql", "upgrade"}

// Props of a Database.
type Props struct {
	// Identifier names the instance; the replica and the rotation's function add a suffix. At most 45 characters.
	Identifier string
	// VPC with a subnet group named "private".
	VPC awsec2.IVpc
	// AppSecurityGroup is the only one that may connect, beside the rotation's.
	AppSecurityGroup awsec2.ISecurityGroup
	// EngineMajor is PostgreSQL's major version. Minor versions aren't pinned: AWS withdraws them.
	EngineMajor string
	// InstanceClass without "db.".
	InstanceClass string
	// StorageGiB is allocated, MaxStorageGiB how far RDS may let it grow.
	StorageGiB    int
	MaxStorageGiB int
	// MultiAZ keeps a standby in another zone.
	MultiAZ bool
	// BackupDays is how far back a point-in-time restore reaches.
	BackupDays int
	// ReadReplica adds one.
	ReadReplica bool
	// RotationDays is the age at which the password is replaced.
	RotationDays int
	// LogDays is the retention of the logs, LogKey their KMS key.
	LogDays int
	LogKey  awskms.IKey
	// Retain protects the instance from deletion and keeps key, secret, logs and a final snapshot; otherwise all of it,
	// automated backups included, goes with the stack.
	Retain bool
}

// Database is the instance with its secret.
type Database struct {
	construct     constructs.Construct
	instance      awsrds.DatabaseInstance
	secret        awssecretsmanager.ISecret
	key           awskms.Key
	securityGroup awsec2.SecurityGroup
	parameters    awsrds.ParameterGroup
	subnets       awsrds.SubnetGroup
	monitoring    awsiam.Role
}

// New builds the database.
func New(scope constructs.Construct, id string, props Props) *Database {
	construct := constructs.NewConstruct(scope, jsii.String(id))
	d := &Database{construct: construct}
	keep := retention.Policy(props.Retain)

	d.key = awskms.NewKey(construct, jsii.String("Key"), &awskms.KeyProps{
		Description:       jsii.String("Database " + props.Identifier + ": storage, backups, insights, secret"),
		EnableKeyRotation: jsii.Bool(true),
		RemovalPolicy:     keep,
	})
	d.securityGroup = awsec2.NewSecurityGroup(construct, jsii.String("SecurityGroup"), &awsec2.SecurityGroupProps{
		Vpc:              props.VPC,
		Description:      jsii.String("Database " + props.Identifier),
		AllowAllOutbound: jsii.Bool(false), // a database opens no connections
	})
	d.securityGroup.AddIngressRule(props.AppSecurityGroup, awsec2.Port_Tcp(jsii.Number(port)), jsii.String("Tasks of the application"), nil)

	engine := awsrds.DatabaseInstanceEngine_Postgres(&awsrds.PostgresInstanceEngineProps{
		Version: awsrds.PostgresEngineVersion_Of(jsii.String(props.EngineMajor), jsii.String(props.EngineMajor), nil),
	})
	d.parameters = awsrds.NewParameterGroup(construct, jsii.String("Parameters"), &awsrds.ParameterGroupProps{
		Engine:      engine, // its family follows the engine's major version
		Description: jsii.String("Database " + props.Identifier),
		Parameters: &map[string]*string{
			"rds.force_ssl":      jsii.String("1"), // the default since PostgreSQL 15, written down all the same
			"log_connections":    jsii.String("1"),
			"log_disconnections": jsii.String("1"),
			"log_lock_waits":     jsii.String("1"),
			// Statements stay out of the log: ALTER ROLE carries the new password at each rotation. Slow ones are seen,
			// normalised, in Database Insights.
			"log_statement":              jsii.String("none"),
			"log_min_duration_statement": jsii.String("-1"),
		},
	})
	d.subnets = awsrds.NewSubnetGroup(construct, jsii.String("Subnets"), &awsrds.SubnetGroupProps{
		Vpc:           props.VPC,
		Description:   jsii.String("Private subnets for " + props.Identifier),
		VpcSubnets:    &awsec2.SubnetSelection{SubnetGroupName: jsii.String("private")},
		RemovalPolicy: awscdk.RemovalPolicy_DESTROY, // nothing is left in it: the instance leaves a snapshot
	})
	d.monitoring = awsiam.NewRole(construct, jsii.String("MonitoringRole"), &awsiam.RoleProps{
		Description: jsii.String("RDS writes enhanced monitoring metrics with it"),
		AssumedBy: awsiam.NewServicePrincipal(jsii.String("monitoring.rds.amazonaws.com"), &awsiam.ServicePrincipalOpts{
			Conditions: &map[string]any{"StringEquals": map[string]any{"aws:SourceAccount": awscdk.Stack_Of(construct).Account()}},
		}),
		ManagedPolicies: &[]awsiam.IManagedPolicy{
			awsiam.ManagedPolicy_FromAwsManagedPolicyName(jsii.String("service-role/AmazonRDSEnhancedMonitoringRole")),
		},
	})
	nag.Suppress(d.monitoring, "AwsSolutions-IAM4",
		"AWS documents this managed policy for enhanced monitoring; it reaches the log group RDSOSMetrics, which RDS makes for the account, and nothing else.")

	credentials := d.newCredentials(props)
	d.instance = awsrds.NewDatabaseInstance(construct, jsii.String("Instance"), &awsrds.DatabaseInstanceProps{
		// A fixed name, because the log groups, which are declared before RDS makes them, have it in theirs. The price:
		// a change that needs another instance fails instead of replacing the database unasked.
		InstanceIdentifier: jsii.String(props.Identifier),
		Engine:             engine,
		InstanceType:       awsec2.NewInstanceType(jsii.String(props.InstanceClass)),
		DatabaseName:       jsii.String(databaseName),
		Credentials:        credentials,
		IamAuthentication:  jsii.Bool(true),
		Port:               jsii.Number(port),
		ParameterGroup:     d.parameters,
		CaCertificate:      awsrds.CaCertificate_RDS_CA_RSA2048_G1(),

		Vpc:                props.VPC,
		SubnetGroup:        d.subnets,
		SecurityGroups:     &[]awsec2.ISecurityGroup{d.securityGroup},
		PubliclyAccessible: jsii.Bool(false),
		MultiAz:            jsii.Bool(props.MultiAZ),

		// gp3 below 400 GiB comes with 3,000 IOPS and 125 MiB/s, and RDS refuses any other figure there.
		StorageType:          awsrds.StorageType_GP3,
		AllocatedStorage:     jsii.Number(props.StorageGiB),
		MaxAllocatedStorage:  jsii.Number(props.MaxStorageGiB),
		StorageEncrypted:     jsii.Bool(true),
		StorageEncryptionKey: d.key,

		BackupRetention:          awscdk.Duration_Days(jsii.Number(props.BackupDays)),
		DeleteAutomatedBackups:   jsii.Bool(!props.Retain),
		CopyTagsToSnapshot:       jsii.Bool(true),
		DeletionProtection:       jsii.Bool(props.Retain),
		RemovalPolicy:            snapshotPolicy(props.Retain),
		AutoMinorVersionUpgrade:  jsii.Bool(true),
		AllowMajorVersionUpgrade: jsii.Bool(false),

		CloudwatchLogsExports:           jsii.Strings(logExports...),
		MonitoringInterval:              awscdk.Duration_Minutes(jsii.Number(1)),
		MonitoringRole:                  d.monitoring,
		EnablePerformanceInsights:       jsii.Bool(true),
		PerformanceInsightRetention:     awsrds.PerformanceInsightRetention_DEFAULT, // 7 days, free of charge
		PerformanceInsightEncryptionKey: d.key,
		DatabaseInsightsMode:            awsrds.DatabaseInsightsMode_STANDARD,
	})
	d.declareLogs(d.instance, "Instance", props.Identifier, props)
	nag.Suppress(d.instance, "AwsSolutions-RDS11",
		"5432 is part of the platform's contract; who may connect is decided by the security group, not by hiding the port.")
	if !props.MultiAZ {
		nag.Suppress(d.instance, "AwsSolutions-RDS3", "A standby is configured by stage; this stage does without and restores from its backups.")
	}
	if !props.Retain {
		nag.Suppress(d.instance, "AwsSolutions-RDS10", "This stage's data isn't kept: its stacks must be deletable.")
	}
	d.rotate(props)
	if props.ReadReplica {
		d.addReplica(props)
	}
	return d
}

// Instance is the primary instance.
func (d *Database) Instance() awsrds.DatabaseInstance { return d.instance }

// Secret holds host, port, dbname, username and password as JSON.
func (d *Database) Secret() awssecretsmanager.ISecret { return d.secret }

// SecurityGroup decides who may connect.
func (d *Database) SecurityGroup() awsec2.ISecurityGroup { return d.securityGroup }

// Key encrypts the storage and the secret.
func (d *Database) Key() awskms.IKey { return d.key }

// declareLogs makes the log groups before RDS would, so that they have a retention, a key, and an end.
func (d *Database) declareLogs(instance constructs.IConstruct, id, identifier string, props Props) {
	for _, export := range logExports {
		group := loggroup.New(d.construct, id+"Log-"+export, loggroup.Props{
			Name: "/aws/rds/instance/" + identifier + "/" + export, Days: props.LogDays, Key: props.LogKey, Retain: props.Retain,
		})
		instance.Node().AddDependency(group)
	}
}

// addReplica adds a read replica. It keeps no data of its own, and RDS takes no final snapshot of one.
func (d *Database) addReplica(props Props) {
	replica := awsrds.NewDatabaseInstanceReadReplica(d.construct, jsii.String("Replica"), &awsrds.DatabaseInstanceReadReplicaProps{
		InstanceIdentifier:     jsii.String(props.Identifier + "-replica"),
		SourceDatabaseInstance: d.instance,
		InstanceType:           awsec2.NewInstanceType(jsii.String(props.InstanceClass)),
		IamAuthentication:      jsii.Bool(true),
		Port:                   jsii.Number(port),
		ParameterGroup:         d.parameters,
		CaCertificate:          awsrds.CaCertificate_RDS_CA_RSA2048_G1(),

		Vpc:                props.VPC,
		SubnetGroup:        d.subnets,
		SecurityGroups:     &[]awsec2.ISecurityGroup{d.securityGroup},
		PubliclyAccessible: jsii.Bool(false),
		MultiAz:            jsii.Bool(false),

		// Encryption and its key are the source's; CloudFormation refuses StorageEncrypted here.
		StorageType:         awsrds.StorageType_GP3,
		MaxAllocatedStorage: jsii.Number(props.MaxStorageGiB),

		CopyTagsToSnapshot:      jsii.Bool(true),
		DeletionProtection:      jsii.Bool(props.Retain),
		RemovalPolicy:           awscdk.RemovalPolicy_DESTROY,
		AutoMinorVersionUpgrade: jsii.Bool(true),

		CloudwatchLogsExports:           jsii.Strings(logExports...),
		MonitoringInterval:              awscdk.Duration_Minutes(jsii.Number(1)),
		MonitoringRole:                  d.monitoring,
		EnablePerformanceInsights:       jsii.Bool(true),
		PerformanceInsightRetention:     awsrds.PerformanceInsightRetention_DEFAULT,
		PerformanceInsightEncryptionKey: d.key,
		DatabaseInsightsMode:            awsrds.DatabaseInsightsMode_STANDARD,
	})
	d.declareLogs(replica, "Replica", props.Identifier+"-replica", props)
	nag.Suppress(replica, "AwsSolutions-RDS11",
		"5432 is part of the platform's contract; who may connect is decided by the security group, not by hiding the port.")
	nag.Suppress(replica, "AwsSolutions-RDS2", "A replica in the same Region inherits the primary's encryption and key; CloudFormation refuses the property.")
	nag.Suppress(replica, "AwsSolutions-RDS3", "The replica itself is a second copy in another zone; the primary has the standby.")
	if !props.Retain {
		nag.Suppress(replica, "AwsSolutions-RDS10", "This stage's data isn't kept: its stacks must be deletable.")
	}
}

// snapshotPolicy leaves a final snapshot rather than a running instance: that would keep its subnets and security
// group from being deleted.
func snapshotPolicy(retain bool) awscdk.RemovalPolicy {
	if retain {
		return awscdk.RemovalPolicy_SNAPSHOT
	}
	return awscdk.RemovalPolicy_DESTROY
}
