// Package loggroup declares CloudWatch log groups. Every log group of the platform is declared, since those that AWS
// creates by itself never expire and outlive their stack.
package loggroup

import (
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"slipway/constructs/retention"
)

// Props of a log group.
type Props struct {
	// Name of the group; its consumers' roles and key policies are written for it.
	Name string
	// Days of retention, a value that CloudWatch Logs knows.
	Days int
	// Key encrypts the group; nil leaves it to CloudWatch Logs' own key.
	Key awskms.IKey
	// Retain keeps the group when its stack is deleted.
	Retain bool
}

// New declares the log group.
func New(scope constructs.Construct, id string, props Props) awslogs.LogGroup {
	group := awslogs.NewLogGroup(scope, jsii.String(id), &awslogs.LogGroupProps{
		LogGroupName:  jsii.String(props.Name),
		EncryptionKey: props.Key,
		RemovalPolicy: retention.Policy(props.Retain),
	})
	// The L2 takes an enumeration of words; configuration, like CloudFormation, counts days.
	group.Node().DefaultChild().(awslogs.CfnLogGroup).SetRetentionInDays(jsii.Number(props.Days))
	return group
}
