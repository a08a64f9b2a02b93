package main

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"

	"slipway/internal/contract"
	"slipway/lambdas/internal/fakeaws"
	"slipway/lambdas/threatresponse/decide"
	"slipway/lambdas/threatresponse/ledger"
)

// TestContainedAndUndone is the life of every action: contained, repeated without effect, undone, and everything as it was.
func TestContainedAndUndone(t *testing.T) {
	all := map[string]bool{}
	for _, a := range contract.ResponseActions {
		all[a] = false
	}
	for sentence, c := range map[string]struct {
		action, shape string
		entries       int
		contained     func(*world) bool
	}{
		"an instance is cut off": {contract.ActionIsolateInstance, "instance-attacks", 1, func(w *world) bool {
			groups := w.ec2.Instances[theInstance].Interfaces
			q := groups[theInterface][0]
			g := w.ec2.Groups[q]
			return len(groups[theInterface]) == 1 && q != theGroup && groups["eni-second"][0] == q && g.Name == "slipway-quarantine" && g.VPC == theVPC &&
				len(g.Egress) == 0 && len(g.Ingress) == 0 && len(w.ec2.Snapshots) == 2 && w.ec2.Instances[theInstance].Tags[contract.TagQuarantine] != ""
		}},
		"a user's keys are inactive": {contract.ActionDisableAccessKeys, "user-key", 1, func(w *world) bool {
			return w.iam.Users["deploy"].Keys[0].Status == iamtypes.StatusTypeInactive
		}},
		"a user's keys are inactive, for a session of the user's": {contract.ActionDisableAccessKeys, "user-session", 1, func(w *world) bool {
			return w.iam.Users["deploy"].Keys[0].Status == iamtypes.StatusTypeInactive
		}},
		"a role's sessions are denied": {contract.ActionRevokeSessions, "role-session", 1, func(w *world) bool {
			return strings.Contains(w.iam.Roles["nat"].Policies["slipway-deny-older-sessions"], `"aws:TokenIssueTime":"2026-03-10T12:00:00Z"`)
		}},
		"a user's sessions are denied": {contract.ActionRevokeSessions, "user-session", 1, func(w *world) bool {
			return strings.Contains(w.iam.Users["deploy"].Policies["slipway-deny-older-sessions"], `"Effect":"Deny"`)
		}},
		"an address is blocked": {contract.ActionBlockAddress, "instance-attacked", 1, func(w *world) bool {
			return strings.Join(w.waf.Sets["slipway-prod-blocked-ipv4"].Addresses, " ") == "198.51.100.7/32" && strings.Join(w.waf.Sets["slipway-qa-blocked-ipv4"].Addresses, " ") == "198.51.100.7/32"
		}},
		"all addresses of a probe are blocked": {contract.ActionBlockAddress, "instance-probed", 2, func(w *world) bool {
			return strings.Join(w.waf.Sets["slipway-prod-blocked-ipv4"].Addresses, " ") == "198.51.100.9/32 198.51.100.10/32"
		}},
		"all buckets are closed": {contract.ActionBlockPublicAccess, "bucket", 2, func(w *world) bool {
			for _, b := range w.buckets.Named {
				if b.Block == nil || !*b.Block.BlockPublicAcls || !*b.Block.IgnorePublicAcls || !*b.Block.BlockPublicPolicy || !*b.Block.RestrictPublicBuckets {
					return false
				}
			}
			return w.buckets.Named["artifacts-example"].Policy == "{}"
		}},
		"a service is scaled to zero": {contract.ActionStopService, "task", 1, func(w *world) bool {
			scalable := w.scalable.Targets["service/prod-cluster/app"]
			return w.ecs.Service(w.service).DesiredCount == 0 && *scalable.MinCapacity == 0 && *scalable.SuspendedState.DynamicScalingOutSuspended && w.tasks.Tasks[theTask] == "STOPPED"
		}},
		"a service is rolled back": {contract.ActionRollBackService, "task-malware", 1, func(w *world) bool {
			return strings.HasSuffix(*w.ecs.Service(w.service).TaskDefinition, "slipway-prod-app:0") && w.ecs.Service(w.service).DesiredCount == 2 && w.tasks.Tasks[theTask] == "STOPPED"
		}},
	} {
		all[c.action] = true
		t.Run(sentence, func(t *testing.T) {
			w := newWorld(t, policy(contract.ModeAuto, c.action))
			w.tasks.Good = []string{*w.ecs.Service(w.service).TaskDefinition, "arn:aws:ecs:eu-west-1:111111111111:task-definition/slipway-prod-app:0"}
			if c.action == contract.ActionIsolateInstance {
				w.groups.Named["nat"].Max = 1 // full, since its replacement runs: its target group is restored by itself
			}
			before := w.snapshot()
			out := w.found(c.shape, nil)
			if len(out.Entries) != c.entries || !c.contained(w) || !out.Told {
				t.Fatalf("not contained: %+v\n%s", out, w.snapshot())
			}
			for id, state := range out.Entries {
				if state != ledger.Active {
					t.Errorf("%s is %s", id, state)
				}
				w.says("undo "+id, "DONE")
			}
			w.says("WHAT", "WHERE", "https://eu-west-1.console.aws.amazon.com/guardduty/")

			contained, messages := w.snapshot(), len(w.sns.Messages)
			for count := range 3 { // GuardDuty delivers it again, and repeats it with a higher count
				again := w.found(c.shape, map[string]any{"detail.service.count": count + 1})
				if again.Told || w.snapshot() != contained || len(w.sns.Messages) != messages {
					t.Fatalf("delivered again, it had an effect: %+v\n%s", again, w.message().Body)
				}
			}
			for id := range out.Entries {
				if answer := w.command(contract.ResponseCommandUndo, id); answer.Failed || w.state(id) != ledger.Undone {
					t.Fatalf("undo: %+v", answer)
				}
				w.says("undo by arn:aws:iam::111111111111:user/sam")
			}
			w.tasks.Tasks[theTask] = "RUNNING"
			if after := w.snapshot(); after != before {
				t.Errorf("it was\n%s\nand is now\n%s", before, after)
			}
			// A person decided about this finding: it may come again, and nothing happens.
			if again := w.found(c.shape, nil); w.snapshot() != before {
				t.Errorf("the finding came again after it was undone, and had an effect: %+v", again)
			}
			for id := range out.Entries {
				if answer := w.command(contract.ResponseCommandUndo, id); !answer.Failed {
					t.Errorf("undone twice: %+v", answer)
				}
			}
		})
	}
	for action, tested := range all {
		if !tested {
			t.Errorf("no case for %s", action)
		}
	}
}

