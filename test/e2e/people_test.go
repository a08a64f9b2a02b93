package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/applicationautoscaling"
	scalingtypes "github.com/aws/aws-sdk-go-v2/service/applicationautoscaling/types"

	"slipway/internal/contract"
	"slipway/internal/qalease"
	"slipway/local/harness"
)

// qa runs slipway qa, as people do.
func (w *world) qa(t *testing.T, args ...string) string {
	t.Helper()
	out, err := w.aws.Slipway(t.Context(), w.log, append([]string{"qa"}, args...)...)
	check(t, err)
	return out
}

// wantRow finds an environment's line in the list.
func (w *world) wantRow(t *testing.T, branch string, state qalease.State) {
	t.Helper()
	listed := w.qa(t, "list")
	for line := range strings.Lines(listed) {
		words := strings.Fields(line)
		if len(words) < 3 || words[0] != slug(t, branch) {
			continue
		}
		for _, want := range []string{branch, owner, string(state), "https://" + contract.HostName(slug(t, branch), w.cfg.Domain)} {
			if !slices.Contains(words, want) {
				t.Errorf("the list says %q of %s, without %s", line, branch, want)
			}
		}
		return
	}
	t.Errorf("%s isn't in the list:\n%s", branch, listed)
}

// target names what Application Auto Scaling scales of an environment.
func (w *world) target(t *testing.T, branch string) *string {
	t.Helper()
	return aws.String(contract.ScalableService(contract.ClusterName(w.cfg.QA.Stage), slug(t, branch)))
}

// minds says whether an environment goes by the clock. The hours in which this test happens to run are none of its business.
func (w *world) minds(t *testing.T, branch string, clock bool) {
	t.Helper()
	if !w.cfg.QA.OfficeHours.Set() {
		return
	}
	_, err := applicationautoscaling.NewFromConfig(w.aws.Config()).RegisterScalableTarget(t.Context(), &applicationautoscaling.RegisterScalableTargetInput{
		ServiceNamespace: scalingtypes.ServiceNamespaceEcs, ScalableDimension: scalingtypes.ScalableDimensionECSServiceDesiredCount, ResourceId: w.target(t, branch),
		SuspendedState: &scalingtypes.SuspendedState{ScheduledScalingSuspended: aws.Bool(!clock)},
	})
	check(t, err)
}

// sleepAndWake lets the evening come, by an action like the stack's own that is due in a moment.
func sleepAndWake(t *testing.T, w *world) {
	if !w.containers || !w.cfg.QA.OfficeHours.Set() {
		t.Skip("no container engine, or no office hours in platform.yaml")
	}
	scaling := applicationautoscaling.NewFromConfig(w.aws.Config())
	own, err := scaling.DescribeScheduledActions(t.Context(), &applicationautoscaling.DescribeScheduledActionsInput{
		ServiceNamespace: scalingtypes.ServiceNamespaceEcs, ResourceId: w.target(t, branch),
	})
	check(t, err)
	var actions []string
	for _, a := range own.ScheduledActions {
		actions = append(actions, fmt.Sprintf("%s %s %d", aws.ToString(a.ScheduledActionName), aws.ToString(a.Timezone), aws.ToInt32(a.ScalableTargetAction.MaxCapacity)))
	}
	slices.Sort(actions)
	zone := w.cfg.QA.OfficeHours.TimeZone
	if want := []string{"sleep " + zone + " 0", "wake " + zone + " 1"}; !slices.Equal(actions, want) {
		t.Errorf("the environment has the actions %v, want %v", actions, want)
	}

	w.wantRow(t, branch, qalease.Running)
	w.putToSleep(t, branch)
	w.wantRow(t, branch, qalease.Sleeping)
	w.wantRow(t, staleBranch, qalease.Running)
	if out := w.qa(t, "wake", "-branch", branch); !strings.Contains(out, "is awake") {
		t.Errorf("waking says %q", out)
	}
	w.wantVersion(t, contract.HostName(slug(t, branch), w.cfg.Domain), slug(t, branch))
	w.wantRow(t, branch, qalease.Running)
}

// putToSleep ends an environment's office hours now.
func (w *world) putToSleep(t *testing.T, branch string) {
	t.Helper()
	ctx, scaling, host := t.Context(), applicationautoscaling.NewFromConfig(w.aws.Config()), contract.HostName(slug(t, branch), w.cfg.Domain)
	evening := &applicationautoscaling.PutScheduledActionInput{
		ServiceNamespace: scalingtypes.ServiceNamespaceEcs, ScalableDimension: scalingtypes.ScalableDimensionECSServiceDesiredCount, ResourceId: w.target(t, branch),
		ScheduledActionName: aws.String("this-evening"), Schedule: aws.String(time.Now().UTC().Add(2 * time.Second).Format("at(2006-01-02T15:04:05)")),
		ScalableTargetAction: &scalingtypes.ScalableTargetAction{MinCapacity: aws.Int32(0), MaxCapacity: aws.Int32(0)},
	}
	w.minds(t, branch, true)
	_, err := scaling.PutScheduledAction(ctx, evening)
	check(t, err)
	check(t, harness.Eventually(ctx, time.Minute, func() error {
		containers, err := w.aws.Containers(ctx, contract.TaskFamily(w.cfg.Platform, slug(t, branch)))
		if err != nil {
			return err
		}
		answer, err := w.aws.Get(ctx, host, "/version")
		if err == nil && (len(containers) > 0 || answer.Status != 503) {
			err = fmt.Errorf("%d containers of %s run in the evening, and it answers %d", len(containers), branch, answer.Status)
		}
		return err
	}))
	w.minds(t, branch, false)
	_, err = scaling.DeleteScheduledAction(ctx, &applicationautoscaling.DeleteScheduledActionInput{
		ServiceNamespace: evening.ServiceNamespace, ScalableDimension: evening.ScalableDimension, ResourceId: evening.ResourceId, ScheduledActionName: evening.ScheduledActionName,
	})
	check(t, err)
}

// wantPaused expects that a run of the cleanup deletes nothing while people have paused it, although a lease is over.
func (w *world) wantPaused(t *testing.T, branch string) {
	t.Helper()
	var summary struct {
		Paused      bool
		Reason      string
		Counts      struct{ Deleted int }
		WouldDelete []struct{ Environment string }
	}
	check(t, w.aws.Invoke(t.Context(), w.lifecycleFunction(t, "Cleanup"), scheduled, &summary))
	if !summary.Paused || summary.Reason != "e2e" || summary.Counts.Deleted != 0 || !slices.ContainsFunc(summary.WouldDelete, func(e struct{ Environment string }) bool { return e.Environment == slug(t, branch) }) {
		t.Errorf("a run of the paused cleanup says %+v", summary)
	}
	w.wantRow(t, branch, qalease.Ended)
	if listed := w.qa(t, "list"); !strings.Contains(listed, "paused (e2e)") {
		t.Errorf("the list doesn't say that the cleanup is paused:\n%s", listed)
	}
}
