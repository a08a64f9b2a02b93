package fakeaws

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// ECS is a cluster with its services, and the account's task definitions.
type ECS struct {
	cloud   *Cloud
	cluster string

	Services  []*ecstypes.Service
	byARN     map[string]*ecstypes.Service
	Revisions []*Revision
	Failures  map[string]string // ARN → reason: what DescribeServices can't describe
}

// Revision is a revision of a task definition.
type Revision struct {
	ARN    string
	Family string
	Status ecstypes.TaskDefinitionStatus
	Tags   map[string]string
	Image  string
	Roles  [2]string // ARNs of the tasks' role and of their execution's
}

// Service is what a test says about a service; what it leaves out gets a sensible value.
type Service struct {
	Name         string
	Cluster      string // empty means the cluster of the fake
	Created      time.Time
	Tags         map[string]string
	Running      int32 // also the desired count
	TargetGroups []string
	Family       string // its revision 1 is registered if it isn't there
}

const ecsID = "ECS"

// NewECS adds an ECS cluster to the cloud.
func NewECS(c *Cloud, cluster string) *ECS {
	e := &ECS{cloud: c, cluster: cluster, byARN: map[string]*ecstypes.Service{}, Failures: map[string]string{}}
	On(c, ecsID, e.listServices)
	On(c, ecsID, e.describeServices)
	On(c, ecsID, e.updateService)
	On(c, ecsID, e.deleteService)
	On(c, ecsID, e.listTaskDefinitions)
	On(c, ecsID, e.describeTaskDefinition)
	On(c, ecsID, e.deregister)
	On(c, ecsID, e.deleteTaskDefinitions)
	On(c, ecsID, e.tagResource)
	return e
}

// ClusterARN is the ARN of a cluster of the fake account.
func ClusterARN(name string) string {
	return fmt.Sprintf("arn:aws:ecs:%s:%s:cluster/%s", Region, Account, name)
}

// Add creates a service and returns its ARN.
func (e *ECS) Add(s Service) string {
	cluster := cmp.Or(s.Cluster, e.cluster)
	arn := fmt.Sprintf("arn:aws:ecs:%s:%s:service/%s/%s", Region, Account, cluster, s.Name)
	out := &ecstypes.Service{
		ServiceArn: &arn, ServiceName: &s.Name, Status: aws.String("ACTIVE"), CreatedAt: &s.Created,
		ClusterArn:   aws.String(ClusterARN(cluster)),
		DesiredCount: s.Running, RunningCount: s.Running, SchedulingStrategy: ecstypes.SchedulingStrategyReplica,
		Tags: ecsTags(s.Tags),
	}
	for _, group := range s.TargetGroups {
		out.LoadBalancers = append(out.LoadBalancers, ecstypes.LoadBalancer{TargetGroupArn: aws.String(group)})
	}
	if s.Family != "" {
		out.TaskDefinition = aws.String(e.Register(s.Family, 1, ecstypes.TaskDefinitionStatusActive, nil))
	}
	e.Services = append(e.Services, out)
	e.byARN[arn] = out
	return arn
}

// Register adds a revision and returns its ARN; one that is there stays as it is.
func (e *ECS) Register(family string, revision int, status ecstypes.TaskDefinitionStatus, tags map[string]string) string {
	arn := fmt.Sprintf("arn:aws:ecs:%s:%s:task-definition/%s:%d", Region, Account, family, revision)
	if e.revision(arn) == nil {
		e.Revisions = append(e.Revisions, &Revision{ARN: arn, Family: family, Status: status, Tags: tags})
	}
	return arn
}

// Service returns the service with the ARN, or nil once it is inactive.
func (e *ECS) Service(arn string) *ecstypes.Service {
	if s := e.byARN[arn]; s != nil && *s.Status != "INACTIVE" {
		return s
	}
	return nil
}

// Retag replaces the tags of a service.
func (e *ECS) Retag(arn string, tags map[string]string) { e.Service(arn).Tags = ecsTags(tags) }

// Settle lets all tasks that should stop have stopped.
func (e *ECS) Settle() {
	for _, s := range e.Services {
		s.RunningCount = s.DesiredCount
		if *s.Status == "DRAINING" && s.RunningCount == 0 {
			s.Status = aws.String("INACTIVE")
		}
	}
}

// Tag returns the value of a service's tag.
func (e *ECS) Tag(arn, key string) string {
	for _, t := range e.Service(arn).Tags {
		if *t.Key == key {
			return *t.Value
		}
	}
	return ""
}

