package remedy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"slipway/internal/contract"
	"slipway/lambdas/threatresponse/decide"
	"slipway/lambdas/threatresponse/finding"
)

type instanceCalls interface {
	DescribeInstances(context.Context, *ec2.DescribeInstancesInput, ...func(*ec2.Options)) (*ec2.DescribeInstancesOutput, error)
	DescribeSecurityGroups(context.Context, *ec2.DescribeSecurityGroupsInput, ...func(*ec2.Options)) (*ec2.DescribeSecurityGroupsOutput, error)
	CreateSecurityGroup(context.Context, *ec2.CreateSecurityGroupInput, ...func(*ec2.Options)) (*ec2.CreateSecurityGroupOutput, error)
	DeleteSecurityGroup(context.Context, *ec2.DeleteSecurityGroupInput, ...func(*ec2.Options)) (*ec2.DeleteSecurityGroupOutput, error)
	RevokeSecurityGroupEgress(context.Context, *ec2.RevokeSecurityGroupEgressInput, ...func(*ec2.Options)) (*ec2.RevokeSecurityGroupEgressOutput, error)
	RevokeSecurityGroupIngress(context.Context, *ec2.RevokeSecurityGroupIngressInput, ...func(*ec2.Options)) (*ec2.RevokeSecurityGroupIngressOutput, error)
	ModifyNetworkInterfaceAttribute(context.Context, *ec2.ModifyNetworkInterfaceAttributeInput, ...func(*ec2.Options)) (*ec2.ModifyNetworkInterfaceAttributeOutput, error)
	DescribeSnapshots(context.Context, *ec2.DescribeSnapshotsInput, ...func(*ec2.Options)) (*ec2.DescribeSnapshotsOutput, error)
	CreateSnapshots(context.Context, *ec2.CreateSnapshotsInput, ...func(*ec2.Options)) (*ec2.CreateSnapshotsOutput, error)
	CreateTags(context.Context, *ec2.CreateTagsInput, ...func(*ec2.Options)) (*ec2.CreateTagsOutput, error)
	DeleteTags(context.Context, *ec2.DeleteTagsInput, ...func(*ec2.Options)) (*ec2.DeleteTagsOutput, error)
}

// AutoScaling are the calls for instances that belong to an Auto Scaling group.
type AutoScaling interface {
	DescribeAutoScalingInstances(context.Context, *autoscaling.DescribeAutoScalingInstancesInput, ...func(*autoscaling.Options)) (*autoscaling.DescribeAutoScalingInstancesOutput, error)
	DescribeAutoScalingGroups(context.Context, *autoscaling.DescribeAutoScalingGroupsInput, ...func(*autoscaling.Options)) (*autoscaling.DescribeAutoScalingGroupsOutput, error)
	DetachInstances(context.Context, *autoscaling.DetachInstancesInput, ...func(*autoscaling.Options)) (*autoscaling.DetachInstancesOutput, error)
	AttachInstances(context.Context, *autoscaling.AttachInstancesInput, ...func(*autoscaling.Options)) (*autoscaling.AttachInstancesOutput, error)
}

// ELB are the calls for instances behind a load balancer.
type ELB interface {
	DescribeTargetGroups(context.Context, *elb.DescribeTargetGroupsInput, ...func(*elb.Options)) (*elb.DescribeTargetGroupsOutput, error)
	DescribeTargetHealth(context.Context, *elb.DescribeTargetHealthInput, ...func(*elb.Options)) (*elb.DescribeTargetHealthOutput, error)
	DeregisterTargets(context.Context, *elb.DeregisterTargetsInput, ...func(*elb.Options)) (*elb.DeregisterTargetsOutput, error)
	RegisterTargets(context.Context, *elb.RegisterTargetsInput, ...func(*elb.Options)) (*elb.RegisterTargetsOutput, error)
}

// instance cuts an EC2 instance off the network and keeps its evidence. Its Auto Scaling group would replace and terminate it,
// so it leaves that first, and the group starts another in its place.
type instance struct {
	ec2         instanceCalls
	autoscaling AutoScaling
	elb         ELB
	Settings
}

