// Package warn tells people that QA environments end soon.
package warn

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"slipway/internal/contract"
	"slipway/internal/qalease"
	"slipway/lambdas/internal/bounded"
	"slipway/lambdas/qacleanup/decide"
)

// most is how many environments one message names; the next run tells of the others. A line has at most some 700 bytes, and
// SNS takes 256 KiB.
const most = 300

// unsent replaces a mark whose message didn't go out and that had none before it.
const unsent = "unsent"

// Sender marks environments and publishes one message about them.
type Sender struct {
	ECS interface {
		TagResource(context.Context, *ecs.TagResourceInput, ...func(*ecs.Options)) (*ecs.TagResourceOutput, error)
	}
	Topic interface {
		Publish(context.Context, *sns.PublishInput, ...func(*sns.Options)) (*sns.PublishOutput, error)
	}
	TopicARN    string
	Platform    string
	Concurrency int
}

// Send tells of the warnings, in one message, and returns those it told of.
//
// Each service is marked before the message goes out, and the mark is taken back if SNS refuses the message. So nobody hears
// the same twice; what is lost is the warning of a run that is killed between the two, a matter of milliseconds.
func (s Sender) Send(ctx context.Context, warnings []decide.Warning, now time.Time) (told []decide.Entry, err error) {
	var mu sync.Mutex
	var problems []error
	var marked []decide.Warning
	bounded.Each(s.Concurrency, warnings[:min(len(warnings), most)], func(w decide.Warning) {
		err := s.mark(ctx, w.Service, w.Mark)
		mu.Lock()
		defer mu.Unlock()
		switch {
		case isGone(err):
		case err != nil:
			problems = append(problems, err)
		default:
			marked = append(marked, w)
		}
	})
	if len(marked) == 0 {
		return nil, errors.Join(problems...)
	}
	slices.SortFunc(marked, func(a, b decide.Warning) int { return a.Ends.Compare(b.Ends) })
	subject, body := s.message(marked, now)
	if _, err := s.Topic.Publish(ctx, &sns.PublishInput{TopicArn: &s.TopicARN, Subject: &subject, Message: &body}); err != nil {
		problems = append(problems, fmt.Errorf("warn of %d environments that end soon, through %s: %w", len(marked), s.TopicARN, err))
		bounded.Each(s.Concurrency, marked, func(w decide.Warning) {
			before := w.Before
			if before == "" {
				before = unsent
			}
			if err := s.mark(ctx, w.Service, before); err != nil && !isGone(err) {
				mu.Lock()
				defer mu.Unlock()
				problems = append(problems, err)
			}
		})
		return nil, errors.Join(problems...)
	}
	for _, w := range marked {
		told = append(told, w.Entry)
	}
	return told, errors.Join(problems...)
}

func (s Sender) mark(ctx context.Context, service, value string) error {
	_, err := s.ECS.TagResource(ctx, &ecs.TagResourceInput{
		ResourceArn: &service, Tags: []ecstypes.Tag{{Key: aws.String(contract.TagWarned), Value: &value}},
	})
	if err != nil {
		return fmt.Errorf("remember the warning of %s in its tags: %w", service, err)
	}
	return nil
}

// isGone says that the service is deleted, or being deleted, by now.
func isGone(err error) bool {
	var missing *ecstypes.ResourceNotFoundException
	var none *ecstypes.ServiceNotFoundException
	var inactive *ecstypes.ServiceNotActiveException
	var invalid *ecstypes.InvalidParameterException
	return errors.As(err, &missing) || errors.As(err, &none) || errors.As(err, &inactive) ||
		errors.As(err, &invalid) && strings.Contains(invalid.ErrorMessage(), "inactive")
}

func (s Sender) message(warnings []decide.Warning, now time.Time) (subject, body string) {
	subject = fmt.Sprintf("%s QA: %d environments end soon", s.Platform, len(warnings))
	if len(warnings) == 1 {
		subject = fmt.Sprintf("%s QA: an environment ends soon", s.Platform)
	}
	var b strings.Builder
	b.WriteString("These QA environments end soon and are then deleted, with their data:\n\n")
	for _, w := range warnings {
		fmt.Fprintf(&b, "- %s in %s, at %s", w.Environment, qalease.Short(w.Ends.Sub(now)), contract.FormatExpiry(w.Ends))
		if w.Branch != "" {
			fmt.Fprintf(&b, ", branch %s", w.Branch)
		}
		if w.Owner != "" {
			fmt.Fprintf(&b, ", owner %s", w.Owner)
		}
		b.WriteByte('\n')
	}
	b.WriteString("\nTo keep one: make qa-extend BRANCH=<branch>, or deploy it again. No lease goes past its longest life.\n")
	return subject, b.String()
}
