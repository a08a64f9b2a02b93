package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	cfntypes "github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	r53types "github.com/aws/aws-sdk-go-v2/service/route53/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"slipway/internal/contract"
	"slipway/local/harness"
)

const goneBranch = "feature/left-behind"

// scheduled is what EventBridge sends to a function on a schedule.
var scheduled = map[string]any{"version": "0", "source": "aws.events", "detail-type": "Scheduled Event", "detail": map[string]any{}}

// lifecycleFunction is a function of the QA environments' lifecycle, by its construct.
func (w *world) lifecycleFunction(t *testing.T, construct string) string {
	t.Helper()
	resources, err := w.aws.CloudFormation().DescribeStackResources(t.Context(), &cloudformation.DescribeStackResourcesInput{
		StackName: aws.String(contract.PlatformStack(w.cfg.Platform, contract.StackQALifecycle)),
	})
	check(t, err)
	for _, r := range resources.StackResources {
		if aws.ToString(r.ResourceType) == "AWS::Lambda::Function" && strings.HasPrefix(aws.ToString(r.LogicalResourceId), construct+"Function") {
			return aws.ToString(r.PhysicalResourceId)
		}
	}
	t.Fatalf("the lifecycle's stack has no function %s", construct)
	return ""
}

type sweepEntry struct{ Kind, Environment, Why string }

// sweepSummary is what a sweep says that it did.
type sweepSummary struct {
	Counts                 struct{ Deleted, Waiting, Failed int }
	Deleted, Kept, Waiting []sweepEntry
}

func (s sweepSummary) about(list []sweepEntry, environment string) (kinds []string) {
	for _, e := range list {
		if e.Environment == environment {
			kinds = append(kinds, e.Kind)
		}
	}
	return kinds
}

// sweep lets the deployed sweep find what an environment left behind, see it a second time once it is old enough, and delete it.
func sweep(t *testing.T, w *world) {
	if !w.containers {
		t.Skip("no container engine, so no database")
	}
	ctx, gone := t.Context(), slug(t, goneBranch)
	before, err := w.aws.Leftovers(ctx, w.cfg.Platform)
	check(t, err)
	left := w.leaveBehind(t, gone)
	function := w.lifecycleFunction(t, "Sweep")

	var first sweepSummary
	check(t, w.aws.Invoke(ctx, function, scheduled, &first))
	if kinds := first.about(first.Waiting, gone); len(kinds) != 1 || first.Counts.Deleted != 0 || first.Counts.Failed != 0 {
		t.Errorf("the first sweep says %+v", first)
	}
	all := []string{"database", "DNS record", "bucket prefix", "listener rule", "log group", "parameter", "secret", "target group", "task definition"}
	if there := w.remains(t, left); !slices.Equal(there, all) {
		t.Errorf("after the first sweep there are %v, want %v", there, all)
	}

	w.age(t, gone, time.Duration(w.cfg.QA.Grace))
	var second sweepSummary
	check(t, w.aws.Invoke(ctx, function, scheduled, &second))
	deleted := second.about(second.Deleted, gone)
	if want := []string{"listener rule", "target group", "DNS record", "active task definition", "log group", "task definition", "database", "bucket prefix", "secret", "parameter"}; !slices.Equal(deleted, want) || second.Counts.Deleted != len(want) || second.Counts.Failed != 0 {
		t.Errorf("the second sweep deleted %v, want %v; it says %+v", deleted, want, second)
	}
	if kept := second.about(second.Kept, gone); !slices.Equal(kept, []string{"image"}) { // others run it
		t.Errorf("the second sweep kept %v of the environment", kept)
	}
	if there := w.remains(t, left); len(there) != 0 {
		t.Errorf("after the second sweep there are %v", there)
	}
	after, err := w.aws.Leftovers(ctx, w.cfg.Platform)
	check(t, err)
	if !slices.Equal(before, after) {
		in := func(list []string) func(string) bool {
			return func(arn string) bool { return slices.Contains(list, arn) }
		}
		t.Errorf("the sweep took %v away, and left %v", slices.DeleteFunc(slices.Clone(before), in(after)), slices.DeleteFunc(slices.Clone(after), in(before)))
	}
	w.wantVersion(t, contract.HostName(slug(t, branch), w.cfg.Domain), slug(t, branch))
	w.wantData(t, slug(t, branch))
}