func TestIsolationLeavesTheGroupFirstAndComesBackIfThereIsRoom(t *testing.T) {
	w := newWorld(t, policy(contract.ModeAuto, contract.ActionIsolateInstance))
	var order []string
	w.cloud.Before = func(action string) {
		switch action {
		case "autoscaling:DetachInstances", "elasticloadbalancing:DeregisterTargets", "ec2:ModifyNetworkInterfaceAttribute", "ec2:CreateSnapshots", "ec2:CreateTags":
			if len(order) == 0 || order[len(order)-1] != action {
				order = append(order, action)
			}
		}
	}
	id := w.only(w.found("instance-attacks", nil), ledger.Active)
	want := "autoscaling:DetachInstances elasticloadbalancing:DeregisterTargets ec2:ModifyNetworkInterfaceAttribute ec2:CreateSnapshots ec2:CreateTags"
	if got := strings.Join(order, " "); got != want {
		t.Errorf("order %s, want %s", got, want)
	}
	group := w.groups.Named["nat"]
	if group.Desired != 1 || len(group.Members) != 1 || group.Members[0] == theInstance {
		t.Errorf("the group's capacity wasn't kept: %+v", group)
	}
	w.command(contract.ResponseCommandUndo, id)
	if group.Desired != 2 || group.Members[1] != theInstance {
		t.Errorf("the instance didn't come back: %+v", group)
	}
	w.says("desired capacity is now 2")
}

