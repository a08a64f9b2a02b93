package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	cfntypes "github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	logs "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"slipway/internal/contract"
	"slipway/internal/qacluster"
	"slipway/internal/qalease"
	"slipway/lambdas/internal/bounded"
	"slipway/lambdas/internal/logging"
	"slipway/lambdas/qasweep/decide"
	"slipway/lambdas/qasweep/kinds"
)

const (
	concurrency = 4                // environments at once
	margin      = 10 * time.Second // kept before the deadline for the memory, the summary and the message
)

// handler runs the sweep: what could be remains, who owns what, plan, deletion, report.
type handler struct {
	settings
	kinds   []kinds.Kind
	ecs     qacluster.Client
	stacks  stackCalls
	control parameters
	topic   publisher
	metrics io.Writer
	log     *slog.Logger
	now     func() time.Time

	mu sync.Mutex
}

type stackCalls interface {
	cloudformation.ListStacksAPIClient
	DescribeStacks(context.Context, *cloudformation.DescribeStacksInput, ...func(*cloudformation.Options)) (*cloudformation.DescribeStacksOutput, error)
}

type parameters interface {
	GetParameter(context.Context, *ssm.GetParameterInput, ...func(*ssm.Options)) (*ssm.GetParameterOutput, error)
	PutParameter(context.Context, *ssm.PutParameterInput, ...func(*ssm.Options)) (*ssm.PutParameterOutput, error)
}

type publisher interface {
	Publish(context.Context, *sns.PublishInput, ...func(*sns.Options)) (*sns.PublishOutput, error)
}

func newHandler(s settings, cfg aws.Config, log *slog.Logger, metrics io.Writer, now func() time.Time) *handler {
	p := kinds.Platform{Name: s.Platform, Cluster: s.Cluster, Domain: s.Domain, Stage: s.Stage}
	ecsClient, ssmClient := ecs.NewFromConfig(cfg), ssm.NewFromConfig(cfg)
	h := &handler{
		settings: s, ecs: ecsClient, stacks: cloudformation.NewFromConfig(cfg), control: ssmClient, topic: sns.NewFromConfig(cfg),
		metrics: metrics, log: log, now: now,
	}
	h.kinds = []kinds.Kind{
		kinds.LoadBalancing{Platform: p, Listener: s.Listener, Client: elb.NewFromConfig(cfg)},
		&kinds.Records{Platform: p, Zone: s.Zone, Client: route53.NewFromConfig(cfg)},
		kinds.LogGroups{Platform: p, Client: logs.NewFromConfig(cfg)},
		&kinds.Revisions{
			Platform: p, Stages: s.Stages, Repository: s.Repository, Registry: s.Registry, Now: now,
			ECS: ecsClient, ECR: ecr.NewFromConfig(cfg), SSM: ssmClient, Gone: h.gone,
		},
		kinds.Objects{Platform: p, Bucket: s.Bucket, Client: s3.NewFromConfig(cfg)},
		kinds.Secrets{Platform: p, Client: secretsmanager.NewFromConfig(cfg)},
		kinds.Parameters{Platform: p, Client: ssmClient},
	}
	if s.Data != "" {
		h.kinds = append(h.kinds, kinds.Data{Function: s.Data, Client: lambda.NewFromConfig(cfg)})
	}
	return h
}

// handle is one sweep. Everything that can be done is done before an error is returned; the error is there for the alarms.
func (h *handler) handle(ctx context.Context, _ json.RawMessage) (Summary, error) {
	log := logging.ForInvocation(ctx, h.log)
	began := h.now()
	work, cancel := ctx, context.CancelFunc(func() {})
	if deadline, ok := ctx.Deadline(); ok {
		work, cancel = context.WithDeadline(ctx, deadline.Add(-margin))
	}
	defer cancel()

	s := newSummary(h.DryRun)
	plan, memory, err := h.plan(work, &s, began)
	if err == nil {
		s.Kept, s.Waiting, s.Stuck = plan.Kept, plan.Waiting, plan.Stuck
		h.sweep(work, plan, &s, log)
		err = h.remember(ctx, plan.Memory, memory)
	}
	if err != nil {
		s.fail(decide.Entry{Why: err.Error()})
	}
	s.finish()
	log.InfoContext(ctx, "summary", "summary", s)
	return s, h.report(ctx, s, began)
}

