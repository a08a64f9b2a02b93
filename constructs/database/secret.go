package database

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsec2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsrds"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssecretsmanager"
	"github.com/aws/jsii-runtime-go"

	"slipway/constructs/loggroup"
	"slipway/constructs/retention"
)

// newCredentials generates the master password into a secret of ours. RDS could manage the password itself, but not for
// a PostgreSQL instance with a read replica: AWS documents that the two exclude each other. One way for all stages
// means that adding a replica never changes where the application finds its password.
func (d *Database) newCredentials(props Props) awsrds.Credentials {
	secret := awsrds.NewDatabaseSecret(d.construct, jsii.String("Secret"), &awsrds.DatabaseSecretProps{
		Username:          jsii.String(masterUser),
		Dbname:            jsii.String(databaseName),
		EncryptionKey:     d.key,
		ExcludeCharacters: jsii.String(excluded),
	})
	secret.ApplyRemovalPolicy(retention.Policy(props.Retain))
	account := awscdk.Stack_Of(d.construct).Account()
	// Whatever an identity's policy says, nobody outside this account reads the password, and nobody without TLS.
	secret.AddToResourcePolicy(deny("DenyOtherAccounts", map[string]any{
		"StringNotEquals": map[string]any{"aws:PrincipalAccount": account},
		"Bool":            map[string]any{"aws:PrincipalIsAWSService": "false"},
	}))
	secret.AddToResourcePolicy(deny("DenyPlainText", map[string]any{
		"Bool": map[string]any{"aws:SecureTransport": "false"},
	}))
	return awsrds.Credentials_FromSecret(secret, jsii.String(masterUser))
}

func deny(sid string, conditions map[string]any) awsiam.PolicyStatement {
	return awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Sid:        jsii.String(sid),
		Effect:     awsiam.Effect_DENY,
		Principals: &[]awsiam.IPrincipal{awsiam.NewAnyPrincipal()},
		Actions:    jsii.Strings("secretsmanager:*"),
		Resources:  jsii.Strings("*"), // in a secret's policy: this secret
		Conditions: &conditions,
	})
}

// rotate lets Secrets Manager's own function replace the password, as the one user. CloudFormation's AWS::SecretsManager
// transform brings that function in a nested stack.
func (d *Database) rotate(props Props) {
	name := props.Identifier + "-password-rotation"
	group := awsec2.NewSecurityGroup(d.construct, jsii.String("RotationSecurityGroup"), &awsec2.SecurityGroupProps{
		Vpc:              props.VPC,
		Description:      jsii.String("Password rotation of " + props.Identifier),
		AllowAllOutbound: jsii.Bool(false),
	})
	group.AddEgressRule(d.securityGroup, awsec2.Port_Tcp(jsii.Number(port)), jsii.String("The database"), nil)
	group.AddEgressRule(awsec2.Peer_AnyIpv4(), awsec2.Port_Tcp(jsii.Number(443)), jsii.String("Secrets Manager"), nil)
	d.securityGroup.AddIngressRule(group, awsec2.Port_Tcp(jsii.Number(port)), jsii.String("Password rotation"), nil)

	log := loggroup.New(d.construct, "RotationLog", loggroup.Props{
		Name: "/aws/lambda/" + name, Days: props.LogDays, Key: props.LogKey, Retain: props.Retain,
	})
	d.secret = d.instance.Secret() // with the instance's address in it, which the rotation needs
	schedule := d.secret.AddRotationSchedule(jsii.String("Rotation"), &awssecretsmanager.RotationScheduleOptions{
		AutomaticallyAfter: awscdk.Duration_Days(jsii.Number(props.RotationDays)),
		HostedRotation: awssecretsmanager.HostedRotation_PostgreSqlSingleUser(&awssecretsmanager.SingleUserHostedRotationOptions{
			FunctionName:      jsii.String(name),
			Vpc:               props.VPC,
			VpcSubnets:        &awsec2.SubnetSelection{SubnetGroupName: jsii.String("private")},
			SecurityGroups:    &[]awsec2.ISecurityGroup{group},
			ExcludeCharacters: jsii.String(excluded),
		}),
	})
	// The first rotation starts as soon as the schedule exists, and needs the way to the database by then.
	schedule.Node().AddDependency(log)
	for _, securityGroup := range []awsec2.SecurityGroup{group, d.securityGroup} {
		for _, rule := range *securityGroup.Node().Children() {
			if rule != securityGroup.Node().DefaultChild() {
				schedule.Node().AddDependency(rule)
			}
		}
	}
}