type instanceBefore struct {
	VPC        string             `json:"vpc"`
	Interfaces []interfaceBefore  `json:"interfaces"`
	Group      string             `json:"autoScalingGroup,omitempty"`
	Targets    []registeredTarget `json:"targets,omitempty"`
	Volumes    int                `json:"volumes"`
}

type interfaceBefore struct {
	ID     string   `json:"id"`
	Groups []string `json:"groups"`
}

// registeredTarget is the instance in a target group.
type registeredTarget struct {
	Group   string `json:"group"` // ARN
	ID      string `json:"id"`    // of the instance, or one of its addresses
	Port    int32  `json:"port,omitempty"`
	Zone    string `json:"zone,omitempty"`
	Managed bool   `json:"managed,omitempty"` // by the Auto Scaling group, which registers what it is given
}

func (instance) Action() string { return contract.ActionIsolateInstance }

func (instance) Families() []finding.Family { return []finding.Family{finding.EC2, finding.Runtime} }

func (instance) Targets(f finding.Finding, _ decide.Place) ([]decide.Target, []decide.Spared) {
	// A finding in a container also names the instance below it, which runs other tasks too.
	if f.Instance == nil || f.Cluster != nil || f.Resource != "" && f.Resource != "Instance" {
		return nil, nil
	}
	return []decide.Target{{Kind: "instance", ID: f.Instance.ID, Detail: exemptDetail(f.Instance.Tags)}}, nil
}

func (r instance) Capture(ctx context.Context, w Work) (json.RawMessage, error) {
	id := w.Target.ID
	out, err := r.ec2.DescribeInstances(ctx, &ec2.DescribeInstancesInput{InstanceIds: []string{id}})
	switch {
	case hasCode(err, "InvalidInstanceID.NotFound", "InvalidInstanceID.Malformed"):
		return nil, &Spare{"the instance isn't there any more"}
	case err != nil:
		return nil, fmt.Errorf("look at instance %s: %w", id, err)
	case len(out.Reservations) == 0 || len(out.Reservations[0].Instances) == 0:
		return nil, &Spare{"the instance isn't there any more"}
	}
	i := out.Reservations[0].Instances[0]
	if i.State != nil && (i.State.Name == ec2types.InstanceStateNameTerminated || i.State.Name == ec2types.InstanceStateNameShuttingDown) {
		return nil, &Spare{"the instance is " + string(i.State.Name)}
	}
	for _, t := range i.Tags {
		if aws.ToString(t.Key) == contract.TagResponse && aws.ToString(t.Value) == contract.ResponseExempt {
			return nil, exempt()
		}
	}
	before := instanceBefore{VPC: aws.ToString(i.VpcId), Volumes: len(i.BlockDeviceMappings)}
	addresses := []string{id}
	for _, n := range i.NetworkInterfaces {
		kept := interfaceBefore{ID: aws.ToString(n.NetworkInterfaceId), Groups: []string{}}
		for _, g := range n.Groups {
			kept.Groups = append(kept.Groups, aws.ToString(g.GroupId))
		}
		before.Interfaces = append(before.Interfaces, kept)
		for _, a := range n.PrivateIpAddresses {
			addresses = append(addresses, aws.ToString(a.PrivateIpAddress))
		}
	}
	managed, err := r.groupOf(ctx, id, &before)
	if err != nil {
		return nil, err
	}
	if err := r.registrations(ctx, addresses, managed, &before); err != nil {
		return nil, err
	}
	return remember(before)
}

// groupOf finds the instance's Auto Scaling group and the target groups that it keeps.
func (r instance) groupOf(ctx context.Context, id string, before *instanceBefore) ([]string, error) {
	out, err := r.autoscaling.DescribeAutoScalingInstances(ctx, &autoscaling.DescribeAutoScalingInstancesInput{InstanceIds: []string{id}})
	if err != nil {
		return nil, fmt.Errorf("look for the Auto Scaling group of %s: %w", id, err)
	}
	if len(out.AutoScalingInstances) == 0 {
		return nil, nil
	}
	before.Group = aws.ToString(out.AutoScalingInstances[0].AutoScalingGroupName)
	groups, err := r.autoscaling.DescribeAutoScalingGroups(ctx, &autoscaling.DescribeAutoScalingGroupsInput{AutoScalingGroupNames: []string{before.Group}})
	if err != nil {
		return nil, fmt.Errorf("look at Auto Scaling group %s: %w", before.Group, err)
	}
	if len(groups.AutoScalingGroups) == 0 {
		return nil, nil
	}
	return groups.AutoScalingGroups[0].TargetGroupARNs, nil
}

