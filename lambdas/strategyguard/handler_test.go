package main

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"slipway/lambdas/internal/customresource"
	"slipway/lambdas/internal/fakeaws"
	"slipway/lambdas/strategyguard/apply"
)

const (
	rule  = "arn:aws:elasticloadbalancing:eu-west-1:111111111111:listener-rule/app/prod/50dc6c495c0c9188/f2f7dc8efc522ab2/1291d13826f405c3"
	blue  = "arn:aws:elasticloadbalancing:eu-west-1:111111111111:targetgroup/blue/0123456789abcdef"
	green = "arn:aws:elasticloadbalancing:eu-west-1:111111111111:targetgroup/green/0123456789abcdef"
)

// world is an account with one service behind one rule.
type world struct {
	t       *testing.T
	cloud   *fakeaws.Cloud
	service *ecstypes.Service // nil: there is none
	actions []elbtypes.Action
	reasons []string
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, cloud: fakeaws.New()}
	fakeaws.On(w.cloud, "ECS", func(in *ecs.DescribeServicesInput) (*ecs.DescribeServicesOutput, error) {
		if aws.ToString(in.Cluster) != "prod-cluster" || len(in.Services) != 1 || in.Services[0] != "prod-service" {
			t.Errorf("asks for %s %v", aws.ToString(in.Cluster), in.Services)
		}
		if w.service == nil {
			return &ecs.DescribeServicesOutput{Failures: []ecstypes.Failure{{Reason: aws.String("MISSING")}}}, nil
		}
		return &ecs.DescribeServicesOutput{Services: []ecstypes.Service{*w.service}}, nil
	})
	fakeaws.On(w.cloud, "Elastic Load Balancing v2", func(in *elb.DescribeRulesInput) (*elb.DescribeRulesOutput, error) {
		if len(in.RuleArns) != 1 || in.RuleArns[0] != rule || in.ListenerArn != nil {
			t.Errorf("asks for %v of %v", in.RuleArns, in.ListenerArn)
		}
		return &elb.DescribeRulesOutput{Rules: []elbtypes.Rule{{RuleArn: aws.String(rule), Actions: w.actions}}}, nil
	})
	t.Cleanup(func() {
		w.cloud.CheckNoMistakes(t)
		fakeaws.CheckListed(t, "testdata/actions.txt", w.cloud.Actions())
	})
	return w
}

func (w *world) Do(r *http.Request) (*http.Response, error) {
	var answer struct{ Status, Reason string }
	if err := json.NewDecoder(r.Body).Decode(&answer); err != nil {
		w.t.Error(err)
	}
	w.reasons = append(w.reasons, strings.TrimPrefix(answer.Status, "SUCCESS")+answer.Reason)
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(""))}, nil
}