// plan reads everything. What owns comes after what is owned.
func (h *handler) plan(ctx context.Context, s *Summary, began time.Time) (plan decide.Plan, memory string, err error) {
	value, err := h.parameter(ctx, h.Switch)
	if err != nil {
		return plan, "", err
	}
	if s.Paused, s.Reason, err = contract.ParseSwitch(value); err != nil {
		return plan, "", err
	}
	if memory, err = h.parameter(ctx, h.Memory); err != nil {
		return plan, "", err
	}
	marks, err := decide.ParseMemory(memory)
	if err != nil {
		s.fail(decide.Entry{Why: err.Error()})
		marks = decide.Memory{}
	}
	var facts decide.Facts
	for _, k := range h.kinds {
		pieces, err := k.List(ctx)
		if err != nil { // the other kinds are swept all the same
			s.fail(decide.Entry{Kind: k.Kinds()[0], Why: err.Error()})
			continue
		}
		facts.Pieces = append(facts.Pieces, pieces...)
	}
	if err := h.owners(ctx, &facts); err != nil {
		return plan, "", err
	}
	return decide.Decide(h.input(began), facts, marks), memory, nil
}

func (h *handler) input(now time.Time) decide.Input {
	return decide.Input{Now: now, Platform: h.Platform, Cluster: h.Cluster, Grace: h.grace}
}

// owners reads the services of the cluster, then the stacks of the environments.
func (h *handler) owners(ctx context.Context, f *decide.Facts) error {
	services, unreadable, problems, err := qacluster.Services(ctx, h.ecs, h.Cluster, concurrency)
	if err != nil {
		return err
	}
	if problems != nil {
		h.log.WarnContext(ctx, "some services can't be read", "error", problems.Error())
	}
	f.Services, f.Unreadable, f.Stacks = services, unreadable, nil
	var statuses []cfntypes.StackStatus
	for _, status := range cfntypes.StackStatus("").Values() {
		if status != cfntypes.StackStatusDeleteComplete {
			statuses = append(statuses, status)
		}
	}
	pages := cloudformation.NewListStacksPaginator(h.stacks, &cloudformation.ListStacksInput{StackStatusFilter: statuses})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return fmt.Errorf("list the stacks of QA environments: %w", err)
		}
		for _, stack := range page.StackSummaries {
			f.Stacks = append(f.Stacks, aws.ToString(stack.StackName))
		}
	}
	return nil
}

// gone says which of the environments have no owner as far as can be seen now, so that nothing is read of the others.
func (h *handler) gone(ctx context.Context, environments []string) (gone []string, err error) {
	var f decide.Facts
	if len(environments) == 0 {
		return nil, nil
	}
	if err := h.owners(ctx, &f); err != nil {
		return nil, err
	}
	for _, environment := range environments {
		f.Pieces = []decide.Piece{{Kind: decide.Revision, Environment: environment}}
		if plan := decide.Decide(h.input(h.now()), f, nil); len(plan.Waiting) > 0 {
			gone = append(gone, environment)
		}
	}
	return gone, nil
}

func (h *handler) parameter(ctx context.Context, name string) (string, error) {
	out, err := h.control.GetParameter(ctx, &ssm.GetParameterInput{Name: &name})
	if err != nil {
		return "", fmt.Errorf("read the parameter %s: %w; nothing is deleted without it", name, err)
	}
	return aws.ToString(out.Parameter.Value), nil
}

// remember writes the memory if it changed.
func (h *handler) remember(ctx context.Context, m decide.Memory, before string) error {
	value := m.Format()
	if value == before {
		return nil
	}
	if _, err := h.control.PutParameter(ctx, &ssm.PutParameterInput{Name: &h.Memory, Value: &value, Overwrite: aws.Bool(true)}); err != nil {
		return fmt.Errorf("write the parameter %s: %w", h.Memory, err)
	}
	return nil
}

