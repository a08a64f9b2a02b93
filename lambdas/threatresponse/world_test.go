package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/aws"
	scalingtypes "github.com/aws/aws-sdk-go-v2/service/applicationautoscaling/types"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"

	"slipway/internal/contract"
	"slipway/lambdas/internal/fakeaws"
	"slipway/lambdas/threatresponse/corpus"
	"slipway/lambdas/threatresponse/decide"
	"slipway/lambdas/threatresponse/ledger"
)

const (
	platform = "slipway"
	detector = "12abc34d567e8fa901bc2d34e56789f0"
	self     = "slipway-security-response-role"

	theInstance  = "i-0123456789abcdef0"
	theInterface = "eni-0123456789abcdef0"
	theGroup     = "sg-0123456789abcdef0"
	theVPC       = "vpc-0123456789abcdef0"
	theTask      = "arn:aws:ecs:eu-west-1:111111111111:task/prod-cluster/0123456789abcdef0123456789abcdef"
)

var now = time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)

// world is an account with everything that the corpus's findings name.
type world struct {
	t        *testing.T
	cloud    *fakeaws.Cloud
	ec2      *fakeaws.EC2
	groups   *fakeaws.Groups
	elb      *fakeaws.ELB
	targets  *fakeaws.Registrations
	iam      *fakeaws.IAM
	waf      *fakeaws.WAF
	ssm      *fakeaws.SSM
	buckets  *fakeaws.Buckets
	ecs      *fakeaws.ECS
	tasks    *fakeaws.Deployments
	scalable *fakeaws.Scalable
	ledger   *fakeaws.DynamoDB
	findings *fakeaws.Findings
	sns      *fakeaws.SNS

	config  decide.Config
	now     time.Time
	service string // ARN
	metrics bytes.Buffer
	request string // the invocation's ID
}

// policy is one row for everything.
func policy(mode contract.ResponseMode, actions ...string) decide.Policy {
	return decide.Policy{Findings: []string{"*"}, MinSeverity: 1, Actions: actions, Mode: mode}
}

func newWorld(t *testing.T, policies ...decide.Policy) *world {
	c := fakeaws.New()
	w := &world{
		t: t, cloud: c, ec2: fakeaws.NewEC2(c), groups: fakeaws.NewGroups(c), elb: fakeaws.NewELB(c), iam: fakeaws.NewIAM(c), waf: fakeaws.NewWAF(c),
		ssm: fakeaws.NewSSM(c), buckets: fakeaws.NewBuckets(c), ecs: fakeaws.NewECS(c, "prod-cluster"), scalable: fakeaws.NewScalable(c),
		ledger: fakeaws.NewDynamoDB(c, "slipway-threat-response", contract.LedgerIndex), findings: fakeaws.NewFindings(c, detector), sns: fakeaws.NewSNS(c),
		now: now, request: "request-1",
		config: decide.Config{
			Stages: []string{"dev", "qa", "prod"}, QAStage: "qa", Policies: policies,
			Approval: decide.Duration(24 * time.Hour), Block: decide.Duration(12 * time.Hour), Keep: decide.Duration(365 * 24 * time.Hour),
		},
	}
	w.targets, w.tasks = fakeaws.NewRegistrations(c, w.elb), fakeaws.NewDeployments(c, w.ecs)
	w.ssm.AllowGetMany(c)

	w.ec2.Groups[theGroup] = &fakeaws.SecurityGroup{Name: "nat", VPC: theVPC}
	w.ec2.Instances[theInstance] = &fakeaws.Instance{
		VPC: theVPC, State: ec2types.InstanceStateNameRunning, PrivateIP: "10.0.48.10", Volumes: 2,
		Interfaces: map[string][]string{theInterface: {theGroup}, "eni-second": {theGroup}}, Tags: map[string]string{"Name": "nat"},
	}
	web, byIP, elsewhere := w.elb.AddTargetGroup("web", nil), w.elb.AddTargetGroup("by-ip", nil), w.elb.AddTargetGroup("elsewhere", nil)
	for i, g := range w.elb.TargetGroups {
		w.elb.TargetGroups[i].VpcId = aws.String(theVPC)
		if *g.TargetGroupArn == elsewhere {
			w.elb.TargetGroups[i].VpcId = aws.String("vpc-other")
		}
	}
	w.elb.RulePage = 1
	w.targets.In[web] = []elbtypes.TargetDescription{{Id: aws.String(theInstance), Port: aws.Int32(80)}, {Id: aws.String("i-other"), Port: aws.Int32(80)}}
	w.targets.In[byIP] = []elbtypes.TargetDescription{{Id: aws.String("10.0.48.10"), Port: aws.Int32(8080), AvailabilityZone: aws.String("eu-west-1a")}}
	w.groups.Named["nat"] = &fakeaws.Group{Members: []string{theInstance}, Desired: 1, Max: 2, TargetGroups: []string{web}}

	w.iam.Users["deploy"] = &fakeaws.Principal{Path: "/", Keys: []*fakeaws.Key{
		{ID: "AKIAIOSFODNN7EXAMPLE", Status: iamtypes.StatusTypeActive}, {ID: "AKIAI44QH8DHBEXAMPLE", Status: iamtypes.StatusTypeInactive},
	}}
	w.iam.Roles["nat"] = &fakeaws.Principal{Path: "/", Policies: map[string]string{"other": `{"Version":"2012-10-17"}`}}
	w.iam.Roles["developer"] = &fakeaws.Principal{Path: "/"}

	for _, stage := range []string{"qa", "prod"} { // dev isn't deployed yet
		w.waf.Sets[contract.BlockedIPv4Name(platform, stage)] = &fakeaws.IPSet{ID: stage + "-4"}
		w.waf.Sets[contract.BlockedIPv6Name(platform, stage)] = &fakeaws.IPSet{ID: stage + "-6", V6: true}
		w.ssm.Parameters[contract.WAFParameter(platform, stage, contract.KeyBlockedIPv4ID)] = stage + "-4"
		w.ssm.Parameters[contract.WAFParameter(platform, stage, contract.KeyBlockedIPv6ID)] = stage + "-6"
	}
	w.buckets.Named["artifacts-example"] = &fakeaws.Bucket{Policy: "{}", Block: &s3types.PublicAccessBlockConfiguration{
		BlockPublicAcls: aws.Bool(true), IgnorePublicAcls: aws.Bool(true), BlockPublicPolicy: aws.Bool(false), RestrictPublicBuckets: aws.Bool(false),
	}}
	w.buckets.Named["reports-example"] = &fakeaws.Bucket{}
	w.service = w.ecs.Add(fakeaws.Service{Name: "app", Created: now.Add(-time.Hour), Running: 2, Family: "slipway-prod-app"})
	w.ecs.Register("slipway-prod-app", 0, "ACTIVE", nil)
	w.tasks.Tasks[theTask] = "RUNNING"
	w.scalable.Targets["service/prod-cluster/app"] = &scalingtypes.ScalableTarget{
		MinCapacity: aws.Int32(2), MaxCapacity: aws.Int32(8), SuspendedState: &scalingtypes.SuspendedState{ScheduledScalingSuspended: aws.Bool(true), DynamicScalingInSuspended: aws.Bool(false), DynamicScalingOutSuspended: aws.Bool(false)},
	}
	t.Cleanup(func() {
		c.CheckNoMistakes(t)
		fakeaws.CheckListed(t, "testdata/actions.txt", c.Actions())
	})
	return w
}

