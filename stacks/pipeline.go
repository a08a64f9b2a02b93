package stacks

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/pipelines"
	"github.com/aws/constructs-go/constructs/v10"

	"slipway/constructs/gofunction"
	"slipway/constructs/loggroup"
	"slipway/constructs/network"
	"slipway/constructs/opstopic"
	"slipway/constructs/pipeline"
	"slipway/internal/config"
	"slipway/internal/contract"
)

// commit is the commit that a step of the pipeline works on: the tag of its image.
const commit = `"$CODEBUILD_RESOLVED_SOURCE_VERSION"`

// NewPipeline creates slipway-pipeline: the same stacks as by hand, under the same names, deployed by what is pushed to one
// branch. Each wave is checked by `slipway doctor` before it and asked by `slipway smoke` after it; production waits for a
// person. imageTag is only in the stages' templates, not in the pipeline's own.
func NewPipeline(scope constructs.Construct, cfg *config.Config, code gofunction.Code, imageTag string) awscdk.Stack {
	name := contract.PlatformStack(cfg.Platform, contract.StackPipeline)
	retain := retainsAny(cfg.Stages)
	stack := newStack(scope, cfg, cfg.Registry.Account, name, "Deploys what is pushed to "+cfg.Pipeline.Branch, retain)
	topic := opstopic.New(stack, "Topic", opstopic.Props{DisplayName: name, Emails: cfg.Notifications, Retain: retain})
	topic.AllowEvents()
	p := pipeline.New(stack, "Pipeline", pipeline.Props{
		Name:          name,
		ConnectionARN: cfg.Pipeline.ConnectionARN,
		Repository:    cfg.Pipeline.Repository,
		Branch:        cfg.Pipeline.Branch,
		Install:       []string{"make setup"},
		Synth:         []string{"npx cdk synth --quiet --no-lookups -c imageTag=" + commit},
		Logs: loggroup.New(stack, "Logs", loggroup.Props{
			Name: "/" + cfg.Platform + "/pipeline", Days: logDays(cfg), Retain: retain,
			Key: network.NewLogKey(stack, "LogKey", network.LogKeyProps{Description: "Logs of " + name, Retain: retain}),
		}),
		Retain: retain,
	})

	stage := func(id string) awscdk.Stage {
		s := p.NewStage(id)
		checkAndTag(s, cfg)
		return s
	}
	check := func(names ...string) pipelines.Step { return doctor(p, cfg, names...) }

	shared := stage("shared")
	root := addShared(shared, cfg, code)
	p.AddWave("shared", []pipelines.Step{check()}).AddStage(shared)
	p.AddWave("image", []pipelines.Step{buildImage(p, cfg)})
	for _, wave := range waves(cfg) {
		before := []pipelines.Step{check(names(wave)...)}
		if wave[0].Production {
			before = append(before, pipeline.Approval("Approve-"+wave[0].Name, "Goes on to "+wave[0].Name+". The stages before it have been asked and answered.", before...))
		}
		w := p.AddWave(wave[0].Name, before)
		for _, member := range wave {
			s := stage(member.Name)
			addStage(s, cfg, member, root, code, imageTag)
			if member.Name == cfg.QA.Stage {
				w.AddStage(s)
			} else {
				w.AddStage(s, smoke(p, member))
			}
		}
	}
	p.Notify(name, topic.Resource())
	p.Build()
	return stack
}

// waves groups the stages in their order. The QA stage runs no version of its own, so it goes side by side with the stage
// before it, or with the one after it where it is the first.
func waves(cfg *config.Config) [][]config.Stage {
	var all [][]config.Stage
	var first []config.Stage
	for _, stage := range cfg.Stages {
		switch {
		case stage.Name != cfg.QA.Stage:
			all = append(all, append([]config.Stage{stage}, first...))
			first = nil
		case len(all) > 0:
			all[len(all)-1] = append(all[len(all)-1], stage)
		default:
			first = append(first, stage)
		}
	}
	if len(first) > 0 {
		all = append(all, first) // there is no other stage
	}
	return all
}

func names(stages []config.Stage) []string {
	all := make([]string, len(stages))
	for i, stage := range stages {
		all[i] = stage.Name
	}
	return all
}

// logDays is the longest that any stage keeps its logs.
func logDays(cfg *config.Config) int {
	days := 0
	for _, stage := range cfg.Stages {
		days = max(days, stage.LogDays)
	}
	return days
}

// doctor checks the accounts of stages, or what all share, with the bootstrap's roles that may only read; the image with its
// own rights.
func doctor(p *pipeline.Pipeline, cfg *config.Config, stages ...string) pipelines.Step {
	props := pipeline.CommandProps{}
	name, command := "Doctor-shared", "go run ./tools/slipway doctor -bootstrap-roles"
	accounts := map[string]bool{}
	if len(stages) > 0 {
		name = "Doctor-" + stages[0]
		command += " -image " + commit
		for _, stage := range stages {
			command += " -stage " + stage
			found, _ := cfg.Stage(stage)
			accounts[cfg.Account(found.Account)] = true
		}
		props.Allow = append(props.Allow, pipeline.Permission{Actions: lookAtImages, Resources: []string{repositoryARN(cfg)}})
	} else {
		command += " -shared"
		accounts = map[string]bool{cfg.Account(cfg.Registry.Account): true, cfg.Account(cfg.DNS.Account): true}
	}
	var roles []string
	for _, account := range sorted(accounts) {
		roles = append(roles, contract.BootstrapRoleARN(contract.BootstrapLookup, account, cfg.Region))
	}
	props.Commands = []string{command}
	props.Allow = append(props.Allow, pipeline.Permission{Actions: []string{"sts:AssumeRole"}, Resources: roles})
	return p.Command(name, props)
}

// buildImage builds, tests, lists and pushes the image of the commit, unless it is there, and waits for ECR's scan.
func buildImage(p *pipeline.Pipeline, cfg *config.Config) pipelines.Step {
	return p.Command("Image", pipeline.CommandProps{
		Docker:   true,
		Commands: []string{"go run ./tools/slipway image"},
		Allow: []pipeline.Permission{
			{Actions: []string{"ecr:GetAuthorizationToken"}, Resources: []string{"*"}},
			{
				Actions: []string{
					"ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:CompleteLayerUpload", "ecr:DescribeImages", "ecr:DescribeImageScanFindings",
					"ecr:GetDownloadUrlForLayer", "ecr:InitiateLayerUpload", "ecr:PutImage", "ecr:UploadLayerPart",
				},
				Resources: []string{repositoryARN(cfg)},
			},
		},
	})
}

// smoke asks a stage's application over the internet whether this commit answers.
func smoke(p *pipeline.Pipeline, stage config.Stage) pipelines.Step {
	return p.Command("Smoke-"+stage.Name, pipeline.CommandProps{
		Commands: []string{"go run ./tools/slipway smoke -stage " + stage.Name + " -commit " + commit},
	})
}
