package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	cfntypes "github.com/aws/aws-sdk-go-v2/service/cloudformation/types"

	"slipway/internal/config"
	"slipway/internal/contract"
	"slipway/local/harness"
)

// The versions that production gets; the same files under other commits, but for the broken one.
const (
	goodTag, goodCommit     = "e2e-good", "900d001"
	brokenTag, brokenCommit = "e2e-broken", "bad0002"
)

// blueGreen is the stage that CodeDeploy deploys, with the names of what it has.
type blueGreen struct {
	stack, cluster, service, host string
}

func (w *world) blueGreen(t *testing.T) blueGreen {
	t.Helper()
	if !w.containers {
		t.Skip("no container engine")
	}
	for _, stage := range w.cfg.Stages {
		if stage.Deployment.Strategy == config.StrategyCodeDeploy {
			return blueGreen{
				contract.StageStack(w.cfg.Platform, stage.Name, contract.PartService), contract.ClusterName(stage.Name),
				contract.ServiceName(stage.Name), contract.AppHost(stage.Name, stage.Production, w.cfg.Domain),
			}
		}
	}
	t.Fatal("platform.yaml has no stage that CodeDeploy deploys")
	return blueGreen{}
}

func (w *world) side(t *testing.T, b blueGreen) harness.Side {
	t.Helper()
	side, err := w.aws.ServingSide(t.Context(), b.stack, b.cluster, b.service)
	check(t, err)
	return side
}

// whileUsersAsk does something to production while users send requests; none may fail. It returns which versions answered,
// the first and the last one in their places.
func (w *world) whileUsersAsk(t *testing.T, b blueGreen, do func() error) ([]harness.Served, error) {
	t.Helper()
	users := w.aws.Users(t.Context(), b.host)
	err := do()
	seen := users.Requests()
	waited := harness.Eventually(t.Context(), time.Minute, func() error {
		if n := users.Requests() - seen; n < 10 {
			return fmt.Errorf("only %d requests afterwards", n)
		}
		return nil
	})
	served, failed := users.Stop()
	check(t, waited)
	if len(failed) > 0 {
		t.Errorf("%d requests failed, the first one so: %s", len(failed), failed[0])
	}
	if len(served) == 0 {
		t.Fatal("nobody was served")
	}
	return served, err
}

// goodRelease brings a version to production, on the other side.
func goodRelease(t *testing.T, w *world) {
	b := w.blueGreen(t)
	check(t, errors.Join(w.aws.BuildImage(t.Context(), w.log, goodTag, goodCommit), w.aws.PushImage(t.Context(), w.log, goodTag)))
	w.release(t, b, goodTag, w.commit, goodCommit)
}

// release deploys a version over another one, and wants the users to get it on the other side.
func (w *world) release(t *testing.T, b blueGreen, tag, before, after string) {
	t.Helper()
	from := w.side(t, b)
	served, err := w.whileUsersAsk(t, b, func() error {
		return w.aws.CDK(t.Context(), w.log, "deploy", "--exclusively", b.stack, "-c", "imageTag="+tag)
	})
	check(t, err)
	to := w.side(t, b)
	if first, last := served[0].Commit, served[len(served)-1].Commit; first != before || last != after {
		t.Errorf("users got %+v, want first %s and last %s", served, before, after)
	}
	for _, s := range served {
		if s.Commit != before && s.Commit != after {
			t.Errorf("users got the version %s", s.Commit)
		}
	}
	if from.Colour == to.Colour || from.TaskDefinition == to.TaskDefinition {
		t.Errorf("production went from %+v to %+v, want the other side with another revision", from, to)
	}
}

// brokenRelease tries to bring a version to production that is healthy and not ready: the hook's to find out.
func brokenRelease(t *testing.T, w *world) {
	b := w.blueGreen(t)
	check(t, errors.Join(w.aws.BuildBrokenImage(t.Context(), w.log, brokenTag, brokenCommit), w.aws.PushImage(t.Context(), w.log, brokenTag)))
	from := w.side(t, b)
	served, err := w.whileUsersAsk(t, b, func() error {
		return w.aws.CDK(t.Context(), w.log, "deploy", "--exclusively", b.stack, "-c", "imageTag="+brokenTag)
	})
	if err == nil {
		t.Fatal("the broken version was deployed")
	}
	for _, part := range []string{"HOOK_EXECUTION_FAILURE", "AfterAllowTestTraffic"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("the error does not say %s: %v", part, err)
		}
	}
	if len(served) != 1 || served[0].Commit != goodCommit {
		t.Errorf("users got %+v, want %s only", served, goodCommit)
	}
	if to := w.side(t, b); to != from {
		t.Errorf("production went from %+v to %+v", from, to)
	}
	stacks, err := w.aws.Stacks(t.Context(), b.stack)
	check(t, err)
	if stacks[b.stack] != "UPDATE_ROLLBACK_COMPLETE" {
		t.Errorf("%s is %s", b.stack, stacks[b.stack])
	}
}

