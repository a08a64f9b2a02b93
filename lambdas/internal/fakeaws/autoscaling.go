package fakeaws

import (
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/applicationautoscaling"
	scalingtypes "github.com/aws/aws-sdk-go-v2/service/applicationautoscaling/types"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	asgtypes "github.com/aws/aws-sdk-go-v2/service/autoscaling/types"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
)

// Groups are the account's Auto Scaling groups.
type Groups struct {
	cloud *Cloud
	Named map[string]*Group
}

// Group is an Auto Scaling group.
type Group struct {
	Members      []string
	Desired, Max int32
	TargetGroups []string
}

// NewGroups adds Auto Scaling to the cloud.
func NewGroups(c *Cloud) *Groups {
	g := &Groups{cloud: c, Named: map[string]*Group{}}
	On(c, "Auto Scaling", g.instances)
	On(c, "Auto Scaling", g.describe)
	On(c, "Auto Scaling", g.detach)
	On(c, "Auto Scaling", g.attach)
	return g
}

func (g *Groups) instances(in *autoscaling.DescribeAutoScalingInstancesInput) (*autoscaling.DescribeAutoScalingInstancesOutput, error) {
	if n := len(in.InstanceIds); n == 0 || n > 50 {
		return nil, g.cloud.refuse(Invalid("%d instances, 1 to 50 are allowed", n))
	}
	out := &autoscaling.DescribeAutoScalingInstancesOutput{}
	for name, group := range g.Named {
		for _, id := range in.InstanceIds {
			if slices.Contains(group.Members, id) {
				out.AutoScalingInstances = append(out.AutoScalingInstances, asgtypes.AutoScalingInstanceDetails{
					AutoScalingGroupName: &name, InstanceId: &id, LifecycleState: aws.String("InService"),
				})
			}
		}
	}
	return out, nil
}

func (g *Groups) describe(in *autoscaling.DescribeAutoScalingGroupsInput) (*autoscaling.DescribeAutoScalingGroupsOutput, error) {
	out := &autoscaling.DescribeAutoScalingGroupsOutput{}
	for _, name := range in.AutoScalingGroupNames {
		if group := g.Named[name]; group != nil {
			described := asgtypes.AutoScalingGroup{
				AutoScalingGroupName: &name, DesiredCapacity: aws.Int32(group.Desired), MaxSize: aws.Int32(group.Max), TargetGroupARNs: group.TargetGroups,
			}
			for _, id := range group.Members {
				described.Instances = append(described.Instances, asgtypes.Instance{InstanceId: &id})
			}
			out.AutoScalingGroups = append(out.AutoScalingGroups, described)
		}
	}
	return out, nil
}

func (g *Groups) detach(in *autoscaling.DetachInstancesInput) (*autoscaling.DetachInstancesOutput, error) {
	group := g.Named[*in.AutoScalingGroupName]
	for _, id := range in.InstanceIds {
		if group == nil || !slices.Contains(group.Members, id) {
			return nil, Invalid("The instance %s is not part of Auto Scaling group %s.", id, *in.AutoScalingGroupName)
		}
		group.Members = slices.DeleteFunc(group.Members, func(m string) bool { return m == id })
		if aws.ToBool(in.ShouldDecrementDesiredCapacity) {
			group.Desired--
		} else {
			group.Members = append(group.Members, "i-replacement-of-"+id)
		}
	}
	return &autoscaling.DetachInstancesOutput{}, nil
}

func (g *Groups) attach(in *autoscaling.AttachInstancesInput) (*autoscaling.AttachInstancesOutput, error) {
	group := g.Named[*in.AutoScalingGroupName]
	for _, id := range in.InstanceIds {
		switch {
		case group == nil:
			return nil, Invalid("AutoScalingGroup name not found - %s", *in.AutoScalingGroupName)
		case slices.Contains(group.Members, id):
			return nil, Invalid("Instance %s is already part of AutoScalingGroup", id)
		case group.Desired >= group.Max:
			return nil, Invalid("attaching would exceed the maximum size")
		}
		group.Members = append(group.Members, id)
		group.Desired++
	}
	return &autoscaling.AttachInstancesOutput{}, nil
}

// Scalable are the scalable targets of Application Auto Scaling, by resource ID.
type Scalable struct {
	cloud   *Cloud
	Targets map[string]*scalingtypes.ScalableTarget
}

// NewScalable adds Application Auto Scaling to the cloud.
func NewScalable(c *Cloud) *Scalable {
	s := &Scalable{cloud: c, Targets: map[string]*scalingtypes.ScalableTarget{}}
	On(c, "Application Auto Scaling", s.describe)
	On(c, "Application Auto Scaling", s.register)
	return s
}

