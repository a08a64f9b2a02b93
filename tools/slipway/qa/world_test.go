package qa

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/applicationautoscaling"
	scalingtypes "github.com/aws/aws-sdk-go-v2/service/applicationautoscaling/types"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	cfntypes "github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	ecrtypes "github.com/aws/aws-sdk-go-v2/service/ecr/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/aws/smithy-go"

	"slipway/internal/config"
	"slipway/internal/contract"
)

var start = time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)

// world is a QA account that refuses what AWS refuses. Each of its methods is a call of AWS.
type world struct {
	t          *testing.T
	now        time.Time
	services   []*ecstypes.Service
	stacks     []*cfntypes.Stack
	gone       []*cfntypes.Stack
	events     []cfntypes.StackEvent
	parameters map[string]string
	rules      int
	images     []string
	targets    map[string]int32 // resource → the most tasks
	deletion   []cfntypes.StackStatus
	programs   []string
	head       string // the commit that is checked out
	lenient    bool   // the registry answers nothing for an image that isn't there, as the local AWS does
	failCDK    error
	failImage  error
	answer     func(host string) (version, error)
	site       site // instead of the answer
	out, log   bytes.Buffer
}

func newWorld(t *testing.T) *world {
	return &world{t: t, now: start, parameters: map[string]string{
		"/slipway/qa/cleanup": "on", "/slipway/qa/shared/listener-arn": "arn:aws:elasticloadbalancing:eu-west-1:1:listener/app/qa/1/2",
	}, targets: map[string]int32{}}
}

const platformFile = `region: eu-west-1
domain: example.com
accounts: {main: "111111111111"}
registry: {account: main}
dns: {account: main}
stages:
  - {name: qa, account: main, network: {cidr: 10.2.0.0/16}}
qa: {maxEnvironments: 3}
`

func (a *world) run(sub func(context.Context, *session, options) error, o options) error {
	a.t.Helper()
	file := filepath.Join(a.t.TempDir(), "platform.yaml")
	if err := os.WriteFile(file, []byte(platformFile), 0o600); err != nil {
		a.t.Fatal(err)
	}
	cfg, err := config.Load(file, config.Profile{})
	if err != nil {
		a.t.Fatal(err)
	}
	a.out.Reset()
	a.log.Reset()
	if a.site == nil {
		a.site = a
	}
	s := &session{
		cfg: cfg, site: a.site, runner: shell{a}, out: &a.out, log: &a.log, now: func() time.Time { return a.now },
		wait: func(_ context.Context, d time.Duration) error { a.now = a.now.Add(d); return nil },
		aws:  clients{ecs: a, stacks: a, parameters: a, rules: a, images: a, scaling: a},
	}
	return sub(context.Background(), s, o)
}

func slugOf(t *testing.T, branch string) string {
	t.Helper()
	slug, err := contract.Slug(branch)
	if err != nil {
		t.Fatal(err)
	}
	return slug
}

// environment adds one with its stack.
func (a *world) environment(branch string, ends time.Time, tasks int32) (slug string) {
	slug = slugOf(a.t, branch)
	name := contract.QAEnvironmentStack("slipway", slug)
	tag := func(k, v string) ecstypes.Tag { return ecstypes.Tag{Key: &k, Value: &v} }
	a.services = append(a.services, &ecstypes.Service{
		ServiceArn: aws.String("arn:aws:ecs:eu-west-1:111111111111:service/qa-cluster/" + slug), ServiceName: &slug, Status: aws.String("ACTIVE"),
		ClusterArn: aws.String("arn:aws:ecs:eu-west-1:111111111111:cluster/qa-cluster"), CreatedAt: aws.Time(start.Add(-48 * time.Hour)), DesiredCount: tasks, RunningCount: tasks,
		Tags: []ecstypes.Tag{
			tag(contract.TagEnvironment, slug), tag(contract.TagBranch, branch), tag(contract.TagOwner, "dana"), tag(contract.TagExpires, contract.FormatExpiry(ends)),
			tag(contract.TagMaxLifetime, "96h"), tag("aws:cloudformation:stack-name", name),
		},
	})
	a.stacks = append(a.stacks, &cfntypes.Stack{StackName: &name, StackId: aws.String("id:" + name), StackStatus: cfntypes.StackStatusCreateComplete, CreationTime: aws.Time(start.Add(-49 * time.Hour))})
	a.rules++
	return slug
}

func (a *world) find(nameOrARN string) *ecstypes.Service {
	for _, s := range a.services {
		if *s.ServiceArn == nameOrARN || *s.ServiceName == nameOrARN {
			return s
		}
	}
	return nil
}

