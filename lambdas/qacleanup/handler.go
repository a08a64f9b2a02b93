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
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"slipway/internal/contract"
	"slipway/lambdas/internal/logging"
	"slipway/lambdas/qacleanup/apply"
	"slipway/lambdas/qacleanup/decide"
	"slipway/lambdas/qacleanup/gather"
	"slipway/lambdas/qacleanup/report"
	"slipway/lambdas/qacleanup/warn"
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
	warner  warn.Sender
	control parameters
	metrics io.Writer
	log     *slog.Logger
	now     func() time.Time
}

type publisher interface {
	Publish(context.Context, *sns.PublishInput, ...func(*sns.Options)) (*sns.PublishOutput, error)
}

type parameters interface {
	GetParameter(context.Context, *ssm.GetParameterInput, ...func(*ssm.Options)) (*ssm.GetParameterOutput, error)
}

func newHandler(s settings, cfg aws.Config, log *slog.Logger, metrics io.Writer, now func() time.Time) *handler {
	topic := sns.NewFromConfig(cfg)
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
		topic: topic, metrics: metrics, log: log, now: now,
		warner:  warn.Sender{ECS: ecsClient, Topic: topic, TopicARN: s.topicARN, Platform: s.platform, Concurrency: concurrency},
		control: ssm.NewFromConfig(cfg),
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
	paused, reason, err := h.paused(work)
	var facts decide.Facts
	var problems error
	if err == nil {
		reader := h.reader
		reader.Thorough = h.dryRun || paused
		facts, problems, err = reader.Facts(work, in)
	}
	var plan decide.Plan
	var outcomes []apply.Outcome
	var told []decide.Entry
	if err == nil {
		plan = decide.Decide(in, facts)
		if !h.dryRun { // nothing ends in a dry run; it does end once a pause is over
			var unsent error
			told, unsent = h.warner.Send(work, decide.Warnings(in, facts), began)
			problems = errors.Join(problems, unsent)
		}
		runner := h.runner
		runner.Log = log
		outcomes = runner.Run(work, plan, h.dryRun || paused)
	}
	summary := report.Summarize(report.Input{
		DryRun: h.dryRun, Paused: paused, Reason: reason, Now: began, Hours: h.list.Hours, Rate: h.list.Rate,
	}, plan, outcomes, told, errors.Join(err, problems))
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

// paused reads the switch by which people stop all deletion. If it can't be read, nothing is deleted.
func (h *handler) paused(ctx context.Context) (paused bool, reason string, err error) {
	out, err := h.control.GetParameter(ctx, &ssm.GetParameterInput{Name: &h.switchName})
	if err != nil {
		return false, "", fmt.Errorf("read the cleanup's switch, the parameter %s: %w; nothing is deleted without it", h.switchName, err)
	}
	return contract.ParseSwitch(aws.ToString(out.Parameter.Value))
}