// tagResource sets tags and leaves the others alone.
func (e *ECS) tagResource(in *ecs.TagResourceInput) (*ecs.TagResourceOutput, error) {
	s := e.Service(aws.ToString(in.ResourceArn))
	if s == nil || *s.Status != "ACTIVE" {
		return nil, &ecstypes.InvalidParameterException{Message: aws.String("The specified service is inactive. Specify an active service and try again.")}
	}
	for _, t := range in.Tags {
		key, value := aws.ToString(t.Key), aws.ToString(t.Value)
		if key == "" || len(key) > 128 || len(value) > 256 || strings.HasPrefix(strings.ToLower(key), "aws:") {
			return nil, e.invalid("tag %s = %s", key, value)
		}
		s.Tags = slices.DeleteFunc(slices.Clone(s.Tags), func(have ecstypes.Tag) bool { return *have.Key == key })
		s.Tags = append(s.Tags, ecstypes.Tag{Key: &key, Value: &value})
	}
	if len(s.Tags) > 50 {
		return nil, e.invalid("%d tags", len(s.Tags))
	}
	return &ecs.TagResourceOutput{}, nil
}

func ecsTags(tags map[string]string) (out []ecstypes.Tag) {
	for k, v := range tags {
		out = append(out, ecstypes.Tag{Key: &k, Value: &v})
	}
	return out
}

func (e *ECS) checkCluster(name *string) error {
	if n := aws.ToString(name); n != e.cluster && n != ClusterARN(e.cluster) {
		return e.cloud.refuse(&ecstypes.ClusterNotFoundException{Message: aws.String("Cluster not found: " + aws.ToString(name))})
	}
	return nil
}

func (e *ECS) invalid(format string, args ...any) error {
	return e.cloud.refuse(&ecstypes.InvalidParameterException{Message: aws.String(fmt.Sprintf(format, args...))})
}

func (e *ECS) listServices(in *ecs.ListServicesInput) (*ecs.ListServicesOutput, error) {
	if err := e.checkCluster(in.Cluster); err != nil {
		return nil, err
	}
	size := aws.ToInt32(in.MaxResults)
	if size == 0 {
		size = 10
	}
	if size < 1 || size > 100 {
		return nil, e.invalid("maxResults %d", size)
	}
	var arns []string
	for _, s := range e.Services {
		// A service that drains is not listed any more.
		if *s.Status == "ACTIVE" && strings.HasSuffix(*s.ClusterArn, ":cluster/"+e.cluster) {
			arns = append(arns, *s.ServiceArn)
		}
	}
	part, next, err := page(e.cloud, arns, in.NextToken, int(size))
	return &ecs.ListServicesOutput{ServiceArns: part, NextToken: next}, err
}

func (e *ECS) describeServices(in *ecs.DescribeServicesInput) (*ecs.DescribeServicesOutput, error) {
	if err := e.checkCluster(in.Cluster); err != nil {
		return nil, err
	}
	if len(in.Services) == 0 || len(in.Services) > 10 {
		return nil, e.invalid("%d services, 1 to 10 are allowed", len(in.Services))
	}
	out := &ecs.DescribeServicesOutput{}
	for _, arn := range in.Services {
		if !strings.HasPrefix(arn, "arn:") { // a name will do
			arn = fmt.Sprintf("arn:aws:ecs:%s:%s:service/%s/%s", Region, Account, e.cluster, arn)
		}
		if reason, bad := e.Failures[arn]; bad {
			out.Failures = append(out.Failures, ecstypes.Failure{Arn: &arn, Reason: &reason})
			continue
		}
		known, ok := e.byARN[arn]
		if !ok {
			out.Failures = append(out.Failures, ecstypes.Failure{Arn: &arn, Reason: aws.String("MISSING")})
			continue
		}
		s := *known
		if !slices.Contains(in.Include, ecstypes.ServiceFieldTags) {
			s.Tags = nil
		}
		out.Services = append(out.Services, s)
	}
	return out, nil
}

func (e *ECS) active(cluster, arn *string) (*ecstypes.Service, error) {
	if err := e.checkCluster(cluster); err != nil {
		return nil, err
	}
	s := e.Service(aws.ToString(arn))
	switch {
	case s == nil:
		return nil, &ecstypes.ServiceNotFoundException{Message: aws.String("Service not found.")}
	case *s.Status != "ACTIVE":
		return nil, &ecstypes.ServiceNotActiveException{Message: aws.String("Service was not ACTIVE.")}
	}
	return s, nil
}

func (e *ECS) updateService(in *ecs.UpdateServiceInput) (*ecs.UpdateServiceOutput, error) {
	s, err := e.active(in.Cluster, in.Service)
	if err != nil {
		return nil, err
	}
	if in.DesiredCount != nil {
		if s.SchedulingStrategy == ecstypes.SchedulingStrategyDaemon {
			return nil, e.invalid("a daemon service has no desired count")
		}
		s.DesiredCount = *in.DesiredCount
	}
	if in.TaskDefinition != nil {
		revision := e.revision(*in.TaskDefinition)
		switch {
		case s.DeploymentController != nil && s.DeploymentController.Type != ecstypes.DeploymentControllerTypeEcs:
			return nil, e.invalid("Unable to update task definition on services with a %s deployment controller.", s.DeploymentController.Type)
		case revision == nil || revision.Status != ecstypes.TaskDefinitionStatusActive:
			return nil, &ecstypes.ClientException{Message: aws.String("TaskDefinition is inactive")}
		}
		e.cloud.implies("iam:PassRole") // for the roles of its tasks
		s.TaskDefinition = in.TaskDefinition
	}
	answer := *s
	return &ecs.UpdateServiceOutput{Service: &answer}, nil
}