// sweep deletes the targets and notes in the plan's memory how that went.
func (h *handler) sweep(ctx context.Context, plan decide.Plan, s *Summary, log *slog.Logger) {
	byKind := map[decide.Kind]kinds.Kind{}
	for _, k := range h.kinds {
		for _, name := range k.Kinds() {
			byKind[name] = k
		}
	}
	bounded.Each(concurrency, plan.Targets, func(t decide.Target) {
		if s.Paused || h.DryRun {
			h.note(func() { s.WouldDelete = append(s.WouldDelete, entries(t.Pieces, "its environment is gone")...) })
			return
		}
		if ctx.Err() != nil {
			h.note(func() {
				s.Left = append(s.Left, decide.Entry{Environment: t.Environment, Why: "the sweep's time was over"})
			})
			return
		}
		if why, err := h.isBack(ctx, t.Environment); err != nil || why != "" {
			h.note(func() {
				if err != nil {
					s.fail(decide.Entry{Environment: t.Environment, Why: err.Error()})
					return
				}
				s.Kept = append(s.Kept, decide.Entry{Environment: t.Environment, Why: why})
				delete(plan.Memory, t.Environment)
			})
			return
		}
		var failed []error
		skip := map[decide.Kind]bool{}
		for _, kind := range decide.Order {
			var own []decide.Piece
			for _, p := range t.Pieces {
				if p.Kind == kind {
					own = append(own, p)
				}
			}
			if len(own) == 0 || skip[kind] {
				continue
			}
			if ctx.Err() != nil {
				h.note(func() { s.Left = append(s.Left, entries(own, "the sweep's time was over")...) })
				continue
			}
			err := h.delete(ctx, byKind[kind], own)
			h.note(func() {
				if err != nil {
					s.fail(decide.Entry{Kind: kind, Environment: t.Environment, Why: err.Error()})
					return
				}
				s.Deleted = append(s.Deleted, entries(own, "its environment is gone")...)
			})
			if err != nil {
				failed = append(failed, err)
				if kind == decide.Image || kind == decide.ActiveRevision {
					skip[decide.Revision] = true // the only trace of the images; and ECS deletes no active one
				}
			}
		}
		log.InfoContext(ctx, "swept", "environment", t.Environment, "pieces", len(t.Pieces), "failed", len(failed))
		h.note(func() {
			m := plan.Memory[t.Environment]
			if len(failed) > 0 {
				m.Failures, m.Last = m.Failures+1, h.now()
			} else {
				m.Failures, m.Last = 0, time.Time{}
			}
			plan.Memory[t.Environment] = m
		})
	})
}

// delete keeps a panic of one kind from stopping the others.
func (h *handler) delete(ctx context.Context, k kinds.Kind, pieces []decide.Piece) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return k.Delete(ctx, pieces)
}

func (h *handler) note(f func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f()
}

// isBack looks once more, right before anything goes, whether the environment has a stack or a service again.
func (h *handler) isBack(ctx context.Context, environment string) (why string, err error) {
	if contract.IsSlug(environment) {
		name := contract.QAEnvironmentStack(h.Platform, environment)
		out, err := h.stacks.DescribeStacks(ctx, &cloudformation.DescribeStacksInput{StackName: &name})
		switch {
		case isNoStack(err):
		case err != nil:
			return "", fmt.Errorf("look for the stack %s once more: %w", name, err)
		case slices.ContainsFunc(out.Stacks, func(s cfntypes.Stack) bool { return s.StackStatus != cfntypes.StackStatusDeleteComplete }):
			return "it has a stack again", nil
		}
	}
	found, failed, err := qacluster.Describe(ctx, h.ecs, h.Cluster, []string{environment})
	switch {
	case err != nil:
		return "", err
	case slices.ContainsFunc(found, func(s qalease.Service) bool { return s.Status != "INACTIVE" }):
		return "it has a service again", nil
	case len(failed) > 0:
		return "its service can't be read", nil
	}
	return "", nil
}

var errFailed = errors.New("the sweep failed")

// report writes metrics and tells people what is new.
func (h *handler) report(ctx context.Context, s Summary, began time.Time) error {
	var failed []error
	if err := s.writeMetrics(h.metrics, h.Platform, began, h.now()); err != nil {
		failed = append(failed, err)
	}
	if subject, body := s.message(h.Platform); subject != "" {
		if _, err := h.topic.Publish(ctx, &sns.PublishInput{TopicArn: &h.Topic, Subject: &subject, Message: &body}); err != nil {
			failed = append(failed, fmt.Errorf("send the summary to %s: %w", h.Topic, err))
		}
	}
	for _, e := range s.Failed {
		failed = append(failed, fmt.Errorf("%w: %s %s: %s", errFailed, e.Environment, e.Kind, e.Why))
	}
	return errors.Join(failed...)
}
