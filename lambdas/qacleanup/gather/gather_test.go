package gather_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	cfntypes "github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"slipway/internal/contract"
	"slipway/lambdas/internal/fakeaws"
	"slipway/lambdas/qacleanup/decide"
	"slipway/lambdas/qacleanup/gather"
)

const cluster = "qa-cluster"

var now = time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)

type account struct {
	cloud  *fakeaws.Cloud
	ecs    *fakeaws.ECS
	elb    *fakeaws.ELB
	stacks *fakeaws.CloudFormation
}

func newAccount(t *testing.T) *account {
	c := fakeaws.New()
	t.Cleanup(func() { c.CheckNoMistakes(t) })
	return &account{c, fakeaws.NewECS(c, cluster), fakeaws.NewELB(c), fakeaws.NewCloudFormation(c)}
}

func (a *account) facts(ctx context.Context) (decide.Facts, error, error) {
	cfg := a.cloud.Config()
	r := gather.Reader{
		Settings: gather.Settings{Platform: "slipway", Cluster: cluster, ListenerARN: a.elb.Listener, Concurrency: 4, Thorough: true},
		ECS:      ecs.NewFromConfig(cfg), Stack: cloudformation.NewFromConfig(cfg), ELB: elb.NewFromConfig(cfg),
	}
	return r.Facts(ctx, decide.Input{Now: now, Platform: "slipway", Cluster: cluster, Grace: time.Hour})
}

func (a *account) mustFacts(t *testing.T) decide.Facts {
	t.Helper()
	f, problems, err := a.facts(context.Background())
	if problems != nil || err != nil {
		t.Fatal(problems, err)
	}
	return f
}

func expired() map[string]string {
	return map[string]string{contract.TagEnvironment: "demo", contract.TagExpires: "2026-03-10T11:00:00Z"}
}

func envStack(t *testing.T, branch string) string {
	t.Helper()
	slug, err := contract.Slug(branch)
	if err != nil {
		t.Fatal(err)
	}
	return contract.QAEnvironmentStack("slipway", slug)
}