// registrations finds the target groups of the VPC in which the instance is. There is no call that answers this at once.
func (r instance) registrations(ctx context.Context, ids, managed []string, before *instanceBefore) error {
	in := &elb.DescribeTargetGroupsInput{PageSize: aws.Int32(400)}
	for {
		page, err := r.elb.DescribeTargetGroups(ctx, in)
		if err != nil {
			return fmt.Errorf("list the target groups: %w", err)
		}
		for _, g := range page.TargetGroups {
			if aws.ToString(g.VpcId) != before.VPC {
				continue
			}
			health, err := r.elb.DescribeTargetHealth(ctx, &elb.DescribeTargetHealthInput{TargetGroupArn: g.TargetGroupArn})
			var gone *elbtypes.TargetGroupNotFoundException
			if errors.As(err, &gone) {
				continue
			}
			if err != nil {
				return fmt.Errorf("look at target group %s: %w", aws.ToString(g.TargetGroupArn), err)
			}
			for _, d := range health.TargetHealthDescriptions {
				if d.Target != nil && slices.Contains(ids, aws.ToString(d.Target.Id)) {
					before.Targets = append(before.Targets, registeredTarget{
						Group: aws.ToString(g.TargetGroupArn), ID: aws.ToString(d.Target.Id), Port: aws.ToInt32(d.Target.Port),
						Zone: aws.ToString(d.Target.AvailabilityZone), Managed: slices.Contains(managed, aws.ToString(g.TargetGroupArn)),
					})
				}
			}
		}
		if aws.ToString(page.NextMarker) == "" {
			return nil
		}
		in.Marker = page.NextMarker
	}
}

func (r instance) Apply(ctx context.Context, w Work) ([]string, error) {
	before, err := recall[instanceBefore](w)
	if err != nil {
		return nil, err
	}
	var notes []string
	note := func(format string, args ...any) { notes = append(notes, fmt.Sprintf(format, args...)) }

	if before.Group != "" {
		left, err := r.leaveGroup(ctx, before.Group, w.Target.ID)
		if err != nil {
			return notes, err
		}
		note("%s", left)
	}
	for _, t := range before.Targets {
		if err := r.deregister(ctx, t); err != nil {
			return notes, err
		}
		note("left target group %s", nameOf(t.Group))
	}
	quarantine, err := r.quarantineGroup(ctx, before.VPC, w)
	if err != nil {
		return notes, err
	}
	for _, n := range before.Interfaces {
		err := r.setGroups(ctx, n.ID, []string{quarantine})
		switch {
		case hasCode(err, "InvalidNetworkInterfaceID.NotFound"):
			note("network interface %s isn't there any more", n.ID)
		case err != nil:
			return notes, err
		default:
			note("network interface %s: only %s (was %s)", n.ID, quarantine, strings.Join(n.Groups, ", "))
		}
	}
	snapshots, err := r.snapshots(ctx, w, before)
	if err != nil {
		return notes, err
	}
	notes = append(notes, snapshots...)
	if _, err := r.ec2.CreateTags(ctx, &ec2.CreateTagsInput{
		Resources: []string{w.Target.ID}, Tags: []ec2types.Tag{{Key: aws.String(contract.TagQuarantine), Value: aws.String(w.Mark())}},
	}); err != nil {
		return notes, fmt.Errorf("tag instance %s: %w", w.Target.ID, err)
	}
	note("connections that were open may live on until they are idle; stop the instance to end them at once, which loses its memory")
	return notes, nil
}

