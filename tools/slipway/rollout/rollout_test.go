package rollout

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy"
	cdtypes "github.com/aws/aws-sdk-go-v2/service/codedeploy/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"pgregory.net/rapid"
)

const (
	old   = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	asked = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
)

func TestJudge(t *testing.T) {
	for sentence, c := range map[string]struct {
		serving Serving
		faults  []string // none: it is what was asked for
	}{
		"what was asked for runs":         {Serving{Revision: "app:2", Digests: map[string]int{asked: 3}}, nil},
		"it was silently rolled back":     {Serving{Revision: "app:1", Digests: map[string]int{old: 3}}, []string{"it was rolled back", asked + " was asked for", old + " serves"}},
		"two versions serve":              {Serving{Revision: "app:2", Digests: map[string]int{asked: 2, old: 1}}, []string{old + " serves as well"}},
		"nothing runs":                    {Serving{Revision: "app:2"}, []string{"no task runs of app:2"}},
		"tasks whose image isn't known":   {Serving{Revision: "app:2", Digests: map[string]int{"": 1}}, []string{"something without a name serves"}},
		"it isn't over":                   {Serving{Revision: "app:2", Digests: map[string]int{asked: 1}, Unsettled: "2 of 3 tasks run"}, []string{"isn't over: 2 of 3"}},
		"ECS gave up, and the old serves": {Serving{Revision: "app:1", Digests: map[string]int{old: 1}, Failed: "ECS gave up app:2"}, []string{"rolled back", "ECS gave up app:2"}},
		"an earlier failure is no fault":  {Serving{Revision: "app:3", Digests: map[string]int{asked: 1}, Failed: "ECS gave up app:2"}, nil},
	} {
		err := Judge(asked, c.serving)
		if (err == nil) != (len(c.faults) == 0) {
			t.Errorf("%s: %v", sentence, err)
			continue
		}
		for _, fault := range c.faults {
			if !strings.Contains(err.Error(), fault) {
				t.Errorf("%s: %q isn't in %q", sentence, fault, err)
			}
		}
	}
}

// Nothing but tasks of the asked digest alone, at rest, is a success.
func TestOnlyTheAskedDigestAloneIsASuccess(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := Serving{Revision: "app:1", Digests: map[string]int{}, Unsettled: rapid.SampledFrom([]string{"", "busy"}).Draw(t, "unsettled"), Failed: rapid.SampledFrom([]string{"", "gave up"}).Draw(t, "failed")}
		for _, digest := range rapid.SliceOfDistinct(rapid.SampledFrom([]string{asked, old, "sha256:1", ""}), rapid.ID).Draw(t, "digests") {
			s.Digests[digest] = rapid.IntRange(1, 5).Draw(t, "tasks")
		}
		right := len(s.Digests) == 1 && s.Digests[asked] > 0 && s.Unsettled == ""
		if err := Judge(asked, s); (err == nil) != right {
			t.Fatalf("%+v: %v", s, err)
		}
	})
}

// cluster is an ECS with one service, which refuses what ECS refuses.
type cluster struct {
	t       *testing.T
	service *types.Service
	failure string
	fault   error
	tasks   []types.Task
	page    int
}

func (c *cluster) DescribeServices(_ context.Context, in *ecs.DescribeServicesInput, _ ...func(*ecs.Options)) (*ecs.DescribeServicesOutput, error) {
	if aws.ToString(in.Cluster) != "prod-cluster" || len(in.Services) != 1 || in.Services[0] != "prod-service" {
		c.t.Errorf("described %v in %s", in.Services, aws.ToString(in.Cluster))
	}
	switch {
	case c.fault != nil:
		return nil, c.fault
	case c.failure != "":
		return &ecs.DescribeServicesOutput{Failures: []types.Failure{{Reason: &c.failure}}}, nil
	case c.service == nil:
		return &ecs.DescribeServicesOutput{Failures: []types.Failure{{Reason: aws.String("MISSING")}}}, nil
	}
	s := *c.service
	if !slices.Contains(in.Include, types.ServiceFieldTags) {
		s.Tags = nil
	}
	return &ecs.DescribeServicesOutput{Services: []types.Service{s}}, nil
}

func (c *cluster) ListTasks(_ context.Context, in *ecs.ListTasksInput, _ ...func(*ecs.Options)) (*ecs.ListTasksOutput, error) {
	if in.DesiredStatus != types.DesiredStatusRunning || aws.ToString(in.ServiceName) != "prod-service" || aws.ToInt32(in.MaxResults) > 100 {
		c.t.Errorf("listed %+v", in)
	}
	start := 0
	if in.NextToken != nil {
		if _, err := fmt.Sscan(*in.NextToken, &start); err != nil {
			return nil, err
		}
	}
	out := &ecs.ListTasksOutput{}
	for i := start; i < min(start+c.page, len(c.tasks)); i++ {
		out.TaskArns = append(out.TaskArns, *c.tasks[i].TaskArn)
	}
	if start+c.page < len(c.tasks) {
		out.NextToken = aws.String(fmt.Sprint(start + c.page))
	}
	return out, nil
}

