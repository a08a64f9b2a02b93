package fakeaws

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	cfntypes "github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/sns"
)

// The limits are those of AWS's API references.
func TestFakesRefuseWhatAWSRefuses(t *testing.T) {
	ctx := context.Background()
	names := func(n int) (out []string) {
		for i := range n {
			out = append(out, fmt.Sprint(i))
		}
		return out
	}
	for sentence, call := range map[string]func(*Cloud, *ECS, *ELB) error{
		"services of another cluster": func(c *Cloud, _ *ECS, _ *ELB) error {
			_, err := ecs.NewFromConfig(c.Config()).ListServices(ctx, &ecs.ListServicesInput{Cluster: aws.String("prod-cluster")})
			return err
		},
		"a page of 101 services": func(c *Cloud, _ *ECS, _ *ELB) error {
			_, err := ecs.NewFromConfig(c.Config()).ListServices(ctx, &ecs.ListServicesInput{Cluster: aws.String("qa-cluster"), MaxResults: aws.Int32(101)})
			return err
		},
		"eleven services described": func(c *Cloud, _ *ECS, _ *ELB) error {
			_, err := ecs.NewFromConfig(c.Config()).DescribeServices(ctx, &ecs.DescribeServicesInput{Cluster: aws.String("qa-cluster"), Services: names(11)})
			return err
		},
		"a service deleted while it is scaled up": func(c *Cloud, e *ECS, _ *ELB) error {
			arn := e.Add(Service{Name: "x", Running: 1})
			_, err := ecs.NewFromConfig(c.Config()).DeleteService(ctx, &ecs.DeleteServiceInput{Cluster: aws.String("qa-cluster"), Service: &arn})
			return err
		},
		"an active revision deleted": func(c *Cloud, e *ECS, _ *ELB) error {
			arn := e.Register("x", 1, ecstypes.TaskDefinitionStatusActive, nil)
			_, err := ecs.NewFromConfig(c.Config()).DeleteTaskDefinitions(ctx, &ecs.DeleteTaskDefinitionsInput{TaskDefinitions: []string{arn}})
			return err
		},
		"eleven revisions deleted": func(c *Cloud, _ *ECS, _ *ELB) error {
			_, err := ecs.NewFromConfig(c.Config()).DeleteTaskDefinitions(ctx, &ecs.DeleteTaskDefinitionsInput{TaskDefinitions: names(11)})
			return err
		},
		"the tags of 21 resources": func(c *Cloud, _ *ECS, _ *ELB) error {
			_, err := elb.NewFromConfig(c.Config()).DescribeTags(ctx, &elb.DescribeTagsInput{ResourceArns: names(21)})
			return err
		},
		"the default rule deleted": func(c *Cloud, _ *ECS, l *ELB) error {
			_, err := elb.NewFromConfig(c.Config()).DeleteRule(ctx, &elb.DeleteRuleInput{RuleArn: l.Rules[0].RuleArn})
			return err
		},
		"a role passed to a deletion": func(c *Cloud, _ *ECS, _ *ELB) error {
			_, err := cloudformation.NewFromConfig(c.Config()).DeleteStack(ctx, &cloudformation.DeleteStackInput{StackName: aws.String("x"), RoleARN: aws.String("arn:aws:iam::111111111111:role/x")})
			return err
		},
		"resources retained of a healthy stack": func(c *Cloud, _ *ECS, _ *ELB) error {
			_, err := cloudformation.NewFromConfig(c.Config()).DeleteStack(ctx, &cloudformation.DeleteStackInput{StackName: aws.String("healthy"), RetainResources: []string{"x"}})
			return err
		},
		"a subject that isn't ASCII": func(c *Cloud, _ *ECS, _ *ELB) error {
			_, err := sns.NewFromConfig(c.Config()).Publish(ctx, &sns.PublishInput{TopicArn: aws.String("arn:aws:sns:eu-west-1:111111111111:qa-cleanup"), Subject: aws.String("ü"), Message: aws.String("x")})
			return err
		},
		"a call that nothing answers": func(c *Cloud, _ *ECS, _ *ELB) error {
			_, err := ecr.NewFromConfig(c.Config()).DescribeImages(ctx, &ecr.DescribeImagesInput{RepositoryName: aws.String("x")})
			return err
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			c := New()
			e, l := NewECS(c, "qa-cluster"), NewELB(c)
			NewCloudFormation(c).Add("healthy", cfntypes.StackStatusCreateComplete, time.Now())
			NewSNS(c)
			if err := call(c, e, l); err == nil {
				t.Error("accepted")
			}
			if len(c.mistakes) != 1 {
				t.Errorf("mistakes %v", c.mistakes)
			}
		})
	}
}

func TestTargetGroupInUseCannotBeDeleted(t *testing.T) {
	c := New()
	l := NewELB(c)
	group := l.AddTargetGroup("x", nil)
	rule := l.AddRule("x", nil, group)
	client := elb.NewFromConfig(c.Config())
	_, err := client.DeleteTargetGroup(context.Background(), &elb.DeleteTargetGroupInput{TargetGroupArn: &group})
	if err == nil || !strings.Contains(err.Error(), "ResourceInUse") {
		t.Errorf("got %v", err)
	}
	_, _ = client.DeleteRule(context.Background(), &elb.DeleteRuleInput{RuleArn: &rule})
	if _, err := client.DeleteTargetGroup(context.Background(), &elb.DeleteTargetGroupInput{TargetGroupArn: &group}); err != nil || l.HasTargetGroup(group) {
		t.Errorf("got %v", err)
	}
}

func TestFaultsComeOnceAndRetriesAreCounted(t *testing.T) {
	c := New()
	NewECS(c, "qa-cluster")
	client := ecs.NewFromConfig(c.Config())
	in := &ecs.ListServicesInput{Cluster: aws.String("qa-cluster")}
	c.Fail("ecs:ListServices", Throttled(), Internal())
	if _, err := client.ListServices(context.Background(), in); err != nil || c.Calls("ecs:ListServices") != 3 {
		t.Errorf("%d calls, %v", c.Calls("ecs:ListServices"), err)
	}
	denied := Denied()
	c.Fail("ecs:ListServices", denied)
	if _, err := client.ListServices(context.Background(), in); !errors.Is(err, denied) || c.Calls("ecs:ListServices") != 4 {
		t.Errorf("%d calls, %v", c.Calls("ecs:ListServices"), err)
	}
	if got := c.Actions(); len(got) != 1 || got[0] != "ecs:ListServices" || c.TotalCalls() != 4 {
		t.Errorf("actions %v", got)
	}
}

func TestPagesCoverEverythingOnce(t *testing.T) {
	c := New()
	e := NewECS(c, "qa-cluster")
	for i := range 25 {
		e.Add(Service{Name: fmt.Sprint(i)})
	}
	seen := map[string]bool{}
	pages := ecs.NewListServicesPaginator(ecs.NewFromConfig(c.Config()), &ecs.ListServicesInput{Cluster: aws.String("qa-cluster")})
	for pages.HasMorePages() {
		page, err := pages.NextPage(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		for _, arn := range page.ServiceArns {
			if seen[arn] {
				t.Errorf("%s comes twice", arn)
			}
			seen[arn] = true
		}
	}
	if len(seen) != 25 || c.Calls("ecs:ListServices") != 3 {
		t.Errorf("%d services in %d pages; AWS gives ten in a page unless asked for more", len(seen), c.Calls("ecs:ListServices"))
	}
}
