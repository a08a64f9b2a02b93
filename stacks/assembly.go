// Package stacks holds the deployment units, one a file, and the assembly that wires them.
package stacks

import (
	"fmt"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"
	"github.com/cdklabs/cdk-nag-go/cdknag/v2"

	"slipway/constructs/gofunction"
	"slipway/internal/config"
)

// Assemble adds the stacks to the app: every stack of the platform, or, when the request names a branch, that QA
// environment alone. An environment refers to the shared stacks by SSM parameters only, so nothing else is needed; and
// a branch whose code differs can touch nothing else. lambdas is the folder of the built Lambdas.
func Assemble(app awscdk.App, cfg *config.Config, request config.Request, lambdas string) {
	code := gofunction.Code{Directory: lambdas, Architecture: cfg.LambdaArchitecture}
	setZones(app, cfg)
	awscdk.Tags_Of(app).Add(jsii.String("slipway:platform"), jsii.String(cfg.Platform), nil)
	awscdk.Aspects_Of(app).Add(cdknag.NewAwsSolutionsChecks(&cdknag.NagPackProps{Verbose: jsii.Bool(true)}), nil)

	if request.Environment != nil {
		NewQAEnvironment(app, cfg, *request.Environment, request.ImageTag)
		return
	}
	NewSecurity(app, cfg)
	NewRegistry(app, cfg)
	root := NewRootDNS(app, cfg)
	delegated := map[string]bool{}
	for _, stage := range cfg.DelegatedStages() {
		delegated[stage.Name] = true
	}

	var qaFront *Service
	for _, stage := range cfg.Stages {
		on := stageStacks{dns: root}
		if delegated[stage.Name] {
			on.dns = NewStageDNS(app, cfg, stage, root)
		}
		on.network = NewNetwork(app, cfg, stage)
		on.data = NewData(app, cfg, stage, on.network)
		on.cluster = NewCluster(app, cfg, stage, on.network)
		if stage.Name == cfg.QA.Stage {
			qaFront = NewQAFront(app, cfg, stage, on, code)
		} else {
			NewService(app, cfg, stage, on, code, request.ImageTag)
		}
	}
	// It reads the front's parameters, so the front comes first. The environments read them too, but deploying one must not
	// touch the shared stacks.
	NewQALifecycle(app, cfg, code).AddStackDependency(qaFront.Stack, jsii.String("reads its parameters"))
}

// setZones answers beforehand what the CDK would otherwise look up with credentials: the Availability Zones of each
// account. They are written in platform.yaml.
func setZones(app awscdk.App, cfg *config.Config) {
	for _, account := range cfg.Accounts {
		app.Node().SetContext(jsii.String(fmt.Sprintf("availability-zones:account=%s:region=%s", account, cfg.Region)), cfg.Zones)
	}
}
