package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/applicationautoscaling"
	scalingtypes "github.com/aws/aws-sdk-go-v2/service/applicationautoscaling/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/aws/aws-sdk-go-v2/service/wafv2"
	waftypes "github.com/aws/aws-sdk-go-v2/service/wafv2/types"

	"slipway/internal/contract"
)

const (
	stage      = "dev"
	user       = "drill-deployer"
	role       = "drill-instance"
	bucketName = "slipway-drill-artifacts"
	service    = "app"
)

// site is what the drill attacks: of each kind something that is like the platform's own.
type site struct {
	platform string
	ec2      *ec2.Client
	elb      *elb.Client
	iam      *iam.Client
	waf      *wafv2.Client
	ssm      *ssm.Client
	s3       *s3.Client
	ecs      *ecs.Client
	scaling  *applicationautoscaling.Client

	vpc, instance, key, cluster, task string
	targets                           string // ARN of a target group
	lists                             map[string]string
}

func newSite(cfg aws.Config, platform string) *site {
	return &site{
		platform: platform, ec2: ec2.NewFromConfig(cfg), elb: elb.NewFromConfig(cfg), iam: iam.NewFromConfig(cfg), waf: wafv2.NewFromConfig(cfg),
		ssm: ssm.NewFromConfig(cfg), s3: s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true }), ecs: ecs.NewFromConfig(cfg),
		scaling: applicationautoscaling.NewFromConfig(cfg), lists: map[string]string{},
	}
}

func (s *site) build(ctx context.Context) error {
	for _, part := range []func(context.Context) error{s.buildInstance, s.buildPrincipals, s.buildLists, s.buildBucket, s.buildService} {
		if err := part(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (s *site) buildInstance(ctx context.Context) error {
	vpc, err := s.ec2.CreateVpc(ctx, &ec2.CreateVpcInput{CidrBlock: aws.String("10.9.0.0/16")})
	if err != nil {
		return err
	}
	s.vpc = *vpc.Vpc.VpcId
	subnet, err := s.ec2.CreateSubnet(ctx, &ec2.CreateSubnetInput{VpcId: &s.vpc, CidrBlock: aws.String("10.9.0.0/20")})
	if err != nil {
		return err
	}
	group, err := s.ec2.CreateSecurityGroup(ctx, &ec2.CreateSecurityGroupInput{GroupName: aws.String("drill"), Description: aws.String("An instance to attack"), VpcId: &s.vpc})
	if err != nil {
		return err
	}
	run, err := s.ec2.RunInstances(ctx, &ec2.RunInstancesInput{
		ImageId: aws.String("ami-0123456789abcdef0"), InstanceType: ec2types.InstanceTypeT4gNano, MinCount: aws.Int32(1), MaxCount: aws.Int32(1),
		SubnetId: subnet.Subnet.SubnetId, SecurityGroupIds: []string{*group.GroupId},
	})
	if err != nil {
		return err
	}
	s.instance = *run.Instances[0].InstanceId
	targets, err := s.elb.CreateTargetGroup(ctx, &elb.CreateTargetGroupInput{
		Name: aws.String("drill"), Protocol: elbtypes.ProtocolEnumHttp, Port: aws.Int32(80), VpcId: &s.vpc, TargetType: elbtypes.TargetTypeEnumInstance,
	})
	if err != nil {
		return err
	}
	s.targets = *targets.TargetGroups[0].TargetGroupArn
	_, err = s.elb.RegisterTargets(ctx, &elb.RegisterTargetsInput{TargetGroupArn: &s.targets, Targets: []elbtypes.TargetDescription{{Id: &s.instance, Port: aws.Int32(80)}}})
	return err
}

func (s *site) buildPrincipals(ctx context.Context) error {
	if _, err := s.iam.CreateUser(ctx, &iam.CreateUserInput{UserName: aws.String(user)}); err != nil {
		return err
	}
	key, err := s.iam.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: aws.String(user)})
	if err != nil {
		return err
	}
	s.key = *key.AccessKey.AccessKeyId
	trust := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
	_, err = s.iam.CreateRole(ctx, &iam.CreateRoleInput{RoleName: aws.String(role), AssumeRolePolicyDocument: &trust})
	return err
}

// buildLists makes the block lists and publishes them as a stage's web ACL does.
func (s *site) buildLists(ctx context.Context) error {
	for _, list := range []struct {
		name, key string
		version   waftypes.IPAddressVersion
	}{
		{contract.BlockedIPv4Name(s.platform, stage), contract.KeyBlockedIPv4ID, waftypes.IPAddressVersionIpv4},
		{contract.BlockedIPv6Name(s.platform, stage), contract.KeyBlockedIPv6ID, waftypes.IPAddressVersionIpv6},
	} {
		set, err := s.waf.CreateIPSet(ctx, &wafv2.CreateIPSetInput{Name: &list.name, Scope: waftypes.ScopeRegional, IPAddressVersion: list.version, Addresses: []string{}})
		if err != nil {
			return err
		}
		s.lists[list.name] = *set.Summary.Id
		if _, err := s.ssm.PutParameter(ctx, &ssm.PutParameterInput{
			Name: aws.String(contract.WAFParameter(s.platform, stage, list.key)), Value: set.Summary.Id, Type: ssmtypes.ParameterTypeString,
		}); err != nil {
			return err
		}
	}
	return nil
}

func (s *site) buildBucket(ctx context.Context) error {
	name := aws.String(bucketName)
	if _, err := s.s3.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: name, CreateBucketConfiguration: &s3types.CreateBucketConfiguration{LocationConstraint: "eu-west-1"}}); err != nil {
		return err
	}
	_, err := s.s3.PutPublicAccessBlock(ctx, &s3.PutPublicAccessBlockInput{Bucket: name, PublicAccessBlockConfiguration: &s3types.PublicAccessBlockConfiguration{
		BlockPublicAcls: aws.Bool(true), IgnorePublicAcls: aws.Bool(true), BlockPublicPolicy: aws.Bool(false), RestrictPublicBuckets: aws.Bool(false),
	}})
	return err
}