func TestModes(t *testing.T) {
	t.Run("off does nothing and tells nobody", func(t *testing.T) {
		w := newWorld(t, policy(contract.ModeOff, contract.ActionIsolateInstance))
		if out := w.found("instance-attacks", nil); out.Verdict != decide.Ignore || len(w.sns.Messages) != 0 || w.cloud.TotalCalls() != 0 {
			t.Errorf("%+v, %v", out, w.cloud.Actions())
		}
	})
	t.Run("dry-run changes nothing, tells once, and a person may still do it", func(t *testing.T) {
		w := newWorld(t, policy(contract.ModeDryRun, contract.ActionIsolateInstance))
		before := w.snapshot()
		id := w.only(w.found("instance-attacks", nil), ledger.Observed)
		w.found("instance-attacks", map[string]any{"detail.service.count": 2})
		if w.snapshot() != before || len(w.sns.Messages) != 1 {
			t.Errorf("%d messages; %v", len(w.sns.Messages), w.cloud.Actions())
		}
		for _, action := range w.cloud.Actions() {
			if !strings.HasPrefix(action, "dynamodb:") && action != "sns:Publish" {
				t.Errorf("a dry run called %s", action)
			}
		}
		w.says("WOULD", "isolate-instance "+theInstance, "approve "+id)
		if answer := w.command(contract.ResponseCommandApprove, id); answer.Failed || w.state(id) != ledger.Active {
			t.Errorf("%+v", answer)
		}
	})
	t.Run("approve waits, does it when a person says so, and remembers who", func(t *testing.T) {
		w := newWorld(t, policy(contract.ModeApprove, contract.ActionBlockAddress))
		before := w.snapshot()
		id := w.only(w.found("instance-attacked", nil), ledger.Waiting)
		w.says("APPROVE?", "until 2026-03-11T12:00:00Z", "approve "+id, "reject "+id)
		if w.snapshot() != before {
			t.Fatal("it didn't wait")
		}
		if answer := w.command(contract.ResponseCommandApprove, id); answer.Failed {
			t.Fatalf("%+v", answer)
		}
		e := w.entry(id)
		if e.State != ledger.Active || e.By != "arn:aws:iam::111111111111:user/sam" || !e.Expires.Equal(now.Add(12*time.Hour)) {
			t.Errorf("%+v", e)
		}
		if answer := w.command(contract.ResponseCommandApprove, id); !answer.Failed {
			t.Error("approved twice")
		}
	})
	t.Run("approve lapses, and asks again when the finding comes again", func(t *testing.T) {
		w := newWorld(t, policy(contract.ModeApprove, contract.ActionBlockAddress))
		id := w.only(w.found("instance-attacked", nil), ledger.Waiting)
		w.now = w.now.Add(24 * time.Hour)
		if answer := w.command(contract.ResponseCommandApprove, id); !answer.Failed || !strings.Contains(answer.Message, "time to approve it was over") {
			t.Errorf("%+v", answer)
		}
		w.command(contract.ResponseCommandSweep, "")
		if w.state(id) != ledger.Lapsed {
			t.Fatalf("it is %s", w.state(id))
		}
		w.says("the clock", "lapsed")
		if got := w.only(w.found("instance-attacked", nil), ledger.Waiting); got != id || len(w.sns.Messages) != 3 {
			t.Errorf("%s, %d messages", got, len(w.sns.Messages))
		}
	})
	t.Run("reject settles it for this finding, not for another", func(t *testing.T) {
		w := newWorld(t, policy(contract.ModeApprove, contract.ActionBlockAddress))
		id := w.only(w.found("instance-attacked", nil), ledger.Waiting)
		w.command(contract.ResponseCommandReject, id)
		w.only(w.found("instance-attacked", nil), ledger.Rejected)
		w.only(w.found("instance-attacked", map[string]any{"detail.id": "another"}), ledger.Waiting)
	})
	t.Run("a policy that became auto does what a dry run only saw", func(t *testing.T) {
		w := newWorld(t, policy(contract.ModeDryRun, contract.ActionBlockAddress))
		w.only(w.found("instance-attacked", nil), ledger.Observed)
		w.config.Policies[0].Mode = contract.ModeAuto
		w.only(w.found("instance-attacked", nil), ledger.Active)
	})
}

func TestSamplesAreRecordedAndNeverActedOn(t *testing.T) {
	w := newWorld(t, policy(contract.ModeAuto, contract.ResponseActions...))
	before := w.snapshot()
	sample := map[string]any{"detail.service.additionalInfo.sample": true}
	id := w.only(w.found("instance-attacks", sample), ledger.Observed)
	w.says("SAMPLE")
	if answer := w.command(contract.ResponseCommandApprove, id); !answer.Failed || w.snapshot() != before {
		t.Errorf("%+v", answer)
	}
	w.config.ActOnSamples = true
	sample["detail.id"] = "drill"
	if w.only(w.found("instance-attacks", sample), ledger.Active); w.snapshot() == before {
		t.Error("the drill had no effect")
	}
}

