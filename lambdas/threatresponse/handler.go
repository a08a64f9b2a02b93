package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/applicationautoscaling"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/guardduty"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/wafv2"

	"slipway/internal/contract"
	"slipway/lambdas/internal/logging"
	"slipway/lambdas/internal/notify"
	"slipway/lambdas/threatresponse/decide"
	"slipway/lambdas/threatresponse/engine"
	"slipway/lambdas/threatresponse/finding"
	"slipway/lambdas/threatresponse/ledger"
	"slipway/lambdas/threatresponse/remedy"
	"slipway/lambdas/threatresponse/report"
)

// handler answers findings, commands and the clock.
type handler struct {
	settings
	store    ledger.Store
	remedies []remedy.Remedy
	findings engine.Findings
	topic    notify.Publisher
	log      *slog.Logger
	metrics  io.Writer
	now      func() time.Time
}

func newHandler(s settings, cfg aws.Config, log *slog.Logger, metrics io.Writer, now func() time.Time) *handler {
	s.at.Region = cfg.Region
	clients := remedy.Clients{
		EC2: ec2.NewFromConfig(cfg), AutoScaling: autoscaling.NewFromConfig(cfg), ELB: elb.NewFromConfig(cfg), IAM: iam.NewFromConfig(cfg),
		WAF: wafv2.NewFromConfig(cfg), SSM: ssm.NewFromConfig(cfg), ECS: ecs.NewFromConfig(cfg), Scaling: applicationautoscaling.NewFromConfig(cfg),
		// With another endpoint than AWS's, a bucket isn't a part of the host name.
		S3: s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = cfg.BaseEndpoint != nil }),
	}
	return &handler{
		settings: s,
		store:    ledger.Store{Client: dynamodb.NewFromConfig(cfg), Table: s.table, Keep: time.Duration(s.config.Keep), Now: now},
		remedies: remedy.All(clients, remedy.Settings{Platform: s.at.Platform, Account: s.at.Account, Stages: s.config.Stages, Sleep: remedy.Sleep}),
		findings: guardduty.NewFromConfig(cfg), topic: sns.NewFromConfig(cfg), log: log, metrics: metrics, now: now,
	}
}

// handle answers an event. A finding's error lets Lambda try it again; the ledger then knows what is done already. A command's
// fault is in its answer, for a person reads it.
func (h *handler) handle(ctx context.Context, raw json.RawMessage) (any, error) {
	log := logging.ForInvocation(ctx, h.log)
	e := engine.Engine{
		Config: h.config, Store: h.store, Remedies: h.remedies, Findings: h.findings, Log: log, Now: h.now, Owner: h.owner(ctx, raw),
	}
	var command contract.ResponseCommand
	if err := json.Unmarshal(raw, &command); err == nil && command.Purpose == contract.ResponseCommandPurpose {
		return h.command(ctx, log, e, command)
	}
	f, err := finding.Parse(raw)
	if err != nil {
		// Another delivery would end the same way.
		log.WarnContext(ctx, "ignored", "why", err.Error())
		return outcome{Verdict: decide.Ignore, Why: err.Error()}, nil
	}
	return h.finding(ctx, log, e, f)
}

// owner is the invocation, which keeps its ID when Lambda tries it again.
func (h *handler) owner(ctx context.Context, raw json.RawMessage) string {
	if lc, ok := lambdacontext.FromContext(ctx); ok && lc.AwsRequestID != "" {
		return lc.AwsRequestID
	}
	return fmt.Sprintf("%d-%d", h.now().UnixNano(), len(raw))
}

// outcome is what an invocation for a finding did.
type outcome struct {
	Verdict decide.Verdict          `json:"verdict"`
	Why     string                  `json:"why,omitempty"`
	Entries map[string]ledger.State `json:"entries,omitempty"`
	Told    bool                    `json:"told"`
}

