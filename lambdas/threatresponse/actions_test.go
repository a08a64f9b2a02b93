package main

import (
	"slices"
	"strings"
	"testing"

	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"slipway/internal/contract"
	"slipway/lambdas/internal/fakeaws"
	"slipway/lambdas/threatresponse/ledger"
)

// TestActionsAreExactlyTheCalls records every call of every action and its undoing.
func TestActionsAreExactlyTheCalls(t *testing.T) {
	var called []string
	record := func(w *world) {
		for _, action := range w.cloud.Actions() {
			if !slices.Contains(called, action) {
				called = append(called, action)
			}
		}
	}
	for action, shape := range scenarios {
		p := policy(contract.ModeAuto, action)
		p.After = contract.AfterArchive
		w := newWorld(t, p)
		w.tasks.Good = []string{"arn:aws:ecs:eu-west-1:111111111111:task-definition/slipway-prod-app:0"}
		// Someone opened the quarantine group.
		w.ec2.Groups["sg-quarantine"] = &fakeaws.SecurityGroup{Name: "slipway-quarantine", VPC: theVPC, Ingress: make([]ec2types.IpPermission, 1)}
		for id := range w.found(shape, nil).Entries {
			w.command(contract.ResponseCommandUndo, id)
			if w.state(id) != ledger.Undone {
				t.Errorf("%s is %s", id, w.state(id))
			}
		}
		if w.ec2.Groups["sg-quarantine"] != nil && strings.HasPrefix(action, "isolate") {
			t.Error("the quarantine group stays, though nothing is in it")
		}
		w.command(contract.ResponseCommandSweep, "")
		record(w)
	}
	w := newWorld(t, policy(contract.ModeAuto, contract.ActionRevokeSessions, contract.ActionIsolateInstance))
	for id := range w.found("user-session", nil).Entries {
		w.command(contract.ResponseCommandUndo, id)
	}
	w.found("instance-dns", nil)
	record(w)
	fakeaws.CheckActions(t, "testdata/actions.txt", called)
}