func TestWhatIsOnlyTold(t *testing.T) {
	for sentence, c := range map[string]struct {
		shape   string
		changes map[string]any
		says    []string
	}{
		"the root user":                   {"root", nil, []string{"LEFT ALONE", "root user"}},
		"a type that isn't known":         {"instance-attacks", map[string]any{"detail.type": "Backdoor:EC2/FromTomorrow"}, []string{"unsupported", "Backdoor:EC2/FromTomorrow"}},
		"a function":                      {"function", nil, []string{"unsupported"}},
		"an attack sequence":              {"sequence", nil, []string{"unsupported", "CRITICAL 9.3"}},
		"a finding without a resource":    {"instance-dns", map[string]any{"detail.resource": map[string]any{}}, []string{"incomplete"}},
		"a finding without a type":        {"instance-dns", map[string]any{"detail.type": nil}, []string{"incomplete"}},
		"a resource of another shape":     {"instance-dns", map[string]any{"detail.resource": "x"}, []string{"incomplete", "ODD"}},
		"a federated user":                {"user-session", map[string]any{"detail.resource.accessKeyDetails.userType": "FederatedUser", "detail.service.action": nil}, []string{"end them where they are issued"}},
		"an address that was called":      {"instance-attacks", map[string]any{"detail.resource": nil}, []string{"198.51.100.8", "went out to it"}},
		"a private address":               {"database", map[string]any{"detail.service.action.rdsLoginAttemptAction.remoteIpDetails.ipAddressV4": "10.1.2.3"}, []string{"private"}},
		"an address of carrier-grade NAT": {"database", map[string]any{"detail.service.action.rdsLoginAttemptAction.remoteIpDetails.ipAddressV4": "100.64.1.1"}, []string{"100.64.0.0/10"}},
		"an exempt instance":              {"instance-dns", map[string]any{"detail.resource.instanceDetails.tags.0": map[string]any{"key": "slipway:response", "value": "exempt"}}, []string{"exempt"}},
		"a protected principal":           {"role-session", map[string]any{"detail.resource.accessKeyDetails.userName": "break-glass-1", "detail.service.action": nil}, []string{"protected principal"}},
		"the response's own role":         {"role-session", map[string]any{"detail.resource.accessKeyDetails.userName": self, "detail.service.action": nil}, []string{"own role"}},
		"a protected resource":            {"instance-dns", map[string]any{"detail.resource.instanceDetails.instanceId": "i-precious"}, []string{"protected resource"}},
		"an address of the office":        {"database", map[string]any{"detail.service.action.rdsLoginAttemptAction.remoteIpDetails.ipAddressV4": "192.0.2.9"}, []string{"192.0.2.0/24"}},
	} {
		t.Run(sentence, func(t *testing.T) {
			w := newWorld(t, policy(contract.ModeAuto, contract.ResponseActions...))
			w.config.Protected = protected
			before := w.snapshot()
			out := w.found(c.shape, c.changes)
			if out.Verdict != decide.Tell || w.snapshot() != before || len(w.sns.Messages) != 1 {
				t.Fatalf("%+v, %d messages", out, len(w.sns.Messages))
			}
			w.says(c.says...)
			w.says("NOT DONE")
			for _, action := range w.cloud.Actions() {
				if !strings.HasPrefix(action, "dynamodb:") && action != "sns:Publish" {
					t.Errorf("it called %s", action)
				}
			}
			w.found(c.shape, c.changes)
			if len(w.sns.Messages) != 1 {
				t.Error("people were told twice of the same")
			}
		})
	}
}

func TestWhatIsIgnored(t *testing.T) {
	for sentence, changes := range map[string]map[string]any{
		"an archived finding":          {"detail.service.archived": true},
		"a member account's finding":   {"detail.accountId": "222222222222"},
		"a finding of another Region":  {"detail.region": "us-east-1"},
		"an event of another service":  {"source": "aws.macie"},
		"an event without any finding": {"detail": nil},
	} {
		t.Run(sentence, func(t *testing.T) {
			w := newWorld(t, policy(contract.ModeAuto, contract.ResponseActions...))
			if out := w.found("instance-attacks", changes); out.Verdict != decide.Ignore || w.cloud.TotalCalls() != 0 {
				t.Errorf("%+v, %v", out, w.cloud.Actions())
			}
		})
	}
}