func (a *world) expires(slug string) string {
	for _, t := range a.find(slug).Tags {
		if *t.Key == contract.TagExpires {
			return *t.Value
		}
	}
	return ""
}

func (a *world) ListServices(_ context.Context, in *ecs.ListServicesInput, _ ...func(*ecs.Options)) (*ecs.ListServicesOutput, error) {
	if *in.Cluster != "qa-cluster" {
		return nil, &ecstypes.ClusterNotFoundException{}
	}
	out := &ecs.ListServicesOutput{}
	for _, s := range a.services {
		out.ServiceArns = append(out.ServiceArns, *s.ServiceArn)
	}
	return out, nil
}

func (a *world) DescribeServices(_ context.Context, in *ecs.DescribeServicesInput, _ ...func(*ecs.Options)) (*ecs.DescribeServicesOutput, error) {
	out := &ecs.DescribeServicesOutput{}
	for _, name := range in.Services {
		if s := a.find(name); s != nil {
			out.Services = append(out.Services, *s)
		} else {
			out.Failures = append(out.Failures, ecstypes.Failure{Arn: aws.String("arn:aws:ecs:eu-west-1:111111111111:service/qa-cluster/" + name), Reason: aws.String("MISSING")})
		}
	}
	return out, nil
}

func (a *world) TagResource(_ context.Context, in *ecs.TagResourceInput, _ ...func(*ecs.Options)) (*ecs.TagResourceOutput, error) {
	s := a.find(*in.ResourceArn)
	if s == nil {
		return nil, &ecstypes.InvalidParameterException{}
	}
	for _, t := range in.Tags {
		s.Tags = slices.DeleteFunc(s.Tags, func(have ecstypes.Tag) bool { return *have.Key == *t.Key })
		s.Tags = append(s.Tags, t)
	}
	return &ecs.TagResourceOutput{}, nil
}

func (a *world) UpdateService(_ context.Context, in *ecs.UpdateServiceInput, _ ...func(*ecs.Options)) (*ecs.UpdateServiceOutput, error) {
	s := a.find(*in.Service)
	s.DesiredCount = *in.DesiredCount
	s.RunningCount = s.DesiredCount
	return &ecs.UpdateServiceOutput{}, nil
}

func (a *world) ListStacks(_ context.Context, in *cloudformation.ListStacksInput, _ ...func(*cloudformation.Options)) (*cloudformation.ListStacksOutput, error) {
	out := &cloudformation.ListStacksOutput{}
	for _, s := range slices.Concat(a.stacks, a.gone) {
		if slices.Contains(in.StackStatusFilter, s.StackStatus) {
			out.StackSummaries = append(out.StackSummaries, cfntypes.StackSummary{StackName: s.StackName, StackStatus: s.StackStatus, CreationTime: s.CreationTime})
		}
	}
	return out, nil
}

// DescribeStacks moves a deletion on by one step at each look.
func (a *world) DescribeStacks(_ context.Context, in *cloudformation.DescribeStacksInput, _ ...func(*cloudformation.Options)) (*cloudformation.DescribeStacksOutput, error) {
	for i, s := range a.stacks {
		if *s.StackName != *in.StackName && *s.StackId != *in.StackName {
			continue
		}
		if s.StackStatus == cfntypes.StackStatusDeleteInProgress && len(a.deletion) > 0 {
			s.StackStatus, a.deletion = a.deletion[0], a.deletion[1:]
			if s.StackStatus == cfntypes.StackStatusDeleteComplete {
				a.stacks, a.gone = slices.Delete(a.stacks, i, i+1), append(a.gone, s)
			}
		}
		return &cloudformation.DescribeStacksOutput{Stacks: []cfntypes.Stack{*s}}, nil
	}
	return nil, &smithy.GenericAPIError{Code: "ValidationError", Message: "Stack with id " + *in.StackName + " does not exist"}
}

func (a *world) DescribeStackEvents(context.Context, *cloudformation.DescribeStackEventsInput, ...func(*cloudformation.Options)) (*cloudformation.DescribeStackEventsOutput, error) {
	return &cloudformation.DescribeStackEventsOutput{StackEvents: a.events}, nil
}

func (a *world) DeleteStack(_ context.Context, in *cloudformation.DeleteStackInput, _ ...func(*cloudformation.Options)) (*cloudformation.DeleteStackOutput, error) {
	for _, s := range a.stacks {
		if *s.StackId != *in.StackName {
			continue
		}
		if aws.ToBool(s.EnableTerminationProtection) {
			return nil, &smithy.GenericAPIError{Code: "ValidationError", Message: "Stack cannot be deleted while TerminationProtection is enabled"}
		}
		s.StackStatus = cfntypes.StackStatusDeleteInProgress
		return &cloudformation.DeleteStackOutput{}, nil
	}
	a.t.Error("a stack is deleted by its name, which a new one may have by then")
	return &cloudformation.DeleteStackOutput{}, nil
}