func (h *handler) finding(ctx context.Context, log *slog.Logger, e engine.Engine, f finding.Finding) (outcome, error) {
	plan := decide.Decide(h.config, h.at, f, remedy.Pure(h.remedies))
	log.InfoContext(ctx, "finding", "id", f.ID, "type", f.Type, "severity", f.Severity, "stage", plan.Stage, "verdict", plan.Verdict, "why", plan.Why, "mode", plan.Mode)
	if plan.Verdict == decide.Ignore {
		return outcome{Verdict: plan.Verdict, Why: plan.Why}, nil
	}
	kept := ledger.Finding{ID: f.ID, Type: f.Type, Title: f.Title, Detector: f.Detector, Severity: f.Severity, Level: f.Level(), Link: f.Link()}
	var siblings []string
	for _, step := range plan.Steps {
		siblings = append(siblings, ledger.EntryID(step.Target))
	}
	out := outcome{Verdict: plan.Verdict, Why: plan.Why, Entries: map[string]ledger.State{}}
	var results []engine.Result
	var faults []error
	elsewhere := false
	for _, step := range plan.Steps {
		r := e.Contain(ctx, ledger.Demand{
			Step: step, Mode: plan.Mode, After: plan.After, Stage: plan.Stage, Sample: f.Sample && !h.config.ActOnSamples, Finding: kept,
			Approval: time.Duration(h.config.Approval), Lasts: e.Lasts(step.Action), Siblings: siblings,
		})
		results = append(results, r)
		out.Entries[r.Entry.ID] = r.Entry.State
		elsewhere = elsewhere || r.Elsewhere
		if r.Err != nil {
			log.ErrorContext(ctx, "not contained yet", "entry", r.Entry.ID, "error", r.Err.Error())
			faults = append(faults, r.Err)
		}
	}
	if err := report.Metrics(h.metrics, h.at, h.now(), &plan, results); err != nil {
		log.WarnContext(ctx, "no metrics", "error", err.Error())
	}
	if !elsewhere { // whoever is at it tells people
		told, err := h.tell(ctx, f, kept, plan, results)
		out.Told = told
		faults = append(faults, err)
	}
	return out, errors.Join(faults...)
}

// tell sends the message unless people have had the same one. It is sent before it is noted: twice is better than never.
func (h *handler) tell(ctx context.Context, f finding.Finding, kept ledger.Finding, plan decide.Plan, results []engine.Result) (bool, error) {
	known, err := h.store.Case(ctx, ledger.CaseID(f.ID))
	record := ledger.Case{ID: ledger.CaseID(f.ID), First: h.now().UTC()}
	if err == nil && known != nil {
		record = *known
	}
	digest := report.Digest(plan, results)
	tell := record.Told != digest
	if tell {
		subject, body := report.Finding(h.at, f, plan, results)
		if err := notify.Send(ctx, h.topic, h.topicARN, subject, body); err != nil {
			return false, err
		}
	}
	record.Finding, record.Stage, record.Count, record.Last, record.Why, record.Told = kept, plan.Stage, f.Count, h.now().UTC(), plan.Why, digest
	record.Entries = nil
	for _, r := range results {
		record.Entries = append(record.Entries, r.Entry.ID)
	}
	if err == nil {
		_, err = h.store.PutCase(ctx, record)
	}
	if errors.Is(err, ledger.ErrChanged) {
		return tell, nil // another delivery of the same finding was as fast
	}
	return tell, err
}

// command answers the command line and the clock.
func (h *handler) command(ctx context.Context, log *slog.Logger, e engine.Engine, c contract.ResponseCommand) (contract.ResponseAnswer, error) {
	log.InfoContext(ctx, "command", "command", c.Command, "id", c.ID, "by", c.By)
	var r engine.Result
	switch c.Command {
	case contract.ResponseCommandSweep:
		return h.sweep(ctx, e)
	case contract.ResponseCommandList:
		return h.list(ctx, c.All), nil
	}
	if c.By == "" {
		return contract.ResponseAnswer{Failed: true, Message: c.Command + ": say who asks"}, nil
	}
	switch c.Command {
	case contract.ResponseCommandApprove:
		r = e.Approve(ctx, c.ID, c.By)
	case contract.ResponseCommandReject:
		r = e.Reject(ctx, c.ID, c.By, c.Why)
	case contract.ResponseCommandUndo:
		r = e.Release(ctx, c.ID, ledger.Undone, c.By, c.Why)
	default:
		return contract.ResponseAnswer{Failed: true, Message: fmt.Sprintf("there is no command %q", c.Command)}, nil
	}
	if r.Entry.ID == "" || !r.New {
		message := "nothing changed"
		if r.Err != nil {
			message = r.Err.Error()
		}
		return contract.ResponseAnswer{Failed: r.Err != nil, Message: message}, nil
	}
	answer := contract.ResponseAnswer{
		Message: fmt.Sprintf("%s %s: %s", r.Entry.Action, r.Entry.Target.Label(), r.Entry.State), Entries: []contract.ResponseEntry{line(r.Entry)},
		Failed: r.Err != nil || r.Entry.State == ledger.Failed,
	}
	if r.Err != nil {
		answer.Message += "; it is tried again: " + r.Err.Error()
	}
	if err := h.announce(ctx, fmt.Sprintf("%s by %s", c.Command, c.By), nil, []engine.Result{r}); err != nil {
		answer.Message += "; nobody was told: " + err.Error()
	}
	return answer, nil
}