// What a finding says may be old: the live tags, paths and states decide.
func TestTargetsThatTurnOutToBeOutOfReach(t *testing.T) {
	for sentence, c := range map[string]struct {
		action, shape string
		prepare       func(*world)
		says          string
	}{
		"an instance that is gone":        {contract.ActionIsolateInstance, "instance-dns", func(w *world) { delete(w.ec2.Instances, theInstance) }, "isn't there any more"},
		"an instance that was terminated": {contract.ActionIsolateInstance, "instance-dns", func(w *world) { w.ec2.Instances[theInstance].State = "terminated" }, "terminated"},
		"an instance that is exempt": {contract.ActionIsolateInstance, "instance-dns", func(w *world) {
			w.ec2.Instances[theInstance].Tags["slipway:response"] = "exempt"
		}, "exempt"},
		"a user that is gone":   {contract.ActionDisableAccessKeys, "user-key", func(w *world) { delete(w.iam.Users, "deploy") }, "isn't there any more"},
		"a user that is exempt": {contract.ActionRevokeSessions, "user-key", func(w *world) { w.iam.Users["deploy"].Tags = map[string]string{"slipway:response": "exempt"} }, "exempt"},
		"a service-linked role": {contract.ActionRevokeSessions, "role-session", func(w *world) {
			w.iam.Roles["nat"].Path = "/aws-service-role/autoscaling.amazonaws.com/"
		}, "service-linked"},
		"a role of IAM Identity Center": {contract.ActionRevokeSessions, "role-session", func(w *world) {
			w.iam.Roles["nat"].Path = "/aws-reserved/sso.amazonaws.com/"
		}, "Identity Center"},
		"a bucket that is exempt": {contract.ActionBlockPublicAccess, "object", func(w *world) {
			w.buckets.Named["artifacts-example"].Tags = map[string]string{"slipway:response": "exempt"}
		}, "exempt"},
		"a bucket that is gone": {contract.ActionBlockPublicAccess, "object", func(w *world) { delete(w.buckets.Named, "artifacts-example") }, "isn't there any more"},
		"the account's own address": {contract.ActionBlockAddress, "instance-attacked", func(w *world) {
			w.ec2.PublicIPs["198.51.100.7"] = "eni-nat"
		}, "the account's own address"},
		"no block list": {contract.ActionBlockAddress, "instance-attacked", func(w *world) { clear(w.ssm.Parameters) }, "no stage here has a block list"},
		"a service that is exempt": {contract.ActionStopService, "task", func(w *world) {
			w.ecs.Retag(w.service, map[string]string{"slipway:response": "exempt"})
		}, "exempt"},
		"a daemon": {contract.ActionStopService, "task", func(w *world) {
			w.ecs.Service(w.service).SchedulingStrategy = ecstypes.SchedulingStrategyDaemon
		}, "daemon"},
		"a service that is gone": {contract.ActionRollBackService, "task", func(w *world) { w.ecs.Service(w.service).Status = aws.String("INACTIVE") }, "isn't there any more"},
	} {
		t.Run(sentence, func(t *testing.T) {
			w := newWorld(t, policy(contract.ModeAuto, c.action))
			c.prepare(w)
			before := w.snapshot()
			w.only(w.found(c.shape, nil), ledger.Gone)
			w.says("NEEDLESS", c.says)
			if w.snapshot() != before {
				t.Error("something was changed")
			}
		})
	}
}

