// Package stacks holds the deployment units, one a file, and the assembly that wires them.
package stacks

import (
	"fmt"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
	"github.com/cdklabs/cdk-nag-go/cdknag/v2"

	"slipway/constructs/gofunction"
	"slipway/internal/config"
	"slipway/internal/contract"
)

// Assemble adds the stacks to the app: every stack of the platform, or, when the request names a branch, that QA
// environment alone. An environment refers to the shared stacks by SSM parameters only, so nothing else is needed; and
// a branch whose code differs can touch nothing else. lambdas is the folder of the built Lambdas.
func Assemble(app awscdk.App, cfg *config.Config, request config.Request, lambdas string) {
	code := gofunction.Code{Directory: lambdas, Architecture: cfg.LambdaArchitecture}
	setZones(app, cfg)
	checkAndTag(app, cfg)

	if request.Environment != nil {
		NewQAEnvironment(app, cfg, *request.Environment, request.ImageTag)
		return
	}
	if cfg.Pipeline.Enabled() {
		NewPipeline(app, cfg, code, request.ImageTag)
	}
	root := addShared(app, cfg, code)
	for _, stage := range cfg.Stages {
		addStage(app, cfg, stage, root, code, request.ImageTag)
	}
}

// checkAndTag adds what holds for every resource: the tag and cdk-nag's rules. Neither goes from an app into the stages of a
// pipeline, which are assemblies of their own.
func checkAndTag(scope constructs.Construct, cfg *config.Config) {
	awscdk.Tags_Of(scope).Add(jsii.String(contract.TagPlatform), jsii.String(cfg.Platform), nil)
	awscdk.Aspects_Of(scope).Add(cdknag.NewAwsSolutionsChecks(&cdknag.NagPackProps{Verbose: jsii.Bool(true)}), nil)
}

// addShared adds what all stages share. It is deployed before them.
func addShared(scope constructs.Construct, cfg *config.Config, code gofunction.Code) *DNS {
	NewSecurity(scope, cfg, code)
	NewRegistry(scope, cfg)
	return NewRootDNS(scope, cfg)
}

// addStage adds the stacks of one stage. root may be in another scope.
func addStage(scope constructs.Construct, cfg *config.Config, stage config.Stage, root *DNS, code gofunction.Code, imageTag string) {
	on := stageStacks{dns: root}
	if cfg.Delegated(&stage) {
		on.dns = NewStageDNS(scope, cfg, stage, root)
	}
	on.network = NewNetwork(scope, cfg, stage)
	on.data = NewData(scope, cfg, stage, on.network)
	on.cluster = NewCluster(scope, cfg, stage, on.network)
	if stage.Name != cfg.QA.Stage {
		NewService(scope, cfg, stage, on, code, imageTag)
		return
	}
	front := NewQAFront(scope, cfg, stage, on, code)
	// It reads the front's parameters, so the front comes first. The environments read them too, but deploying one must not
	// touch the shared stacks.
	NewQALifecycle(scope, cfg, code).AddStackDependency(front.Stack, jsii.String("reads its parameters"))
}

// setZones answers beforehand what the CDK would otherwise look up with credentials: the Availability Zones of each
// account. They are written in platform.yaml.
func setZones(app awscdk.App, cfg *config.Config) {
	for _, account := range cfg.Accounts {
		app.Node().SetContext(jsii.String(fmt.Sprintf("availability-zones:account=%s:region=%s", account, cfg.Region)), cfg.Zones)
	}
}
