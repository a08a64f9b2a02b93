package main

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"slipway/lambdas/deployhook/decide"
	"slipway/lambdas/deployhook/lifecycle"
	"slipway/lambdas/deployhook/probe"
	"slipway/lambdas/deployhook/report"
	"slipway/lambdas/deployhook/verify"
	"slipway/lambdas/internal/deadline"
	"slipway/lambdas/internal/logging"
	"slipway/lambdas/internal/notify"
)

const (
	margin  = 20 * time.Second // kept before the function's deadline: for the answer, and after it for the message
	telling = 5 * time.Second  // of it, for the message
)

// handler answers one deployment's question whether it may go on.
type handler struct {
	settings
	fault      error // of the settings: then each answer is a failure
	asker      verify.Asker
	codeDeploy lifecycle.Client
	topic      notify.Publisher
	log        *slog.Logger
	now        func() time.Time
}

// answer is what ECS reads. CodeDeploy doesn't look at it.
type answer struct {
	Status string `json:"hookStatus"`
}

// ECS's words for the outcome. IN_PROGRESS is never said: the checks end within one invocation.
const (
	succeeded = "SUCCEEDED"
	failed    = "FAILED"
)

func newHandler(s settings, fault error, cfg aws.Config, roots *x509.CertPool, log *slog.Logger, now func() time.Time) *handler {
	return &handler{
		settings: s, fault: fault, asker: probe.New(s.config.Host, s.config.Timeout(), roots),
		codeDeploy: codedeploy.NewFromConfig(cfg), topic: sns.NewFromConfig(cfg), log: log, now: now,
	}
}

// handle answers one event. Its error says that nobody could be told the outcome: Lambda then invokes the function again
// for CodeDeploy, and ECS takes it for a failure. A failure that was told is no error, or it would be told again.
func (h *handler) handle(ctx context.Context, raw json.RawMessage) (answer, error) {
	log := logging.ForInvocation(ctx, h.log)
	event, err := decide.ParseEvent(raw)
	if errors.Is(err, decide.ErrNobody) {
		log.ErrorContext(ctx, "nobody to answer", "error", err.Error())
		return answer{Status: failed}, fmt.Errorf("read the event: %w", err)
	}
	log = log.With("deployment", event.Deployment, "stage", event.Stage)
	r := h.examine(ctx, log, event, errors.Join(h.fault, err))

	out := answer{Status: failed}
	if r.Passed {
		out.Status = succeeded
	}
	var untold error
	if event.Source == decide.CodeDeploy {
		untold = h.tellCodeDeploy(ctx, log, event, r.Passed)
	}
	h.tellPeople(ctx, log, r)
	return out, untold
}

// examine makes the report. It ends the margin before the deadline whatever the checks do.
func (h *handler) examine(ctx context.Context, log *slog.Logger, event decide.Event, fault error) report.Report {
	rec := report.NewRecorder(event, h.now())
	_, err := deadline.Within(ctx, margin, log, func(ctx context.Context) struct{} {
		h.check(ctx, log, event, fault, rec)
		return struct{}{}
	})
	if err != nil {
		rec.Fail(err.Error())
	}
	return rec.Finish(h.now())
}

func (h *handler) check(ctx context.Context, log *slog.Logger, event decide.Event, fault error, rec *report.Recorder) {
	if event.Source == decide.CodeDeploy {
		var err error
		if event.RollingBack, err = lifecycle.RollingBack(ctx, h.codeDeploy, event.Deployment); err != nil {
			log.WarnContext(ctx, "is it a rollback?", "error", err.Error())
		}
	}
	// The version that a rollback brings back is another than the configuration expects, and it has been tested when it
	// came. Nothing may keep it from coming back, a broken configuration neither.
	if event.RollingBack {
		rec.Skip("this is a rollback, and nothing may hold it up")
		return
	}
	if fault == nil {
		fault = decide.CheckStage(event)
	}
	if fault != nil {
		rec.Fail(fault.Error())
		return
	}
	verify.Run(ctx, h.config, h.asker, rec)
}

func (h *handler) tellCodeDeploy(ctx context.Context, log *slog.Logger, event decide.Event, passed bool) error {
	if end, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, end.Add(-min(telling, time.Until(end)/4)))
		defer cancel()
	}
	err := lifecycle.Answer(ctx, h.codeDeploy, event, passed)
	if err != nil {
		log.ErrorContext(ctx, "CodeDeploy could not be told", "passed", passed, "error", err.Error())
	}
	return err
}

// tellPeople writes the report to the log and, of a failure, to the topic. Nothing that goes wrong here changes the answer.
func (h *handler) tellPeople(ctx context.Context, log *slog.Logger, r report.Report) {
	defer func() {
		if p := recover(); p != nil {
			log.Error("panic", "panic", fmt.Sprint(p), "stack trace", string(debug.Stack()))
		}
	}()
	log.InfoContext(ctx, "report", "marker", report.Marker, "report", r)
	subject, body := report.Message(report.Where{Platform: h.platform, Stage: h.stage, LogGroup: h.logGroup}, r)
	if subject == "" || h.topicARN == "" {
		return
	}
	limit := telling
	if end, ok := ctx.Deadline(); ok {
		limit = min(limit, time.Until(end)*3/4) // ECS still waits for the return value
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if err := notify.Send(ctx, h.topic, h.topicARN, subject, body); err != nil {
		log.ErrorContext(ctx, "nobody was notified", "error", err.Error())
	}
}