func TestRollingBackFallsBackToZero(t *testing.T) {
	for sentence, c := range map[string]struct {
		prepare func(*world)
		says    string
	}{
		"without a good revision": {func(*world) {}, "no other revision is known"},
		"when CodeDeploy deploys it": {func(w *world) {
			w.ecs.Service(w.service).DeploymentController = &ecstypes.DeploymentController{Type: ecstypes.DeploymentControllerTypeCodeDeploy}
			w.tasks.Good = []string{"arn:aws:ecs:eu-west-1:111111111111:task-definition/slipway-prod-app:0"}
		}, "CODE_DEPLOY"},
		"when the good revision is deregistered": {func(w *world) {
			w.tasks.Good = []string{w.ecs.Register("slipway-prod-app", 7, "INACTIVE", nil)}
		}, "slipway-prod-app:7 is deregistered"},
		"when the good revision's role is somebody else's": {func(w *world) {
			w.tasks.Good = []string{w.ecs.Register("slipway-prod-app", 7, "ACTIVE", nil)}
			last := w.ecs.Revisions[len(w.ecs.Revisions)-1]
			last.Roles = [2]string{"arn:aws:iam::111111111111:role/slipway-prod-service-Role", "arn:aws:iam::111111111111:role/shop-tasks"}
		}, "shop-tasks is no role of slipway's stacks"},
		"when the revision in use is deregistered, and so nothing could be undone": {func(w *world) {
			w.tasks.Good = []string{"arn:aws:ecs:eu-west-1:111111111111:task-definition/slipway-prod-app:0"}
			for _, r := range w.ecs.Revisions {
				if r.ARN == *w.ecs.Service(w.service).TaskDefinition {
					r.Status = "INACTIVE"
				}
			}
		}, "slipway-prod-app:1 is deregistered"},
	} {
		t.Run(sentence, func(t *testing.T) {
			w := newWorld(t, policy(contract.ModeAuto, contract.ActionRollBackService))
			c.prepare(w)
			before := w.snapshot()
			id := w.only(w.found("task", nil), ledger.Active)
			if w.ecs.Service(w.service).DesiredCount != 0 {
				t.Error("the service runs on")
			}
			w.says(c.says, "scaled to 0 (was 2)")
			w.command(contract.ResponseCommandUndo, id)
			if w.snapshot() != before {
				t.Errorf("it was\n%s\nand is\n%s", before, w.snapshot())
			}
		})
	}
	t.Run("the newest good revision that can be used is taken", func(t *testing.T) {
		w := newWorld(t, policy(contract.ModeAuto, contract.ActionRollBackService))
		w.tasks.Good = []string{w.ecs.Register("slipway-prod-app", 7, "INACTIVE", nil), "arn:aws:ecs:eu-west-1:111111111111:task-definition/slipway-prod-app:0"}
		w.only(w.found("task", nil), ledger.Active)
		if now := *w.ecs.Service(w.service).TaskDefinition; !strings.HasSuffix(now, "slipway-prod-app:0") {
			t.Errorf("the service has %s", now)
		}
	})
	t.Run("undone after someone deployed, the new deployment stays", func(t *testing.T) {
		w := newWorld(t, policy(contract.ModeAuto, contract.ActionRollBackService))
		w.tasks.Good = []string{"arn:aws:ecs:eu-west-1:111111111111:task-definition/slipway-prod-app:0"}
		id := w.only(w.found("task", nil), ledger.Active)
		newer := w.ecs.Register("slipway-prod-app", 9, "ACTIVE", nil)
		w.ecs.Service(w.service).TaskDefinition = &newer
		w.command(contract.ResponseCommandUndo, id)
		if *w.ecs.Service(w.service).TaskDefinition != newer {
			t.Error("the new deployment was thrown away")
		}
		w.says("someone deployed slipway-prod-app:9")
	})
}

func TestATaskOfNoServiceIsStopped(t *testing.T) {
	w := newWorld(t, policy(contract.ModeAuto, contract.ActionStopService))
	w.only(w.found("task", map[string]any{"detail.resource.ecsClusterDetails.taskDetails.group": "family:job"}), ledger.Active)
	if w.tasks.Tasks[theTask] != "STOPPED" || w.ecs.Service(w.service).DesiredCount != 2 {
		t.Error("it wasn't stopped, or more than it was")
	}
}

func TestSomethingNewAboutTheSameTargetIsContainedToo(t *testing.T) {
	w := newWorld(t, policy(contract.ModeAuto, contract.ActionRevokeSessions))
	before := w.snapshot()
	id := w.only(w.found("role-session", nil), ledger.Active)
	w.now = w.now.Add(time.Hour)
	w.found("role-session", map[string]any{"detail.service.count": 2}) // the same session
	if !strings.Contains(w.iam.Roles["nat"].Policies["slipway-deny-older-sessions"], "12:00:00Z") {
		t.Error("the same session moved the moment, and so ended the sessions of rightful users")
	}
	w.found("role-session", map[string]any{"detail.resource.accessKeyDetails.accessKeyId": "ASIAQDOZEXAMPLE00009"})
	if !strings.Contains(w.iam.Roles["nat"].Policies["slipway-deny-older-sessions"], "13:00:00Z") {
		t.Error("a newer session isn't denied")
	}
	w.command(contract.ResponseCommandUndo, id)
	if w.snapshot() != before {
		t.Error("what it was before was recorded again")
	}
}