func TestServiceIsReadWhole(t *testing.T) {
	a := newAccount(t)
	arn := a.ecs.Add(fakeaws.Service{Name: "demo", Created: now, Tags: map[string]string{"k": "v"}, Running: 2, TargetGroups: []string{"blue"}, Family: "f"})
	s := a.ecs.Service(arn)
	s.PendingCount = 1
	s.LoadBalancers[0].AdvancedConfiguration = &ecstypes.AdvancedConfiguration{AlternateTargetGroupArn: aws.String("green")}
	s.TaskSets = []ecstypes.TaskSet{{LoadBalancers: []ecstypes.LoadBalancer{{TargetGroupArn: aws.String("blue")}, {TargetGroupArn: aws.String("set")}}}}
	a.ecs.Service(a.ecs.Add(fakeaws.Service{Name: "daemon"})).SchedulingStrategy = ecstypes.SchedulingStrategyDaemon

	want := []decide.Service{{
		ARN: strings.TrimSuffix(arn, "demo") + "daemon", Name: "daemon", Cluster: cluster, Status: "ACTIVE", CreatedAt: time.Time{}, Tags: map[string]string{}, Daemon: true,
	}, {
		ARN: arn, Name: "demo", Cluster: cluster, Status: "ACTIVE", CreatedAt: now, Tags: map[string]string{"k": "v"},
		Desired: 2, Running: 2, Starting: 1, TargetGroups: []string{"blue", "green", "set"}, TaskDefinition: "arn:aws:ecs:eu-west-1:111111111111:task-definition/f:1",
	}}
	if got := a.mustFacts(t).Services; !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestOnlyTheEnvironmentsStacksAreReadAndWhole(t *testing.T) {
	a := newAccount(t)
	a.stacks.Page = 2
	name := envStack(t, "feature/x")
	for _, other := range []string{"slipway-qa-service", "slipway-qa-envy", "other" + name} {
		a.stacks.Add(other, cfntypes.StackStatusCreateComplete, now)
	}
	gone := envStack(t, "feature/gone")
	a.stacks.Add(gone, cfntypes.StackStatusDeleteInProgress, now)
	a.stacks.Settle(now, "")
	s := a.stacks.Add(name, cfntypes.StackStatusRollbackComplete, now)
	s.ParentId, s.StackStatusReason = aws.String("parent"), aws.String("why")
	want := []decide.Stack{{
		ID: fakeaws.StackID(name), Name: name, Status: "ROLLBACK_COMPLETE", StatusReason: "why", CreatedAt: now, ParentID: "parent",
	}}
	if got := a.mustFacts(t).Stacks; !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if a.cloud.Calls("elasticloadbalancing:DescribeRules")+a.cloud.Calls("cloudformation:DescribeStacks") != 0 {
		t.Error("more is looked up though nothing has to go")
	}
}

func TestMoreIsReadOfStacksThatHaveToGo(t *testing.T) {
	a := newAccount(t)
	for _, branch := range []string{"feature/x", "feature/y"} {
		a.stacks.Add(envStack(t, branch), cfntypes.StackStatusRollbackComplete, now.Add(-48*time.Hour))
	}
	a.stacks.Stack(envStack(t, "feature/x")).EnableTerminationProtection = aws.Bool(true)
	a.cloud.Before = func(action string) { // someone deploys it again after the listing
		if action == "cloudformation:DescribeStacks" {
			a.cloud.Do(func() {
				a.stacks.Stack(envStack(t, "feature/y")).StackStatus = cfntypes.StackStatusDeleteInProgress
				a.stacks.Stack(envStack(t, "feature/x")).ParentId = aws.String("parent") // some emulators list no parents
			})
		}
	}
	f := a.mustFacts(t)
	if len(f.Stacks) != 2 || !f.Stacks[0].Protected || f.Stacks[0].ParentID != "parent" || f.Stacks[1].Protected || f.Stacks[1].Status != "DELETE_IN_PROGRESS" {
		t.Errorf("%+v", f.Stacks)
	}
}

func TestRunThatDeletesDescribesOnlyStacksWhoseDeletionFailed(t *testing.T) {
	a := newAccount(t)
	a.stacks.Add(envStack(t, "feature/x"), cfntypes.StackStatusRollbackComplete, now.Add(-48*time.Hour))
	a.stacks.Add(envStack(t, "feature/y"), cfntypes.StackStatusDeleteFailed, now)
	cfg := a.cloud.Config()
	r := gather.Reader{
		Settings: gather.Settings{Platform: "slipway", Cluster: cluster, ListenerARN: a.elb.Listener, Concurrency: 4},
		ECS:      ecs.NewFromConfig(cfg), Stack: cloudformation.NewFromConfig(cfg), ELB: elb.NewFromConfig(cfg),
	}
	f, problems, err := r.Facts(context.Background(), decide.Input{Now: now, Platform: "slipway", Cluster: cluster, Grace: time.Hour})
	if err != nil || problems != nil || a.cloud.Calls("cloudformation:DescribeStacks") != 1 || f.Stacks[1].FailedDeletions != 1 {
		t.Errorf("%d stacks described; %+v, %v, %v", a.cloud.Calls("cloudformation:DescribeStacks"), f.Stacks, problems, err)
	}
}

func TestStackThatCannotBeDescribedIsAProblemOfItsOwn(t *testing.T) {
	a := newAccount(t)
	a.stacks.Add(envStack(t, "feature/x"), cfntypes.StackStatusRollbackComplete, now.Add(-48*time.Hour))
	a.cloud.Fail("cloudformation:DescribeStacks", fakeaws.Denied())
	f, problems, err := a.facts(context.Background())
	if err != nil || problems == nil || f.Stacks[0].ReadError == "" {
		t.Errorf("%+v, %v, %v", f.Stacks, problems, err)
	}
}

func TestEventsThatCannotBeReadAreAProblemOfThatStackOnly(t *testing.T) {
	a := newAccount(t)
	a.stacks.Add(envStack(t, "feature/x"), cfntypes.StackStatusDeleteFailed, now)
	a.stacks.Add(envStack(t, "feature/y"), cfntypes.StackStatusDeleteFailed, now)
	a.cloud.Fail("cloudformation:DescribeStackEvents", fakeaws.Denied())
	f, problems, err := a.facts(context.Background())
	if err != nil || problems == nil || len(f.Stacks) != 2 || (f.Stacks[0].ReadError == "") == (f.Stacks[1].ReadError == "") {
		t.Errorf("%+v, %v, %v", f.Stacks, problems, err)
	}
	for _, s := range f.Stacks {
		if s.ReadError == "" && (s.FailedDeletions != 1 || !s.LastFailure.Equal(now)) {
			t.Errorf("%+v", s)
		}
	}
}

func TestBatchThatCannotBeDescribedIsUnreadable(t *testing.T) {
	a := newAccount(t)
	for i := range 12 {
		a.ecs.Add(fakeaws.Service{Name: fmt.Sprintf("s%02d", i)})
	}
	a.cloud.Fail("ecs:DescribeServices", fakeaws.Denied())
	f, problems, err := a.facts(context.Background())
	if err != nil || problems == nil || len(f.Services)+len(f.Unreadable) != 12 || len(f.Unreadable) == 0 {
		t.Errorf("%d services, %d unreadable, %v, %v", len(f.Services), len(f.Unreadable), problems, err)
	}
}

func TestServiceThatTheAnswerLeavesOutIsUnreadable(t *testing.T) {
	a := newAccount(t)
	arn := a.ecs.Add(fakeaws.Service{Name: "demo"})
	fakeaws.On(a.cloud, "ECS", func(*ecs.DescribeServicesInput) (*ecs.DescribeServicesOutput, error) {
		return &ecs.DescribeServicesOutput{}, nil
	})
	if f := a.mustFacts(t); len(f.Unreadable) != 1 || f.Unreadable[0].ARN != arn {
		t.Errorf("%+v", f)
	}
}

func TestEndOfTimeWhileReadingIsAnError(t *testing.T) {
	a := newAccount(t)
	for i := range 200 {
		a.ecs.Add(fakeaws.Service{Name: fmt.Sprint(i)})
	}
	ctx, cancel := context.WithCancel(context.Background())
	a.cloud.Before = func(action string) {
		if action == "ecs:DescribeServices" {
			cancel()
		}
	}
	if _, _, err := a.facts(ctx); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "give the function more time") {
		t.Errorf("error %v", err)
	}
}

