// Package threatresponse deploys the response to findings of GuardDuty: the rule that catches them, the function that acts, its
// ledger, the clock that ends blocks and approvals, and the alarms that watch all of this.
package threatresponse

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsdynamodb"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsevents"
	"github.com/aws/aws-cdk-go/awscdk/v2/awseventstargets"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"slipway/constructs/gofunction"
	"slipway/constructs/loggroup"
	"slipway/constructs/monitoring"
	"slipway/constructs/nag"
	"slipway/constructs/opstopic"
	"slipway/constructs/retention"
	"slipway/internal/contract"
)

// Props of a Response.
type Props struct {
	Code     gofunction.Code
	Platform string
	Account  string // ID
	Region   string
	// MinSeverity is the least severity that the rule catches.
	MinSeverity float64
	// Config is what the function goes by.
	Config contract.ResponseConfig
	// Topic tells people, also of the alarms.
	Topic *opstopic.Topic
	// LogKey and LogDays are those of the function's log group.
	LogKey  awskms.IKey
	LogDays int
	// Retain keeps ledger, key and logs when the stack is deleted.
	Retain bool
}

// Times of an event's way to the function.
const (
	timeout    = 5 * time.Minute // below the ledger's lease of six
	maxAge     = time.Hour       // of a finding's event, retries included: the sweep and repetitions come later
	sweepEvery = 5               // minutes
)

// Response is the function with its ledger.
type Response struct {
	construct constructs.Construct
	function  *gofunction.Function
	ledger    awsdynamodb.Table
}

// New creates the response.
func New(scope constructs.Construct, id string, props Props) (*Response, error) {
	this := constructs.NewConstruct(scope, jsii.String(id))
	config, err := json.Marshal(props.Config)
	if err != nil {
		return nil, fmt.Errorf("write the response's configuration: %w", err)
	}
	key, ledger := newLedger(this, props)
	failed := awssqs.NewQueue(this, jsii.String("Failed"), &awssqs.QueueProps{
		EnforceSSL:      jsii.Bool(true),
		Encryption:      awssqs.QueueEncryption_SQS_MANAGED,
		RetentionPeriod: awscdk.Duration_Days(jsii.Number(14)),
	})
	nag.Suppress(failed, "AwsSolutions-SQS3", "This is the dead-letter queue.")

	// No reserved concurrency: a new account may reserve none, and the ledger keeps two at once from doing the same.
	function := gofunction.New(this, "Respond", gofunction.Props{
		Code:         props.Code,
		Name:         "threatresponse",
		FunctionName: contract.ResponseFunction(props.Platform),
		Description:  "Response to findings of GuardDuty",
		Timeout:      timeout,
		MemoryMiB:    512, // also buys CPU: an attacker is at work
		Environment: map[string]string{
			contract.EnvPlatform:    props.Platform,
			contract.EnvAccount:     props.Account,
			contract.EnvTopicARN:    props.Topic.ARN(),
			contract.EnvLedgerTable: *ledger.TableName(),
			contract.EnvResponse:    string(config),
		},
		Logs: loggroup.Props{
			Name: contract.SecurityLogGroup(props.Platform, "response"), Days: props.LogDays, Key: props.LogKey, Retain: props.Retain,
		},
		DeadLetterQueue: failed,
		RetryAttempts:   2,
		MaxEventAge:     maxAge,
	})
	function.SetEnvironment(contract.EnvRoleName, function.RoleName())
	r := &Response{construct: this, function: function, ledger: ledger}
	r.allow(props, *key.KeyArn())
	r.rules(props, failed)
	r.watch(props, failed)
	return r, nil
}