func TestTwoFindingsShareATarget(t *testing.T) {
	w := newWorld(t, policy(contract.ModeAuto, contract.ActionIsolateInstance))
	w.groups.Named["nat"].Max = 1
	before := w.snapshot()
	id := w.only(w.found("instance-attacks", nil), ledger.Active)
	calls := w.cloud.Calls("ec2:ModifyNetworkInterfaceAttribute")
	if other := w.only(w.found("instance-dns", nil), ledger.Active); other != id {
		t.Errorf("%s and %s for one instance", id, other)
	}
	if w.cloud.Calls("ec2:ModifyNetworkInterfaceAttribute") != calls || len(w.sns.Messages) != 2 {
		t.Error("isolated twice, or the second finding wasn't told")
	}
	w.command(contract.ResponseCommandUndo, id)
	if w.snapshot() != before {
		t.Error("the first state wasn't restored")
	}
}

func TestTheAccountsOwnIPv6AddressIsNeverBlocked(t *testing.T) {
	w := newWorld(t, policy(contract.ModeAuto, contract.ActionBlockAddress))
	w.ec2.PublicIPs["2001:db8::7"] = "eni-load-balancer"
	w.only(w.found("database", map[string]any{"detail.service.action.rdsLoginAttemptAction.remoteIpDetails": map[string]any{"ipAddressV6": "2001:db8::7"}}), ledger.Gone)
	w.says("eni-load-balancer")
}

func TestBlocksEnd(t *testing.T) {
	w := newWorld(t, policy(contract.ModeAuto, contract.ActionBlockAddress))
	before := w.snapshot()
	id := w.only(w.found("instance-attacked", nil), ledger.Active)
	w.now = w.now.Add(11 * time.Hour)
	w.found("instance-attacked", map[string]any{"detail.service.count": 2}) // the attack goes on
	w.now = w.now.Add(11 * time.Hour)
	w.command(contract.ResponseCommandSweep, "")
	if w.state(id) != ledger.Active {
		t.Fatalf("it ended %s after the attack was seen last", 11*time.Hour)
	}
	w.now = w.now.Add(2 * time.Hour)
	w.command(contract.ResponseCommandSweep, "")
	if w.state(id) != ledger.Expired || w.snapshot() != before {
		t.Errorf("it is %s", w.state(id))
	}
	w.says("the clock", "unblocked in prod")
	messages := len(w.sns.Messages)
	w.command(contract.ResponseCommandSweep, "")
	if len(w.sns.Messages) != messages {
		t.Error("a sweep without news told people")
	}
	w.only(w.found("instance-attacked", nil), ledger.Active) // it goes on after all
}

func TestAFullBlockListLosesItsOldest(t *testing.T) {
	w := newWorld(t, policy(contract.ModeAuto, contract.ActionBlockAddress))
	old := w.only(w.found("instance-attacked", nil), ledger.Active)
	set := w.waf.Sets["slipway-prod-blocked-ipv4"]
	for i := 0; len(set.Addresses) < 10_000; i++ {
		set.Addresses = append(set.Addresses, strings.Join([]string{"203", "0", itoa(i / 250), itoa(i%250) + "/32"}, "."))
	}
	w.now = w.now.Add(time.Minute)
	w.only(w.found("database", nil), ledger.Active)
	if len(set.Addresses) != 10_000 || w.state(old) != ledger.Expired {
		t.Errorf("%d addresses, the oldest is %s", len(set.Addresses), w.state(old))
	}
	w.says("the list is full: 198.51.100.7, the oldest, made room")
}

func TestAnAddressThatSomeoneElseBlockedStaysBlocked(t *testing.T) {
	w := newWorld(t, policy(contract.ModeAuto, contract.ActionBlockAddress))
	w.waf.Sets["slipway-prod-blocked-ipv4"].Addresses = []string{"198.51.100.7/32"}
	w.waf.Race = 3
	id := w.only(w.found("instance-attacked", nil), ledger.Active)
	w.command(contract.ResponseCommandUndo, id)
	if got := w.waf.Sets["slipway-prod-blocked-ipv4"].Addresses; len(got) != 1 {
		t.Errorf("%v", got)
	}
	if got := w.waf.Sets["slipway-qa-blocked-ipv4"].Addresses; len(got) != 0 {
		t.Errorf("%v", got)
	}
}