// leftBehind is what is left of an environment whose stack is gone.
type leftBehind struct{ slug, group, rule, secret, bucket, zone string }

// leaveBehind makes an environment's stack that keeps its resources when it is deleted, and what the environment's custom
// resources make beside it.
func (w *world) leaveBehind(t *testing.T, gone string) leftBehind {
	t.Helper()
	ctx, cfg, stage := t.Context(), w.aws.Config(), w.cfg.QA.Stage
	model := w.describe(t, contract.ClusterName(stage), slug(t, branch))
	groups, err := w.aws.LoadBalancers().DescribeTargetGroups(ctx, &elasticloadbalancingv2.DescribeTargetGroupsInput{TargetGroupArns: []string{*model.LoadBalancers[0].TargetGroupArn}})
	check(t, err)
	definition, err := w.aws.ECS().DescribeTaskDefinition(ctx, &ecs.DescribeTaskDefinitionInput{TaskDefinition: model.TaskDefinition})
	check(t, err)
	database, err := contract.DatabaseName(gone)
	check(t, err)
	login, err := json.Marshal(map[string]string{"username": database, "dbname": database, "password": "a-password-of-nobody"})
	check(t, err)

	resource := func(kind string, properties map[string]any) map[string]any {
		return map[string]any{"Type": kind, "DeletionPolicy": "Retain", "Properties": properties}
	}
	template, err := json.Marshal(map[string]any{
		"Resources": map[string]any{
			"Secret": resource("AWS::SecretsManager::Secret", map[string]any{"Name": contract.DatabaseSecretName(w.cfg.Platform, gone), "SecretString": string(login)}),
			"Group": resource("AWS::ElasticLoadBalancingV2::TargetGroup", map[string]any{
				"Name": contract.TargetGroupName(gone, contract.Blue), "Port": contract.ContainerPort, "Protocol": "HTTP", "TargetType": "ip", "VpcId": *groups.TargetGroups[0].VpcId,
			}),
			"Task": resource("AWS::ECS::TaskDefinition", map[string]any{
				"Family":               contract.TaskFamily(w.cfg.Platform, gone),
				"ContainerDefinitions": []any{map[string]any{"Name": contract.ContainerName, "Image": *definition.TaskDefinition.ContainerDefinitions[0].Image, "Memory": 128}},
			}),
			"Logs":  resource("AWS::Logs::LogGroup", map[string]any{"LogGroupName": contract.LogGroupNameOfEnvironment(w.cfg.Platform, gone)}),
			"Image": resource("AWS::SSM::Parameter", map[string]any{"Name": contract.ImageParameter(w.cfg.Platform, gone), "Type": "String", "Value": tag}),
		},
		"Outputs": map[string]any{"Group": map[string]any{"Value": map[string]any{"Ref": "Group"}}, "Secret": map[string]any{"Value": map[string]any{"Ref": "Secret"}}},
	})
	check(t, err)
	name := aws.String(contract.QAEnvironmentStack(w.cfg.Platform, gone))
	_, err = w.aws.CloudFormation().CreateStack(ctx, &cloudformation.CreateStackInput{StackName: name, TemplateBody: aws.String(string(template))})
	check(t, err)
	var stack cfntypes.Stack
	check(t, harness.Eventually(ctx, time.Minute, func() error {
		described, err := w.aws.CloudFormation().DescribeStacks(ctx, &cloudformation.DescribeStacksInput{StackName: name})
		if err != nil {
			return err
		}
		if stack = described.Stacks[0]; stack.StackStatus != cfntypes.StackStatusCreateComplete {
			return fmt.Errorf("%s is %s", *name, stack.StackStatus)
		}
		return nil
	}))
	left := leftBehind{slug: gone}
	for _, o := range stack.Outputs {
		switch *o.OutputKey {
		case "Group":
			left.group = *o.OutputValue
		case "Secret":
			left.secret = *o.OutputValue
		}
	}

	listener, err := w.aws.Shared(ctx, w.cfg.Platform, stage, contract.KeyListenerARN)
	check(t, err)
	rule, err := w.aws.LoadBalancers().CreateRule(ctx, &elasticloadbalancingv2.CreateRuleInput{
		ListenerArn: &listener, Priority: aws.Int32(contract.MaxRulePriority),
		Conditions: []elbtypes.RuleCondition{{Field: aws.String("host-header"), HostHeaderConfig: &elbtypes.HostHeaderConditionConfig{Values: []string{contract.HostName(gone, w.cfg.Domain)}}}},
		Actions:    []elbtypes.Action{{Type: elbtypes.ActionTypeEnumForward, TargetGroupArn: &left.group}},
		Tags:       []elbtypes.Tag{{Key: aws.String(contract.TagPlatform), Value: &w.cfg.Platform}, {Key: aws.String(contract.TagEnvironment), Value: &gone}},
	})
	check(t, err)
	left.rule = *rule.Rules[0].RuleArn

	maker, err := w.aws.Shared(ctx, w.cfg.Platform, stage, contract.KeyDatabaseMakerARN)
	check(t, err)
	w.makeDatabase(t, maker, *stack.StackId, left.secret)

	left.bucket, err = w.aws.Shared(ctx, w.cfg.Platform, stage, contract.KeyBucketName)
	check(t, err)
	file := contract.EnvironmentPrefix(gone) + "artifacts/1"
	check(t, w.aws.Upload(ctx, left.bucket, file, "old"))
	check(t, w.aws.Upload(ctx, left.bucket, file, "new"))
	_, err = s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true }).DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &left.bucket, Key: &file})
	check(t, err)

	zones, err := route53.NewFromConfig(cfg).ListHostedZonesByName(ctx, &route53.ListHostedZonesByNameInput{DNSName: &w.cfg.Domain})
	check(t, err)
	left.zone = *zones.HostedZones[0].Id
	_, err = route53.NewFromConfig(cfg).ChangeResourceRecordSets(ctx, &route53.ChangeResourceRecordSetsInput{
		HostedZoneId: &left.zone, ChangeBatch: &r53types.ChangeBatch{Changes: []r53types.Change{{Action: r53types.ChangeActionCreate, ResourceRecordSet: &r53types.ResourceRecordSet{
			Name: aws.String(contract.HostName(gone, w.cfg.Domain)), Type: r53types.RRTypeA, TTL: aws.Int64(60), ResourceRecords: []r53types.ResourceRecord{{Value: aws.String("192.0.2.1")}},
		}}}},
	})
	check(t, err)

	_, err = w.aws.CloudFormation().DeleteStack(ctx, &cloudformation.DeleteStackInput{StackName: name})
	check(t, err)
	check(t, harness.Eventually(ctx, time.Minute, func() error {
		stacks, err := w.aws.Stacks(ctx, *name)
		if err == nil && len(stacks) > 0 {
			err = fmt.Errorf("the stack is still there: %v", stacks)
		}
		return err
	}))
	return left
}

