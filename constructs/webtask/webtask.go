// Package webtask is the Fargate task of the web application: its definition, its two roles and its log group. Stable
// stages and QA environments run the same task.
package webtask

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsecr"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsecs"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssecretsmanager"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"slipway/constructs/loggroup"
	"slipway/constructs/nag"
	"slipway/constructs/retention"
	"slipway/internal/contract"
)

// StopTimeoutSeconds is what ECS grants between SIGTERM and SIGKILL; gunicorn's graceful time-out stays below it.
const StopTimeoutSeconds = 30

// taskUser is the user of flaskapp/Dockerfile, and the collector's too. The task says so itself, so that no image runs as root. It is a
// number: a name that an image doesn't know keeps the whole task from starting.
const taskUser = "10001:10001"

// Props of a Task.
type Props struct {
	// Family of the task definition.
	Family string
	// Environment is the stage or the QA environment's slug, APP_ENVIRONMENT in the container.
	Environment string
	Region      string
	// CPU units and MemoryMiB, a pair that Fargate offers.
	CPU       int
	MemoryMiB int
	// ImageURI is the image to run; Repository is what the execution role may pull from.
	ImageURI   string
	Repository awsecr.IRepository
	// RuntimeAgent lets ECS pull the agent that GuardDuty puts beside the task.
	RuntimeAgent bool
	Logs         loggroup.Props
	// BucketName and BucketKeyARN are the artifacts bucket and its key. Prefix, such as qa/x/, narrows the task to keys that
	// begin with it; empty gives the whole bucket.
	BucketName   string
	BucketKeyARN string
	Prefix       string
	// DatabaseSecretARN is the secret with the database's address and credentials, DatabaseSecretKeyARN its key.
	DatabaseSecretARN    string
	DatabaseSecretKeyARN string
	// TraceRatio is the share of requests that X-Ray gets, 0–1. 0 leaves the collector out.
	TraceRatio float64
	// Seed puts sample data into an empty application after the migrations; default no.
	Seed bool
	// Retain keeps the secret that signs sessions when the stack is deleted.
	Retain bool
}

// Task is the task definition.
type Task struct {
	construct  constructs.Construct
	definition awsecs.FargateTaskDefinition
}