func (e *ECS) deleteService(in *ecs.DeleteServiceInput) (*ecs.DeleteServiceOutput, error) {
	s, err := e.active(in.Cluster, in.Service)
	if err != nil {
		return nil, err
	}
	if s.DesiredCount > 0 && !aws.ToBool(in.Force) {
		return nil, e.invalid("The service cannot be stopped while it is scaled above 0.")
	}
	s.DesiredCount, s.Status = 0, aws.String("DRAINING")
	if s.RunningCount == 0 {
		s.Status = aws.String("INACTIVE")
	}
	answer := *s
	return &ecs.DeleteServiceOutput{Service: &answer}, nil
}

func (e *ECS) revision(arn string) *Revision {
	for _, r := range e.Revisions {
		if r.ARN == arn {
			return r
		}
	}
	return nil
}

func (e *ECS) listTaskDefinitions(in *ecs.ListTaskDefinitionsInput) (*ecs.ListTaskDefinitionsOutput, error) {
	size := aws.ToInt32(in.MaxResults)
	if size == 0 {
		size = 100
	}
	if size < 1 || size > 100 {
		return nil, e.invalid("maxResults %d", size)
	}
	var arns []string
	for _, r := range e.Revisions {
		// A prefix search also finds longer names.
		if r.Status == cmp.Or(in.Status, ecstypes.TaskDefinitionStatusActive) && strings.HasPrefix(r.Family, aws.ToString(in.FamilyPrefix)) {
			arns = append(arns, r.ARN)
		}
	}
	part, next, err := page(e.cloud, arns, in.NextToken, int(size))
	return &ecs.ListTaskDefinitionsOutput{TaskDefinitionArns: part, NextToken: next}, err
}

func (e *ECS) describeTaskDefinition(in *ecs.DescribeTaskDefinitionInput) (*ecs.DescribeTaskDefinitionOutput, error) {
	r := e.revision(aws.ToString(in.TaskDefinition))
	if r == nil {
		return nil, &ecstypes.ClientException{Message: aws.String("Unable to describe task definition.")}
	}
	out := &ecs.DescribeTaskDefinitionOutput{TaskDefinition: describe(r)}
	if slices.Contains(in.Include, ecstypes.TaskDefinitionFieldTags) {
		out.Tags = ecsTags(r.Tags)
	}
	return out, nil
}

func describe(r *Revision) *ecstypes.TaskDefinition {
	d := &ecstypes.TaskDefinition{TaskDefinitionArn: &r.ARN, Family: &r.Family, Status: r.Status}
	if r.Roles != [2]string{} {
		d.TaskRoleArn, d.ExecutionRoleArn = &r.Roles[0], &r.Roles[1]
	}
	if r.Image != "" {
		d.ContainerDefinitions = []ecstypes.ContainerDefinition{{Image: &r.Image}}
	}
	return d
}

func (e *ECS) deregister(in *ecs.DeregisterTaskDefinitionInput) (*ecs.DeregisterTaskDefinitionOutput, error) {
	r := e.revision(aws.ToString(in.TaskDefinition))
	if r == nil {
		return nil, e.cloud.refuse(&ecstypes.ClientException{Message: aws.String("The specified task definition does not exist.")})
	}
	r.Status = ecstypes.TaskDefinitionStatusInactive
	return &ecs.DeregisterTaskDefinitionOutput{TaskDefinition: describe(r)}, nil
}

func (e *ECS) deleteTaskDefinitions(in *ecs.DeleteTaskDefinitionsInput) (*ecs.DeleteTaskDefinitionsOutput, error) {
	if len(in.TaskDefinitions) == 0 || len(in.TaskDefinitions) > 10 {
		return nil, e.invalid("%d task definitions, 1 to 10 are allowed", len(in.TaskDefinitions))
	}
	out := &ecs.DeleteTaskDefinitionsOutput{}
	for _, arn := range in.TaskDefinitions {
		r := e.revision(arn)
		switch {
		case r == nil:
			out.Failures = append(out.Failures, ecstypes.Failure{Arn: &arn, Reason: aws.String("TASK_DEFINITION_NOT_FOUND")})
		case e.Failures[arn] != "":
			out.Failures = append(out.Failures, ecstypes.Failure{Arn: &arn, Reason: aws.String(e.Failures[arn])})
		case r.Status == ecstypes.TaskDefinitionStatusActive:
			return nil, e.invalid("task definition %s is ACTIVE; deregister it first", arn)
		default:
			r.Status = ecstypes.TaskDefinitionStatusDeleteInProgress
			out.TaskDefinitions = append(out.TaskDefinitions, *describe(r))
		}
	}
	return out, nil
}
