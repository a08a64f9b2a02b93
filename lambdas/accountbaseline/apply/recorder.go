package apply

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/configservice"
	configtypes "github.com/aws/aws-sdk-go-v2/service/configservice/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"

	"slipway/internal/contract"
	"slipway/lambdas/accountbaseline/decide"
)

// Config holds the Region's recorder of configurations; an account has one of its own making.
type Config interface {
	DescribeConfigurationRecorders(context.Context, *configservice.DescribeConfigurationRecordersInput, ...func(*configservice.Options)) (*configservice.DescribeConfigurationRecordersOutput, error)
	DescribeConfigurationRecorderStatus(context.Context, *configservice.DescribeConfigurationRecorderStatusInput, ...func(*configservice.Options)) (*configservice.DescribeConfigurationRecorderStatusOutput, error)
	DescribeDeliveryChannels(context.Context, *configservice.DescribeDeliveryChannelsInput, ...func(*configservice.Options)) (*configservice.DescribeDeliveryChannelsOutput, error)
	PutConfigurationRecorder(context.Context, *configservice.PutConfigurationRecorderInput, ...func(*configservice.Options)) (*configservice.PutConfigurationRecorderOutput, error)
	PutDeliveryChannel(context.Context, *configservice.PutDeliveryChannelInput, ...func(*configservice.Options)) (*configservice.PutDeliveryChannelOutput, error)
	StartConfigurationRecorder(context.Context, *configservice.StartConfigurationRecorderInput, ...func(*configservice.Options)) (*configservice.StartConfigurationRecorderOutput, error)
	StopConfigurationRecorder(context.Context, *configservice.StopConfigurationRecorderInput, ...func(*configservice.Options)) (*configservice.StopConfigurationRecorderOutput, error)
	DeleteDeliveryChannel(context.Context, *configservice.DeleteDeliveryChannelInput, ...func(*configservice.Options)) (*configservice.DeleteDeliveryChannelOutput, error)
	DeleteConfigurationRecorder(context.Context, *configservice.DeleteConfigurationRecorderInput, ...func(*configservice.Options)) (*configservice.DeleteConfigurationRecorderOutput, error)
}

// recorder is AWS Config's recorder with its delivery channel.
type recorder struct {
	config  Config
	iam     IAM
	account string
	Patience
}

const (
	recorderName    = "default" // what AWS's own console calls it, and what other tools look for
	identityChannel = "channel"
)

func (r recorder) Read(ctx context.Context) (decide.State, error) {
	recorders, err := r.config.DescribeConfigurationRecorders(ctx, &configservice.DescribeConfigurationRecordersInput{})
	if err != nil {
		return nil, err
	}
	name := ""
	for _, found := range recorders.ConfigurationRecorders {
		if aws.ToString(found.ServicePrincipal) == "" { // the others belong to services of AWS
			name = aws.ToString(found.Name)
		}
	}
	if name == "" {
		return nil, nil
	}
	state := decide.State{contract.KeyName: name, contract.KeyRecording: contract.Off}
	status, err := r.config.DescribeConfigurationRecorderStatus(ctx, &configservice.DescribeConfigurationRecorderStatusInput{ConfigurationRecorderNames: []string{name}})
	if err != nil {
		return nil, err
	}
	for _, found := range status.ConfigurationRecordersStatus {
		state[contract.KeyRecording] = strconv.FormatBool(found.Recording)
	}
	channels, err := r.config.DescribeDeliveryChannels(ctx, &configservice.DescribeDeliveryChannelsInput{})
	if err != nil {
		return nil, err
	}
	for _, found := range channels.DeliveryChannels {
		state[contract.KeyBucket] = aws.ToString(found.S3BucketName)
		state[decide.Identity(identityChannel)] = aws.ToString(found.Name)
	}
	return state, nil
}

func (r recorder) Write(ctx context.Context, from, to decide.State) (decide.State, error) {
	if to == nil {
		return nil, r.remove(ctx, from)
	}
	if from == nil {
		if err := r.makeRecorder(ctx, to[contract.KeyName]); err != nil {
			return nil, err
		}
	}
	all := decide.Over(from, to)
	name := aws.String(all[contract.KeyName])
	// A recorder starts only with a channel; a step that was lost half way is done here too.
	if changes := decide.Changes(from, to); changes[contract.KeyBucket] != "" {
		channel := from[decide.Identity(identityChannel)]
		if channel == "" {
			channel = recorderName
		}
		in := &configservice.PutDeliveryChannelInput{DeliveryChannel: &configtypes.DeliveryChannel{
			Name: &channel, S3BucketName: aws.String(changes[contract.KeyBucket]),
		}}
		err := r.until(ctx, []string{"InsufficientDeliveryPolicyException"}, func() error { // a policy of a moment ago
			_, err := r.config.PutDeliveryChannel(ctx, in)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	var err error
	switch {
	case from[contract.KeyRecording] == all[contract.KeyRecording]:
	case all[contract.KeyRecording] == contract.On:
		_, err = r.config.StartConfigurationRecorder(ctx, &configservice.StartConfigurationRecorderInput{ConfigurationRecorderName: name})
	default:
		_, err = r.config.StopConfigurationRecorder(ctx, &configservice.StopConfigurationRecorderInput{ConfigurationRecorderName: name})
	}
	return nil, err
}

// makeRecorder records everything, with AWS Config's own service-linked role.
func (r recorder) makeRecorder(ctx context.Context, name string) error {
	_, err := r.iam.CreateServiceLinkedRole(ctx, &iam.CreateServiceLinkedRoleInput{AWSServiceName: aws.String("config.amazonaws.com")})
	var invalid *iamtypes.InvalidInputException
	if errors.As(err, &invalid) && strings.Contains(invalid.ErrorMessage(), "has been taken") {
		err = nil // it is there already
	}
	if err != nil {
		return err
	}
	in := &configservice.PutConfigurationRecorderInput{ConfigurationRecorder: &configtypes.ConfigurationRecorder{
		Name:           &name,
		RoleARN:        aws.String("arn:aws:iam::" + r.account + ":role/aws-service-role/config.amazonaws.com/AWSServiceRoleForConfig"),
		RecordingGroup: &configtypes.RecordingGroup{AllSupported: true, IncludeGlobalResourceTypes: true},
	}}
	return r.until(ctx, []string{"InvalidRoleException"}, func() error { // a role of a moment ago
		_, err := r.config.PutConfigurationRecorder(ctx, in)
		return err
	})
}

// remove stops the recorder first: a channel can't go while it records.
func (r recorder) remove(ctx context.Context, from decide.State) error {
	name := aws.String(from[contract.KeyName])
	if from[contract.KeyRecording] == contract.On {
		if _, err := r.config.StopConfigurationRecorder(ctx, &configservice.StopConfigurationRecorderInput{ConfigurationRecorderName: name}); err != nil {
			return err
		}
	}
	if channel := from[decide.Identity(identityChannel)]; channel != "" {
		if _, err := r.config.DeleteDeliveryChannel(ctx, &configservice.DeleteDeliveryChannelInput{DeliveryChannelName: &channel}); err != nil {
			return err
		}
	}
	_, err := r.config.DeleteConfigurationRecorder(ctx, &configservice.DeleteConfigurationRecorderInput{ConfigurationRecorderName: name})
	return err
}