// leaveGroup detaches the instance. The group's desired capacity stays, so the group starts another.
func (r instance) leaveGroup(ctx context.Context, group, id string) (string, error) {
	_, err := r.autoscaling.DetachInstances(ctx, &autoscaling.DetachInstancesInput{
		AutoScalingGroupName: &group, InstanceIds: []string{id}, ShouldDecrementDesiredCapacity: aws.Bool(false),
	})
	if hasCode(err, "ValidationError") {
		// It says so for an instance that has left already, and for one that can't leave just now.
		member, looked := r.autoscaling.DescribeAutoScalingInstances(ctx, &autoscaling.DescribeAutoScalingInstancesInput{InstanceIds: []string{id}})
		if looked == nil && (len(member.AutoScalingInstances) == 0 || strings.HasPrefix(aws.ToString(member.AutoScalingInstances[0].LifecycleState), "Detach")) {
			return "Auto Scaling group " + group + " has it no more", nil
		}
	}
	if err != nil {
		return "", fmt.Errorf("detach instance %s from Auto Scaling group %s: %w", id, group, err)
	}
	return "detached from Auto Scaling group " + group + ", which starts another", nil
}

func (r instance) deregister(ctx context.Context, t registeredTarget) error {
	_, err := r.elb.DeregisterTargets(ctx, &elb.DeregisterTargetsInput{TargetGroupArn: &t.Group, Targets: []elbtypes.TargetDescription{t.description()}})
	var gone *elbtypes.TargetGroupNotFoundException
	var not *elbtypes.InvalidTargetException
	if err != nil && !errors.As(err, &gone) && !errors.As(err, &not) {
		return fmt.Errorf("take %s out of target group %s: %w", t.ID, t.Group, err)
	}
	return nil
}

func (t registeredTarget) description() elbtypes.TargetDescription {
	d := elbtypes.TargetDescription{Id: aws.String(t.ID)}
	if t.Port != 0 {
		d.Port = aws.Int32(t.Port)
	}
	if t.Zone != "" {
		d.AvailabilityZone = aws.String(t.Zone)
	}
	return d
}

// quarantineGroup finds or creates the VPC's quarantine group and takes every rule out of it: a new group may send anywhere.
func (r instance) quarantineGroup(ctx context.Context, vpc string, w Work) (string, error) {
	name := contract.QuarantineGroup(r.Platform)
	find := &ec2.DescribeSecurityGroupsInput{Filters: []ec2types.Filter{
		{Name: aws.String("vpc-id"), Values: []string{vpc}}, {Name: aws.String("group-name"), Values: []string{name}},
	}}
	for attempt := 0; ; attempt++ {
		out, err := r.ec2.DescribeSecurityGroups(ctx, find)
		if err != nil {
			return "", fmt.Errorf("look for the quarantine group of %s: %w", vpc, err)
		}
		if len(out.SecurityGroups) > 0 {
			return aws.ToString(out.SecurityGroups[0].GroupId), r.closeGroup(ctx, out.SecurityGroups[0])
		}
		if attempt == 0 {
			_, err := r.ec2.CreateSecurityGroup(ctx, &ec2.CreateSecurityGroupInput{
				GroupName: &name, VpcId: &vpc, Description: aws.String("Isolated instances: nothing in, nothing out"),
				TagSpecifications: []ec2types.TagSpecification{{ResourceType: ec2types.ResourceTypeSecurityGroup, Tags: []ec2types.Tag{
					{Key: aws.String("Name"), Value: &name}, {Key: aws.String(contract.TagQuarantine), Value: aws.String(w.ID)},
				}}},
			})
			if err != nil && !hasCode(err, "InvalidGroup.Duplicate") {
				return "", fmt.Errorf("create the quarantine group of %s: %w", vpc, err)
			}
			continue
		}
		// A new group may take a moment to be seen.
		if attempt > 5 {
			return "", fmt.Errorf("the quarantine group of %s was created and can't be seen", vpc)
		}
		if err := r.Sleep(ctx, time.Duration(attempt)*500*time.Millisecond); err != nil {
			return "", err
		}
	}
}

