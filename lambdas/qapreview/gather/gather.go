// Package gather reads the QA environments for the preview page, and not more often than needed.
package gather

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	cfntypes "github.com/aws/aws-sdk-go-v2/service/cloudformation/types"

	"slipway/internal/contract"
	"slipway/internal/qacluster"
	"slipway/internal/qalease"
)

// Stacks lists the account's stacks.
type Stacks interface {
	ListStacks(context.Context, *cloudformation.ListStacksInput, ...func(*cloudformation.Options)) (*cloudformation.ListStacksOutput, error)
}

const (
	// Fresh is how long a list is shown without asking AWS again: a page that anyone may reload must not use up the account's rate
	// of calls, which deployments need.
	Fresh = 15 * time.Second
	// atOnce bounds the calls at a time.
	atOnce = 4
)

// Reader reads the environments of a cluster.
type Reader struct {
	ECS      qacluster.Client
	Stacks   Stacks
	Settings qalease.Settings
	Cluster  string
	Now      func() time.Time
	Log      *slog.Logger

	mu   sync.Mutex
	last List
}

// List is what was read, and when; a zero Read means never.
type List struct {
	Rows []qalease.Row
	Read time.Time
}

// List returns the environments. If AWS doesn't answer it returns the last list, with the error.
func (r *Reader) List(ctx context.Context) (List, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.Now()
	if age := now.Sub(r.last.Read); !r.last.Read.IsZero() && age >= 0 && age < Fresh {
		return r.last, nil
	}
	facts, err := r.facts(ctx)
	if err != nil {
		return r.last, err
	}
	r.last = List{Rows: qalease.Rows(r.Settings, facts, now), Read: now}
	return r.last, nil
}

func (r *Reader) facts(ctx context.Context) (qalease.Facts, error) {
	services, unreadable, problems, err := qacluster.Services(ctx, r.ECS, r.Cluster, atOnce)
	if err != nil {
		return qalease.Facts{}, err
	}
	if problems != nil {
		r.Log.WarnContext(ctx, "some services can't be read", "error", problems.Error())
	}
	facts := qalease.Facts{Services: services, Unreadable: unreadable}
	pages := cloudformation.NewListStacksPaginator(r.Stacks, &cloudformation.ListStacksInput{StackStatusFilter: alive()})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return qalease.Facts{}, fmt.Errorf("list the stacks of the QA environments: %w", err)
		}
		for _, s := range page.StackSummaries {
			if _, ours := contract.SlugFromStack(r.Settings.Platform, aws.ToString(s.StackName)); ours {
				facts.Stacks = append(facts.Stacks, qalease.Stack{
					Name: *s.StackName, Status: string(s.StackStatus), CreatedAt: aws.ToTime(s.CreationTime),
				})
			}
		}
	}
	return facts, nil
}

// alive are all states but the deleted, of which AWS lists those of 90 days.
func alive() (states []cfntypes.StackStatus) {
	for _, s := range cfntypes.StackStatus("").Values() {
		if s != cfntypes.StackStatusDeleteComplete {
			states = append(states, s)
		}
	}
	return states
}
