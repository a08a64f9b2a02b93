package fakeaws

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy"
	cdtypes "github.com/aws/aws-sdk-go-v2/service/codedeploy/types"
)

const appSpec = `{"version": 0.0, "Resources": [{"TargetService": {"Type": "AWS::ECS::Service", "Properties": {
	"TaskDefinition": "arn:aws:ecs:eu-west-1:111111111111:task-definition/app:1", "LoadBalancerInfo": {"ContainerName": "app", "ContainerPort": 8080}}}}],
	"Hooks": [{"AfterAllowTestTraffic": "arn:aws:lambda:eu-west-1:111111111111:function:hook"}]}`

func deployment(change func(*codedeploy.CreateDeploymentInput)) *codedeploy.CreateDeploymentInput {
	in := &codedeploy.CreateDeploymentInput{
		ApplicationName: aws.String("app"), DeploymentGroupName: aws.String("group"),
		Revision: &cdtypes.RevisionLocation{
			RevisionType: cdtypes.RevisionLocationTypeAppSpecContent, AppSpecContent: &cdtypes.AppSpecContent{Content: aws.String(appSpec)},
		},
	}
	change(in)
	return in
}

// The limits and errors are those of CodeDeploy's API reference and quotas.
func TestCodeDeployRefusesWhatAWSRefuses(t *testing.T) {
	ctx := context.Background()
	var existing string
	create := func(change func(*codedeploy.CreateDeploymentInput)) func(*codedeploy.Client) error {
		return func(c *codedeploy.Client) error {
			_, err := c.CreateDeployment(ctx, deployment(change))
			return err
		}
	}
	for sentence, call := range map[string]func(*codedeploy.Client) error{
		"no revision": create(func(in *codedeploy.CreateDeploymentInput) { in.Revision = nil }),
		"a revision in S3": create(func(in *codedeploy.CreateDeploymentInput) {
			in.Revision.RevisionType = cdtypes.RevisionLocationTypeS3
		}),
		"a hash of something else": create(func(in *codedeploy.CreateDeploymentInput) {
			in.Revision.AppSpecContent.Sha256 = aws.String("00")
		}),
		"an AppSpec that isn't one": create(func(in *codedeploy.CreateDeploymentInput) {
			in.Revision.AppSpecContent.Content = aws.String("{}")
		}),
		"a description of 101 characters": create(func(in *codedeploy.CreateDeploymentInput) {
			in.Description = aws.String(strings.Repeat("x", 101))
		}),
		"no deployment group": create(func(in *codedeploy.CreateDeploymentInput) { in.DeploymentGroupName = nil }),
		"deployments of a group without its application": func(c *codedeploy.Client) error {
			_, err := c.ListDeployments(ctx, &codedeploy.ListDeploymentsInput{DeploymentGroupName: aws.String("group")})
			return err
		},
		"deployments of a status that there isn't": func(c *codedeploy.Client) error {
			_, err := c.ListDeployments(ctx, &codedeploy.ListDeploymentsInput{
				ApplicationName: aws.String("app"), DeploymentGroupName: aws.String("group"), IncludeOnlyStatuses: []cdtypes.DeploymentStatus{"Running"},
			})
			return err
		},
		"26 targets": func(c *codedeploy.Client) error {
			_, err := c.BatchGetDeploymentTargets(ctx, &codedeploy.BatchGetDeploymentTargetsInput{DeploymentId: &existing, TargetIds: make([]string, 26)})
			return err
		},
		"a target of another service": func(c *codedeploy.Client) error {
			_, err := c.BatchGetDeploymentTargets(ctx, &codedeploy.BatchGetDeploymentTargetsInput{DeploymentId: &existing, TargetIds: []string{"cluster:other"}})
			return err
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			c := New()
			f := NewCodeDeploy(c, "app", "group", "cluster", "service", time.Now)
			existing = f.Add("", appSpec, cdtypes.DeploymentCreatorUser)
			if err := call(codedeploy.NewFromConfig(c.Config())); err == nil {
				t.Error("accepted")
			}
			if len(c.mistakes) != 1 {
				t.Errorf("mistakes %v", c.mistakes)
			}
		})
	}
}

