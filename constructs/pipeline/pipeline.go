// Package pipeline is a self-mutating CDK pipeline: it builds the source's cloud assembly, changes itself to what that says,
// and deploys stages in waves. Its steps run in CodeBuild.
package pipeline

import (
	"fmt"
	"path/filepath"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscodebuild"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscodepipeline"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3"
	"github.com/aws/aws-cdk-go/awscdk/v2/pipelines"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"slipway/constructs/nag"
	"slipway/constructs/retention"
)

// Versions of the tools that the CDK installs in its own steps: package.json's CLI, and the publisher of assets.
const (
	CLIVersion    = "2.1148.1"
	assetsVersion = "4.7.3"
)

// keepDays is how long the artifacts of an execution are kept. Only the newest matter, and a repeated execution makes its own.
const keepDays = 90

// Props of a Pipeline.
type Props struct {
	// Name of the pipeline.
	Name string
	// ConnectionARN, Repository and Branch are the source.
	ConnectionARN string
	Repository    string
	Branch        string
	// Synth are the commands that write the cloud assembly to cdk.out, Install those that come before them.
	Install []string
	Synth   []string
	// Logs takes the output of every step.
	Logs awslogs.ILogGroup
	// Retain keeps artifacts and their key when the stack is deleted.
	Retain bool
}

// Pipeline is the pipeline, before Build and after it.
type Pipeline struct {
	construct constructs.Construct
	pipeline  pipelines.CodePipeline
	source    pipelines.CodePipelineSource
}

// New creates a pipeline that deploys nothing yet.
func New(scope constructs.Construct, id string, props Props) *Pipeline {
	construct := constructs.NewConstruct(scope, jsii.String(id))
	source := pipelines.CodePipelineSource_Connection(jsii.String(props.Repository), jsii.String(props.Branch),
		&pipelines.ConnectionSourceOptions{
			ConnectionArn: jsii.String(props.ConnectionARN), ActionName: jsii.String("Source"),
			// The steps get a clone instead of an archive without .git: an image is built from a clean checkout of its commit.
			CodeBuildCloneOutput: jsii.Bool(true),
		})
	bucket := artifactBucket(construct, props)
	pipeline := awscodepipeline.NewPipeline(construct, jsii.String("Pipeline"), &awscodepipeline.PipelineProps{
		PipelineName:             jsii.String(props.Name),
		PipelineType:             awscodepipeline.PipelineType_V2,
		ArtifactBucket:           bucket,
		CrossAccountKeys:         jsii.Bool(true),
		RestartExecutionOnUpdate: jsii.Bool(true), // after it changed itself, the new pipeline begins anew
	})
	// The CDK grants the service's former name only, under which newer connections aren't found:
	// https://docs.aws.amazon.com/dtconsole/latest/userguide/rename.html
	useConnection := awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Actions:   jsii.Strings("codeconnections:UseConnection", "codestar-connections:UseConnection"),
		Resources: jsii.Strings(props.ConnectionARN),
	})
	p := &Pipeline{construct: construct, source: source}
	p.pipeline = pipelines.NewCodePipeline(construct, jsii.String("Cdk"), &pipelines.CodePipelineProps{
		CodePipeline: pipeline,
		Synth: pipelines.NewCodeBuildStep(jsii.String("Synth"), &pipelines.CodeBuildStepProps{
			Input:                  source,
			InstallCommands:        jsii.Strings(props.Install...),
			Commands:               jsii.Strings(props.Synth...),
			PrimaryOutputDirectory: jsii.String("cdk.out"),
			BuildEnvironment: &awscodebuild.BuildEnvironment{
				ComputeType: awscodebuild.ComputeType_MEDIUM, // the Go bindings of the CDK need 4 GiB to compile
			},
		}),
		SelfMutation:            jsii.Bool(true),
		CliVersion:              jsii.String(CLIVersion),
		CdkAssetsCliVersion:     jsii.String(assetsVersion),
		PublishAssetsInParallel: jsii.Bool(false), // one small step instead of one for each Lambda
		CodeBuildDefaults: &pipelines.CodeBuildOptions{
			BuildEnvironment: &awscodebuild.BuildEnvironment{BuildImage: awscodebuild.LinuxBuildImage_STANDARD_7_0(), ComputeType: awscodebuild.ComputeType_SMALL},
			PartialBuildSpec: runtimes(),
			Logging:          &awscodebuild.LoggingOptions{CloudWatch: &awscodebuild.CloudWatchLoggingOptions{LogGroup: props.Logs}},
			Timeout:          awscdk.Duration_Hours(jsii.Number(1)),
			RolePolicy:       &[]awsiam.PolicyStatement{useConnection},
		},
	})
	pipeline.AddToRolePolicy(useConnection)
	return p
}

// runtimes are those of the build image. Go's is only the one that fetches the version in go.mod, checked by Go's own sums;
// Node's only the one whose npm fetches the version in package-lock.json.
// https://docs.aws.amazon.com/codebuild/latest/userguide/available-runtimes.html
func runtimes() awscodebuild.BuildSpec {
	return awscodebuild.BuildSpec_FromObject(&map[string]any{
		"env":    map[string]any{"shell": "bash", "variables": map[string]any{"GOTOOLCHAIN": "auto"}},
		"phases": map[string]any{"install": map[string]any{"runtime-versions": map[string]any{"golang": "1.24", "nodejs": "22", "python": "3.13"}}},
	})
}