func (r instance) closeGroup(ctx context.Context, g ec2types.SecurityGroup) error {
	if len(g.IpPermissionsEgress) > 0 {
		_, err := r.ec2.RevokeSecurityGroupEgress(ctx, &ec2.RevokeSecurityGroupEgressInput{GroupId: g.GroupId, IpPermissions: g.IpPermissionsEgress})
		if err != nil && !hasCode(err, "InvalidPermission.NotFound") {
			return fmt.Errorf("close the way out of %s: %w", aws.ToString(g.GroupId), err)
		}
	}
	if len(g.IpPermissions) > 0 {
		_, err := r.ec2.RevokeSecurityGroupIngress(ctx, &ec2.RevokeSecurityGroupIngressInput{GroupId: g.GroupId, IpPermissions: g.IpPermissions})
		if err != nil && !hasCode(err, "InvalidPermission.NotFound") {
			return fmt.Errorf("close the way into %s: %w", aws.ToString(g.GroupId), err)
		}
	}
	return nil
}

func (r instance) setGroups(ctx context.Context, id string, groups []string) error {
	_, err := r.ec2.ModifyNetworkInterfaceAttribute(ctx, &ec2.ModifyNetworkInterfaceAttributeInput{NetworkInterfaceId: &id, Groups: groups})
	if err != nil {
		return fmt.Errorf("give network interface %s the security groups %s: %w", id, strings.Join(groups, ", "), err)
	}
	return nil
}

// snapshots are all volumes at one moment. An interrupted attempt may have made them; their tag tells.
func (r instance) snapshots(ctx context.Context, w Work, before instanceBefore) ([]string, error) {
	if before.Volumes == 0 {
		return []string{"no snapshot: the instance has no EBS volume"}, nil
	}
	made, err := r.ec2.DescribeSnapshots(ctx, &ec2.DescribeSnapshotsInput{
		OwnerIds: []string{"self"},
		Filters:  []ec2types.Filter{{Name: aws.String("tag:" + contract.TagQuarantine), Values: []string{w.Mark()}}},
	})
	if err != nil {
		return nil, fmt.Errorf("look for snapshots of %s: %w", w.Target.ID, err)
	}
	var ids []string
	for _, s := range made.Snapshots {
		ids = append(ids, aws.ToString(s.SnapshotId))
	}
	if len(ids) == 0 {
		out, err := r.ec2.CreateSnapshots(ctx, &ec2.CreateSnapshotsInput{
			InstanceSpecification: &ec2types.InstanceSpecification{InstanceId: aws.String(w.Target.ID)},
			Description:           aws.String("Evidence of " + w.Target.ID + ", ledger entry " + w.ID),
			TagSpecifications: []ec2types.TagSpecification{{ResourceType: ec2types.ResourceTypeSnapshot, Tags: []ec2types.Tag{
				{Key: aws.String(contract.TagQuarantine), Value: aws.String(w.Mark())},
			}}},
		})
		if err != nil {
			return nil, fmt.Errorf("snapshot the volumes of %s: %w", w.Target.ID, err)
		}
		for _, s := range out.Snapshots {
			ids = append(ids, aws.ToString(s.SnapshotId))
		}
	}
	return []string{"evidence: " + strings.Join(ids, ", ")}, nil
}

