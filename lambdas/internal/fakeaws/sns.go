package fakeaws

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	snstypes "github.com/aws/aws-sdk-go-v2/service/sns/types"
)

// SNS is one topic and what was published to it.
type SNS struct {
	cloud *Cloud

	Topic    string // ARN
	Messages []Message
}

// Message is what subscribers get.
type Message struct{ Subject, Body string }

// NewSNS adds a topic to the cloud.
func NewSNS(c *Cloud) *SNS {
	s := &SNS{cloud: c, Topic: "arn:aws:sns:" + Region + ":" + Account + ":qa-cleanup"}
	On(c, "SNS", s.publish)
	return s
}

func (s *SNS) publish(in *sns.PublishInput) (*sns.PublishOutput, error) {
	if aws.ToString(in.TopicArn) != s.Topic {
		return nil, s.cloud.refuse(&snstypes.NotFoundException{Message: aws.String("Topic does not exist")})
	}
	subject, body := aws.ToString(in.Subject), aws.ToString(in.Message)
	bad := subject == "" || len(subject) > 100 || body == "" || len(body) > 256<<10
	for _, r := range subject {
		bad = bad || r < ' ' || r > '~'
	}
	if bad {
		return nil, s.cloud.refuse(&snstypes.InvalidParameterException{Message: aws.String("Invalid parameter: Subject or Message")})
	}
	s.Messages = append(s.Messages, Message{subject, body})
	return &sns.PublishOutput{MessageId: aws.String("1")}, nil
}
