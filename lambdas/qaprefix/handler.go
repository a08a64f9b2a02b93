package main

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/aws/aws-lambda-go/cfn"

	"slipway/internal/contract"
	"slipway/lambdas/internal/customresource"
	"slipway/lambdas/internal/logging"
	"slipway/lambdas/qaprefix/apply"
)

// handler answers CloudFormation.
type handler struct {
	cleaner  apply.Cleaner
	platform string
	log      *slog.Logger
}

// resource empties the prefix of the environment whose stack is deleted. Until then a prefix needs nothing: it is there as soon
// as an object is.
func (h handler) resource(ctx context.Context, request customresource.Request) (map[string]string, error) {
	stack := customresource.StackName(request.StackID)
	slug, ok := contract.SlugFromStack(h.platform, stack)
	switch {
	case request.Type != cfn.RequestDelete && !ok:
		return nil, fmt.Errorf("keep a prefix: the stack %q is no QA environment of %s; deploy one with -c branch=…", stack, h.platform)
	case request.Type != cfn.RequestDelete, !ok:
		return nil, nil
	}
	deleted, err := h.cleaner.Empty(ctx, slug)
	logging.ForInvocation(ctx, h.log).InfoContext(ctx, "emptied", "environment", slug, "versions", deleted)
	return nil, err
}