// New creates the task definition, its roles and its log group.
func New(parent constructs.Construct, id string, props Props) *Task {
	scope := constructs.NewConstruct(parent, jsii.String(id))
	logs := loggroup.New(scope, "Logs", props.Logs)

	assumedByTasks := func() awsiam.IPrincipal {
		return awsiam.NewServicePrincipal(jsii.String("ecs-tasks.amazonaws.com"), nil)
	}
	execution := awsiam.NewRole(scope, jsii.String("ExecutionRole"), &awsiam.RoleProps{
		AssumedBy:   assumedByTasks(),
		Description: jsii.String("Lets ECS pull the image and write logs of " + props.Family),
	})
	task := awsiam.NewRole(scope, jsii.String("TaskRole"), &awsiam.RoleProps{
		AssumedBy:   assumedByTasks(),
		Description: jsii.String("What the application in " + props.Family + " may do"),
	})

	definition := awsecs.NewFargateTaskDefinition(scope, jsii.String("Definition"), &awsecs.FargateTaskDefinitionProps{
		Family:         jsii.String(props.Family),
		Cpu:            jsii.Number(props.CPU),
		MemoryLimitMiB: jsii.Number(props.MemoryMiB),
		ExecutionRole:  execution,
		TaskRole:       task,
		RuntimePlatform: &awsecs.RuntimePlatform{
			CpuArchitecture:       awsecs.CpuArchitecture_X86_64(), // what the usual build machines produce
			OperatingSystemFamily: awsecs.OperatingSystemFamily_LINUX(),
		},
		// The root is read-only; gunicorn and uploads need one place to write. The image declares /tmp as a volume, which
		// gives Fargate's empty bind mount the image's permissions.
		Volumes: &[]*awsecs.Volume{{Name: jsii.String("tmp")}},
	})
	sessions := sessionSecret(scope, props)
	environment := map[string]*string{
		"APP_ENVIRONMENT":     jsii.String(props.Environment),
		"AWS_REGION":          jsii.String(props.Region),
		"ARTIFACTS_BUCKET":    jsii.String(props.BucketName),
		"DATABASE_SECRET_ARN": jsii.String(props.DatabaseSecretARN),
		"SESSION_SECRET_ARN":  sessions.SecretArn(),
	}
	if props.Prefix != "" {
		environment["ARTIFACTS_PREFIX"] = jsii.String(props.Prefix)
	}
	capabilities := awsecs.NewLinuxParameters(scope, jsii.String("Linux"), nil)
	capabilities.DropCapabilities(awsecs.Capability_ALL)
	// What every container of the task has.
	locked := func(name string) *awsecs.ContainerDefinitionOptions {
		return &awsecs.ContainerDefinitionOptions{
			User:                   jsii.String(taskUser),
			ReadonlyRootFilesystem: jsii.Bool(true),
			LinuxParameters:        capabilities,
			Logging: awsecs.LogDriver_AwsLogs(&awsecs.AwsLogDriverProps{
				LogGroup:     logs,
				StreamPrefix: jsii.String(name),
				// A full buffer must not stop the application.
				Mode: awsecs.AwsLogDriverMode_NON_BLOCKING,
			}),
		}
	}
	add := func(name string, essential bool, command []string, ports *[]*awsecs.PortMapping) awsecs.ContainerDefinition {
		options := locked(name)
		options.Image = awsecs.ContainerImage_FromRegistry(jsii.String(props.ImageURI), nil)
		options.Essential = jsii.Bool(essential)
		options.Environment = &environment
		options.PortMappings = ports
		options.StopTimeout = awscdk.Duration_Seconds(jsii.Number(StopTimeoutSeconds))
		if command != nil {
			options.Command = jsii.Strings(command...)
		}
		container := definition.AddContainer(jsii.String(name), options)
		container.AddMountPoints(&awsecs.MountPoint{
			ContainerPath: jsii.String("/tmp"),
			SourceVolume:  jsii.String("tmp"),
			ReadOnly:      jsii.Bool(false),
		})
		return container
	}
	app := add(contract.ContainerName, true, nil, &[]*awsecs.PortMapping{{
		Name:          jsii.String("http"),
		ContainerPort: jsii.Number(contract.ContainerPort),
		Protocol:      awsecs.Protocol_TCP,
	}})
	// Migrations run to their end before the application of each task starts: before any traffic, whatever deploys. Most
	// runs find nothing to do; several at once wait for each other in the database. A failed one fails the task.
	wait := func(waiting, first awsecs.ContainerDefinition) {
		waiting.AddContainerDependencies(&awsecs.ContainerDependency{Container: first, Condition: awsecs.ContainerDependencyCondition_SUCCESS})
	}
	migrate := add("migrate", false, []string{"python3", "-m", "slipway_app.migrate"}, nil)
	wait(app, migrate)
	this := &Task{construct: scope, definition: definition}
	if props.TraceRatio > 0 {
		this.trace(app, task, props, locked)
	}
	if props.Seed {
		seed := add("seed", false, []string{"python3", "-m", "slipway_app.seed"}, nil)
		wait(seed, migrate)
		wait(app, seed)
	}

	props.Repository.GrantPull(execution)
	if props.RuntimeAgent {
		// Each Region's repository is in another account of AWS's; its name is the same in all.
		// https://docs.aws.amazon.com/guardduty/latest/ug/ecs-runtime-agent-ecr-image-uri.html
		execution.AddToPolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
			Actions:   jsii.Strings("ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"),
			Resources: jsii.Strings("arn:aws:ecr:" + props.Region + ":*:repository/aws-guardduty-agent-fargate"),
		}))
	}
	bucketARN := "arn:aws:s3:::" + props.BucketName
	task.AddToPolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Sid:       jsii.String("Artifacts"),
		Actions:   jsii.Strings("s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"),
		Resources: jsii.Strings(bucketARN + "/" + props.Prefix + "*"),
	}))
	// Readiness asks whether the bucket is there; and without this, S3 answers 403 instead of 404 for a missing object.
	task.AddToPolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Sid:        jsii.String("ArtifactsList"),
		Actions:    jsii.Strings("s3:ListBucket"),
		Resources:  jsii.Strings(bucketARN),
		Conditions: &map[string]any{"StringLike": map[string]any{"s3:prefix": props.Prefix + "artifacts/*"}},
	}))
	task.AddToPolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Sid:       jsii.String("ArtifactsKey"),
		Actions:   jsii.Strings("kms:Decrypt", "kms:GenerateDataKey"),
		Resources: jsii.Strings(props.BucketKeyARN),
		// Only through S3: the application never calls KMS itself.
		Conditions: &map[string]any{"StringEquals": map[string]any{"kms:ViaService": "s3." + props.Region + ".amazonaws.com"}},
	}))
	task.AddToPolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Sid:       jsii.String("Secrets"),
		Actions:   jsii.Strings("secretsmanager:GetSecretValue"),
		Resources: &[]*string{jsii.String(props.DatabaseSecretARN), sessions.SecretArn()},
	}))
	task.AddToPolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Sid:        jsii.String("SecretsKey"),
		Actions:    jsii.Strings("kms:Decrypt"),
		Resources:  jsii.Strings(props.DatabaseSecretKeyARN),
		Conditions: &map[string]any{"StringEquals": map[string]any{"kms:ViaService": "secretsmanager." + props.Region + ".amazonaws.com"}},
	}))
	nag.Suppress(execution, "AwsSolutions-IAM5", "ecr:GetAuthorizationToken has no resource; GuardDuty's agent is in an account of AWS's; log streams are named by ECS within the one group.")
	nag.Suppress(task, "AwsSolutions-IAM5", "The application names its objects; the bucket and the prefix are fixed. xray:PutTraceSegments has no resource.")
	nag.Suppress(definition, "AwsSolutions-ECS2", "The variables are names, not secrets: stage, Region, bucket; and the collector's configuration.")
	return this
}

// Construct is the scope of the task definition, its roles and its log group.
func (t *Task) Construct() constructs.Construct { return t.construct }

// sessionSecret signs the sessions of the application's forms.
func sessionSecret(scope constructs.Construct, props Props) awssecretsmanager.Secret {
	secret := awssecretsmanager.NewSecret(scope, jsii.String("SessionSecret"), &awssecretsmanager.SecretProps{
		Description: jsii.String("Signs the sessions of " + props.Family),
		GenerateSecretString: &awssecretsmanager.SecretStringGenerator{
			PasswordLength: jsii.Number(64), ExcludePunctuation: jsii.Bool(true),
		},
		RemovalPolicy: retention.Policy(props.Retain),
	})
	nag.Suppress(secret, "AwsSolutions-SMG4", "Rotation would throw out every open form; whoever suspects a leak replaces the value and the tasks.")
	return secret
}

// Definition is the CDK's task definition.
func (t *Task) Definition() awsecs.FargateTaskDefinition { return t.definition }

// ARN is the revision's ARN, a token.
func (t *Task) ARN() string { return *t.definition.TaskDefinitionArn() }