func (r instance) Undo(ctx context.Context, w Work) ([]string, error) {
	before, err := recall[instanceBefore](w)
	if err != nil {
		return nil, err
	}
	var notes []string
	note := func(format string, args ...any) { notes = append(notes, fmt.Sprintf(format, args...)) }
	for _, n := range before.Interfaces {
		err := r.setGroups(ctx, n.ID, n.Groups)
		switch {
		case hasCode(err, "InvalidNetworkInterfaceID.NotFound"):
			note("network interface %s isn't there any more", n.ID)
		case err != nil:
			return notes, err
		default:
			note("network interface %s: %s again", n.ID, strings.Join(n.Groups, ", "))
		}
	}
	attached := false
	if before.Group != "" {
		var said string
		if attached, said, err = r.rejoin(ctx, before.Group, w.Target.ID); err != nil {
			return notes, err
		}
		note("%s", said)
	}
	for _, t := range before.Targets {
		if t.Managed && attached {
			continue // the group registers it
		}
		_, err := r.elb.RegisterTargets(ctx, &elb.RegisterTargetsInput{TargetGroupArn: &t.Group, Targets: []elbtypes.TargetDescription{t.description()}})
		var gone *elbtypes.TargetGroupNotFoundException
		var not *elbtypes.InvalidTargetException
		switch {
		case errors.As(err, &gone), errors.As(err, &not):
			note("target group %s takes it no more", nameOf(t.Group))
		case err != nil:
			return notes, fmt.Errorf("put %s back into target group %s: %w", t.ID, t.Group, err)
		default:
			note("back in target group %s", nameOf(t.Group))
		}
	}
	if _, err := r.ec2.DeleteTags(ctx, &ec2.DeleteTagsInput{
		Resources: []string{w.Target.ID}, Tags: []ec2types.Tag{{Key: aws.String(contract.TagQuarantine)}},
	}); err != nil && !hasCode(err, "InvalidInstanceID.NotFound", "InvalidID") {
		return notes, fmt.Errorf("take the tag off instance %s: %w", w.Target.ID, err)
	}
	return append(notes, "the snapshots stay as evidence"), r.dropGroup(ctx, before.VPC)
}

// rejoin attaches the instance to its Auto Scaling group, if the group has room: attaching raises the desired capacity, for
// the group has another in its place.
func (r instance) rejoin(ctx context.Context, group, id string) (bool, string, error) {
	out, err := r.autoscaling.DescribeAutoScalingGroups(ctx, &autoscaling.DescribeAutoScalingGroupsInput{AutoScalingGroupNames: []string{group}})
	if err != nil {
		return false, "", fmt.Errorf("look at Auto Scaling group %s: %w", group, err)
	}
	if len(out.AutoScalingGroups) == 0 {
		return false, "Auto Scaling group " + group + " isn't there any more", nil
	}
	g := out.AutoScalingGroups[0]
	for _, member := range g.Instances {
		if aws.ToString(member.InstanceId) == id {
			return true, "in Auto Scaling group " + group, nil
		}
	}
	if aws.ToInt32(g.DesiredCapacity) >= aws.ToInt32(g.MaxSize) {
		return false, "Auto Scaling group " + group + " is full: attach the instance by hand, or terminate it", nil
	}
	if _, err := r.autoscaling.AttachInstances(ctx, &autoscaling.AttachInstancesInput{AutoScalingGroupName: &group, InstanceIds: []string{id}}); err != nil {
		if hasCode(err, "ValidationError") {
			return false, "Auto Scaling group " + group + " takes it no more: " + err.Error(), nil
		}
		return false, "", fmt.Errorf("attach instance %s to Auto Scaling group %s: %w", id, group, err)
	}
	return true, fmt.Sprintf("back in Auto Scaling group %s, whose desired capacity is now %d: its replacement runs too", group, aws.ToInt32(g.DesiredCapacity)+1), nil
}

// dropGroup deletes the quarantine group unless another instance is in it.
func (r instance) dropGroup(ctx context.Context, vpc string) error {
	out, err := r.ec2.DescribeSecurityGroups(ctx, &ec2.DescribeSecurityGroupsInput{Filters: []ec2types.Filter{
		{Name: aws.String("vpc-id"), Values: []string{vpc}}, {Name: aws.String("group-name"), Values: []string{contract.QuarantineGroup(r.Platform)}},
	}})
	if err != nil {
		return fmt.Errorf("look for the quarantine group of %s: %w", vpc, err)
	}
	for _, g := range out.SecurityGroups {
		_, err := r.ec2.DeleteSecurityGroup(ctx, &ec2.DeleteSecurityGroupInput{GroupId: g.GroupId})
		if err != nil && !hasCode(err, "DependencyViolation", "InvalidGroup.NotFound", "InvalidGroup.InUse") {
			return fmt.Errorf("delete the quarantine group of %s: %w", vpc, err)
		}
	}
	return nil
}

// nameOf is a target group's name, of its ARN …:targetgroup/<name>/<id>.
func nameOf(arn string) string {
	parts := strings.Split(arn, "/")
	if len(parts) < 3 {
		return arn
	}
	return parts[len(parts)-2]
}
