package stacks

import (
	"encoding/json"
	"fmt"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsapplicationautoscaling"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscertificatemanager"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsec2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsecr"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsecs"
	"github.com/aws/aws-cdk-go/awscdk/v2/awselasticloadbalancingv2"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"slipway/constructs/front"
	"slipway/constructs/gofunction"
	"slipway/constructs/image"
	"slipway/constructs/loggroup"
	"slipway/constructs/webtask"
	"slipway/internal/config"
	"slipway/internal/contract"
)

// Service is a stage's application behind its load balancer; in the QA stage, the shared front of the QA environments.
type Service struct {
	Stack awscdk.Stack
	Front *front.Front
}

// stageStacks are the stacks of one stage that its service builds on.
type stageStacks struct {
	network *Network
	data    *Data
	cluster *Cluster
	dns     *DNS
}

// NewService creates slipway-<stage>-service: the load balancer, the Fargate service behind it, and the strategy by which a
// new version takes the place of the one that runs.
func NewService(scope constructs.Construct, cfg *config.Config, stage config.Stage, on stageStacks, code gofunction.Code, imageTag string) *Service {
	stack := newStack(scope, cfg, stage.Account, contract.StageStack(cfg.Platform, stage.Name, contract.PartService),
		"Application of the "+stage.Name+" stage and its load balancer", stage.Retain)

	repository := importRepository(stack, cfg)
	resolver := image.NewResolver(stack, "ImageResolver", image.ResolverProps{
		Code:          code,
		RepositoryARN: *repository.RepositoryArn(),
		ParameterARN:  parameterARN(cfg, stage, contract.ImageParameter(cfg.Platform, stage.Name)),
		StackARN:      stackARN(cfg, stage, contract.StageStack(cfg.Platform, stage.Name, contract.PartService)),
		Rule:          imageRule(cfg),
		Logs:          stageLogs(cfg, stage, on.network, "image-resolver"),
	})
	selected := image.New(stack, "Image", image.Props{
		ServiceToken: resolver.ARN(),
		Repository:   repository,
		RegistryID:   cfg.Accounts[cfg.Registry.Account],
		Requested:    imageTag,
		Parameter:    contract.ImageParameter(cfg.Platform, stage.Name),
	})
	task := webtask.New(stack, "Task", webtask.Props{
		Family:       contract.StageTaskFamily(cfg.Platform, stage.Name),
		Environment:  stage.Name,
		Region:       cfg.Region,
		CPU:          stage.Service.CPU,
		MemoryMiB:    stage.Service.MemoryMiB,
		ImageURI:     selected.URI(),
		Repository:   repository,
		RuntimeAgent: runtimeAgent(cfg),
		Logs:         stageLogs(cfg, stage, on.network, "app"),
		BucketName:   *on.data.Bucket.BucketName(),
		BucketKeyARN: *on.data.BucketKey.KeyArn(),

		DatabaseSecretARN:    *on.data.DatabaseSecret.SecretArn(),
		DatabaseSecretKeyARN: *on.data.DatabaseKey.KeyArn(),
		TraceRatio:           stage.Tracing.SampleRatio,
		Retain:               stage.Retain,
	})

	routes := newRoutes(stack, cfg, stage, on)
	watched := watchService(stack, cfg, stage, on, routes)
	d := &delivery{cfg: cfg, stage: stage, on: on, code: code, task: task, routes: routes}
	if *stage.Deployment.Alarms {
		d.stopping = watched.stopping
	}
	service := d.newService(stack)
	// A task that starts before its roles have their policies cannot pull its image, and counts against the breaker.
	service.Node().AddDependency(task.Construct())
	scaling := service.AutoScaleTaskCount(&awsapplicationautoscaling.EnableScalingProps{
		MinCapacity: jsii.Number(stage.Service.MinTasks),
		MaxCapacity: jsii.Number(stage.Service.MaxTasks),
	})
	scaling.ScaleOnCpuUtilization(jsii.String("Cpu"), &awsecs.CpuUtilizationScalingProps{
		TargetUtilizationPercent: jsii.Number(stage.Service.TargetCPUPercent),
		ScaleInCooldown:          awscdk.Duration_Minutes(jsii.Number(5)),
		ScaleOutCooldown:         awscdk.Duration_Minutes(jsii.Number(1)),
	})
	scaleFurther(stack, scaling, service, routes.front, stage)
	protect(stack, cfg, stage, on.network, routes.front)
	d.tellFailures(stack, watched.props)
	selected.RecordAfter(d.rollOut(stack, service))
	watched.finish(stack, cfg, stage, service)

	awscdk.NewCfnOutput(stack, jsii.String("Url"), &awscdk.CfnOutputProps{
		Value:       jsii.String("https://" + contract.AppHost(stage.Name, stage.Production, cfg.Domain)),
		Description: jsii.String("Where the application answers"),
	})
	return &Service{Stack: stack, Front: routes.front}
}

