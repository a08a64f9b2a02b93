package harness

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	cfntypes "github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/resourcegroupstaggingapi"
	taggingtypes "github.com/aws/aws-sdk-go-v2/service/resourcegroupstaggingapi/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"slipway/internal/contract"
)

// Environment is a QA environment as its service shows it.
type Environment struct {
	Slug    string
	Branch  string
	Owner   string
	Expires time.Time
	Running int32
	ARN     string
}

// Config is the SDK configuration for the instance.
func (l *Local) Config() aws.Config {
	return aws.Config{
		Region:       Region,
		BaseEndpoint: aws.String(l.Endpoint()),
		Credentials:  credentials.NewStaticCredentialsProvider(AccountID, "local", ""),
	}
}

// ECS is a client of the instance.
func (l *Local) ECS() *ecs.Client { return ecs.NewFromConfig(l.Config()) }

// CloudFormation is a client of the instance.
func (l *Local) CloudFormation() *cloudformation.Client {
	return cloudformation.NewFromConfig(l.Config())
}

// Shared is a value that the QA stage publishes under a key.
func (l *Local) Shared(ctx context.Context, platform, stage, key string) (string, error) {
	name := contract.SharedParameter(platform, stage, key)
	found, err := ssm.NewFromConfig(l.Config()).GetParameter(ctx, &ssm.GetParameterInput{Name: &name})
	if err != nil {
		return "", fmt.Errorf("read the parameter %s: %w", name, err)
	}
	return aws.ToString(found.Parameter.Value), nil
}

// QADatabases are the environments that have a database or a role, as the function says that makes them.
func (l *Local) QADatabases(ctx context.Context, platform, stage string) ([]string, error) {
	function, err := l.Shared(ctx, platform, stage, contract.KeyDatabaseMakerARN)
	if err != nil {
		return nil, err
	}
	var answer contract.DataAnswer
	err = l.Invoke(ctx, function, contract.DataRequest{Sweep: contract.SweepList}, &answer)
	return answer.Environments, err
}

// Invoke runs a function and waits; answer takes what it returns.
func (l *Local) Invoke(ctx context.Context, function string, event, answer any) error {
	payload, err := json.Marshal(event)
	if err != nil {
		return fmt.Errorf("write the event for %s: %w", function, err)
	}
	out, err := lambda.NewFromConfig(l.Config()).Invoke(ctx, &lambda.InvokeInput{FunctionName: &function, Payload: payload})
	if err != nil {
		return fmt.Errorf("invoke %s: %w", function, err)
	}
	if out.FunctionError != nil {
		return fmt.Errorf("the function %s failed: %s", function, out.Payload)
	}
	if err := json.Unmarshal(out.Payload, answer); err != nil {
		return fmt.Errorf("read what %s returned: %w", function, err)
	}
	return nil
}

// QAPrefixes are the environments that have objects, or old versions of objects, in the QA stage's bucket.
func (l *Local) QAPrefixes(ctx context.Context, platform, stage string) ([]string, error) {
	bucket, err := l.Shared(ctx, platform, stage, contract.KeyBucketName)
	if err != nil {
		return nil, err
	}
	client := s3.NewFromConfig(l.Config(), func(o *s3.Options) { o.UsePathStyle = true })
	out, err := client.ListObjectVersions(ctx, &s3.ListObjectVersionsInput{
		Bucket: &bucket, Prefix: aws.String(contract.EnvironmentsPrefix), Delimiter: aws.String("/"),
	})
	if err != nil {
		return nil, fmt.Errorf("list the prefixes of bucket %s: %w", bucket, err)
	}
	var found []string
	for _, p := range out.CommonPrefixes {
		found = append(found, strings.TrimSuffix(strings.TrimPrefix(aws.ToString(p.Prefix), contract.EnvironmentsPrefix), "/"))
	}
	return found, nil
}

// QAEnvironments lists the leased services of the QA cluster, by slug.
func (l *Local) QAEnvironments(ctx context.Context, cluster string) ([]Environment, error) {
	client := l.ECS()
	var found []Environment
	pages := ecs.NewListServicesPaginator(client, &ecs.ListServicesInput{Cluster: aws.String(cluster), MaxResults: aws.Int32(10)})
	for pages.HasMorePages() { // a page of ten is what DescribeServices takes
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list the services of %s: %w", cluster, err)
		}
		if len(page.ServiceArns) == 0 {
			continue
		}
		described, err := client.DescribeServices(ctx, &ecs.DescribeServicesInput{
			Cluster: aws.String(cluster), Services: page.ServiceArns, Include: []ecstypes.ServiceField{ecstypes.ServiceFieldTags},
		})
		if err != nil {
			return nil, fmt.Errorf("describe services of %s: %w", cluster, err)
		}
		for _, service := range described.Services {
			if aws.ToString(service.Status) != "ACTIVE" {
				continue
			}
			tags := map[string]string{}
			for _, tag := range service.Tags {
				tags[aws.ToString(tag.Key)] = aws.ToString(tag.Value)
			}
			expires, err := contract.ParseExpiry(tags[contract.TagExpires])
			if err != nil {
				return nil, fmt.Errorf("read the lease of %s: %w", aws.ToString(service.ServiceName), err)
			}
			found = append(found, Environment{
				Slug: tags[contract.TagEnvironment], Branch: tags[contract.TagBranch], Owner: tags[contract.TagOwner],
				Expires: expires, Running: service.RunningCount, ARN: aws.ToString(service.ServiceArn),
			})
		}
	}
	sort.Slice(found, func(i, j int) bool { return found[i].Slug < found[j].Slug })
	return found, nil
}

