package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"slipway/lambdas/internal/logging"
	"slipway/lambdas/qacleanup/apply"
	"slipway/lambdas/qacleanup/decide"
	"slipway/lambdas/qacleanup/gather"
	"slipway/lambdas/qacleanup/report"
)

const (
	concurrency = 8                // batches at once; adaptive retries find the rate that AWS allows
	margin      = 10 * time.Second // kept before the deadline for the summary and the message
)

// handler runs the cleanup: facts, plan, deletion, report.
type handler struct {
	settings
	reader  gather.Reader
	runner  apply.Runner
	topic   publisher
	metrics io.Writer
	log     *slog.Logger
	now     func() time.Time
}

type publisher interface {
	Publish(context.Context, *sns.PublishInput, ...func(*sns.Options)) (*sns.PublishOutput, error)
}

func newHandler(s settings, cfg aws.Config, log *slog.Logger, metrics io.Writer, now func() time.Time) *handler {
	ecsClient, stackClient, elbClient := ecs.NewFromConfig(cfg), cloudformation.NewFromConfig(cfg), elb.NewFromConfig(cfg)
	return &handler{
		settings: s,
		reader: gather.Reader{
			Settings: gather.Settings{Platform: s.platform, Cluster: s.cluster, ListenerARN: s.listenerARN, Concurrency: concurrency},
			ECS:      ecsClient, Stack: stackClient, ELB: elbClient,
		},
		runner: apply.Runner{
			Cleaners: apply.Cleaners(apply.Clients{ECS: ecsClient, ELB: elbClient, Stack: stackClient}),
			Services: ecsClient, Cluster: s.cluster, Concurrency: concurrency, Now: now,
		},
		topic: sns.NewFromConfig(cfg), metrics: metrics, log: log, now: now,
	}
}

// handle is one run. The event's content doesn't matter: the schedule and a call by hand do the same. Everything that
// can be done is done before an error is returned, and the error is there for the alarms and the dead-letter queue.
func (h *handler) handle(ctx context.Context, _ json.RawMessage) (report.Summary, error) {
	log := logging.ForInvocation(ctx, h.log)
	began := h.now()
	work, cancel := ctx, context.CancelFunc(func() {})
	if deadline, ok := ctx.Deadline(); ok {
		work, cancel = context.WithDeadline(ctx, deadline.Add(-margin))
	}
	defer cancel()

	in := decide.Input{Now: began, Platform: h.platform, Cluster: h.cluster, Grace: h.grace}
	facts, problems, err := h.reader.Facts(work, in)
	var plan decide.Plan
	var outcomes []apply.Outcome
	if err == nil {
		plan = decide.Decide(in, facts)
		runner := h.runner
		runner.Log = log
		outcomes = runner.Run(work, plan, h.dryRun)
	}
	summary := report.Summarize(h.dryRun, plan, outcomes, errors.Join(err, problems))

	log.InfoContext(ctx, "summary", "summary", summary)
	var failed []error
	if err := report.Metrics(h.metrics, h.platform, summary, began, h.now()); err != nil {
		failed = append(failed, err)
	}
	if subject, body := report.Message(h.platform, summary, began); subject != "" {
		if _, err := h.topic.Publish(ctx, &sns.PublishInput{TopicArn: &h.topicARN, Subject: &subject, Message: &body}); err != nil {
			failed = append(failed, fmt.Errorf("send the summary to %s: %w", h.topicARN, err))
		}
	}
	for _, e := range summary.Failed {
		failed = append(failed, fmt.Errorf("%s %s: %s", e.Kind, e.Name, e.Why))
	}
	return summary, errors.Join(failed...)
}