func (w *world) invoke(raw []byte) (any, error) {
	w.t.Helper()
	config, err := json.Marshal(w.config)
	if err != nil {
		w.t.Fatal(err)
	}
	s, err := readSettings(func(name string) string {
		return map[string]string{
			contract.EnvPlatform: platform, contract.EnvAccount: fakeaws.Account, contract.EnvRoleName: self, contract.EnvLedgerTable: w.ledger.Table,
			contract.EnvTopicARN: w.sns.Topic, contract.EnvResponse: string(config),
		}[name]
	})
	if err != nil {
		w.t.Fatal(err)
	}
	ctx := lambdacontext.NewContext(context.Background(), &lambdacontext.LambdaContext{AwsRequestID: w.request})
	h := newHandler(s, w.cloud.Config(), slog.New(slog.NewJSONHandler(io.Discard, nil)), &w.metrics, func() time.Time { return w.now })
	return h.handle(ctx, raw)
}

// found delivers a finding, by an invocation of its own.
func (w *world) found(shape string, changes map[string]any) outcome {
	w.t.Helper()
	w.request += "'"
	raw, err := corpus.Event(shape, changes)
	if err != nil {
		w.t.Fatal(err)
	}
	out, err := w.invoke(raw)
	if err != nil {
		w.t.Fatalf("%s: %v", shape, err)
	}
	return out.(outcome)
}

func (w *world) command(command, id string) contract.ResponseAnswer {
	w.t.Helper()
	w.request += "'"
	raw, err := json.Marshal(contract.ResponseCommand{Purpose: contract.ResponseCommandPurpose, Command: command, ID: id, By: "arn:aws:iam::111111111111:user/sam", All: true})
	if err != nil {
		w.t.Fatal(err)
	}
	out, err := w.invoke(raw)
	if err != nil {
		w.t.Fatalf("%s: %v", command, err)
	}
	return out.(contract.ResponseAnswer)
}

// only is the ID of the one entry of an outcome, which must be in that state.
func (w *world) only(o outcome, want ledger.State) string {
	w.t.Helper()
	for id, state := range o.Entries {
		if len(o.Entries) == 1 && state == want {
			return id
		}
	}
	w.t.Fatalf("entries %v, want one that is %s", o.Entries, want)
	return ""
}

func (w *world) state(id string) ledger.State { return ledger.State(w.ledger.Text(id, "state")) }

func (w *world) entry(id string) ledger.Entry {
	w.t.Helper()
	var e ledger.Entry
	if err := json.Unmarshal([]byte(w.ledger.Text(id, "body")), &e); err != nil {
		w.t.Fatal(err)
	}
	return e
}

// message is the last one that people got.
func (w *world) message() fakeaws.Message {
	w.t.Helper()
	if len(w.sns.Messages) == 0 {
		w.t.Fatal("nobody was told anything")
	}
	return w.sns.Messages[len(w.sns.Messages)-1]
}

func (w *world) says(texts ...string) {
	w.t.Helper()
	m := w.message()
	for _, text := range texts {
		if !strings.Contains(m.Subject+"\n"+m.Body, text) {
			w.t.Errorf("the message doesn't say %q:\n%s\n%s", text, m.Subject, m.Body)
		}
	}
}

// snapshot is everything that containment may change, but for what is kept as evidence.
func (w *world) snapshot() string {
	var state string
	w.cloud.Do(func() {
		body, err := json.Marshal([]any{
			w.ec2.Instances, w.ec2.Groups, w.targets.In, w.iam.Users, w.iam.Roles, w.waf.Sets, w.buckets.Named, w.scalable.Targets, w.ecs.Services, w.findings.Archived,
		})
		if err != nil {
			w.t.Fatal(err)
		}
		state = string(body)
	})
	return state
}

var protected = decide.Protected{
	Principals: []string{"break-glass-*"}, Resources: []string{"i-precious"}, Addresses: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")},
}

func itoa(n int) string { return strconv.Itoa(n) }
