// Package notify sends a message to people by SNS.
package notify

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/sns"
)

// Publisher is SNS.
type Publisher interface {
	Publish(context.Context, *sns.PublishInput, ...func(*sns.Options)) (*sns.PublishOutput, error)
}

// SNS's limits.
const (
	maxSubject = 100       // printable ASCII characters
	maxBody    = 256 << 10 // bytes, with the subject
)

// Send publishes a message to a topic. Subject and body are made to fit; a message that is too long is cut at its end.
func Send(ctx context.Context, client Publisher, topic, subject, body string) error {
	subject, body = Fit(subject, body)
	if _, err := client.Publish(ctx, &sns.PublishInput{TopicArn: &topic, Subject: &subject, Message: &body}); err != nil {
		return fmt.Errorf("send %q to %s: %w; check that the function may publish there and use the topic's key", subject, topic, err)
	}
	return nil
}

// Fit makes a subject and a body that SNS takes.
func Fit(subject, body string) (string, string) {
	subject = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, subject)
	subject = strings.TrimSpace(subject[:min(len(subject), maxSubject)])
	if subject == "" {
		subject = "(no subject)"
	}
	const end = "\n(cut)"
	body = strings.ToValidUTF8(body, "?")
	if room := maxBody - len(subject) - len(end); len(body) > room {
		body = strings.ToValidUTF8(body[:room], "") + end
	}
	if body == "" {
		body = subject
	}
	return subject, body
}