// SetExpiry moves the end of an environment's lease, the way a person extends one: by tagging its service.
func (l *Local) SetExpiry(ctx context.Context, environment Environment, expires time.Time) error {
	_, err := l.ECS().TagResource(ctx, &ecs.TagResourceInput{
		ResourceArn: aws.String(environment.ARN),
		Tags:        []ecstypes.Tag{{Key: aws.String(contract.TagExpires), Value: aws.String(contract.FormatExpiry(expires))}},
	})
	if err != nil {
		return fmt.Errorf("set the lease of %s: %w", environment.Slug, err)
	}
	return nil
}

// Stacks are the names and statuses of the stacks that exist, those with the prefix only.
func (l *Local) Stacks(ctx context.Context, prefix string) (map[string]cfntypes.StackStatus, error) {
	found := map[string]cfntypes.StackStatus{}
	pages := cloudformation.NewDescribeStacksPaginator(l.CloudFormation(), &cloudformation.DescribeStacksInput{})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list the stacks: %w", err)
		}
		for _, stack := range page.Stacks {
			if name := aws.ToString(stack.StackName); strings.HasPrefix(name, prefix) && stack.StackStatus != cfntypes.StackStatusDeleteComplete {
				found[name] = stack.StackStatus
			}
		}
	}
	return found, nil
}

// LoadBalancers is a client of the instance.
func (l *Local) LoadBalancers() *elasticloadbalancingv2.Client {
	return elasticloadbalancingv2.NewFromConfig(l.Config())
}

// Leftovers names what the platform has in the account: the resources that carry its tag, load balancers, Lambda
// functions, ECS clusters and active task definitions. It is empty where the platform was never deployed.
func (l *Local) Leftovers(ctx context.Context, platform string) ([]string, error) {
	var found []string
	tagged := resourcegroupstaggingapi.NewGetResourcesPaginator(resourcegroupstaggingapi.NewFromConfig(l.Config()),
		&resourcegroupstaggingapi.GetResourcesInput{TagFilters: []taggingtypes.TagFilter{{Key: aws.String("slipway:platform"), Values: []string{platform}}}})
	for tagged.HasMorePages() {
		page, err := tagged.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list tagged resources: %w", err)
		}
		for _, resource := range page.ResourceTagMappingList {
			// Deregistered revisions of task definitions stay listed, here as on AWS; the active ones are asked for below.
			if arn := aws.ToString(resource.ResourceARN); !strings.Contains(arn, ":task-definition/") {
				found = append(found, arn)
			}
		}
	}
	balancers, err := l.LoadBalancers().DescribeLoadBalancers(ctx, &elasticloadbalancingv2.DescribeLoadBalancersInput{})
	if err != nil {
		return nil, fmt.Errorf("list load balancers: %w", err)
	}
	for _, balancer := range balancers.LoadBalancers {
		found = append(found, aws.ToString(balancer.LoadBalancerArn))
	}
	functions, err := lambda.NewFromConfig(l.Config()).ListFunctions(ctx, &lambda.ListFunctionsInput{})
	if err != nil {
		return nil, fmt.Errorf("list functions: %w", err)
	}
	for _, function := range functions.Functions {
		found = append(found, aws.ToString(function.FunctionArn))
	}
	clusters, err := l.ECS().ListClusters(ctx, &ecs.ListClustersInput{})
	if err != nil {
		return nil, fmt.Errorf("list clusters: %w", err)
	}
	found = append(found, clusters.ClusterArns...)
	definitions, err := l.ECS().ListTaskDefinitions(ctx, &ecs.ListTaskDefinitionsInput{Status: ecstypes.TaskDefinitionStatusActive})
	if err != nil {
		return nil, fmt.Errorf("list task definitions: %w", err)
	}
	found = append(found, definitions.TaskDefinitionArns...)
	sort.Strings(found)
	return slices.Compact(found), nil
}

// Unprotect switches a stack's termination protection off.
func (l *Local) Unprotect(ctx context.Context, stack string) error {
	_, err := l.CloudFormation().UpdateTerminationProtection(ctx, &cloudformation.UpdateTerminationProtectionInput{
		StackName: aws.String(stack), EnableTerminationProtection: aws.Bool(false),
	})
	if err != nil {
		return fmt.Errorf("switch off the termination protection of %s: %w", stack, err)
	}
	return nil
}
