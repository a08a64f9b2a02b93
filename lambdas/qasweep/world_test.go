package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	cfntypes "github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	ecrtypes "github.com/aws/aws-sdk-go-v2/service/ecr/types"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"slipway/internal/contract"
	"slipway/lambdas/internal/fakeaws"
	"slipway/lambdas/qasweep/decide"
)

const (
	platform   = "slipway"
	cluster    = "qa-cluster"
	repository = "simple-flask-app"
	bucket     = "slipway-qa-artifacts"
)

var now = time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)

// world is a QA account with its sweep.
type world struct {
	t       *testing.T
	cloud   *fakeaws.Cloud
	ecs     *fakeaws.ECS
	elb     *fakeaws.ELB
	stacks  *fakeaws.CloudFormation
	sns     *fakeaws.SNS
	ssm     *fakeaws.SSM
	zone    *fakeaws.Zone
	logs    *fakeaws.LogGroups
	ecr     *fakeaws.ECR
	bucket  *fakeaws.Objects
	secrets *fakeaws.Secrets
	data    []string // environments that have a database

	secretTags map[string]map[string]string
	imageFails map[string]ecrtypes.ImageFailureCode
	now        time.Time
	settings   settings
	metrics    bytes.Buffer
}

func newWorld(t *testing.T) *world {
	c := fakeaws.New()
	w := &world{
		t: t, cloud: c, ecs: fakeaws.NewECS(c, cluster), elb: fakeaws.NewELB(c), stacks: fakeaws.NewCloudFormation(c), sns: fakeaws.NewSNS(c),
		ssm: fakeaws.NewSSM(c), zone: fakeaws.NewZone(c, "example.com"), logs: fakeaws.NewLogGroups(c), ecr: fakeaws.NewECR(c),
		bucket: fakeaws.NewObjects(c, bucket), secrets: fakeaws.NewSecrets(c), now: now,
		secretTags: map[string]map[string]string{}, imageFails: map[string]ecrtypes.ImageFailureCode{},
	}
	w.bucket.Prefix = contract.EnvironmentsPrefix
	w.ecs.AllowFamilies()
	w.elb.AllowAll()
	w.ecr.AllowDelete(w.imageFails)
	w.secrets.AllowSweep(c, w.secretTags)
	w.ssm.AllowPut(c)
	w.ssm.AllowSweep(c)
	fakeaws.On(c, "Lambda", w.invokeData)
	raw, err := json.Marshal(contract.Sweep{
		Platform: platform, Cluster: cluster, Domain: "example.com", Stage: "qa", Stages: []string{"dev", "qa", "prod"}, Listener: w.elb.Listener, Topic: w.sns.Topic,
		Switch: contract.CleanupSwitch(platform, "qa"), Memory: contract.SweepMemory(platform, "qa"), Bucket: bucket, Zone: "example.com",
		Repository: repository, Registry: fakeaws.Account, Data: "data", Grace: "2h",
	})
	if err != nil {
		t.Fatal(err)
	}
	if w.settings, err = readSettings(func(string) string { return string(raw) }); err != nil {
		t.Fatal(err)
	}
	w.ssm.Parameters[w.settings.Switch] = "on"
	w.ssm.Parameters[w.settings.Memory] = "{}"
	t.Cleanup(func() { c.CheckNoMistakes(t) })
	return w
}

// invokeData is the function that makes databases.
func (w *world) invokeData(in *lambda.InvokeInput) (*lambda.InvokeOutput, error) {
	var r contract.DataRequest
	if err := json.Unmarshal(in.Payload, &r); err != nil || *in.FunctionName != "data" {
		w.t.Errorf("asked %s for %s", *in.FunctionName, in.Payload)
	}
	switch {
	case r.Sweep == contract.SweepList:
	case r.Sweep == contract.SweepDrop && contract.IsSlug(r.Environment):
		w.data = slices.DeleteFunc(w.data, func(s string) bool { return s == r.Environment })
	default:
		return &lambda.InvokeOutput{FunctionError: aws.String("Unhandled"), Payload: []byte("{}")}, nil
	}
	payload, err := json.Marshal(contract.DataAnswer{Environments: w.data})
	return &lambda.InvokeOutput{Payload: payload}, err
}

func (w *world) invoke(ctx context.Context) (Summary, error) {
	log := slog.New(slog.NewJSONHandler(io.Discard, nil))
	return newHandler(w.settings, w.cloud.Config(), log, &w.metrics, func() time.Time { return w.now }).handle(ctx, json.RawMessage("{}"))
}

func (w *world) run() Summary {
	w.t.Helper()
	s, err := w.invoke(context.Background())
	if err != nil {
		w.t.Errorf("the sweep failed: %v", err)
	}
	return s
}

// runTwice sees the remains, waits for the grace period and sweeps.
func (w *world) runTwice() Summary {
	w.t.Helper()
	w.run()
	w.now = w.now.Add(2 * time.Hour)
	return w.run()
}