func (c *cluster) DescribeTasks(_ context.Context, in *ecs.DescribeTasksInput, _ ...func(*ecs.Options)) (*ecs.DescribeTasksOutput, error) {
	if n := len(in.Tasks); n == 0 || n > 100 {
		return nil, fmt.Errorf("%d tasks", n)
	}
	out := &ecs.DescribeTasksOutput{}
	for _, task := range c.tasks {
		if slices.Contains(in.Tasks, *task.TaskArn) {
			out.Tasks = append(out.Tasks, task)
		}
	}
	return out, nil
}

func (c *cluster) add(n int, revision, digest, status string) {
	for range n {
		c.tasks = append(c.tasks, types.Task{
			TaskArn: aws.String(fmt.Sprint("task/", len(c.tasks))), TaskDefinitionArn: &revision, LastStatus: &status,
			Containers: []types.Container{{Name: aws.String("migrate"), ImageDigest: aws.String("sha256:other")}, {Name: aws.String("app"), ImageDigest: &digest}},
		})
	}
}

var target = Target{Cluster: "prod-cluster", Service: "prod-service"}

func rolling(state types.DeploymentRolloutState, revision string) *types.Service {
	return &types.Service{Status: aws.String("ACTIVE"), TaskDefinition: &revision, Deployments: []types.Deployment{
		{Id: aws.String("ecs-svc/2"), Status: aws.String("PRIMARY"), TaskDefinition: &revision, RolloutState: state, RolloutStateReason: aws.String("1 of 3 tasks run"), UpdatedAt: aws.Time(noon)},
		{Id: aws.String("ecs-svc/1"), Status: aws.String("ACTIVE"), TaskDefinition: aws.String("app:9"), RolloutState: types.DeploymentRolloutStateFailed, RolloutStateReason: aws.String("tasks failed to start"), UpdatedAt: aws.Time(noon)},
	}}
}

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

func TestReadARollingService(t *testing.T) {
	c := &cluster{t: t, service: rolling(types.DeploymentRolloutStateCompleted, "app:2"), page: 3}
	c.add(4, "app:2", asked, "RUNNING")
	c.add(2, "app:2", old, "STOPPED") // those don't serve
	c.add(1, "app:1", old, "RUNNING") // drains
	s, err := target.Read(t.Context(), c)
	if err != nil || s.Revision != "app:2" || len(s.Digests) != 1 || s.Digests[asked] != 4 || s.Unsettled != "" || !strings.Contains(s.Failed, "app:9") {
		t.Errorf("%v: %+v", err, s)
	}
	c.service = rolling(types.DeploymentRolloutStateInProgress, "app:2")
	if s, err := target.Read(t.Context(), c); err != nil || s.Unsettled != "1 of 3 tasks run" {
		t.Errorf("%v: %+v", err, s)
	}
}

// With CodeDeploy the service's own field says what the template said, which may be long ago.
func TestReadAServiceOfCodeDeploy(t *testing.T) {
	c := &cluster{t: t, page: 100, service: &types.Service{
		Status: aws.String("ACTIVE"), TaskDefinition: aws.String("app:1"), DeploymentController: &types.DeploymentController{Type: types.DeploymentControllerTypeCodeDeploy},
		TaskSets: []types.TaskSet{
			{Status: aws.String("ACTIVE"), TaskDefinition: aws.String("app:1")},
			{Status: aws.String("PRIMARY"), TaskDefinition: aws.String("app:2"), StabilityStatus: types.StabilityStatusSteadyState},
		},
	}}
	c.add(2, "app:1", old, "RUNNING") // blue, until the termination wait is over
	c.add(2, "app:2", asked, "RUNNING")
	if s, err := target.Read(t.Context(), c); err != nil || Judge(asked, s) != nil || s.Revision != "app:2" {
		t.Errorf("%v: %+v", err, s)
	}
	c.service.TaskSets = c.service.TaskSets[:1]
	if s, err := target.Read(t.Context(), c); err != nil || s.Unsettled == "" {
		t.Errorf("%v: %+v", err, s)
	}
}

func TestReadWhatIsntThere(t *testing.T) {
	c := &cluster{t: t, page: 100}
	if _, err := target.Read(t.Context(), c); err == nil || !strings.Contains(err.Error(), "deploy its stack first") {
		t.Error(err)
	}
	c.fault = &types.ClusterNotFoundException{} // before the first deployment
	if _, err := target.Read(t.Context(), c); err == nil || !strings.Contains(err.Error(), "deploy its stack first") {
		t.Error(err)
	}
	c.fault, c.failure = nil, "ACCESS_DENIED"
	if _, err := target.Read(t.Context(), c); err == nil || !strings.Contains(err.Error(), "ACCESS_DENIED") {
		t.Error(err)
	}
}