// updateBothSides changes the infrastructure while either side is live.
func updateBothSides(t *testing.T, w *world) {
	b := w.blueGreen(t)
	colours := map[string]bool{}
	w.updateInfrastructure(t, b, goodCommit)
	colours[w.side(t, b).Colour] = true
	w.release(t, b, tag, goodCommit, w.commit)
	w.updateInfrastructure(t, b, w.commit)
	colours[w.side(t, b).Colour] = true
	if !colours["blue"] || !colours["green"] {
		t.Errorf("only %v was tried", colours)
	}
}

// updateInfrastructure changes an alarm, the scaling, the web ACL's mode and the listeners' TLS by the stack's own template,
// and wants the live side to stay live. A new synthesis then takes all of it back.
func (w *world) updateInfrastructure(t *testing.T, b blueGreen, commit string) {
	t.Helper()
	before, client := w.side(t, b), w.aws.CloudFormation()
	got, err := client.GetTemplate(t.Context(), &cloudformation.GetTemplateInput{StackName: aws.String(b.stack), TemplateStage: cfntypes.TemplateStageOriginal})
	check(t, err)
	// Templates of this size go by a bucket.
	changed := w.upload(t, "e2e/changed.template.json", changeInfrastructure(t, aws.ToString(got.TemplateBody)))
	served, err := w.whileUsersAsk(t, b, func() error {
		_, err := client.UpdateStack(t.Context(), &cloudformation.UpdateStackInput{
			StackName: aws.String(b.stack), TemplateURL: aws.String(changed),
			Capabilities: []cfntypes.Capability{cfntypes.CapabilityCapabilityNamedIam},
			Parameters:   []cfntypes.Parameter{{ParameterKey: aws.String("BootstrapVersion"), UsePreviousValue: aws.Bool(true)}},
		})
		return errors.Join(err, w.settled(t, b.stack))
	})
	check(t, err)
	if len(served) != 1 || served[0].Commit != commit {
		t.Errorf("users got %+v, want %s only", served, commit)
	}
	if after := w.side(t, b); after != before {
		t.Errorf("production went from %+v to %+v", before, after)
	}
	served, err = w.whileUsersAsk(t, b, func() error {
		return w.aws.CDK(t.Context(), w.log, "deploy", "--exclusively", b.stack)
	})
	check(t, err)
	if after := w.side(t, b); after != before || len(served) != 1 || served[0].Commit != commit {
		t.Errorf("production went from %+v to %+v, users got %+v", before, after, served)
	}
}

// upload puts a text into the bucket that the bootstrap made, and returns its URL.
func (w *world) upload(t *testing.T, key, text string) string {
	t.Helper()
	bucket := fmt.Sprintf("cdk-hnb659fds-assets-%s-%s", harness.AccountID, harness.Region)
	check(t, w.aws.Upload(t.Context(), bucket, key, text))
	return w.aws.Endpoint() + "/" + bucket + "/" + key
}

func (w *world) settled(t *testing.T, stack string) error {
	return harness.Eventually(t.Context(), 3*time.Minute, func() error {
		stacks, err := w.aws.Stacks(t.Context(), stack)
		if err == nil && stacks[stack] != cfntypes.StackStatusUpdateComplete {
			err = fmt.Errorf("%s is %s", stack, stacks[stack])
		}
		return err
	})
}

// changeInfrastructure changes one resource of each kind in a template; there must be one of each.
func changeInfrastructure(t *testing.T, template string) string {
	t.Helper()
	var document map[string]any
	check(t, json.Unmarshal([]byte(template), &document))
	changes := map[string]func(properties map[string]any){
		"AWS::CloudWatch::Alarm":                      func(p map[string]any) { p["Threshold"] = 12345 },
		"AWS::ApplicationAutoScaling::ScalableTarget": func(p map[string]any) { p["MaxCapacity"] = 9 },
		"AWS::WAFv2::WebACL": func(p map[string]any) {
			for _, rule := range p["Rules"].([]any) {
				if r := rule.(map[string]any); r["Action"] != nil {
					r["Action"] = map[string]any{"Count": map[string]any{}}
				}
			}
		},
		// CloudFormation then states the listener's default action anew.
		"AWS::ElasticLoadBalancingV2::Listener": func(p map[string]any) {
			if p["Protocol"] == "HTTPS" {
				p["SslPolicy"] = "ELBSecurityPolicy-TLS13-1-3-2021-06"
			}
		},
	}
	done := map[string]bool{}
	for _, resource := range document["Resources"].(map[string]any) {
		r := resource.(map[string]any)
		kind := r["Type"].(string)
		if change := changes[kind]; change != nil {
			change(r["Properties"].(map[string]any))
			done[kind] = true
		}
	}
	if len(done) != len(changes) {
		t.Fatalf("the template has only %v to change", done)
	}
	changed, err := json.Marshal(document)
	check(t, err)
	return string(changed)
}