func slugOf(t *testing.T, branch string) string {
	t.Helper()
	s, err := contract.Slug(branch)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func digest(n int) string { return fmt.Sprintf("sha256:%064d", n) }

// remains is everything that an environment may leave behind, with tags and names as its stack gives them.
type remains struct {
	slug, rule, group, record, logs, active, inactive, secret, digest, parameter string
}

// leave makes the remains of a branch's environment; n makes its image its own.
func (w *world) leave(branch string, n int) remains {
	slug := slugOf(w.t, branch)
	stack := map[string]string{"aws:cloudformation:stack-name": contract.QAEnvironmentStack(platform, slug)}
	family := contract.TaskFamily(platform, slug)
	r := remains{
		slug: slug, record: contract.HostName(slug, "example.com"), logs: contract.LogGroupNameOfEnvironment(platform, slug), digest: digest(n),
		parameter: contract.ImageParameter(platform, slug), secret: "arn:aws:secretsmanager:eu-west-1:111111111111:secret:" + slug + "-AbCdEf",
	}
	r.group = w.elb.AddTargetGroup("t"+slug[len(slug)-8:], stack)
	r.rule = w.elb.AddRule(slug, map[string]string{contract.TagPlatform: platform, contract.TagEnvironment: slug}, r.group)
	w.zone.Add(r.record, "192.0.2.1")
	w.logs.Names = append(w.logs.Names, r.logs)
	image := fmt.Sprintf("111111111111.dkr.ecr.eu-west-1.amazonaws.com/%s:%040d", repository, n)
	r.inactive = w.ecs.Register(family, 1, ecstypes.TaskDefinitionStatusInactive, nil)
	r.active = w.ecs.Register(family, 2, ecstypes.TaskDefinitionStatusActive, nil)
	for _, revision := range w.ecs.Revisions {
		if revision.Family == family {
			revision.Image = image
		}
	}
	if !w.ecr.Has(repository, r.digest) {
		w.ecr.Push(repository, r.digest, ecrtypes.ImageStatusActive, fmt.Sprintf("%040d", n))
		last := &w.ecr.Repositories[repository][len(w.ecr.Repositories[repository])-1]
		last.ImagePushedAt = aws.Time(now.Add(-30 * 24 * time.Hour))
	}
	w.data = append(w.data, slug)
	w.bucket.Put(contract.EnvironmentPrefix(slug)+"a", contract.EnvironmentPrefix(slug)+"b/c")
	w.bucket.Hide(contract.EnvironmentPrefix(slug) + "a")
	w.secrets.Values[r.secret], w.secretTags[r.secret] = "x", stack
	w.ssm.Parameters[r.parameter] = fmt.Sprintf("%040d", n)
	return r
}

// left names what is still there of the remains.
func (w *world) left(r remains) (left []string) {
	add := func(is bool, what string) {
		if is {
			left = append(left, what)
		}
	}
	add(w.elb.HasRule(r.rule), "rule")
	add(w.elb.HasTargetGroup(r.group), "target group")
	add(w.zone.Has(r.record), "record")
	for _, revision := range w.ecs.Revisions {
		add((revision.ARN == r.active || revision.ARN == r.inactive) && revision.Status != ecstypes.TaskDefinitionStatusDeleteInProgress, "revision "+string(revision.Status))
	}
	add(slices.Contains(w.logs.Names, r.logs), "log group")
	add(w.ecr.Has(repository, r.digest), "image")
	add(slices.Contains(w.data, r.slug), "database")
	add(slices.ContainsFunc(w.bucket.Keys(), func(key string) bool { return strings.HasPrefix(key, contract.EnvironmentPrefix(r.slug)) }), "objects")
	_, secret := w.secrets.Values[r.secret]
	add(secret, "secret")
	_, parameter := w.ssm.Parameters[r.parameter]
	add(parameter, "parameter")
	return left
}

const whole = "rule, target group, record, revision INACTIVE, revision ACTIVE, log group, image, database, objects, secret, parameter"

func (w *world) want(r remains, want string) {
	w.t.Helper()
	if got := strings.Join(w.left(r), ", "); got != want {
		w.t.Errorf("left of %s: %q, want %q", r.slug, got, want)
	}
}

func (w *world) stack(r remains, status cfntypes.StackStatus) {
	w.stacks.Add(contract.QAEnvironmentStack(platform, r.slug), status, now)
}

func (w *world) service(r remains) string {
	return w.ecs.Add(fakeaws.Service{Name: r.slug, Created: now, Running: 1, Tags: map[string]string{contract.TagEnvironment: r.slug}})
}

func why(entries []decide.Entry, environment string) string {
	for _, e := range entries {
		if e.Environment == environment {
			return e.Why
		}
	}
	return ""
}