func (a *world) GetParameter(_ context.Context, in *ssm.GetParameterInput, _ ...func(*ssm.Options)) (*ssm.GetParameterOutput, error) {
	value, ok := a.parameters[*in.Name]
	if !ok {
		return nil, &ssmtypes.ParameterNotFound{}
	}
	return &ssm.GetParameterOutput{Parameter: &ssmtypes.Parameter{Value: &value}}, nil
}

func (a *world) PutParameter(_ context.Context, in *ssm.PutParameterInput, _ ...func(*ssm.Options)) (*ssm.PutParameterOutput, error) {
	if !aws.ToBool(in.Overwrite) {
		return nil, &ssmtypes.ParameterAlreadyExists{}
	}
	a.parameters[*in.Name] = *in.Value
	return &ssm.PutParameterOutput{}, nil
}

func (a *world) DescribeRules(_ context.Context, in *elb.DescribeRulesInput, _ ...func(*elb.Options)) (*elb.DescribeRulesOutput, error) {
	if *in.ListenerArn != a.parameters["/slipway/qa/shared/listener-arn"] {
		return nil, &elbtypes.ListenerNotFoundException{}
	}
	all := []elbtypes.Rule{{IsDefault: aws.Bool(true)}}
	for range a.rules {
		all = append(all, elbtypes.Rule{IsDefault: aws.Bool(false)})
	}
	from := 0
	if in.Marker != nil {
		from, _ = strconv.Atoi(*in.Marker)
	}
	to := min(from+40, len(all)) // pages may be shorter than asked for
	out := &elb.DescribeRulesOutput{Rules: all[from:to]}
	if to < len(all) {
		out.NextMarker = aws.String(strconv.Itoa(to))
	}
	return out, nil
}

func (a *world) DescribeImages(_ context.Context, in *ecr.DescribeImagesInput, _ ...func(*ecr.Options)) (*ecr.DescribeImagesOutput, error) {
	id := aws.ToString(in.ImageIds[0].ImageTag) + aws.ToString(in.ImageIds[0].ImageDigest)
	if *in.RegistryId != "111111111111" || *in.RepositoryName != "simple-flask-app" || !slices.Contains(a.images, id) {
		if a.lenient {
			return &ecr.DescribeImagesOutput{}, nil
		}
		return nil, &ecrtypes.ImageNotFoundException{}
	}
	return &ecr.DescribeImagesOutput{ImageDetails: []ecrtypes.ImageDetail{{RepositoryName: in.RepositoryName}}}, nil
}

func (a *world) DescribeScalableTargets(_ context.Context, in *applicationautoscaling.DescribeScalableTargetsInput, _ ...func(*applicationautoscaling.Options)) (*applicationautoscaling.DescribeScalableTargetsOutput, error) {
	out := &applicationautoscaling.DescribeScalableTargetsOutput{}
	if _, ok := a.targets[in.ResourceIds[0]]; ok {
		out.ScalableTargets = []scalingtypes.ScalableTarget{{ResourceId: &in.ResourceIds[0]}}
	}
	return out, nil
}

func (a *world) RegisterScalableTarget(_ context.Context, in *applicationautoscaling.RegisterScalableTargetInput, _ ...func(*applicationautoscaling.Options)) (*applicationautoscaling.RegisterScalableTargetOutput, error) {
	a.targets[*in.ResourceId] = *in.MaxCapacity
	return &applicationautoscaling.RegisterScalableTargetOutput{}, nil
}

func (a *world) output(_ context.Context, name string, args ...string) (string, error) {
	line := name + " " + strings.Join(args, " ")
	switch {
	case line == "git config user.email":
		return "dana@example.com", nil
	case line == "git rev-parse HEAD":
		return a.head, nil
	case strings.HasPrefix(line, "git rev-parse") && strings.Contains(line, "refs/heads/feature/x^"):
		return "0123456789abcdef0123456789abcdef01234567", nil
	}
	return "", errors.New(line + ": exit status 1")
}

// shell runs the account's programs.
type shell struct{ *world }

func (s shell) run(_ context.Context, name string, args ...string) error {
	line := name + " " + strings.Join(args, " ")
	s.programs = append(s.programs, line)
	if line == "go run ./tools/slipway image" {
		return s.failImage
	}
	return s.failCDK
}

func (a *world) version(_ context.Context, host string) (version, error) {
	if a.answer == nil {
		return version{}, fmt.Errorf("it answers %d", http.StatusServiceUnavailable)
	}
	return a.answer(host)
}
