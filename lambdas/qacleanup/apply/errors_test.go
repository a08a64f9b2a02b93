package apply

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"slipway/lambdas/internal/fakeaws"
	"slipway/lambdas/qacleanup/decide"
)

// What AWS may answer to each deletion, and what it means: done, later or failed.
func TestMeaningOfErrors(t *testing.T) {
	const service = "arn:aws:ecs:eu-west-1:111111111111:service/qa-cluster/x"
	type errs map[string]error // meaning → error
	for kind, c := range map[decide.Kind]struct {
		action string
		step   decide.Step
		errs   errs
	}{
		decide.KindStack: {"cloudformation:DeleteStack", decide.Step{ID: "id"}, errs{
			"done": fakeaws.Invalid("Stack with id id does not exist"), "refused": fakeaws.Invalid("Stack [x] cannot be deleted while TerminationProtection is enabled"),
			"later too": fakeaws.Invalid("Stack [x] cannot be deleted while in status UPDATE_IN_PROGRESS"), "failed": fakeaws.Invalid("anything else"),
		}},
		decide.KindListenerRule: {"elasticloadbalancing:DeleteRule", decide.Step{ID: "arn"}, errs{
			"done": &elbtypes.RuleNotFoundException{}, "failed": &elbtypes.OperationNotPermittedException{},
		}},
		decide.KindTargetGroup: {"elasticloadbalancing:DeleteTargetGroup", decide.Step{ID: "arn"}, errs{
			"done": &elbtypes.TargetGroupNotFoundException{}, "later": &elbtypes.ResourceInUseException{}, "failed": fakeaws.Denied(),
		}},
		decide.KindTasks: {"ecs:UpdateService", decide.Step{ID: service}, errs{
			"done": &ecstypes.ServiceNotFoundException{}, "done too": &ecstypes.ServiceNotActiveException{}, "failed": &ecstypes.ClusterNotFoundException{},
		}},
		decide.KindService: {"ecs:DeleteService", decide.Step{ID: service}, errs{
			"done": &ecstypes.ServiceNotFoundException{}, "done too": &ecstypes.ServiceNotActiveException{}, "failed": &ecstypes.InvalidParameterException{},
		}},
		decide.KindTaskDefinitions: {"ecs:DeleteTaskDefinitions", decide.Step{ID: "x", Inactive: []string{"arn"}}, errs{"failed": &ecstypes.ServerException{}}},
	} {
		for meaning, err := range c.errs {
			t.Run(fmt.Sprintf("%s: %T is %s", kind, err, meaning), func(t *testing.T) {
				cloud := fakeaws.New()
				fakeaws.NewECS(cloud, "qa-cluster")
				fakeaws.NewELB(cloud)
				fakeaws.NewCloudFormation(cloud)
				for range 5 { // also what the SDK retries
					cloud.Fail(c.action, err)
				}
				cfg := cloud.Config()
				for _, cleaner := range Cleaners(Clients{ECS: ecs.NewFromConfig(cfg), ELB: elb.NewFromConfig(cfg), Stack: cloudformation.NewFromConfig(cfg)}) {
					if cleaner.Kind() != kind {
						continue
					}
					got := cleaner.Clean(context.Background(), c.step)
					switch meaning[:4] {
					case "done":
						if got != nil {
							t.Error(got)
						}
					case "refu":
						if !isRefused(got) {
							t.Error(got)
						}
					case "late":
						if !isLater(got) {
							t.Error(got)
						}
					default:
						if got == nil || isLater(got) || !errors.Is(got, err) {
							t.Error(got)
						}
					}
				}
				if cloud.Calls(c.action) == 0 {
					t.Error("never called")
				}
			})
		}
	}
}

func TestRevisionThatIsGoneIsDone(t *testing.T) {
	cloud := fakeaws.New()
	e := fakeaws.NewECS(cloud, "qa-cluster")
	there := e.Register("x", 1, ecstypes.TaskDefinitionStatusInactive, nil)
	client := ecs.NewFromConfig(cloud.Config())
	step := decide.Step{ID: "x", Inactive: []string{"arn:aws:ecs:eu-west-1:111111111111:task-definition/x:7", there}}
	if err := (taskDefinitions{client}).Clean(context.Background(), step); err != nil {
		t.Error(err)
	}
	if e.Revisions[0].Status != ecstypes.TaskDefinitionStatusDeleteInProgress {
		t.Errorf("the other one is %s", e.Revisions[0].Status)
	}
}

func TestCallCutOffByTheDeadlineIsNoFailure(t *testing.T) {
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	for sentence, c := range map[string]struct {
		ctx  context.Context
		err  error
		want bool
	}{
		"the SDK gave up with the context":      {ended, &aws.RequestCanceledError{Err: context.Canceled}, true},
		"the deadline passed":                   {ended, fmt.Errorf("x: %w", context.DeadlineExceeded), true},
		"AWS refused just before the end":       {ended, fakeaws.Denied(), false},
		"a timeout of one call, with time left": {context.Background(), context.DeadlineExceeded, false},
	} {
		if got := isOutOfTime(c.ctx, c.err); got != c.want {
			t.Errorf("%s: %v", sentence, got)
		}
	}
}
