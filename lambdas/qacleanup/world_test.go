package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	cfntypes "github.com/aws/aws-sdk-go-v2/service/cloudformation/types"

	"slipway/internal/contract"
	"slipway/lambdas/internal/fakeaws"
	"slipway/lambdas/qacleanup/decide"
	"slipway/lambdas/qacleanup/report"
)

const platform, cluster = "slipway", "qa-cluster"

var switchName = contract.CleanupSwitch(platform, "qa")

var now = time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)

// world is a QA account with its cleanup.
type world struct {
	t       *testing.T
	cloud   *fakeaws.Cloud
	ecs     *fakeaws.ECS
	elb     *fakeaws.ELB
	stacks  *fakeaws.CloudFormation
	sns     *fakeaws.SNS
	ssm     *fakeaws.SSM
	now     time.Time
	dryRun  bool
	metrics bytes.Buffer
}

// newWorld makes an empty account. When the test ends, no call may have broken AWS's rules.
func newWorld(t *testing.T) *world {
	c := fakeaws.New()
	w := &world{
		t: t, cloud: c, ecs: fakeaws.NewECS(c, cluster), elb: fakeaws.NewELB(c), stacks: fakeaws.NewCloudFormation(c),
		sns: fakeaws.NewSNS(c), ssm: fakeaws.NewSSM(c), now: now,
	}
	w.ssm.Parameters[switchName] = contract.SwitchOn
	t.Cleanup(func() {
		c.CheckNoMistakes(t)
		fakeaws.CheckListed(t, "testdata/actions.txt", c.Actions())
	})
	return w
}

func (w *world) invoke(ctx context.Context) (report.Summary, error) {
	s, err := readSettings(func(name string) string {
		dryRun := ""
		if w.dryRun {
			dryRun = "true"
		}
		return map[string]string{
			contract.EnvPlatform: platform, contract.EnvCluster: cluster, contract.EnvListenerARN: w.elb.Listener,
			contract.EnvTopicARN: w.sns.Topic, contract.EnvDryRun: dryRun, contract.EnvGrace: "2h",
			contract.EnvSwitch: switchName, contract.EnvList: `{"rate":{"awakeHour":0.5,"day":0}}`,
		}[name]
	})
	if err != nil {
		w.t.Fatal(err)
	}
	log := slog.New(slog.NewJSONHandler(io.Discard, nil))
	return newHandler(s, w.cloud.Config(), log, &w.metrics, func() time.Time { return w.now }).handle(ctx, json.RawMessage(`{}`))
}

// run is an invocation that must succeed.
func (w *world) run() report.Summary {
	w.t.Helper()
	summary, err := w.invoke(context.Background())
	if err != nil {
		w.t.Errorf("the run failed: %v", err)
	}
	return summary
}

func slug(t *testing.T, branch string) string {
	t.Helper()
	s, err := contract.Slug(branch)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func lease(slug string, expires time.Time) map[string]string {
	return map[string]string{
		contract.TagEnvironment: slug,
		contract.TagBranch:      "feature/" + slug,
		contract.TagOwner:       "dana",
		contract.TagExpires:     contract.FormatExpiry(expires),
		contract.TagMaxLifetime: "720h",
	}
}

// environment adds a QA environment as its stack makes it and returns the stack's name and the service's ARN.
func (w *world) environment(branch string, expires time.Time) (stack, service string) {
	s := slug(w.t, branch)
	stack = contract.QAEnvironmentStack(platform, s)
	w.stacks.Add(stack, cfntypes.StackStatusCreateComplete, now.Add(-72*time.Hour))
	tags := lease(s, expires)
	tags["aws:cloudformation:stack-name"] = stack
	tags["aws:cloudformation:stack-id"] = fakeaws.StackID(stack)
	service = w.ecs.Add(fakeaws.Service{Name: s, Created: now.Add(-72 * time.Hour), Tags: tags, Running: 1})
	return stack, service
}

// handMade is a service that someone made by hand, with all that it consists of.
type handMade struct{ service, group, rule, family string }

func (w *world) handMade(name string, expires time.Time) handMade {
	h := handMade{family: name + "-family"}
	h.group = w.elb.AddTargetGroup(name, nil)
	h.rule = w.elb.AddRule(name, nil, h.group)
	h.service = w.ecs.Add(fakeaws.Service{
		Name: name, Created: now.Add(-72 * time.Hour), Tags: lease(name, expires), Running: 1, TargetGroups: []string{h.group}, Family: h.family,
	})
	return h
}

// is says whether the entries are exactly those, as "kind name".
func is(entries []decide.Entry, want ...string) bool {
	var got []string
	for _, e := range entries {
		got = append(got, string(e.Kind)+" "+e.Name)
	}
	return strings.Join(got, "\n") == strings.Join(want, "\n")
}

func why(entries []decide.Entry, name string) string {
	for _, e := range entries {
		if e.Name == name {
			return e.Why
		}
	}
	return ""
}
