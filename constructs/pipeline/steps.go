package pipeline

import (
	"github.com/aws/aws-cdk-go/awscdk/v2/awscodebuild"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/pipelines"
	"github.com/aws/jsii-runtime-go"
)

// CommandProps of Command.
type CommandProps struct {
	// Commands run in the source's folder, each in bash.
	Commands []string
	// Variables of the environment.
	Variables map[string]string
	// Docker gives the step a Docker daemon.
	Docker bool
	// Allow are the only permissions of the step besides its log and the source.
	Allow []Permission
	// After come before this step, in the same wave.
	After []pipelines.Step
}

// Permission is one statement of IAM.
type Permission struct {
	Actions   []string
	Resources []string
}

// Command is a step that runs commands on the source.
func (p *Pipeline) Command(name string, props CommandProps) pipelines.Step {
	variables := map[string]*string{}
	for variable, value := range props.Variables {
		variables[variable] = jsii.String(value)
	}
	var statements []awsiam.PolicyStatement
	for _, permission := range props.Allow {
		statements = append(statements, awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
			Actions: jsii.Strings(permission.Actions...), Resources: jsii.Strings(permission.Resources...),
		}))
	}
	step := pipelines.NewCodeBuildStep(jsii.String(name), &pipelines.CodeBuildStepProps{
		Input:                p.source,
		Commands:             jsii.Strings(props.Commands...),
		Env:                  &variables,
		RolePolicyStatements: &statements,
		BuildEnvironment:     &awscodebuild.BuildEnvironment{Privileged: jsii.Bool(props.Docker)},
	})
	return after(step, props.After)
}

// Approval is a step that waits, for a week at most, until a person approves.
func Approval(name, comment string, before ...pipelines.Step) pipelines.Step {
	return after(pipelines.NewManualApprovalStep(jsii.String(name), &pipelines.ManualApprovalStepProps{Comment: jsii.String(comment)}), before)
}

func after(step pipelines.Step, earlier []pipelines.Step) pipelines.Step {
	for _, e := range earlier {
		step.AddStepDependency(e)
	}
	return step
}