func TestIPv6AddressesGoToTheirOwnList(t *testing.T) {
	w := newWorld(t, policy(contract.ModeAuto, contract.ActionBlockAddress))
	before := w.snapshot()
	out := w.found("instance-attacked", map[string]any{"detail.service.action.networkConnectionAction.remoteIpDetails": map[string]any{"ipAddressV6": "2001:DB8::7"}})
	id := w.only(out, ledger.Active)
	if got := w.waf.Sets["slipway-prod-blocked-ipv6"].Addresses; len(got) != 1 || got[0] != "2001:db8::7/128" {
		t.Errorf("%v", got)
	}
	w.command(contract.ResponseCommandUndo, id) // WAF writes the address in full by then
	if w.snapshot() != before {
		t.Error("not undone")
	}
}

func TestTheFindingAfterwards(t *testing.T) {
	for after, archived := range map[contract.ResponseAfter]bool{contract.AfterArchive: true, contract.AfterAnnotate: false, contract.AfterLeave: false} {
		t.Run(string(after), func(t *testing.T) {
			p := policy(contract.ModeAuto, contract.ActionDisableAccessKeys, contract.ActionRevokeSessions, contract.ActionBlockAddress)
			p.After = after
			w := newWorld(t, p)
			out := w.found("user-key", nil)
			finding := "46ba0ac2845071e23ccdeb2ae03b0006"
			if w.findings.Archived[finding] != archived || (w.findings.Comments[finding] != "") != (after != contract.AfterLeave) || len(out.Entries) != 3 {
				t.Errorf("archived %v, comment %q", w.findings.Archived, w.findings.Comments)
			}
			for id := range out.Entries {
				w.command(contract.ResponseCommandUndo, id)
			}
			if w.findings.Archived[finding] {
				t.Error("it stays archived, though it isn't contained any more")
			}
		})
	}
	t.Run("a finding isn't archived while an action of it failed", func(t *testing.T) {
		p := policy(contract.ModeAuto, contract.ActionDisableAccessKeys, contract.ActionBlockAddress)
		p.After = contract.AfterArchive
		w := newWorld(t, p)
		w.cloud.Fail("iam:UpdateAccessKey", fakeaws.Denied())
		w.found("user-key", nil)
		if len(w.findings.Archived) != 0 {
			t.Error("archived")
		}
	})
	t.Run("a finding that may not be archived is contained all the same", func(t *testing.T) {
		p := policy(contract.ModeAuto, contract.ActionDisableAccessKeys)
		p.After = contract.AfterArchive
		w := newWorld(t, p)
		w.cloud.Fail("guardduty:ArchiveFindings", fakeaws.Denied())
		w.only(w.found("user-key", nil), ledger.Active)
		w.says("couldn't be archived")
	})
}

func TestList(t *testing.T) {
	w := newWorld(t, policy(contract.ModeAuto, contract.ActionBlockAddress))
	w.ledger.Page = 1
	w.found("instance-attacked", nil)
	w.found("database", nil)
	w.found("function", nil)
	answer := w.command(contract.ResponseCommandList, "")
	if len(answer.Entries) != 3 || answer.Failed {
		t.Fatalf("%+v", answer)
	}
	for _, e := range answer.Entries {
		if e.State == "active" && (e.Action != "block-address" || e.Target == "" || e.Until != "2026-03-11T00:00:00Z" || e.Finding == "") {
			t.Errorf("%+v", e)
		}
		if e.State == "told" && !strings.Contains(e.Notes[0], "unsupported") {
			t.Errorf("%+v", e)
		}
	}
}

func TestCommandsThatMakeNoSense(t *testing.T) {
	w := newWorld(t)
	for command, says := range map[string]string{
		contract.ResponseCommandApprove: "no entry", contract.ResponseCommandUndo: "no entry", contract.ResponseCommandReject: "no entry", "dance": "no command",
	} {
		if answer := w.command(command, "instance-000000000000"); !answer.Failed || !strings.Contains(answer.Message, says) {
			t.Errorf("%s: %+v", command, answer)
		}
	}
}
