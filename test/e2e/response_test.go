package e2e

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"

	"slipway/internal/contract"
	"slipway/lambdas/threatresponse/corpus"
	"slipway/local/harness"
)

// answerFinding is a finding about a task, as people meet it with the shipped settings: a dry run changes nothing; who approves
// it stops the service; who undoes that has the service back.
func answerFinding(t *testing.T, w *world) {
	if !w.containers {
		t.Skip("no container engine")
	}
	ctx, stage := t.Context(), w.cfg.Stages[0].Name
	cluster, service := contract.ClusterName(stage), contract.ServiceName(stage)
	host := contract.AppHost(stage, false, w.cfg.Domain)
	before := w.tasks(t, cluster, service)
	if len(before) == 0 {
		t.Fatalf("no task of %s runs", service)
	}

	event, err := corpus.Event("task", map[string]any{
		"account": harness.AccountID, "detail.accountId": harness.AccountID, "detail.id": "end-to-end", "detail.severity": 8.9,
		"detail.type":                                              "Execution:Runtime/ReverseShell",
		"detail.resource.ecsClusterDetails.arn":                    fmt.Sprintf("arn:aws:ecs:%s:%s:cluster/%s", harness.Region, harness.AccountID, cluster),
		"detail.resource.ecsClusterDetails.taskDetails.arn":        before[0],
		"detail.resource.ecsClusterDetails.taskDetails.group":      "service:" + service,
		"detail.resource.ecsClusterDetails.taskDetails.startedBy":  "ecs-svc/1",
		"detail.resource.ecsClusterDetails.taskDetails.containers": []any{},
	})
	check(t, err)
	check(t, w.aws.Finding(ctx, w.log, event))
	seen := w.wantEntry(t, "observed")
	if after := w.tasks(t, cluster, service); !slices.Equal(before, after) {
		t.Errorf("a dry run changed the tasks from %v to %v", before, after)
	}
	if want := cluster + "/" + service; seen.Target != want {
		t.Errorf("the ledger's entry is about %q, want %s", seen.Target, want)
	}

	_, err = w.aws.Slipway(ctx, w.log, "findings", "approve", seen.ID)
	check(t, err)
	w.wantEntry(t, "active")
	check(t, harness.Eventually(ctx, time.Minute, func() error {
		if running := w.tasks(t, cluster, service); len(running) > 0 && slices.ContainsFunc(running, func(arn string) bool { return slices.Contains(before, arn) }) {
			return fmt.Errorf("tasks of before still run: %v", running)
		}
		return nil
	}))

	_, err = w.aws.Slipway(ctx, w.log, "findings", "undo", "-why", "end-to-end", seen.ID)
	check(t, err)
	w.wantEntry(t, "undone")
	w.wantVersion(t, host, stage)
}

// wantEntry waits until the ledger's only entry is in a state.
func (w *world) wantEntry(t *testing.T, state string) contract.ResponseEntry {
	t.Helper()
	var found contract.ResponseEntry
	check(t, harness.Eventually(t.Context(), time.Minute, func() error {
		answer, err := w.aws.Respond(t.Context(), w.cfg.Platform, contract.ResponseCommand{Command: contract.ResponseCommandList, All: true})
		if err != nil {
			return err
		}
		if len(answer.Entries) != 1 || answer.Entries[0].State != state {
			return fmt.Errorf("the ledger has %+v, want one entry that is %s", answer.Entries, state)
		}
		found = answer.Entries[0]
		return nil
	}))
	return found
}

// tasks are the ARNs of a service's tasks that should run.
func (w *world) tasks(t *testing.T, cluster, service string) []string {
	t.Helper()
	listed, err := w.aws.ECS().ListTasks(t.Context(), &ecs.ListTasksInput{Cluster: aws.String(cluster), ServiceName: aws.String(service)})
	check(t, err)
	slices.Sort(listed.TaskArns)
	return listed.TaskArns
}