// newLedger is a table under a key of its own. Nothing in it can be restored from elsewhere, hence point-in-time recovery.
func newLedger(scope constructs.Construct, props Props) (awskms.Key, awsdynamodb.Table) {
	key := awskms.NewKey(scope, jsii.String("Key"), &awskms.KeyProps{
		Description:       jsii.String("Ledger of the response to findings of " + props.Platform),
		EnableKeyRotation: jsii.Bool(true),
		RemovalPolicy:     retention.Policy(props.Retain),
	})
	attribute := func(name string, kind awsdynamodb.AttributeType) *awsdynamodb.Attribute {
		return &awsdynamodb.Attribute{Name: jsii.String(name), Type: kind}
	}
	table := awsdynamodb.NewTable(scope, jsii.String("Ledger"), &awsdynamodb.TableProps{
		PartitionKey:        attribute(contract.LedgerID, awsdynamodb.AttributeType_STRING),
		BillingMode:         awsdynamodb.BillingMode_PAY_PER_REQUEST,
		Encryption:          awsdynamodb.TableEncryption_CUSTOMER_MANAGED,
		EncryptionKey:       key,
		TimeToLiveAttribute: jsii.String(contract.LedgerPurge),
		DeletionProtection:  jsii.Bool(props.Retain),
		RemovalPolicy:       retention.Policy(props.Retain),
		PointInTimeRecoverySpecification: &awsdynamodb.PointInTimeRecoverySpecification{
			PointInTimeRecoveryEnabled: jsii.Bool(true),
		},
	})
	table.AddGlobalSecondaryIndex(&awsdynamodb.GlobalSecondaryIndexProps{
		IndexName:      jsii.String(contract.LedgerIndex),
		PartitionKey:   attribute(contract.LedgerState, awsdynamodb.AttributeType_STRING),
		SortKey:        attribute(contract.LedgerDue, awsdynamodb.AttributeType_NUMBER),
		ProjectionType: awsdynamodb.ProjectionType_ALL,
	})
	return key, table
}

func (r *Response) rules(props Props, failed awssqs.IQueue) {
	target := func(input awsevents.RuleTargetInput) *[]awsevents.IRuleTarget {
		return &[]awsevents.IRuleTarget{awseventstargets.NewLambdaFunction(r.function.Resource(), &awseventstargets.LambdaFunctionProps{
			DeadLetterQueue: failed,
			MaxEventAge:     awscdk.Duration_Seconds(jsii.Number(maxAge.Seconds())),
			RetryAttempts:   jsii.Number(10),
			Event:           input,
		})}
	}
	awsevents.NewRule(r.construct, jsii.String("Findings"), &awsevents.RuleProps{
		Description: jsii.String(fmt.Sprintf("Findings of GuardDuty of severity %g and above", props.MinSeverity)),
		EventPattern: &awsevents.EventPattern{
			Source:     jsii.Strings("aws.guardduty"),
			DetailType: jsii.Strings("GuardDuty Finding"),
			// As a number: a list of severities would miss those between two that it has.
			Detail: &map[string]any{"severity": []any{map[string]any{"numeric": []any{">=", props.MinSeverity}}}},
		},
		Targets: target(nil),
	})
	awsevents.NewRule(r.construct, jsii.String("Sweep"), &awsevents.RuleProps{
		Description: jsii.String("Ends blocks and approvals, and finishes what was interrupted"),
		Schedule:    awsevents.Schedule_Rate(awscdk.Duration_Minutes(jsii.Number(sweepEvery))),
		Targets: target(awsevents.RuleTargetInput_FromObject(map[string]any{
			"purpose": contract.ResponseCommandPurpose, "command": contract.ResponseCommandSweep,
		})),
	})
}

func (r *Response) watch(props Props, failed awssqs.Queue) {
	function := *r.function.Resource().FunctionName()
	uncontained := awscloudwatch.NewMetric(&awscloudwatch.MetricProps{
		Namespace:     jsii.String(contract.ResponseNamespace),
		MetricName:    jsii.String(contract.MetricUncontained),
		DimensionsMap: &map[string]*string{contract.DimensionPlatform: jsii.String(props.Platform)},
		Period:        awscdk.Duration_Minutes(jsii.Number(5)),
		Statistic:     jsii.String("Sum"),
	})
	monitoring.Watch(r.construct, monitoring.Props{Prefix: contract.PlatformStack(props.Platform, contract.StackSecurity), Topic: props.Topic.Resource()}, []monitoring.Alarm{
		monitoring.Errors("response", function),
		monitoring.Throttles("response", function),
		monitoring.DeadLetters("response-failed-events", *failed.QueueName()),
		{
			Name: "response-uncontained", Tells: "A finding could not be contained. The message about it says why; `slipway findings list` shows what is failed.",
			Metric: uncontained, Threshold: 1, Periods: 1, Datapoints: 1,
			Missing: awscloudwatch.TreatMissingData_NOT_BREACHING, // the function writes it only when it ran
		},
	})
}

// FunctionARN is the ARN of the function, a token: whoever may invoke it may approve and undo.
func (r *Response) FunctionARN() string { return r.function.ARN() }

// LedgerName is the name of the table, a token.
func (r *Response) LedgerName() string { return *r.ledger.TableName() }