// newFront is a stage's public load balancer.
func newFront(stack awscdk.Stack, stage config.Stage, on stageStacks, certificate awscertificatemanager.ICertificate,
	hosts []string, defaultAction awselasticloadbalancingv2.ListenerAction, signsIn bool) *front.Front {
	return front.New(stack, "Front", front.Props{
		VPC:                on.network.VPC,
		AppSecurityGroupID: *on.network.AppSecurityGroup.SecurityGroupId(),
		Certificate:        certificate,
		Zone:               on.dns.Zone(stack),
		HostNames:          hosts,
		AccessLogDays:      stage.LogDays,
		SignsIn:            signsIn,
		Retain:             stage.Retain,
	}, defaultAction)
}

// appSecurityGroup is the tasks' group, immutable here: its rules are written out by the stacks that own them.
func appSecurityGroup(scope constructs.Construct, network *Network) awsec2.ISecurityGroup {
	return awsec2.SecurityGroup_FromSecurityGroupId(scope, jsii.String("AppSecurityGroup"), network.AppSecurityGroup.SecurityGroupId(),
		&awsec2.SecurityGroupImportOptions{Mutable: jsii.Bool(false)})
}

// importRepository refers to the image repository by its configured name, so that no stack is tied to slipway-registry.
func importRepository(scope constructs.Construct, cfg *config.Config) awsecr.IRepository {
	return awsecr.Repository_FromRepositoryAttributes(scope, jsii.String("Repository"), &awsecr.RepositoryAttributes{
		RepositoryName: jsii.String(cfg.Registry.Repository),
		RepositoryArn:  jsii.String(repositoryARN(cfg)),
	})
}

// stageLogs is a log group of a stage, under the stage's key.
func stageLogs(cfg *config.Config, stage config.Stage, network *Network, name string) loggroup.Props {
	return loggroup.Props{
		Name: "/" + cfg.Platform + "/" + stage.Name + "/" + name, Days: stage.LogDays, Key: network.LogKey, Retain: stage.Retain,
	}
}

// stackARN covers the stack of this name, or those that match it, whatever the end of their IDs.
func stackARN(cfg *config.Config, stage config.Stage, name string) string {
	return fmt.Sprintf("arn:aws:cloudformation:%s:%s:stack/%s/*", cfg.Region, cfg.Accounts[stage.Account], name)
}

// imageRule is registry.scan as the image resolver reads it. Reasons are for people and stay in the file.
func imageRule(cfg *config.Config) string {
	rule := struct {
		Refuse     config.Severity     `json:"refuse"`
		Exceptions []map[string]string `json:"exceptions,omitempty"`
	}{Refuse: cfg.Registry.Scan.Refuse}
	for _, e := range cfg.Registry.Scan.Exceptions {
		rule.Exceptions = append(rule.Exceptions, map[string]string{"id": e.ID, "until": e.Until})
	}
	text, err := json.Marshal(rule)
	if err != nil {
		panic(err) // strings only
	}
	return string(text)
}

// parameterARN is the ARN of an SSM parameter, whose name begins with a slash.
func parameterARN(cfg *config.Config, stage config.Stage, name string) string {
	return fmt.Sprintf("arn:aws:ssm:%s:%s:parameter%s", cfg.Region, cfg.Accounts[stage.Account], name)
}
