package fakeaws

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/accessanalyzer"
	aatypes "github.com/aws/aws-sdk-go-v2/service/accessanalyzer/types"
	"github.com/aws/aws-sdk-go-v2/service/configservice"
	configtypes "github.com/aws/aws-sdk-go-v2/service/configservice/types"
	"github.com/aws/aws-sdk-go-v2/service/securityhub"
	shtypes "github.com/aws/aws-sdk-go-v2/service/securityhub/types"
)

// Analyzers are the Region's access analyzers, types by name.
type Analyzers struct{ ByName map[string]aatypes.Type }

var analyzerName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.-]{0,254}$`)

// NewAnalyzers adds Access Analyzer without analyzers.
func NewAnalyzers(c *Cloud) *Analyzers {
	a := &Analyzers{ByName: map[string]aatypes.Type{}}
	On(c, "AccessAnalyzer", func(in *accessanalyzer.ListAnalyzersInput) (*accessanalyzer.ListAnalyzersOutput, error) {
		var all []aatypes.AnalyzerSummary
		for _, name := range slices.Sorted(maps.Keys(a.ByName)) {
			if in.Type == "" || in.Type == a.ByName[name] {
				all = append(all, aatypes.AnalyzerSummary{Name: &name, Type: a.ByName[name], Status: aatypes.AnalyzerStatusActive})
			}
		}
		found, next, err := page(c, all, in.NextToken, 1)
		return &accessanalyzer.ListAnalyzersOutput{Analyzers: found, NextToken: next}, err
	})
	On(c, "AccessAnalyzer", func(in *accessanalyzer.CreateAnalyzerInput) (*accessanalyzer.CreateAnalyzerOutput, error) {
		if !analyzerName.MatchString(*in.AnalyzerName) {
			return nil, c.refuse(&aatypes.ValidationException{Message: aws.String("analyzerName")})
		}
		for _, kind := range a.ByName {
			if kind == in.Type { // one of each type for an account
				return nil, c.refuse(&aatypes.ServiceQuotaExceededException{Message: aws.String("an analyzer of this type exists")})
			}
		}
		a.ByName[*in.AnalyzerName] = in.Type
		return &accessanalyzer.CreateAnalyzerOutput{}, nil
	})
	On(c, "AccessAnalyzer", func(in *accessanalyzer.DeleteAnalyzerInput) (*accessanalyzer.DeleteAnalyzerOutput, error) {
		if _, there := a.ByName[*in.AnalyzerName]; !there {
			return nil, &aatypes.ResourceNotFoundException{Message: aws.String("no such analyzer")}
		}
		delete(a.ByName, *in.AnalyzerName)
		return &accessanalyzer.DeleteAnalyzerOutput{}, nil
	})
	return a
}

// Hub is Security Hub: whether it is on, and its standards by the end of their ARNs.
type Hub struct {
	On        bool
	Standards map[string]shtypes.StandardsStatus
}

// NewHub adds Security Hub, off.
func NewHub(c *Cloud) *Hub {
	h := &Hub{Standards: map[string]shtypes.StandardsStatus{}}
	off := func() error {
		if h.On {
			return nil
		}
		return &shtypes.InvalidAccessException{Message: aws.String("Account " + Account + " is not subscribed to AWS Security Hub")}
	}
	On(c, "SecurityHub", func(*securityhub.DescribeHubInput) (*securityhub.DescribeHubOutput, error) {
		return &securityhub.DescribeHubOutput{}, off()
	})
	On(c, "SecurityHub", func(in *securityhub.EnableSecurityHubInput) (*securityhub.EnableSecurityHubOutput, error) {
		if h.On {
			return nil, &shtypes.ResourceConflictException{Message: aws.String("Account is already subscribed")}
		}
		h.On = true
		if in.EnableDefaultStandards == nil || *in.EnableDefaultStandards {
			h.Standards["ruleset/cis-aws-foundations-benchmark/v/1.2.0"] = shtypes.StandardsStatusReady
		}
		return &securityhub.EnableSecurityHubOutput{}, nil
	})
	On(c, "SecurityHub", func(*securityhub.DisableSecurityHubInput) (*securityhub.DisableSecurityHubOutput, error) {
		if err := off(); err != nil {
			return nil, err
		}
		h.On = false
		clear(h.Standards)
		return &securityhub.DisableSecurityHubOutput{}, nil
	})
	On(c, "SecurityHub", func(in *securityhub.GetEnabledStandardsInput) (*securityhub.GetEnabledStandardsOutput, error) {
		var all []shtypes.StandardsSubscription
		for _, standard := range slices.Sorted(maps.Keys(h.Standards)) {
			all = append(all, subscription(standard, h.Standards[standard]))
		}
		found, next, err := page(c, all, in.NextToken, 2)
		if err == nil {
			err = off()
		}
		return &securityhub.GetEnabledStandardsOutput{StandardsSubscriptions: found, NextToken: next}, err
	})
	On(c, "SecurityHub", func(in *securityhub.BatchEnableStandardsInput) (*securityhub.BatchEnableStandardsOutput, error) {
		out := &securityhub.BatchEnableStandardsOutput{}
		for _, request := range in.StandardsSubscriptionRequests {
			standard, ok := strings.CutPrefix(aws.ToString(request.StandardsArn), "arn:aws:securityhub:"+Region+"::standards/")
			if !ok || len(in.StandardsSubscriptionRequests) > 25 {
				return nil, c.refuse(&shtypes.InvalidInputException{Message: aws.String("no such standard: " + aws.ToString(request.StandardsArn))})
			}
			standard = "standards/" + standard
			h.Standards[standard] = shtypes.StandardsStatusPending
			out.StandardsSubscriptions = append(out.StandardsSubscriptions, subscription(standard, shtypes.StandardsStatusPending))
		}
		return out, off()
	})
	On(c, "SecurityHub", func(in *securityhub.BatchDisableStandardsInput) (*securityhub.BatchDisableStandardsOutput, error) {
		for _, arn := range in.StandardsSubscriptionArns {
			standard := ""
			for known := range h.Standards {
				if *subscription(known, "").StandardsSubscriptionArn == arn {
					standard = known
				}
			}
			if standard == "" {
				return nil, c.refuse(&shtypes.InvalidInputException{Message: aws.String("no such subscription: " + arn)})
			}
			h.Standards[standard] = shtypes.StandardsStatusDeleting // for a while, it is still listed
		}
		return &securityhub.BatchDisableStandardsOutput{}, off()
	})
	return h
}

// subscription names a standard and the account's subscription to it, as Security Hub does.
func subscription(standard string, status shtypes.StandardsStatus) shtypes.StandardsSubscription {
	prefix := "arn:aws:securityhub:" + Region + "::"
	if strings.HasPrefix(standard, "ruleset/") {
		prefix = "arn:aws:securityhub:::" // CIS 1.2.0 is the only one without a Region
	}
	_, name, _ := strings.Cut(standard, "/")
	return shtypes.StandardsSubscription{
		StandardsArn: aws.String(prefix + standard), StandardsStatus: status,
		StandardsSubscriptionArn: aws.String("arn:aws:securityhub:" + Region + ":" + Account + ":subscription/" + name),
	}
}

// Recorder is AWS Config's recorder and its delivery channel.
type Recorder struct {
	cloud    *Cloud
	settings *AccountSettings

	Recorder  *configtypes.ConfigurationRecorder // nil: none
	Channel   *configtypes.DeliveryChannel       // nil: none
	Recording bool
	// OfService is the name of a recorder that belongs to a service of AWS; it doesn't count.
	OfService string
}

// NewRecorder adds AWS Config without a recorder. Roles are looked up in the account's settings.
func NewRecorder(c *Cloud, settings *AccountSettings) *Recorder {
	r := &Recorder{cloud: c, settings: settings}
	r.addReads()
	r.addWrites()
	return r
}

func (r *Recorder) addReads() {
	On(r.cloud, "Config Service", func(*configservice.DescribeConfigurationRecordersInput) (*configservice.DescribeConfigurationRecordersOutput, error) {
		out := &configservice.DescribeConfigurationRecordersOutput{}
		if r.Recorder != nil {
			out.ConfigurationRecorders = append(out.ConfigurationRecorders, *r.Recorder)
		}
		if r.OfService != "" {
			out.ConfigurationRecorders = append(out.ConfigurationRecorders, configtypes.ConfigurationRecorder{Name: &r.OfService, ServicePrincipal: aws.String("x.amazonaws.com")})
		}
		return out, nil
	})
	On(r.cloud, "Config Service", func(in *configservice.DescribeConfigurationRecorderStatusInput) (*configservice.DescribeConfigurationRecorderStatusOutput, error) {
		out := &configservice.DescribeConfigurationRecorderStatusOutput{}
		for _, name := range in.ConfigurationRecorderNames {
			if err := r.named(&name); err != nil {
				return nil, err
			}
			out.ConfigurationRecordersStatus = append(out.ConfigurationRecordersStatus, configtypes.ConfigurationRecorderStatus{Name: &name, Recording: r.Recording})
		}
		return out, nil
	})
	On(r.cloud, "Config Service", func(*configservice.DescribeDeliveryChannelsInput) (*configservice.DescribeDeliveryChannelsOutput, error) {
		out := &configservice.DescribeDeliveryChannelsOutput{}
		if r.Channel != nil {
			out.DeliveryChannels = append(out.DeliveryChannels, *r.Channel)
		}
		return out, nil
	})
}

func (r *Recorder) named(name *string) error {
	if r.Recorder == nil || aws.ToString(name) != *r.Recorder.Name {
		return r.cloud.refuse(&configtypes.NoSuchConfigurationRecorderException{Message: aws.String("no such recorder: " + aws.ToString(name))})
	}
	return nil
}

func (r *Recorder) addWrites() {
	c := r.cloud
	On(c, "Config Service", func(in *configservice.PutConfigurationRecorderInput) (*configservice.PutConfigurationRecorderOutput, error) {
		if r.Recorder != nil && *r.Recorder.Name != aws.ToString(in.ConfigurationRecorder.Name) {
			return nil, c.refuse(&configtypes.MaxNumberOfConfigurationRecordersExceededException{Message: aws.String("one recorder for an account")})
		}
		if arn := aws.ToString(in.ConfigurationRecorder.RoleARN); !r.settings.linkedRole(arn) {
			return nil, c.refuse(&configtypes.InvalidRoleException{Message: aws.String(fmt.Sprintf("no such role: %q", arn))})
		}
		r.Recorder = in.ConfigurationRecorder
		return &configservice.PutConfigurationRecorderOutput{}, nil
	})
	On(c, "Config Service", func(in *configservice.PutDeliveryChannelInput) (*configservice.PutDeliveryChannelOutput, error) {
		switch {
		case r.Recorder == nil:
			return nil, c.refuse(&configtypes.NoAvailableConfigurationRecorderException{Message: aws.String("no recorder")})
		case r.Channel != nil && *r.Channel.Name != aws.ToString(in.DeliveryChannel.Name):
			return nil, c.refuse(&configtypes.MaxNumberOfDeliveryChannelsExceededException{Message: aws.String("one channel for an account")})
		case aws.ToString(in.DeliveryChannel.S3BucketName) == "":
			return nil, c.refuse(&configtypes.NoSuchBucketException{Message: aws.String("no bucket")})
		}
		r.Channel = in.DeliveryChannel
		return &configservice.PutDeliveryChannelOutput{}, nil
	})
	On(c, "Config Service", func(in *configservice.StartConfigurationRecorderInput) (*configservice.StartConfigurationRecorderOutput, error) {
		if err := r.named(in.ConfigurationRecorderName); err != nil {
			return nil, err
		}
		if r.Channel == nil {
			return nil, c.refuse(&configtypes.NoAvailableDeliveryChannelException{Message: aws.String("no channel")})
		}
		r.Recording = true
		return &configservice.StartConfigurationRecorderOutput{}, nil
	})
	On(c, "Config Service", func(in *configservice.StopConfigurationRecorderInput) (*configservice.StopConfigurationRecorderOutput, error) {
		if err := r.named(in.ConfigurationRecorderName); err != nil {
			return nil, err
		}
		r.Recording = false
		return &configservice.StopConfigurationRecorderOutput{}, nil
	})
	On(c, "Config Service", func(in *configservice.DeleteDeliveryChannelInput) (*configservice.DeleteDeliveryChannelOutput, error) {
		switch {
		case r.Channel == nil || *r.Channel.Name != aws.ToString(in.DeliveryChannelName):
			return nil, c.refuse(&configtypes.NoSuchDeliveryChannelException{Message: aws.String("no such channel")})
		case r.Recording:
			return nil, c.refuse(&configtypes.LastDeliveryChannelDeleteFailedException{Message: aws.String("the recorder is running")})
		}
		r.Channel = nil
		return &configservice.DeleteDeliveryChannelOutput{}, nil
	})
	On(c, "Config Service", func(in *configservice.DeleteConfigurationRecorderInput) (*configservice.DeleteConfigurationRecorderOutput, error) {
		if err := r.named(in.ConfigurationRecorderName); err != nil {
			return nil, err
		}
		r.Recorder, r.Recording = nil, false
		return &configservice.DeleteConfigurationRecorderOutput{}, nil
	})
}