func (s *site) buildService(ctx context.Context) error {
	cluster, err := s.ecs.CreateCluster(ctx, &ecs.CreateClusterInput{ClusterName: aws.String(contract.ClusterName(stage))})
	if err != nil {
		return err
	}
	s.cluster = *cluster.Cluster.ClusterArn
	if _, err := s.ecs.RegisterTaskDefinition(ctx, &ecs.RegisterTaskDefinitionInput{
		Family: aws.String("drill"), NetworkMode: ecstypes.NetworkModeAwsvpc, Cpu: aws.String("256"), Memory: aws.String("512"),
		ContainerDefinitions: []ecstypes.ContainerDefinition{{Name: aws.String("app"), Image: aws.String("app:1")}},
	}); err != nil {
		return err
	}
	if _, err := s.ecs.CreateService(ctx, &ecs.CreateServiceInput{
		Cluster: &s.cluster, ServiceName: aws.String(service), TaskDefinition: aws.String("drill:1"), DesiredCount: aws.Int32(2), LaunchType: ecstypes.LaunchTypeFargate,
	}); err != nil {
		return err
	}
	tasks, err := s.ecs.ListTasks(ctx, &ecs.ListTasksInput{Cluster: &s.cluster, ServiceName: aws.String(service)})
	if err != nil {
		return err
	}
	if len(tasks.TaskArns) == 0 {
		return fmt.Errorf("service %s has no task", service)
	}
	s.task = tasks.TaskArns[0]
	_, err = s.scaling.RegisterScalableTarget(ctx, &applicationautoscaling.RegisterScalableTargetInput{
		ServiceNamespace: scalingtypes.ServiceNamespaceEcs, ResourceId: aws.String(s.scalable()), ScalableDimension: scalingtypes.ScalableDimensionECSServiceDesiredCount,
		MinCapacity: aws.Int32(2), MaxCapacity: aws.Int32(4),
	})
	return err
}

func (s *site) scalable() string { return "service/" + contract.ClusterName(stage) + "/" + service }