func (h *handler) sweep(ctx context.Context, e engine.Engine) (contract.ResponseAnswer, error) {
	results, err := e.Sweep(ctx)
	if len(results) > 0 {
		err = h.announce(ctx, "the clock", err, results)
	}
	answer := contract.ResponseAnswer{Message: fmt.Sprintf("%d entries changed", len(results)), Failed: err != nil}
	for _, r := range results {
		answer.Entries = append(answer.Entries, line(r.Entry))
	}
	return answer, err
}

// announce counts changes and tells people of them. It adds its own fault to err.
func (h *handler) announce(ctx context.Context, why string, err error, results []engine.Result) error {
	subject, body := report.Changes(h.at, why, results)
	return errors.Join(err, report.Metrics(h.metrics, h.at, h.now(), nil, results), notify.Send(ctx, h.topic, h.topicARN, subject, body))
}

// list answers what is open, the newest last; with all also what is settled and the findings that people were only told of.
func (h *handler) list(ctx context.Context, all bool) contract.ResponseAnswer {
	states := ledger.Open
	if all {
		states = append(append([]ledger.State{}, states...), ledger.Settled...)
	}
	answer := contract.ResponseAnswer{}
	for _, state := range states {
		entries, err := h.store.In(ctx, state)
		if err != nil {
			return contract.ResponseAnswer{Failed: true, Message: err.Error()}
		}
		for _, e := range entries {
			answer.Entries = append(answer.Entries, line(e))
		}
	}
	if all {
		cases, err := h.store.Cases(ctx)
		if err != nil {
			return contract.ResponseAnswer{Failed: true, Message: err.Error()}
		}
		for _, c := range cases {
			if len(c.Entries) == 0 {
				answer.Entries = append(answer.Entries, contract.ResponseEntry{
					ID: c.ID, State: string(ledger.Told), Stage: c.Stage, Severity: c.Finding.Severity, Finding: c.Finding.Type, Title: c.Finding.Title,
					Since: stamp(c.First), Notes: []string{c.Why},
				})
			}
		}
	}
	answer.Message = fmt.Sprintf("%d entries", len(answer.Entries))
	const most = 4 << 20 // a synchronous answer may have 6 MB
	for body, _ := json.Marshal(answer); len(body) > most; body, _ = json.Marshal(answer) {
		answer.Entries = answer.Entries[:len(answer.Entries)/2]
		answer.Message = fmt.Sprintf("the first %d entries; the rest doesn't fit an answer, read the table %s", len(answer.Entries), h.table)
	}
	return answer
}

// line is an entry for people.
func line(e ledger.Entry) contract.ResponseEntry {
	l := contract.ResponseEntry{
		ID: e.ID, State: string(e.State), Action: e.Action, Target: e.Target.Label(), Stage: e.Stage, Severity: e.Finding.Severity,
		Finding: e.Finding.Type, Title: e.Finding.Title, By: e.By, Notes: e.Notes, Error: e.Error,
	}
	if n := len(e.History); n > 0 {
		l.Since = stamp(e.History[n-1].At)
	}
	switch e.State {
	case ledger.Waiting:
		l.Until = stamp(e.Due)
	case ledger.Active:
		l.Until = stamp(e.Expires)
	}
	return l
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}