func TestPiecesOfManyServices(t *testing.T) {
	a := newAccount(t)
	a.elb.RulePage = 7
	const n = 45
	for i := range n {
		name := fmt.Sprintf("s%02d", i)
		group := a.elb.AddTargetGroup(name, map[string]string{"name": name})
		a.elb.AddRule(name, map[string]string{"rule": name}, group)
		a.ecs.Add(fakeaws.Service{Name: name, Tags: expired(), TargetGroups: []string{group}, Family: name})
	}
	unrelated := a.elb.AddTargetGroup("unrelated", nil)
	a.elb.AddRule("unrelated", nil, unrelated)
	f := a.mustFacts(t)
	if len(f.TargetGroups) != n || len(f.Rules) != n || len(f.Families) != n || f.LoadBalancer != a.elb.LoadBalancer {
		t.Fatalf("%d target groups, %d rules, %d families, load balancer %s", len(f.TargetGroups), len(f.Rules), len(f.Families), f.LoadBalancer)
	}
	for i, g := range f.TargetGroups {
		if g.Tags["name"] != g.Name || !slices.Equal(g.LoadBalancers, []string{a.elb.LoadBalancer}) || f.Rules[i].Tags["rule"] == "" || len(f.Rules[i].Forwards) != 1 {
			t.Errorf("%+v %+v", g, f.Rules[i])
		}
	}
	if calls := a.cloud.Calls("elasticloadbalancing:DescribeTags"); calls != 6 {
		t.Errorf("%d calls for the tags of 45 target groups and 45 rules, 20 at a time, want 6", calls)
	}
}