func TestAppSpecIsCheckedLetterByLetter(t *testing.T) {
	if err := CheckAppSpec(appSpec); err != nil {
		t.Fatal(err)
	}
	for sentence, change := range map[string][2]string{
		"not JSON":                     {`{"version"`, `{version`},
		"another version":              {`0.0`, `1`},
		"an integer version":           {`0.0`, `0`},
		"resources in lower case":      {`"Resources"`, `"resources"`},
		"another type":                 {`AWS::ECS::Service`, `AWS::Lambda::Function`},
		"a task definition in lower":   {`"TaskDefinition"`, `"taskDefinition"`},
		"a family instead of an ARN":   {`arn:aws:ecs:eu-west-1:111111111111:task-definition/app:1`, `app`},
		"a port that is a string":      {`8080`, `"8080"`},
		"a port by another name":       {`"ContainerPort"`, `"Port"`},
		"a strategy that is no list":   {`"LoadBalancerInfo"`, `"CapacityProviderStrategy": "FARGATE", "LoadBalancerInfo"`},
		"a strategy without provider":  {`"LoadBalancerInfo"`, `"CapacityProviderStrategy": [{"Weight": 1}], "LoadBalancerInfo"`},
		"a property that there isn't":  {`"LoadBalancerInfo"`, `"DesiredCount": 2, "LoadBalancerInfo"`},
		"a hook of another platform":   {`AfterAllowTestTraffic`, `ValidateService`},
		"hooks that are no list":       {`[{"AfterAllowTestTraffic": "arn:aws:lambda:eu-west-1:111111111111:function:hook"}]`, `{}`},
		"two events in one item":       {`{"AfterAllowTestTraffic"`, `{"AfterInstall": "x", "AfterAllowTestTraffic"`},
		"something after the document": {`function:hook"}]}`, `function:hook"}]} {}`},
	} {
		changed := strings.Replace(appSpec, change[0], change[1], 1)
		if changed == appSpec {
			t.Errorf("%s: nothing changed", sentence)
		}
		if err := CheckAppSpec(changed); err == nil {
			t.Errorf("%s: accepted", sentence)
		}
	}
}

func TestOneDeploymentHoldsTheGroup(t *testing.T) {
	ctx := context.Background()
	c := New()
	f := NewCodeDeploy(c, "app", "group", "cluster", "service", time.Now)
	client := codedeploy.NewFromConfig(c.Config())
	in := deployment(func(*codedeploy.CreateDeploymentInput) {})
	first, err := client.CreateDeployment(ctx, in)
	if err != nil {
		t.Fatal(err)
	}
	var limit *cdtypes.DeploymentLimitExceededException
	for _, status := range []cdtypes.DeploymentStatus{"Created", "Queued", "InProgress", "Baking", "Ready"} {
		f.Last().Info.Status = status
		if _, err := client.CreateDeployment(ctx, in); !errors.As(err, &limit) || !strings.Contains(err.Error(), *first.DeploymentId) {
			t.Errorf("%s: %v", status, err)
		}
	}
	got, err := client.GetDeployment(ctx, &codedeploy.GetDeploymentInput{DeploymentId: first.DeploymentId})
	if err != nil || got.DeploymentInfo.Revision.AppSpecContent.Content != nil || len(aws.ToString(got.DeploymentInfo.Revision.AppSpecContent.Sha256)) != 64 {
		t.Errorf("got %+v, %v; AWS tells the hash and never the content", got, err)
	}
	f.End(*first.DeploymentId, cdtypes.DeploymentStatusFailed, cdtypes.ErrorCodeTimeout, "x")
	var over *cdtypes.DeploymentAlreadyCompletedException
	if _, err := client.StopDeployment(ctx, &codedeploy.StopDeploymentInput{DeploymentId: first.DeploymentId}); !errors.As(err, &over) {
		t.Errorf("stopped what has ended: %v", err)
	}
	if _, err := client.CreateDeployment(ctx, in); err != nil {
		t.Error(err)
	}
	if got := fmt.Sprint(c.Actions()); !strings.Contains(got, "codedeploy:GetDeploymentConfig codedeploy:RegisterApplicationRevision") {
		t.Errorf("actions %s: CreateDeployment needs two more", got)
	}
	c.CheckNoMistakes(t)
}