func (s *Scalable) describe(in *applicationautoscaling.DescribeScalableTargetsInput) (*applicationautoscaling.DescribeScalableTargetsOutput, error) {
	if in.ServiceNamespace != scalingtypes.ServiceNamespaceEcs || len(in.ResourceIds) > 50 {
		return nil, s.cloud.refuse(&scalingtypes.ValidationException{Message: aws.String("namespace or resources")})
	}
	out := &applicationautoscaling.DescribeScalableTargetsOutput{}
	for _, id := range in.ResourceIds {
		if t := s.Targets[id]; t != nil {
			out.ScalableTargets = append(out.ScalableTargets, *t)
		}
	}
	return out, nil
}

func (s *Scalable) register(in *applicationautoscaling.RegisterScalableTargetInput) (*applicationautoscaling.RegisterScalableTargetOutput, error) {
	t := s.Targets[*in.ResourceId]
	if t == nil {
		if in.MinCapacity == nil || in.MaxCapacity == nil {
			return nil, s.cloud.refuse(&scalingtypes.ValidationException{Message: aws.String("a new target needs both capacities")})
		}
		t = &scalingtypes.ScalableTarget{ResourceId: in.ResourceId}
		s.Targets[*in.ResourceId] = t
	}
	if in.MinCapacity != nil {
		t.MinCapacity = in.MinCapacity
	}
	if in.MaxCapacity != nil {
		t.MaxCapacity = in.MaxCapacity
	}
	if in.SuspendedState != nil {
		t.SuspendedState = in.SuspendedState
	}
	if *t.MinCapacity > *t.MaxCapacity || *t.MinCapacity < 0 {
		return nil, s.cloud.refuse(&scalingtypes.ValidationException{Message: aws.String("Maximum capacity cannot be less than minimum capacity")})
	}
	return &applicationautoscaling.RegisterScalableTargetOutput{}, nil
}

// Registrations are what is registered in an ELB's target groups.
type Registrations struct {
	cloud *Cloud
	elb   *ELB
	In    map[string][]elbtypes.TargetDescription // ARN → targets
}

// NewRegistrations adds the calls for targets to the cloud, and lets DescribeTargetGroups list them all.
func NewRegistrations(c *Cloud, e *ELB) *Registrations {
	r := &Registrations{cloud: c, elb: e, In: map[string][]elbtypes.TargetDescription{}}
	On(c, elbID, func(in *elb.DescribeTargetGroupsInput) (*elb.DescribeTargetGroupsOutput, error) {
		if len(in.TargetGroupArns) > 0 {
			return e.describeTargetGroups(in)
		}
		size := int(aws.ToInt32(in.PageSize))
		if size < 1 || size > 400 {
			return nil, c.refuse(Invalid("page size %d", size))
		}
		part, next, err := page(c, e.TargetGroups, in.Marker, min(size, e.RulePage))
		return &elb.DescribeTargetGroupsOutput{TargetGroups: part, NextMarker: next}, err
	})
	On(c, elbID, func(in *elb.DescribeTargetHealthInput) (*elb.DescribeTargetHealthOutput, error) {
		if !e.HasTargetGroup(*in.TargetGroupArn) {
			return nil, &elbtypes.TargetGroupNotFoundException{}
		}
		out := &elb.DescribeTargetHealthOutput{}
		for _, t := range r.In[*in.TargetGroupArn] {
			out.TargetHealthDescriptions = append(out.TargetHealthDescriptions, elbtypes.TargetHealthDescription{Target: &t})
		}
		return out, nil
	})
	On(c, elbID, func(in *elb.DeregisterTargetsInput) (*elb.DeregisterTargetsOutput, error) {
		if !e.HasTargetGroup(*in.TargetGroupArn) {
			return nil, &elbtypes.TargetGroupNotFoundException{}
		}
		for _, t := range in.Targets {
			r.In[*in.TargetGroupArn] = slices.DeleteFunc(r.In[*in.TargetGroupArn], func(have elbtypes.TargetDescription) bool { return same(have, t) })
		}
		return &elb.DeregisterTargetsOutput{}, nil
	})
	On(c, elbID, func(in *elb.RegisterTargetsInput) (*elb.RegisterTargetsOutput, error) {
		if !e.HasTargetGroup(*in.TargetGroupArn) {
			return nil, &elbtypes.TargetGroupNotFoundException{}
		}
		for _, t := range in.Targets {
			if !slices.ContainsFunc(r.In[*in.TargetGroupArn], func(have elbtypes.TargetDescription) bool { return same(have, t) }) {
				r.In[*in.TargetGroupArn] = append(r.In[*in.TargetGroupArn], t)
				slices.SortFunc(r.In[*in.TargetGroupArn], func(a, b elbtypes.TargetDescription) int { return strings.Compare(*a.Id, *b.Id) })
			}
		}
		return &elb.RegisterTargetsOutput{}, nil
	})
	return r
}

func same(a, b elbtypes.TargetDescription) bool {
	return aws.ToString(a.Id) == aws.ToString(b.Id) && aws.ToInt32(a.Port) == aws.ToInt32(b.Port)
}
