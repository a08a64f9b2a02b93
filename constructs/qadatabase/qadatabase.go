// Package qadatabase gives a QA environment a database and a role of its own on the stage's PostgreSQL.
package qadatabase

import (
	"strconv"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsec2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssecretsmanager"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"slipway/constructs/gofunction"
	"slipway/constructs/loggroup"
	"slipway/constructs/nag"
	"slipway/internal/contract"
)

const port = 5432

// MakerProps of a Maker.
type MakerProps struct {
	Code     gofunction.Code
	Platform string
	// VPC holds the database. The function runs in its private subnets and needs their way out, to Secrets Manager and to
	// CloudFormation's answers.
	VPC awsec2.IVpc
	// DatabaseSecurityGroupID is the database's group, which lets the function in.
	DatabaseSecurityGroupID string
	// MasterSecretARN is the secret with the database's address and master user.
	MasterSecretARN string
	// KeyARN encrypts that secret and those of the environments.
	KeyARN string
	// EnvironmentSecretsARN covers the environments' secrets.
	EnvironmentSecretsARN string
	Region                string
	Logs                  loggroup.Props
}

// Maker is the Lambda behind all environments' databases. It outlives the environments, whose stacks ask it to drop theirs.
type Maker struct {
	function *gofunction.Function
}

// NewMaker deploys the Lambda and lets it reach the database.
func NewMaker(scope constructs.Construct, id string, props MakerProps) *Maker {
	group := awsec2.NewSecurityGroup(scope, jsii.String(id+"SecurityGroup"), &awsec2.SecurityGroupProps{
		Vpc:              props.VPC,
		Description:      jsii.String("Databases of the QA environments: to the database, and to AWS"),
		AllowAllOutbound: jsii.Bool(false),
	})
	group.AddEgressRule(awsec2.Peer_SecurityGroupId(jsii.String(props.DatabaseSecurityGroupID), nil), awsec2.Port_Tcp(jsii.Number(port)), jsii.String("The database"), nil)
	group.AddEgressRule(awsec2.Peer_AnyIpv4(), awsec2.Port_Tcp(jsii.Number(443)), jsii.String("Secrets Manager, CloudFormation"), nil)
	// The database's group belongs to the data stack; its rule for this function lives and dies with the function.
	entry := awsec2.NewCfnSecurityGroupIngress(scope, jsii.String(id+"Entry"), &awsec2.CfnSecurityGroupIngressProps{
		GroupId:               jsii.String(props.DatabaseSecurityGroupID),
		SourceSecurityGroupId: group.SecurityGroupId(),
		IpProtocol:            jsii.String("tcp"),
		FromPort:              jsii.Number(port),
		ToPort:                jsii.Number(port),
		Description:           jsii.String("Databases of the QA environments"),
	})
	function := gofunction.New(scope, id, gofunction.Props{
		Code:        props.Code,
		Name:        "qadatabase",
		Description: "Databases of the QA environments",
		Timeout:     2 * time.Minute,
		Environment: map[string]string{contract.EnvPlatform: props.Platform, contract.EnvMaster: props.MasterSecretARN},
		Network:     &gofunction.Network{VPC: props.VPC, SecurityGroups: []awsec2.ISecurityGroup{group}},
		Logs:        props.Logs,
	})
	function.Resource().Node().AddDependency(entry)
	function.Allow([]string{"secretsmanager:GetSecretValue"}, []string{props.MasterSecretARN, props.EnvironmentSecretsARN}, nil)
	function.Allow([]string{"kms:Decrypt"}, []string{props.KeyARN}, map[string]any{
		"StringEquals": map[string]any{"kms:ViaService": "secretsmanager." + props.Region + ".amazonaws.com"},
	})
	nag.Suppress(function.Construct(), "AwsSolutions-IAM5", "The environments' names are not known beforehand: the wildcard lies within the names of their database secrets.")
	return &Maker{function: function}
}

// ARN is the Lambda's ARN, the service token of New.
func (m *Maker) ARN() string { return m.function.ARN() }

// Props of a Database.
type Props struct {
	// ServiceToken is Maker.ARN.
	ServiceToken string
	// Name is the name of both database and role.
	Name string
	// SecretName is what the function's role expects.
	SecretName string
	// Host and Port are the database server's.
	Host string
	Port string
	// KeyARN encrypts the secret.
	KeyARN string
}

// Database is an environment's database, its role and the secret with its login.
type Database struct {
	construct constructs.Construct
	secret    awssecretsmanager.Secret
}

// New makes the secret, then database and role. Both go with the stack, the database first.
func New(scope constructs.Construct, id string, props Props) *Database {
	this := constructs.NewConstruct(scope, jsii.String(id))
	secret := awssecretsmanager.NewSecret(this, jsii.String("Secret"), &awssecretsmanager.SecretProps{
		SecretName:    jsii.String(props.SecretName),
		Description:   jsii.String("Database login of the QA environment " + props.Name),
		EncryptionKey: awskms.Key_FromKeyArn(this, jsii.String("Key"), jsii.String(props.KeyARN)),
		GenerateSecretString: &awssecretsmanager.SecretStringGenerator{
			SecretStringTemplate: jsii.String(`{"engine":"postgres","host":"` + props.Host + `","port":"` + props.Port +
				`","dbname":` + strconv.Quote(props.Name) + `,"username":` + strconv.Quote(props.Name) + `}`),
			GenerateStringKey:  jsii.String("password"),
			PasswordLength:     jsii.Number(40),
			ExcludePunctuation: jsii.Bool(true),
		},
		RemovalPolicy: awscdk.RemovalPolicy_DESTROY,
	})
	nag.Suppress(secret, "AwsSolutions-SMG4", "The environment lives for days; its password goes with it.")
	awscdk.NewCustomResource(this, jsii.String("Database"), &awscdk.CustomResourceProps{
		ServiceToken:   jsii.String(props.ServiceToken),
		ResourceType:   jsii.String("Custom::SlipwayDatabase"),
		ServiceTimeout: awscdk.Duration_Minutes(jsii.Number(3)),
		Properties: &map[string]any{
			"SecretArn": secret.SecretArn(),
			// A change of these gives the secret a new password, which the role must get.
			"Host": props.Host,
			"Port": props.Port,
		},
	})
	return &Database{construct: this, secret: secret}
}

// Construct is the scope of the database and its secret.
func (d *Database) Construct() constructs.Construct { return d.construct }

// SecretARN is the ARN of the secret with the login, a token.
func (d *Database) SecretARN() string { return *d.secret.SecretArn() }