func TestRuleIsReadWithAllItsActions(t *testing.T) {
	a := newAccount(t)
	group := a.elb.AddTargetGroup("demo", nil)
	a.ecs.Add(fakeaws.Service{Name: "demo", Tags: expired(), TargetGroups: []string{group}})
	a.elb.AddRule("both", nil, group, "other")
	i := slices.IndexFunc(a.elb.Rules, func(r elbtypes.Rule) bool { return strings.HasSuffix(*r.RuleArn, "/both") })
	a.elb.Rules[i].Actions = append(a.elb.Rules[i].Actions,
		elbtypes.Action{Type: elbtypes.ActionTypeEnumAuthenticateOidc}, elbtypes.Action{Type: elbtypes.ActionTypeEnumRedirect})
	f := a.mustFacts(t)
	if len(f.Rules) != 1 || !slices.Equal(f.Rules[0].Forwards, []string{group, "other"}) || !f.Rules[0].Answers || f.Rules[0].Default {
		t.Errorf("%+v", f.Rules)
	}
}

func TestWhatIsGoneIsNoFact(t *testing.T) {
	a := newAccount(t)
	group := a.elb.AddTargetGroup("there", nil)
	a.ecs.Add(fakeaws.Service{Name: "demo", Tags: expired(), TargetGroups: []string{group, "gone"}, Family: "demo"})
	a.ecs.Revisions = nil
	f := a.mustFacts(t)
	if len(f.TargetGroups) != 1 || len(f.Families) != 0 || f.PiecesError != "" {
		t.Errorf("%+v", f)
	}
}

func TestFamilyIsReadExactlyWithTheTagsOfWhatRuns(t *testing.T) {
	a := newAccount(t)
	a.ecs.Register("qa-a", 1, ecstypes.TaskDefinitionStatusActive, map[string]string{"k": "v"})
	a.ecs.Add(fakeaws.Service{Name: "demo", Tags: expired(), Family: "qa-a"})
	a.ecs.Register("qa-a-2", 1, ecstypes.TaskDefinitionStatusActive, nil)
	for i := range 250 {
		a.ecs.Register("qa-a", i+2, ecstypes.TaskDefinitionStatusInactive, nil)
	}
	a.ecs.Register("qa-a", 999, ecstypes.TaskDefinitionStatusDeleteInProgress, nil)
	f := a.mustFacts(t)
	if len(f.Families) != 1 || f.Families[0].Tags["k"] != "v" || len(f.Families[0].Active) != 1 || len(f.Families[0].Inactive) != 250 {
		t.Errorf("%+v", f.Families)
	}
}

func TestMissingTagsOfAPieceAreAProblem(t *testing.T) {
	a := newAccount(t)
	a.ecs.Add(fakeaws.Service{Name: "demo", Tags: expired(), TargetGroups: []string{a.elb.AddTargetGroup("demo", nil)}})
	fakeaws.On(a.cloud, "Elastic Load Balancing v2", func(*elb.DescribeTagsInput) (*elb.DescribeTagsOutput, error) { return &elb.DescribeTagsOutput{}, nil })
	f, problems, err := a.facts(context.Background())
	if err != nil || problems == nil || !strings.Contains(f.PiecesError, "left it out") {
		t.Errorf("%q, %v, %v", f.PiecesError, problems, err)
	}
}
