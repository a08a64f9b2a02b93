package apply

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"slipway/internal/contract"
	"slipway/lambdas/qacleanup/decide"
)

var now = time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)

// recorder is a cleaner of any kind that records its steps.
type recorder struct {
	kind decide.Kind
	do   func(decide.Step) error
	mu   *sync.Mutex
	log  *[]string
}

func (r recorder) Kind() decide.Kind { return r.kind }

func (r recorder) Clean(_ context.Context, s decide.Step) error {
	r.mu.Lock()
	*r.log = append(*r.log, string(s.Kind)+" "+s.ID)
	r.mu.Unlock()
	return r.do(s)
}

// leases answers DescribeServices with expired leases.
type leases struct {
	mu      sync.Mutex
	batches []int
	err     error
}

func (l *leases) DescribeServices(_ context.Context, in *ecs.DescribeServicesInput, _ ...func(*ecs.Options)) (*ecs.DescribeServicesOutput, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.batches = append(l.batches, len(in.Services))
	out := &ecs.DescribeServicesOutput{}
	for _, arn := range in.Services {
		out.Services = append(out.Services, ecstypes.Service{
			ServiceArn: &arn, Status: aws.String("ACTIVE"), CreatedAt: &now,
			Tags: []ecstypes.Tag{
				{Key: aws.String(contract.TagEnvironment), Value: aws.String("x")},
				{Key: aws.String(contract.TagExpires), Value: aws.String("2026-03-10T11:00:00Z")},
			},
		})
	}
	return out, l.err
}

func run(t *testing.T, l *leases, targets []decide.Target, do func(decide.Step) error) ([]Outcome, []string) {
	t.Helper()
	var mu sync.Mutex
	var log []string
	r := Runner{Services: l, Cluster: "qa-cluster", Concurrency: 4, Now: func() time.Time { return now }, Log: slog.New(slog.DiscardHandler)}
	for _, kind := range []decide.Kind{decide.KindStack, decide.KindService, decide.KindTargetGroup} {
		r.Cleaners = append(r.Cleaners, recorder{kind, do, &mu, &log})
	}
	return r.Run(context.Background(), decide.Plan{Targets: targets}, false), log
}

func steps(name string, claims int, kinds ...decide.Kind) decide.Target {
	t := decide.Target{Kind: decide.KindService, Name: name}
	for i := range claims {
		t.Claims = append(t.Claims, decide.Claim{Service: fmt.Sprintf("arn:%s:%d", name, i), Environment: "x"})
	}
	for _, k := range kinds {
		t.Steps = append(t.Steps, decide.Step{Kind: k, ID: name})
	}
	return t
}

func TestOutcomes(t *testing.T) {
	for sentence, c := range map[string]struct {
		do     func(decide.Step) error
		status Status
		done   int
		log    []string
	}{
		"all steps in order":        {func(decide.Step) error { return nil }, Deleted, 2, []string{"target group x", "service x"}},
		"a failure stops it":        {func(decide.Step) error { return errors.New("denied") }, Failed, 0, []string{"target group x"}},
		"what is in use stops it":   {func(decide.Step) error { return fmt.Errorf("wrapped: %w", &Later{"in use"}) }, Postponed, 0, []string{"target group x"}},
		"a panic is its own affair": {func(decide.Step) error { panic("boom") }, Failed, 0, []string{"target group x"}},
	} {
		outcomes, log := run(t, &leases{}, []decide.Target{steps("x", 1, decide.KindTargetGroup, decide.KindService)}, c.do)
		if o := outcomes[0]; o.Status != c.status || o.Done != c.done || !slices.Equal(log, c.log) || c.status != Deleted && o.Detail == "" {
			t.Errorf("%s: %+v after %q", sentence, o, log)
		}
	}
}

func TestStepWithoutACleanerIsAFailure(t *testing.T) {
	outcomes, _ := run(t, &leases{}, []decide.Target{steps("x", 1, "moon")}, func(decide.Step) error { return nil })
	if outcomes[0].Status != Failed || !strings.Contains(outcomes[0].Detail, "no cleaner for a moon") {
		t.Errorf("%+v", outcomes[0])
	}
}

// Every kind that a plan may name has exactly one cleaner.
func TestEveryKindHasACleaner(t *testing.T) {
	var kinds []decide.Kind
	for _, c := range Cleaners(Clients{}) {
		kinds = append(kinds, c.Kind())
	}
	want := []decide.Kind{
		decide.KindStack, decide.KindListenerRule, decide.KindTasks, decide.KindTargetGroup, decide.KindTaskDefinitions, decide.KindService,
	}
	if !slices.Equal(kinds, want) {
		t.Errorf("cleaners %q, want %q", kinds, want)
	}
}

func TestLeasesAreReadAgainInFullBatches(t *testing.T) {
	var targets []decide.Target
	for i := range 25 {
		targets = append(targets, steps(fmt.Sprint(i), 1, decide.KindService))
	}
	targets = append(targets, steps("many", 23, decide.KindService), steps("none", 0, decide.KindStack))
	l := &leases{}
	outcomes, log := run(t, l, targets, func(decide.Step) error { return nil })
	for _, o := range outcomes {
		if o.Status != Deleted {
			t.Errorf("%s: %s %s", o.Name, o.Status, o.Detail)
		}
	}
	slices.Sort(l.batches)
	if !slices.Equal(l.batches, []int{3, 5, 10, 10, 10, 10}) || len(log) != 27 {
		t.Errorf("batches %v, %d steps", l.batches, len(log))
	}
}

func TestTargetIsNotTouchedWhenItsLeaseCannotBeReadAgain(t *testing.T) {
	outcomes, log := run(t, &leases{err: errors.New("denied")}, []decide.Target{steps("x", 1, decide.KindService)}, func(decide.Step) error { return nil })
	if outcomes[0].Status != Failed || len(log) != 0 {
		t.Errorf("%+v %q", outcomes[0], log)
	}
}

func TestServiceWithoutAClusterInItsNameIsRefused(t *testing.T) {
	for arn, want := range map[string]string{
		"arn:aws:ecs:eu-west-1:111111111111:service/qa-cluster/x": "qa-cluster",
		"arn:aws:ecs:eu-west-1:111111111111:service/x":            "",
		"x": "",
	} {
		if got, err := clusterOf(arn); got != want || (err == nil) != (want != "") {
			t.Errorf("%s: %q, %v", arn, got, err)
		}
	}
}