// makeDatabase asks for an environment's database as CloudFormation does.
func (w *world) makeDatabase(t *testing.T, function, stack, secret string) {
	t.Helper()
	var answer struct{ Status, Reason string }
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if err := json.NewDecoder(r.Body).Decode(&answer); err != nil {
			t.Error(err)
		}
	}))
	defer server.Close()
	var nothing any
	check(t, w.aws.Invoke(t.Context(), function, map[string]any{
		"RequestType": "Create", "RequestId": "e2e", "ResponseURL": server.URL, "StackId": stack, "LogicalResourceId": "Database", "ResourceType": "Custom::Database",
		"ResourceProperties": map[string]any{"ServiceToken": function, "SecretArn": secret},
	}, &nothing))
	if answer.Status != "SUCCESS" {
		t.Fatalf("no database was made: %+v", answer)
	}
}

// remains are the kinds of what is still there, as AWS says.
func (w *world) remains(t *testing.T, left leftBehind) (kinds []string) {
	t.Helper()
	ctx, cfg, platform := t.Context(), w.aws.Config(), w.cfg.Platform
	add := func(there bool, kind string) {
		if there {
			kinds = append(kinds, kind)
		}
	}
	databases, err := w.aws.QADatabases(ctx, platform, w.cfg.QA.Stage)
	check(t, err)
	add(slices.Contains(databases, left.slug), "database")
	records, err := route53.NewFromConfig(cfg).ListResourceRecordSets(ctx, &route53.ListResourceRecordSetsInput{HostedZoneId: &left.zone})
	check(t, err)
	add(slices.ContainsFunc(records.ResourceRecordSets, func(r r53types.ResourceRecordSet) bool {
		return strings.TrimSuffix(*r.Name, ".") == contract.HostName(left.slug, w.cfg.Domain)
	}), "DNS record")
	prefixes, err := w.aws.QAPrefixes(ctx, platform, w.cfg.QA.Stage)
	check(t, err)
	add(slices.Contains(prefixes, left.slug), "bucket prefix")
	rules, err := w.aws.LoadBalancers().DescribeRules(ctx, &elasticloadbalancingv2.DescribeRulesInput{RuleArns: []string{left.rule}})
	add(err == nil && len(rules.Rules) > 0, "listener rule")
	group := contract.LogGroupNameOfEnvironment(platform, left.slug)
	logs, err := cloudwatchlogs.NewFromConfig(cfg).DescribeLogGroups(ctx, &cloudwatchlogs.DescribeLogGroupsInput{LogGroupNamePrefix: &group})
	check(t, err)
	add(len(logs.LogGroups) > 0, "log group")
	parameters, err := ssm.NewFromConfig(cfg).GetParameters(ctx, &ssm.GetParametersInput{Names: []string{contract.ImageParameter(platform, left.slug)}})
	check(t, err)
	add(len(parameters.Parameters) > 0, "parameter")
	_, err = secretsmanager.NewFromConfig(cfg).DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: &left.secret})
	add(err == nil, "secret")
	groups, err := w.aws.LoadBalancers().DescribeTargetGroups(ctx, &elasticloadbalancingv2.DescribeTargetGroupsInput{TargetGroupArns: []string{left.group}})
	add(err == nil && len(groups.TargetGroups) > 0, "target group")
	revisions := 0
	for _, status := range []ecstypes.TaskDefinitionStatus{ecstypes.TaskDefinitionStatusActive, ecstypes.TaskDefinitionStatusInactive} {
		found, err := w.aws.ECS().ListTaskDefinitions(ctx, &ecs.ListTaskDefinitionsInput{FamilyPrefix: aws.String(contract.TaskFamily(platform, left.slug)), Status: status})
		check(t, err)
		revisions += len(found.TaskDefinitionArns)
	}
	add(revisions > 0, "task definition")
	return kinds
}

// age moves the sweep's mark of an environment back, as time would.
func (w *world) age(t *testing.T, environment string, by time.Duration) {
	t.Helper()
	ctx, client, name := t.Context(), ssm.NewFromConfig(w.aws.Config()), contract.SweepMemory(w.cfg.Platform, w.cfg.QA.Stage)
	found, err := client.GetParameter(ctx, &ssm.GetParameterInput{Name: &name})
	check(t, err)
	marks := map[string][3]int64{} // when it was first seen without an owner, and how its deletion went
	check(t, json.Unmarshal([]byte(*found.Parameter.Value), &marks))
	mark, remembered := marks[environment]
	if !remembered {
		t.Fatalf("the sweep remembers nothing of %s: %s", environment, *found.Parameter.Value)
	}
	mark[0] -= int64(by.Seconds())
	marks[environment] = mark
	value, err := json.Marshal(marks)
	check(t, err)
	_, err = client.PutParameter(ctx, &ssm.PutParameterInput{Name: &name, Value: aws.String(string(value)), Overwrite: aws.Bool(true)})
	check(t, err)
}