// ask sends a request for a strategy and returns the reason of a refusal; empty for success.
func (w *world) ask(kind, strategy string) string {
	w.t.Helper()
	event, err := json.Marshal(map[string]any{
		"RequestType": kind, "RequestId": "r", "ResponseURL": "https://cloudformation-custom-resource-response-euwest1.s3-eu-west-1.amazonaws.com/x", "LogicalResourceId": "Guard",
		"PhysicalResourceId": "Guard", "ResourceType": "Custom::SlipwayStrategy", "StackId": "arn:aws:cloudformation:eu-west-1:111111111111:stack/slipway-prod-service/x",
		"ResourceProperties": map[string]string{"ServiceToken": "arn:x", "Cluster": "prod-cluster", "Service": "prod-service", "Strategy": strategy, "Rule": rule, "TargetGroup": blue},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	cfg := w.cloud.Config()
	guard := apply.Guard{ECS: ecs.NewFromConfig(cfg), ELB: elb.NewFromConfig(cfg)}
	before := len(w.reasons)
	// Whatever is answered, CloudFormation has it, and Lambda needn't ask again.
	if err := (customresource.Wrapper{Handler: guard.Check, Client: w, Log: slog.New(slog.DiscardHandler)}).Invoke(context.Background(), event); err != nil {
		w.t.Fatal(err)
	}
	if len(w.reasons) != before+1 {
		w.t.Fatalf("%d answers, want one", len(w.reasons)-before)
	}
	return w.reasons[before]
}

func weighted(weights map[string]int32) []elbtypes.Action {
	forward := &elbtypes.ForwardActionConfig{}
	for _, arn := range []string{blue, green} {
		if weight, ok := weights[arn]; ok {
			forward.TargetGroups = append(forward.TargetGroups, elbtypes.TargetGroupTuple{TargetGroupArn: aws.String(arn), Weight: aws.Int32(weight)})
		}
	}
	return []elbtypes.Action{{Type: elbtypes.ActionTypeEnumForward, ForwardConfig: forward}}
}

func serviceOf(controller ecstypes.DeploymentControllerType, strategy ecstypes.DeploymentStrategy, status string) *ecstypes.Service {
	return &ecstypes.Service{
		Status: aws.String(status), DeploymentController: &ecstypes.DeploymentController{Type: controller},
		DeploymentConfiguration: &ecstypes.DeploymentConfiguration{Strategy: strategy},
	}
}

func TestTheGuard(t *testing.T) {
	for sentence, c := range map[string]struct {
		service  *ecstypes.Service
		actions  []elbtypes.Action
		strategy string
		says     string
		rules    int // calls of DescribeRules
	}{
		"a first deployment may be anything":                  {nil, nil, "codedeploy", "", 0},
		"a deleted service doesn't count":                     {serviceOf("CODE_DEPLOY", "", "INACTIVE"), nil, "rolling", "", 0},
		"the same strategy costs one call":                    {serviceOf("CODE_DEPLOY", "", "ACTIVE"), nil, "codedeploy", "", 0},
		"another controller is refused at once":               {serviceOf("CODE_DEPLOY", "", "ACTIVE"), nil, "ecs", "from codedeploy to ecs", 0},
		"ecs may roll while all requests go to blue":          {serviceOf("ECS", "CANARY", "ACTIVE"), weighted(map[string]int32{blue: 100, green: 0}), "rolling", "", 1},
		"ecs may not roll while requests go to green":         {serviceOf("ECS", "CANARY", "ACTIVE"), weighted(map[string]int32{blue: 0, green: 100}), "rolling", "go to green", 1},
		"a plain forward action counts":                       {serviceOf("ECS", "", "ACTIVE"), []elbtypes.Action{{Type: elbtypes.ActionTypeEnumForward, TargetGroupArn: aws.String(blue)}}, "ecs", "", 1},
		"a rolling service whose requests were moved by hand": {serviceOf("ECS", "ROLLING", "ACTIVE"), weighted(map[string]int32{green: 1}), "ecs", "go to green", 1},
	} {
		t.Run(sentence, func(t *testing.T) {
			w := newWorld(t)
			w.service, w.actions = c.service, c.actions
			for _, kind := range []string{"Create", "Update"} {
				got := w.ask(kind, c.strategy)
				if c.says == "" && got != "" || c.says != "" && !strings.Contains(got, c.says) {
					t.Errorf("%s: %q, want %q", kind, got, c.says)
				}
			}
			if calls := w.cloud.Calls("elasticloadbalancing:DescribeRules"); calls != 2*c.rules {
				t.Errorf("%d calls of DescribeRules", calls)
			}
		})
	}
}

func TestADeleteAsksNothing(t *testing.T) {
	w := newWorld(t)
	w.service = serviceOf("CODE_DEPLOY", "", "ACTIVE")
	if got := w.ask("Delete", "rolling"); got != "" || w.cloud.TotalCalls() != 0 {
		t.Errorf("%q after %d calls", got, w.cloud.TotalCalls())
	}
}

func TestWhatCantBeReadIsRefused(t *testing.T) {
	w := newWorld(t)
	w.service = serviceOf("ECS", "CANARY", "ACTIVE")
	w.cloud.Fail("ecs:DescribeServices", fakeaws.Denied())
	if got := w.ask("Update", "ecs"); !strings.Contains(got, "look at service prod-service") {
		t.Errorf("%q", got)
	}
	w.cloud.Fail("elasticloadbalancing:DescribeRules", fakeaws.Denied())
	if got := w.ask("Update", "rolling"); !strings.Contains(got, "look at rule") {
		t.Errorf("%q", got)
	}
}