func TestTag(t *testing.T) {
	c := &cluster{t: t, page: 100, service: rolling(types.DeploymentRolloutStateCompleted, "app:2")}
	c.service.Tags = []types.Tag{{Key: aws.String("slipway:expires"), Value: aws.String("2026-03-04T09:30:00Z")}}
	if got, err := target.Tag(t.Context(), c, "slipway:expires"); err != nil || got != "2026-03-04T09:30:00Z" {
		t.Error(got, err)
	}
	if _, err := target.Tag(t.Context(), c, "slipway:owner"); err == nil {
		t.Error("a tag that isn't there")
	}
}

// deployments is a CodeDeploy with one deployment.
type deployments struct {
	info   *cdtypes.DeploymentInfo
	events []cdtypes.LifecycleEvent
}

func (d *deployments) GetDeployment(context.Context, *codedeploy.GetDeploymentInput, ...func(*codedeploy.Options)) (*codedeploy.GetDeploymentOutput, error) {
	return &codedeploy.GetDeploymentOutput{DeploymentInfo: d.info}, nil
}

func (d *deployments) ListDeploymentTargets(context.Context, *codedeploy.ListDeploymentTargetsInput, ...func(*codedeploy.Options)) (*codedeploy.ListDeploymentTargetsOutput, error) {
	return &codedeploy.ListDeploymentTargetsOutput{TargetIds: []string{"prod-cluster:prod-service"}}, nil
}

func (d *deployments) BatchGetDeploymentTargets(context.Context, *codedeploy.BatchGetDeploymentTargetsInput, ...func(*codedeploy.Options)) (*codedeploy.BatchGetDeploymentTargetsOutput, error) {
	return &codedeploy.BatchGetDeploymentTargetsOutput{DeploymentTargets: []cdtypes.DeploymentTarget{{EcsTarget: &cdtypes.ECSTarget{LifecycleEvents: d.events}}}}, nil
}

func TestFollowerPrintsEachPieceOfNewsOnce(t *testing.T) {
	event := func(id string, at time.Time) types.ServiceEvent {
		return types.ServiceEvent{Id: &id, CreatedAt: &at, Message: aws.String("event " + id)}
	}
	c := &cluster{t: t, page: 100, service: rolling(types.DeploymentRolloutStateInProgress, "app:2")}
	c.service.Events = []types.ServiceEvent{event("second", noon.Add(2*time.Second)), event("first", noon.Add(time.Second)), event("long ago", noon.Add(-time.Hour))}
	c.service.TaskSets = []types.TaskSet{{ExternalId: aws.String("d-1")}, {ExternalId: aws.String("d-1")}}
	d := &deployments{
		info:   &cdtypes.DeploymentInfo{Status: cdtypes.DeploymentStatusInProgress, CreateTime: aws.Time(noon)},
		events: []cdtypes.LifecycleEvent{{LifecycleEventName: aws.String("Install"), Status: cdtypes.LifecycleEventStatusInProgress}, {LifecycleEventName: aws.String("AllowTraffic"), Status: cdtypes.LifecycleEventStatusPending}},
	}
	var out strings.Builder
	f := &Follower{Target: target, ECS: c, CodeDeploy: d, Out: &out, Since: noon}
	poll := func() string {
		out.Reset()
		if err := f.Poll(t.Context()); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	first := poll()
	if i, j := strings.Index(first, "event first"), strings.Index(first, "event second"); i < 0 || j < i || strings.Contains(first, "long ago") {
		t.Errorf("the events aren't those since the beginning, oldest first:\n%s", first)
	}
	for _, want := range []string{"rollout of app:2: IN_PROGRESS", "deployment d-1: InProgress", "d-1: Install InProgress"} {
		if strings.Count(first, want) != 1 {
			t.Errorf("%q isn't there once:\n%s", want, first)
		}
	}
	if strings.Contains(first, "AllowTraffic") {
		t.Errorf("what hasn't begun is no news:\n%s", first)
	}
	if again := poll(); again != "" {
		t.Errorf("nothing is new, but it says\n%s", again)
	}
	d.info.Status = cdtypes.DeploymentStatusFailed
	d.info.ErrorInformation = &cdtypes.ErrorInformation{Code: cdtypes.ErrorCodeHookExecutionFailure, Message: aws.String("the hook said no")}
	d.events[0].Status = cdtypes.LifecycleEventStatusFailed
	if news := poll(); !strings.Contains(news, "Failed: HOOK_EXECUTION_FAILURE, the hook said no") || !strings.Contains(news, "Install Failed") {
		t.Errorf("it says\n%s", news)
	}
	d.info.CreateTime = aws.Time(noon.Add(-time.Hour))
	d.info.Status = cdtypes.DeploymentStatusSucceeded
	if news := poll(); news != "" {
		t.Errorf("an earlier deployment is no news:\n%s", news)
	}
}

func TestFollowingSurvivesWhatCannotBeRead(t *testing.T) {
	c := &cluster{t: t, page: 100, fault: errors.New("denied, request 1")}
	var out strings.Builder
	f := &Follower{Target: target, ECS: c, CodeDeploy: &deployments{}, Out: &out, Since: noon}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	f.Follow(ctx, time.Millisecond)
	if n := strings.Count(out.String(), "can't follow: "); n != 1 {
		t.Errorf("it says %d times that it can't follow:\n%s", n, &out)
	}
}