// snapshot reads everything that containment may change, one line for each thing. Tasks and evidence aren't in it.
func (s *site) snapshot(ctx context.Context) (string, error) {
	var lines []string
	note := func(what string, value any) {
		text, err := json.Marshal(value)
		lines = append(lines, fmt.Sprintf("%s: %s (%v)\n", what, text, err))
	}
	instance, err := s.ec2.DescribeInstances(ctx, &ec2.DescribeInstancesInput{InstanceIds: []string{s.instance}})
	if err != nil {
		return "", err
	}
	i := instance.Reservations[0].Instances[0]
	note("instance", []any{i.State.Name, i.Tags, i.NetworkInterfaces})
	groups, err := s.ec2.DescribeSecurityGroups(ctx, &ec2.DescribeSecurityGroupsInput{Filters: []ec2types.Filter{{Name: aws.String("vpc-id"), Values: []string{s.vpc}}}})
	if err != nil {
		return "", err
	}
	for _, g := range groups.SecurityGroups {
		note("group "+*g.GroupName, []any{g.IpPermissions, g.IpPermissionsEgress})
	}
	health, err := s.elb.DescribeTargetHealth(ctx, &elb.DescribeTargetHealthInput{TargetGroupArn: &s.targets})
	if err != nil {
		return "", err
	}
	for _, h := range health.TargetHealthDescriptions {
		note("target", []any{h.Target.Id, h.Target.Port})
	}
	keys, err := s.iam.ListAccessKeys(ctx, &iam.ListAccessKeysInput{UserName: aws.String(user)})
	if err != nil {
		return "", err
	}
	for _, k := range keys.AccessKeyMetadata {
		note("key", []any{k.AccessKeyId, k.Status})
	}
	userPolicies, err := s.iam.ListUserPolicies(ctx, &iam.ListUserPoliciesInput{UserName: aws.String(user)})
	if err != nil {
		return "", err
	}
	rolePolicies, err := s.iam.ListRolePolicies(ctx, &iam.ListRolePoliciesInput{RoleName: aws.String(role)})
	if err != nil {
		return "", err
	}
	note("policies", []any{strings.Join(userPolicies.PolicyNames, " "), strings.Join(rolePolicies.PolicyNames, " ")})
	for name, id := range s.lists {
		set, err := s.waf.GetIPSet(ctx, &wafv2.GetIPSetInput{Name: &name, Id: &id, Scope: waftypes.ScopeRegional})
		if err != nil {
			return "", err
		}
		note("block list "+name, strings.Join(set.IPSet.Addresses, " "))
	}
	block, err := s.s3.GetPublicAccessBlock(ctx, &s3.GetPublicAccessBlockInput{Bucket: aws.String(bucketName)})
	if err != nil {
		return "", err
	}
	note("bucket", block.PublicAccessBlockConfiguration)
	services, err := s.ecs.DescribeServices(ctx, &ecs.DescribeServicesInput{Cluster: &s.cluster, Services: []string{service}})
	if err != nil {
		return "", err
	}
	note("service", []any{services.Services[0].DesiredCount, services.Services[0].TaskDefinition})
	scalable, err := s.scaling.DescribeScalableTargets(ctx, &applicationautoscaling.DescribeScalableTargetsInput{ServiceNamespace: scalingtypes.ServiceNamespaceEcs, ResourceIds: []string{s.scalable()}})
	if err != nil {
		return "", err
	}
	for _, t := range scalable.ScalableTargets {
		note("autoscaling", []any{t.MinCapacity, t.MaxCapacity, suspended(t.SuspendedState)})
	}
	slices.Sort(lines)
	return strings.Join(lines, ""), nil
}

// suspended reads a state that nobody has set as one in which nothing is suspended, as it is.
func suspended(s *scalingtypes.SuspendedState) [3]bool {
	if s == nil {
		return [3]bool{}
	}
	return [3]bool{aws.ToBool(s.DynamicScalingInSuspended), aws.ToBool(s.DynamicScalingOutSuspended), aws.ToBool(s.ScheduledScalingSuspended)}
}
