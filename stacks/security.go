package stacks

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"slipway/constructs/cisalarms"
	"slipway/constructs/gofunction"
	"slipway/constructs/mfagroup"
	"slipway/constructs/monitoring"
	"slipway/constructs/network"
	"slipway/constructs/opstopic"
	"slipway/constructs/trail"
	"slipway/internal/config"
	"slipway/internal/contract"
)

// Security is the stack <platform>-security of one account: what watches and guards the account, whatever runs in it.
type Security struct {
	Stack awscdk.Stack
	// Topic tells people: alarms, and whatever responds to findings.
	Topic *opstopic.Topic
	// LogKey encrypts the stack's log groups.
	LogKey awskms.Key
	// Retain keeps records and keys when the stack is deleted.
	Retain bool

	trail *trail.Trail
}

// NewSecurity adds the security stack of each account. It depends on no other stack.
func NewSecurity(scope constructs.Construct, cfg *config.Config, code gofunction.Code) []*Security {
	var all []*Security
	accounts := cfg.SecurityAccounts()
	for _, account := range accounts {
		s := newSecurity(scope, cfg, account, len(accounts) > 1, code)
		addResponse(s, cfg, account, code)
		all = append(all, s)
	}
	return all
}

// newSecurity builds one account's stack. Its name is the same in every account; with several of them, the construct's ID,
// by which the CDK CLI selects it, ends with the account's.
func newSecurity(scope constructs.Construct, cfg *config.Config, account config.SecurityAccount, several bool, code gofunction.Code) *Security {
	name := contract.PlatformStack(cfg.Platform, contract.StackSecurity)
	id := name
	if several {
		id += "-" + account.ID
	}
	// Other stages' data may be in question when something has happened, so any stage that retains decides for all.
	retain := retainsAny(cfg.Stages)
	stack := newNamedStack(scope, cfg, account.Name, id, name, "Trail, detection and settings of the account", retain)

	s := &Security{
		Stack:  stack,
		Retain: retain,
		LogKey: network.NewLogKey(stack, "LogKey", network.LogKeyProps{Description: "Trail and log groups of " + name, Retain: retain}),
		Topic: opstopic.New(stack, "Topic", opstopic.Props{
			DisplayName: cfg.Platform + " security", Emails: cfg.Notifications, Retain: retain,
		}),
	}
	t := cfg.Security.Trail
	s.trail = trail.New(stack, "Trail", trail.Props{
		Name:             contract.TrailName(cfg.Platform),
		LogGroupName:     contract.SecurityLogGroup(cfg.Platform, "trail"),
		LogDays:          t.LogDays,
		Key:              s.LogKey,
		LockDays:         t.LockDays,
		ArchiveAfterDays: t.ArchiveAfterDays,
		KeepDays:         t.KeepDays,
		S3Writes:         t.S3Events == config.S3EventsWrite || t.S3Events == config.S3EventsAll,
		S3Reads:          t.S3Events == config.S3EventsAll,
		Retain:           retain,
	})
	s.setBaseline(cfg, account, code)
	people := mfagroup.New(stack, "People")
	awscdk.NewCfnOutput(stack, jsii.String("PeopleGroup"), &awscdk.CfnOutputProps{
		Value: jsii.String(people.Name()), Description: jsii.String("Group of the people who are IAM users: nothing works for them without MFA"),
	})

	watch := monitoring.Props{Prefix: name, Topic: s.Topic.Resource()}
	cisalarms.New(stack, "Cis", cisalarms.Props{LogGroup: s.trail.LogGroup(), Monitoring: watch})
	monitoring.WatchFunctions(stack, watch, stack)
	return s
}
