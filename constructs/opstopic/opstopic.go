// Package opstopic is the SNS topic that tells people about operations: encrypted with its own key, TLS only.
package opstopic

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssnssubscriptions"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"slipway/constructs/retention"
)

// Props of a Topic.
type Props struct {
	DisplayName string
	// Emails are subscribed; each must confirm.
	Emails []string
	// Retain keeps the key when the stack is deleted, as the stage keeps all its keys.
	Retain bool
}

// Topic is the topic and its key.
type Topic struct {
	topic awssns.Topic
	key   awskms.Key
}

// New creates the topic.
func New(scope constructs.Construct, id string, props Props) *Topic {
	this := constructs.NewConstruct(scope, jsii.String(id))
	// A key of its own: alarms cannot publish to a topic under the AWS managed key, whose policy nobody can change.
	key := awskms.NewKey(this, jsii.String("Key"), &awskms.KeyProps{
		Description:       jsii.String("Encrypts " + props.DisplayName),
		EnableKeyRotation: jsii.Bool(true),
		RemovalPolicy:     retention.Policy(props.Retain),
	})
	key.AddToResourcePolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Sid:        jsii.String("AlarmsPublish"),
		Principals: &[]awsiam.IPrincipal{awsiam.NewServicePrincipal(jsii.String("cloudwatch.amazonaws.com"), nil)},
		Actions:    jsii.Strings("kms:Decrypt", "kms:GenerateDataKey*"),
		Resources:  jsii.Strings("*"), // in a key policy, * is this key
		Conditions: &map[string]any{"StringEquals": map[string]any{"aws:SourceAccount": *awscdk.Stack_Of(this).Account()}},
	}), nil)
	topic := awssns.NewTopic(this, jsii.String("Topic"), &awssns.TopicProps{
		DisplayName: jsii.String(props.DisplayName),
		MasterKey:   key,
		EnforceSSL:  jsii.Bool(true),
	})
	topic.AddToResourcePolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Sid:        jsii.String("AlarmsPublish"),
		Principals: &[]awsiam.IPrincipal{awsiam.NewServicePrincipal(jsii.String("cloudwatch.amazonaws.com"), nil)},
		Actions:    jsii.Strings("sns:Publish"),
		Resources:  &[]*string{topic.TopicArn()},
		Conditions: &map[string]any{"StringEquals": map[string]any{"aws:SourceAccount": *awscdk.Stack_Of(this).Account()}},
	}))
	for _, email := range props.Emails {
		topic.AddSubscription(awssnssubscriptions.NewEmailSubscription(jsii.String(email), nil))
	}
	return &Topic{topic: topic, key: key}
}

// AllowEvents lets rules of EventBridge publish. The rule's target says so in the topic's policy, but not in the key's, where
// EventBridge knows no condition: https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html
func (t *Topic) AllowEvents() {
	t.key.AddToResourcePolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Sid:        jsii.String("EventsPublish"),
		Principals: &[]awsiam.IPrincipal{awsiam.NewServicePrincipal(jsii.String("events.amazonaws.com"), nil)},
		Actions:    jsii.Strings("kms:Decrypt", "kms:GenerateDataKey*"),
		Resources:  jsii.Strings("*"), // in a key policy, * is this key
	}), nil)
}

// Resource is the CDK's topic.
func (t *Topic) Resource() awssns.Topic { return t.topic }

// ARN is the topic's ARN, a token.
func (t *Topic) ARN() string { return *t.topic.TopicArn() }

// KeyARN is the ARN of the topic's key, a token; a publisher needs kms:Decrypt and kms:GenerateDataKey on it.
func (t *Topic) KeyARN() string { return *t.key.KeyArn() }
