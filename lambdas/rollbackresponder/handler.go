package main

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"slipway/lambdas/internal/deadline"
	"slipway/lambdas/internal/logging"
	"slipway/lambdas/internal/notify"
	"slipway/lambdas/rollbackresponder/decide"
	"slipway/lambdas/rollbackresponder/gather"
	"slipway/lambdas/rollbackresponder/record"
	"slipway/lambdas/rollbackresponder/report"
)

const (
	margin = 15 * time.Second // kept before the function's deadline for the record and the message
	asking = 3 * time.Second  // for each call to the records, which the message doesn't need
)

// handler tells people about one failed deployment.
type handler struct {
	settings
	region string
	reader gather.Reader
	ledger record.Ledger
	topic  notify.Publisher
	log    *slog.Logger
	now    func() time.Time
}

// result is what an invocation did.
type result struct {
	Outcome string             `json:"outcome"` // told, duplicate or ignored
	Kind    decide.IgnoredKind `json:"kind,omitempty"`
	Why     string             `json:"why,omitempty"`
	Key     string             `json:"key,omitempty"`
}

func newHandler(s settings, cfg aws.Config, log *slog.Logger, now func() time.Time) *handler {
	return &handler{
		settings: s, region: cfg.Region,
		reader: gather.Reader{
			Config: s.config, CodeDeploy: codedeploy.NewFromConfig(cfg), ECS: ecs.NewFromConfig(cfg), ELB: elb.NewFromConfig(cfg),
			Logs: cloudwatchlogs.NewFromConfig(cfg), CloudWatch: cloudwatch.NewFromConfig(cfg), Log: log,
		},
		ledger: record.Ledger{SSM: ssm.NewFromConfig(cfg), Prefix: s.config.Records},
		topic:  sns.NewFromConfig(cfg), log: log, now: now,
	}
}

// handle answers one event of EventBridge. Its only error is a message that could not be sent: Lambda then tries again, and
// the record says that it is still to be sent.
func (h *handler) handle(ctx context.Context, raw json.RawMessage) (result, error) {
	log := logging.ForInvocation(ctx, h.log)
	event, err := decide.ParseEvent(h.config, raw)
	var ignored *decide.Ignored
	if errors.As(err, &ignored) {
		level := slog.LevelInfo
		if ignored.Kind == decide.Malformed || ignored.Kind == decide.Unknown {
			level = slog.LevelWarn // the rule sends what it shouldn't
		}
		log.Log(ctx, level, "ignored", "kind", ignored.Kind, "why", ignored.Why)
		return result{Outcome: "ignored", Kind: ignored.Kind, Why: ignored.Why}, nil
	}

	collected := &gather.Facts{}
	if _, err := deadline.Within(ctx, margin, log, func(ctx context.Context) struct{} {
		h.reader.Read(ctx, event, collected)
		return struct{}{}
	}); err != nil {
		collected.Problem("the rest", err)
	}
	facts := collected.Now()
	key := decide.Key(event, facts)
	entry := record.Record{Owner: owner(ctx, event), At: h.now().UTC(), Deployment: event.Deployment, Diagnosis: decide.Diagnose(h.config, event, facts)}

	mine, err := h.claim(ctx, key, entry)
	switch {
	case err != nil:
		log.WarnContext(ctx, "the record", "error", err.Error())
		collected.Problem("whether this message was sent before", err)
		facts = collected.Now()
	case !mine:
		log.InfoContext(ctx, "duplicate", "key", key)
		return result{Outcome: "duplicate", Key: key}, nil
	}
	log.InfoContext(ctx, "record", "marker", report.Marker, "key", key, "event", event, "diagnosis", entry.Diagnosis, "facts", facts)
	subject, body := report.Message(report.Where{
		Platform: h.platform, Stage: h.stage, Region: h.region, Record: h.config.Records + "/" + key,
	}, h.config, event, facts, entry.Diagnosis)
	if err := notify.Send(ctx, h.topic, h.topicARN, subject, body); err != nil {
		log.ErrorContext(ctx, "nobody was notified", "error", err.Error())
		return result{}, err
	}
	limited, cancel := context.WithTimeout(ctx, asking)
	defer cancel()
	if err := h.ledger.Sent(limited, key, entry); err != nil {
		// An error here would send the message again.
		log.WarnContext(ctx, "the record still says that the message is to be sent", "error", err.Error())
	}
	return result{Outcome: "told", Key: key}, nil
}

func (h *handler) claim(ctx context.Context, key string, entry record.Record) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, asking)
	defer cancel()
	return h.ledger.Claim(ctx, key, entry)
}

// owner is the invocation, which keeps its ID when Lambda tries it again.
func owner(ctx context.Context, e decide.Event) string {
	if lc, ok := lambdacontext.FromContext(ctx); ok && lc.AwsRequestID != "" {
		return lc.AwsRequestID
	}
	return e.ID
}
