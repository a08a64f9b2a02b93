package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"

	"github.com/aws/aws-lambda-go/cfn"

	"slipway/internal/contract"
	"slipway/lambdas/internal/customresource"
	"slipway/lambdas/internal/logging"
	"slipway/lambdas/qadatabase/apply"
	"slipway/lambdas/qadatabase/decide"
)

// handler takes CloudFormation's events and the sweep's requests.
type handler struct {
	keeper   apply.Keeper
	platform string
	client   customresource.Doer
	log      *slog.Logger
}

// handle tells the two kinds of events apart: only CloudFormation's have an address for the answer.
func (h handler) handle(ctx context.Context, raw json.RawMessage) (*contract.DataAnswer, error) {
	var event struct {
		ResponseURL string `json:"ResponseURL"`
		contract.DataRequest
	}
	if err := json.Unmarshal(raw, &event); err == nil && event.ResponseURL == "" && event.Sweep != "" {
		return h.sweep(ctx, event.DataRequest)
	}
	return nil, customresource.Wrapper{Handler: h.resource, Client: h.client, Log: h.log}.Invoke(ctx, raw)
}

// resource handles one request of CloudFormation. Whose database it is follows from the stack that asks, not from its
// properties: no branch's template can reach another environment's.
func (h handler) resource(ctx context.Context, request customresource.Request) (map[string]string, error) {
	stack := customresource.StackName(request.StackID)
	slug, ok := contract.SlugFromStack(h.platform, stack)
	switch {
	case request.Type == cfn.RequestDelete && !ok:
		return nil, nil // it was refused a database, so it has none
	case request.Type == cfn.RequestDelete:
		kept, err := h.keeper.Drop(ctx, slug)
		if kept != "" {
			logging.ForInvocation(ctx, h.log).WarnContext(ctx, "left alone", "environment", slug, "why", kept)
		}
		return nil, err
	case !ok:
		return nil, fmt.Errorf("make a database: the stack %q is no QA environment of %s; deploy one with -c branch=…", stack, h.platform)
	}
	secret, err := decide.Parse(h.platform, slug, request.Properties)
	if err != nil {
		return nil, fmt.Errorf("make the database of %s: %w", slug, err)
	}
	return nil, h.keeper.Create(ctx, slug, secret)
}

// sweep lists the environments that have anything here, or drops what one has. What isn't marked as the environment's is an
// error, for it won't go by itself.
func (h handler) sweep(ctx context.Context, request contract.DataRequest) (*contract.DataAnswer, error) {
	switch request.Sweep {
	case contract.SweepList:
		found, err := h.keeper.List(ctx)
		if err != nil {
			return nil, err
		}
		return &contract.DataAnswer{Environments: found}, nil
	case contract.SweepDrop:
		if !contract.IsSlug(request.Environment) {
			return nil, fmt.Errorf("drop a database: %q is no QA environment's name", request.Environment)
		}
		kept, err := h.keeper.Drop(ctx, request.Environment)
		if err == nil && kept != "" {
			err = fmt.Errorf("drop the database of %s: %s", request.Environment, kept)
		}
		if err != nil {
			return nil, err
		}
		logging.ForInvocation(ctx, h.log).InfoContext(ctx, "dropped", "environment", request.Environment)
		return &contract.DataAnswer{}, nil
	}
	return nil, fmt.Errorf("there is no sweep %q; give list or drop", request.Sweep)
}
