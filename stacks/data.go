package stacks

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsec2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsrds"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssecretsmanager"
	"github.com/aws/constructs-go/constructs/v10"

	"slipway/constructs/artifacts"
	"slipway/constructs/database"
	"slipway/constructs/opstopic"
	"slipway/internal/config"
	"slipway/internal/contract"
)

// Data is the stack <platform>-<stage>-data: the artifacts bucket and the database.
type Data struct {
	Stack     awscdk.Stack
	Bucket    awss3.IBucket
	BucketKey awskms.IKey
	Database  awsrds.IDatabaseInstance
	// DatabaseSecret is the master credentials, as JSON with host, port, dbname, username and password.
	DatabaseSecret awssecretsmanager.ISecret
	// DatabaseSecurityGroup decides who may connect.
	DatabaseSecurityGroup awsec2.ISecurityGroup
	// DatabaseKey encrypts the storage and the secret.
	DatabaseKey awskms.IKey
	// Operations is the stage's topic for people.
	Operations *opstopic.Topic
}

// NewData adds the data stack of a stage.
func NewData(scope constructs.Construct, cfg *config.Config, stage config.Stage, network *Network) *Data {
	stack := newStack(scope, cfg, stage.Account, contract.StageStack(cfg.Platform, stage.Name, contract.PartData),
		"Artifacts bucket and database of "+stage.Name, stage.Retain)
	bucket := artifacts.New(stack, "Artifacts", artifacts.Props{
		InfrequentAfterDays: stage.Artifacts.InfrequentAfterDays,
		ArchiveAfterDays:    stage.Artifacts.ArchiveAfterDays,
		NoncurrentDays:      stage.Artifacts.NoncurrentDays,
		LogDays:             stage.LogDays,
		ReplicaBucketARN:    stage.Artifacts.ReplicaBucketARN,
		ReplicaKeyARN:       stage.Artifacts.ReplicaKeyARN,
		Retain:              stage.Retain,
	})
	db := database.New(stack, "Database", database.Props{
		Identifier:       databaseIdentifier(cfg, stage),
		VPC:              network.VPC,
		AppSecurityGroup: network.AppSecurityGroup,
		EngineMajor:      stage.Database.EngineMajor,
		InstanceClass:    stage.Database.InstanceClass,
		StorageGiB:       stage.Database.StorageGiB,
		MaxStorageGiB:    stage.Database.MaxStorageGiB,
		MultiAZ:          stage.Database.MultiAZ,
		BackupDays:       stage.Database.BackupDays,
		ReadReplica:      stage.Database.ReadReplica,
		RotationDays:     stage.Database.RotationDays,
		LogDays:          stage.LogDays,
		LogKey:           network.LogKey,
		Retain:           stage.Retain,
	})
	if stage.Name == cfg.QA.Stage {
		shareWithQAEnvironments(stack, cfg, contract.KeyBucketName, *bucket.Bucket().BucketName())
		shareWithQAEnvironments(stack, cfg, contract.KeyBucketKeyARN, *bucket.Key().KeyArn())
		shareWithQAEnvironments(stack, cfg, contract.KeyDatabaseHost, *db.Instance().DbInstanceEndpointAddress())
		shareWithQAEnvironments(stack, cfg, contract.KeyDatabasePort, *db.Instance().DbInstanceEndpointPort())
		shareWithQAEnvironments(stack, cfg, contract.KeyDatabaseKeyARN, *db.Key().KeyArn())
	}
	operations := newOperations(stack, cfg, stage)
	watchData(stack, cfg, stage, operations, db.Instance())
	return &Data{
		Stack: stack, Operations: operations, Bucket: bucket.Bucket(), BucketKey: bucket.Key(),
		Database: db.Instance(), DatabaseSecret: db.Secret(), DatabaseKey: db.Key(),
		DatabaseSecurityGroup: db.SecurityGroup(),
	}
}