func artifactBucket(scope constructs.Construct, props Props) awss3.Bucket {
	// A key of its own: other accounts read the artifacts, which no AWS managed key lets them.
	key := awskms.NewKey(scope, jsii.String("Key"), &awskms.KeyProps{
		Description:       jsii.String("Artifacts of the pipeline " + props.Name),
		EnableKeyRotation: jsii.Bool(true),
		RemovalPolicy:     retention.Policy(props.Retain),
	})
	bucket := awss3.NewBucket(scope, jsii.String("Artifacts"), &awss3.BucketProps{
		Encryption:        awss3.BucketEncryption_KMS,
		EncryptionKey:     key,
		BucketKeyEnabled:  jsii.Bool(true),
		Versioned:         jsii.Bool(true),
		BlockPublicAccess: awss3.BlockPublicAccess_BLOCK_ALL(),
		ObjectOwnership:   awss3.ObjectOwnership_BUCKET_OWNER_ENFORCED,
		EnforceSSL:        jsii.Bool(true),
		MinimumTLSVersion: jsii.Number(1.2),
		LifecycleRules: &[]*awss3.LifecycleRule{{
			Id:                                  jsii.String("expire"),
			Expiration:                          awscdk.Duration_Days(jsii.Number(keepDays)),
			NoncurrentVersionExpiration:         awscdk.Duration_Days(jsii.Number(7)),
			AbortIncompleteMultipartUploadAfter: awscdk.Duration_Days(jsii.Number(7)),
		}},
		RemovalPolicy:     retention.Policy(props.Retain),
		AutoDeleteObjects: jsii.Bool(!props.Retain),
	})
	nag.Suppress(bucket, "AwsSolutions-S1", "Only the pipeline and CloudFormation read and write it, and CloudTrail knows each of their calls.")
	return bucket
}

// Construct is the scope of everything here.
func (p *Pipeline) Construct() constructs.Construct { return p.construct }

// AddWave adds stages that are deployed side by side, after those of earlier waves.
func (p *Pipeline) AddWave(name string, before []pipelines.Step) *Wave {
	return &Wave{wave: p.pipeline.AddWave(jsii.String(name), &pipelines.WaveOptions{Pre: &before})}
}

// NewStage makes a stage whose stacks get the same templates as stacks that stand directly in the app. In a stage of the app
// itself they wouldn't: the CDK makes many a name and logical ID from the path of a construct. So the stage is in an app of
// its own, under an ID that the CDK leaves out of such names. That app is never synthesized, only the stage.
func (p *Pipeline) NewStage(name string) awscdk.Stage {
	app := awscdk.Stage_Of(p.construct)
	context, _ := app.Node().GetAllContext(nil).(map[string]any)
	apart := awscdk.NewApp(&awscdk.AppProps{
		Outdir:             jsii.String(filepath.Join(*app.Outdir(), "pipeline-"+name)),
		Context:            &context,
		AutoSynth:          jsii.Bool(false),
		AnalyticsReporting: jsii.Bool(false),
		TreeMetadata:       jsii.Bool(false),
	})
	props := &awscdk.StageProps{StageName: jsii.String(name)}
	// The one setting of the CDK that isn't a plain value.
	if boundary, ok := app.Node().TryGetContext(jsii.String("@aws-cdk/core:permissionsBoundary")).(map[string]any); ok {
		props.PermissionsBoundary = awscdk.PermissionsBoundary_FromName(jsii.String(fmt.Sprint(boundary["name"])))
	}
	return awscdk.NewStage(apart, jsii.String("Default"), props)
}

// Wave is a wave of stages.
type Wave struct{ wave pipelines.Wave }

// AddStage deploys the stacks of a CDK stage, and then runs steps.
func (w *Wave) AddStage(stage awscdk.Stage, after ...pipelines.Step) {
	w.wave.AddStage(stage, &pipelines.AddStageOpts{Post: &after})
}

// Build makes the pipeline's resources. Nothing can be added afterwards.
func (p *Pipeline) Build() {
	p.pipeline.BuildPipeline()
	// cfn-lint reports its own advice on Fn::Join, which the CDK writes in the bootstrap roles' ARNs, as an error of the action.
	p.pipeline.Pipeline().Node().DefaultChild().(awscdk.CfnResource).AddMetadata(jsii.String("cfn-lint"),
		map[string]any{"config": map[string]any{"ignore_checks": []string{"E3703"}}})
	for rule, reason := range map[string]string{
		"AwsSolutions-IAM5": "CodePipeline names its artifacts, CodeBuild its reports and log streams; the bucket, the key and the projects are fixed.",
		"AwsSolutions-CB4":  "The projects keep no artifacts of their own; what passes between them is in the bucket, under its key.",
	} {
		nag.Suppress(p.construct, rule, reason)
	}
}
