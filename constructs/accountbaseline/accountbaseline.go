// Package accountbaseline sets what belongs to an account as a whole, by a custom resource: settings without a
// CloudFormation type, and things of which an account has only one, so that what is there already is adopted. What a
// setting was before is kept, and restored when its resource is removed.
package accountbaseline

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"slipway/constructs/gofunction"
	"slipway/constructs/loggroup"
	"slipway/constructs/nag"
	"slipway/internal/contract"
)

// Props of a Baseline.
type Props struct {
	Code     gofunction.Code
	Platform string
	Account  string
	Region   string
	Logs     loggroup.Props
}

// Baseline is the function behind the settings.
type Baseline struct {
	construct constructs.Construct
	function  *gofunction.Function
	platform  string
}

// New deploys the function. It may do everything that any setting needs, also those that are switched off: CloudFormation
// changes the role before it removes a setting's resource, and the removal still has to restore.
func New(scope constructs.Construct, id string, props Props) *Baseline {
	this := constructs.NewConstruct(scope, jsii.String(id))
	function := gofunction.New(this, "Settings", gofunction.Props{
		Code:        props.Code,
		Name:        "accountbaseline",
		Description: "Account baseline: settings of the account, and what they were before",
		Timeout:     2 * time.Minute,
		Environment: map[string]string{contract.EnvAccount: props.Account},
		Logs:        props.Logs,
	})
	allow(function, props)
	return &Baseline{construct: this, function: function, platform: props.Platform}
}

// Function is the function, to be watched.
func (b *Baseline) Function() *gofunction.Function { return b.function }

// Set brings a setting to the desired values. Its attributes are those that the setting's Lambda code returns.
func (b *Baseline) Set(id, setting string, desired map[string]string) awscdk.CustomResource {
	raw, err := json.Marshal(desired) // sorted, so that the template is the same each time
	if err != nil {
		panic(fmt.Sprintf("accountbaseline: %v", err)) // strings always encode
	}
	return b.set(id, setting, jsii.String(string(raw)))
}

// SetTokens is Set for values that are known at deployment only.
func (b *Baseline) SetTokens(id, setting string, desired map[string]string) awscdk.CustomResource {
	return b.set(id, setting, awscdk.Stack_Of(b.construct).ToJsonString(desired, nil))
}

func (b *Baseline) set(id, setting string, desired *string) awscdk.CustomResource {
	return awscdk.NewCustomResource(b.construct, jsii.String(id), &awscdk.CustomResourceProps{
		ServiceToken:   jsii.String(b.function.ARN()),
		ResourceType:   jsii.String("Custom::SlipwayAccountSetting"),
		ServiceTimeout: awscdk.Duration_Minutes(jsii.Number(3)),
		Properties: &map[string]any{
			contract.PropertySetting: setting,
			contract.PropertyMemory:  contract.SettingMemory(b.platform, setting),
			contract.PropertyDesired: desired,
		},
	})
}

// allow grants the calls of the Lambda's testdata/actions.txt. Where "*" stands, AWS's service authorization reference
// names no resource: https://docs.aws.amazon.com/service-authorization/latest/reference/
func allow(f *gofunction.Function, p Props) {
	arn := func(service, resource string) string {
		return "arn:aws:" + service + ":" + p.Region + ":" + p.Account + ":" + resource
	}
	linkedRole := func(service, name string) string {
		return "arn:aws:iam::" + p.Account + ":role/aws-service-role/" + service + "/" + name
	}
	every := []string{"*"}

	f.Allow([]string{"ssm:GetParameter", "ssm:PutParameter", "ssm:DeleteParameter"},
		[]string{arn("ssm", "parameter"+contract.SettingMemory(p.Platform, "*"))}, nil)
	f.Allow([]string{"iam:GetAccountPasswordPolicy", "iam:UpdateAccountPasswordPolicy", "iam:DeleteAccountPasswordPolicy"}, every, nil)
	f.Allow([]string{
		"ec2:GetEbsEncryptionByDefault", "ec2:EnableEbsEncryptionByDefault", "ec2:DisableEbsEncryptionByDefault",
		"ec2:GetInstanceMetadataDefaults", "ec2:ModifyInstanceMetadataDefaults",
	}, every, map[string]any{"StringEquals": map[string]any{"ec2:Region": p.Region}})
	f.Allow([]string{"s3:GetAccountPublicAccessBlock", "s3:PutAccountPublicAccessBlock"}, every, nil)

	f.Allow([]string{"guardduty:ListDetectors", "guardduty:CreateDetector"}, every, nil)
	f.Allow([]string{"guardduty:GetDetector", "guardduty:UpdateDetector", "guardduty:DeleteDetector"}, []string{arn("guardduty", "detector/*")}, nil)
	f.Allow([]string{"access-analyzer:ListAnalyzers"}, every, nil)
	f.Allow([]string{"access-analyzer:CreateAnalyzer", "access-analyzer:DeleteAnalyzer"}, []string{arn("access-analyzer", "analyzer/"+p.Platform)}, nil)
	f.Allow([]string{"securityhub:EnableSecurityHub"}, every, nil) // before there is a hub
	f.Allow([]string{
		"securityhub:DescribeHub", "securityhub:DisableSecurityHub",
		"securityhub:GetEnabledStandards", "securityhub:BatchEnableStandards", "securityhub:BatchDisableStandards",
	}, []string{arn("securityhub", "hub/default")}, nil)
	f.Allow([]string{
		"config:DescribeDeliveryChannels", "config:PutDeliveryChannel", "config:DeleteDeliveryChannel",
		// A recorder is no must here: the first two look whether there is one, the third makes it.
		"config:DescribeConfigurationRecorders", "config:DescribeConfigurationRecorderStatus", "config:PutConfigurationRecorder",
	}, every, nil)
	f.Allow([]string{"config:StartConfigurationRecorder", "config:StopConfigurationRecorder", "config:DeleteConfigurationRecorder"},
		[]string{arn("config", "configuration-recorder/*/*")}, nil)

	// The service-linked roles that those services make at their first use, on the caller's rights.
	services := []string{
		"guardduty.amazonaws.com", "malware-protection.guardduty.amazonaws.com", "access-analyzer.amazonaws.com",
		"securityhub.amazonaws.com", "config.amazonaws.com",
	}
	var roles []string
	for _, service := range services {
		roles = append(roles, linkedRole(service, "*"))
	}
	f.Allow([]string{"iam:CreateServiceLinkedRole"}, roles, map[string]any{"StringEquals": map[string]any{"iam:AWSServiceName": services}})
	f.Allow([]string{"iam:GetRole"}, []string{linkedRole("malware-protection.guardduty.amazonaws.com", "AWSServiceRoleForAmazonGuardDutyMalwareProtection")}, nil)
	onlyTo := map[string]any{"StringEquals": map[string]any{"iam:PassedToService": "config.amazonaws.com"}} //nolint:gosec // no credential
	f.Allow([]string{"iam:PassRole"}, []string{linkedRole("config.amazonaws.com", "AWSServiceRoleForConfig")}, onlyTo)
	nag.Suppress(f.Construct(), "AwsSolutions-IAM5", "Settings of the account have no resource in IAM; the IDs of detectors and recorders that are there already are not known beforehand.")
}
