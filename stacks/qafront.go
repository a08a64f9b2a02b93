package stacks

import (
	"fmt"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awselasticloadbalancingv2"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"slipway/constructs/gofunction"
	"slipway/constructs/hostrule"
	"slipway/constructs/image"
	"slipway/constructs/qadatabase"
	"slipway/constructs/qaprefix"
	"slipway/constructs/qapreview"
	"slipway/internal/config"
	"slipway/internal/contract"
)

// unknownEnvironment is what the shared front answers for a host without an environment. It lists nothing.
const unknownEnvironment = "There is no QA environment at this address. It may have expired; deploy the branch again to bring it back.\n"

// NewQAFront creates slipway-<qa stage>-service: the load balancer that all QA environments share, and what their stacks
// read of it.
func NewQAFront(scope constructs.Construct, cfg *config.Config, stage config.Stage, on stageStacks, code gofunction.Code) *Service {
	stack := newStack(scope, cfg, stage.Account, contract.StageStack(cfg.Platform, stage.Name, contract.PartService),
		"Load balancer that the QA environments share", stage.Retain)

	domain := contract.QADomain(cfg.Domain)
	shared := newFront(stack, stage, on, on.dns.Certificate(stack, stage), []string{domain, "*." + domain},
		awselasticloadbalancingv2.ListenerAction_FixedResponse(jsii.Number(404), &awselasticloadbalancingv2.FixedResponseOptions{
			ContentType: jsii.String("text/plain"),
			MessageBody: jsii.String(unknownEnvironment),
		}), cfg.QA.SignIn.On())

	resolver := image.NewResolver(stack, "ImageResolver", image.ResolverProps{
		Code:          code,
		RepositoryARN: *importRepository(stack, cfg).RepositoryArn(),
		// A slug ends with a hyphen and eight characters; no stage's name has a hyphen.
		ParameterARN: parameterARN(cfg, stage, contract.ImageParameter(cfg.Platform, "*-????????")),
		StackARN:     stackARN(cfg, stage, contract.QAEnvironmentStack(cfg.Platform, "*")),
		Rule:         imageRule(cfg),
		Logs:         stageLogs(cfg, stage, on.network, "image-resolver"),
	})

	rules := hostrule.NewProvider(stack, "HostRules", hostrule.ProviderProps{
		Code: code, Platform: cfg.Platform, Domain: cfg.Domain, ListenerARN: *shared.HTTPS().ListenerArn(),
		SignIn: signIn(cfg), SecretKeyARN: cfg.QA.SignIn.SecretKeyARN,
		Logs: stageLogs(cfg, stage, on.network, "host-rules"),
	})
	databases := qadatabase.NewMaker(stack, "Databases", qadatabase.MakerProps{
		Code: code, Platform: cfg.Platform, VPC: on.network.VPC, Region: cfg.Region,
		DatabaseSecurityGroupID: *on.data.DatabaseSecurityGroup.SecurityGroupId(),
		MasterSecretARN:         *on.data.DatabaseSecret.SecretArn(),
		KeyARN:                  *on.data.DatabaseKey.KeyArn(),
		EnvironmentSecretsARN:   environmentSecretsARN(cfg, stage),
		Logs:                    stageLogs(cfg, stage, on.network, "databases"),
	})
	prefixes := qaprefix.NewCleaner(stack, "Prefixes", qaprefix.CleanerProps{
		Code: code, Platform: cfg.Platform, BucketName: *on.data.Bucket.BucketName(), Logs: stageLogs(cfg, stage, on.network, "prefixes"),
	})
	cluster := contract.ClusterName(stage.Name)
	qapreview.New(stack, "Preview", qapreview.Props{
		Code: code, ListSettings: listSettings(cfg), ListenerARN: *shared.HTTPS().ListenerArn(), Host: domain, SignIn: signIn(cfg),
		Cluster:     cluster,
		ClusterARN:  fmt.Sprintf("arn:aws:ecs:%s:%s:cluster/%s", cfg.Region, cfg.Accounts[stage.Account], cluster),
		ServicesARN: fmt.Sprintf("arn:aws:ecs:%s:%s:service/%s/*", cfg.Region, cfg.Accounts[stage.Account], cluster),
		Logs:        stageLogs(cfg, stage, on.network, "preview"),
	})

	protect(stack, cfg, stage, on.network, shared)
	watchFront(stack, cfg, stage, on, shared)

	shareWithQAEnvironments(stack, cfg, contract.KeyListenerARN, *shared.HTTPS().ListenerArn())
	shareWithQAEnvironments(stack, cfg, contract.KeyImageResolverARN, resolver.ARN())
	shareWithQAEnvironments(stack, cfg, contract.KeyRuleARN, rules.ARN())
	shareWithQAEnvironments(stack, cfg, contract.KeyDatabaseMakerARN, databases.ARN())
	shareWithQAEnvironments(stack, cfg, contract.KeyPrefixCleanerARN, prefixes.ARN())
	awscdk.NewCfnOutput(stack, jsii.String("Url"), &awscdk.CfnOutputProps{
		Value:       jsii.String("https://" + domain),
		Description: jsii.String("The list of QA environments, which answer at https://*." + domain),
	})
	return &Service{Stack: stack, Front: shared}
}

// environmentSecretsARN covers the database secrets of all QA environments, and none else: a slug ends with a hyphen and eight
// characters, to which Secrets Manager adds six of its own.
func environmentSecretsARN(cfg *config.Config, stage config.Stage) string {
	return fmt.Sprintf("arn:aws:secretsmanager:%s:%s:secret:%s-??????", cfg.Region, cfg.Accounts[stage.Account],
		contract.DatabaseSecretName(cfg.Platform, "*-????????"))
}
