package fakeaws

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/smithy-go"
)

// EC2 is the account's instances, their network interfaces, security groups and snapshots.
type EC2 struct {
	cloud *Cloud

	Instances map[string]*Instance
	Groups    map[string]*SecurityGroup
	Snapshots map[string]map[string]string // ID → tags
	Unseen    int                          // that many times a new security group isn't shown yet
	PublicIPs map[string]string            // address → network interface
	counter   int
}

// Instance is what a test says about an instance.
type Instance struct {
	VPC        string
	State      ec2types.InstanceStateName
	Interfaces map[string][]string // ID → security groups
	PrivateIP  string
	Volumes    int
	Tags       map[string]string
}

// SecurityGroup is a security group.
type SecurityGroup struct {
	Name, VPC string
	Egress    []ec2types.IpPermission
	Ingress   []ec2types.IpPermission
	Tags      map[string]string
}

// NewEC2 adds EC2 to the cloud.
func NewEC2(c *Cloud) *EC2 {
	e := &EC2{
		cloud: c, Instances: map[string]*Instance{}, Groups: map[string]*SecurityGroup{}, Snapshots: map[string]map[string]string{}, PublicIPs: map[string]string{},
	}
	On(c, "EC2", e.describeInstances)
	On(c, "EC2", e.describeGroups)
	On(c, "EC2", e.createGroup)
	On(c, "EC2", e.deleteGroup)
	On(c, "EC2", e.revokeEgress)
	On(c, "EC2", e.revokeIngress)
	On(c, "EC2", e.modifyInterface)
	On(c, "EC2", e.describeInterfaces)
	On(c, "EC2", e.describeSnapshots)
	On(c, "EC2", e.createSnapshots)
	On(c, "EC2", e.createTags)
	On(c, "EC2", e.deleteTags)
	return e
}

// coded is an error of EC2, whose errors have codes and no types.
func coded(code, format string, args ...any) error {
	return &smithy.GenericAPIError{Code: code, Message: fmt.Sprintf(format, args...)}
}

func (e *EC2) next(prefix string) string {
	e.counter++
	return fmt.Sprintf("%s-%017d", prefix, e.counter)
}

func ec2Tags(tags map[string]string) (out []ec2types.Tag) {
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		out = append(out, ec2types.Tag{Key: aws.String(k), Value: aws.String(tags[k])})
	}
	return out
}

func (e *EC2) describeInstances(in *ec2.DescribeInstancesInput) (*ec2.DescribeInstancesOutput, error) {
	if len(in.InstanceIds) == 0 {
		return nil, e.cloud.refuse(coded("MissingParameter", "the fake wants instance IDs"))
	}
	out := &ec2.DescribeInstancesOutput{}
	for _, id := range in.InstanceIds {
		i, ok := e.Instances[id]
		if !ok {
			return nil, coded("InvalidInstanceID.NotFound", "The instance ID '%s' does not exist", id)
		}
		instance := ec2types.Instance{
			InstanceId: &id, State: &ec2types.InstanceState{Name: i.State}, Tags: ec2Tags(i.Tags),
		}
		if i.State != ec2types.InstanceStateNameTerminated { // a terminated one has lost all of these
			instance.VpcId = &i.VPC
			instance.BlockDeviceMappings = make([]ec2types.InstanceBlockDeviceMapping, i.Volumes)
			for _, n := range slices.Sorted(maps.Keys(i.Interfaces)) {
				ni := ec2types.InstanceNetworkInterface{NetworkInterfaceId: &n, PrivateIpAddresses: []ec2types.InstancePrivateIpAddress{{PrivateIpAddress: &i.PrivateIP}}}
				for _, g := range i.Interfaces[n] {
					ni.Groups = append(ni.Groups, ec2types.GroupIdentifier{GroupId: &g})
				}
				instance.NetworkInterfaces = append(instance.NetworkInterfaces, ni)
			}
		}
		out.Reservations = append(out.Reservations, ec2types.Reservation{Instances: []ec2types.Instance{instance}})
	}
	return out, nil
}

func filter(filters []ec2types.Filter, name string) string {
	for _, f := range filters {
		if aws.ToString(f.Name) == name && len(f.Values) == 1 {
			return f.Values[0]
		}
	}
	return ""
}

func (e *EC2) describeGroups(in *ec2.DescribeSecurityGroupsInput) (*ec2.DescribeSecurityGroupsOutput, error) {
	vpc, name := filter(in.Filters, "vpc-id"), filter(in.Filters, "group-name")
	if vpc == "" || name == "" {
		return nil, e.cloud.refuse(coded("InvalidParameterValue", "the fake wants vpc-id and group-name"))
	}
	out := &ec2.DescribeSecurityGroupsOutput{}
	for id, g := range e.Groups {
		if g.VPC == vpc && g.Name == name {
			if e.Unseen > 0 {
				e.Unseen--
				continue
			}
			out.SecurityGroups = append(out.SecurityGroups, ec2types.SecurityGroup{
				GroupId: &id, GroupName: &g.Name, VpcId: &g.VPC, IpPermissions: g.Ingress, IpPermissionsEgress: g.Egress, Tags: ec2Tags(g.Tags),
			})
		}
	}
	return out, nil
}

// createGroup gives the new group the rule that every new group has: everything may go out.
func (e *EC2) createGroup(in *ec2.CreateSecurityGroupInput) (*ec2.CreateSecurityGroupOutput, error) {
	name, description := aws.ToString(in.GroupName), aws.ToString(in.Description)
	legal := func(s string) bool {
		const others = " ._-:/()#,@[]+=&;{}!$*"
		for _, r := range s {
			if letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'; !letter && (r < '0' || r > '9') && !strings.ContainsRune(others, r) {
				return false
			}
		}
		return s != "" && len(s) <= 255
	}
	if !legal(name) || !legal(description) || strings.HasPrefix(name, "sg-") || aws.ToString(in.VpcId) == "" {
		return nil, e.cloud.refuse(coded("InvalidParameterValue", "name %q, description %q", name, description))
	}
	for _, g := range e.Groups {
		if g.VPC == *in.VpcId && g.Name == name {
			return nil, coded("InvalidGroup.Duplicate", "The security group '%s' already exists for VPC '%s'", name, *in.VpcId)
		}
	}
	g := &SecurityGroup{Name: name, VPC: *in.VpcId, Tags: specified(in.TagSpecifications, ec2types.ResourceTypeSecurityGroup), Egress: []ec2types.IpPermission{
		{IpProtocol: aws.String("-1"), IpRanges: []ec2types.IpRange{{CidrIp: aws.String("0.0.0.0/0")}}},
	}}
	id := e.next("sg")
	e.Groups[id] = g
	return &ec2.CreateSecurityGroupOutput{GroupId: &id}, nil
}

func specified(specs []ec2types.TagSpecification, of ec2types.ResourceType) map[string]string {
	tags := map[string]string{}
	for _, s := range specs {
		if s.ResourceType == of {
			for _, t := range s.Tags {
				tags[*t.Key] = *t.Value
			}
		}
	}
	return tags
}

func (e *EC2) deleteGroup(in *ec2.DeleteSecurityGroupInput) (*ec2.DeleteSecurityGroupOutput, error) {
	id := aws.ToString(in.GroupId)
	if e.Groups[id] == nil {
		return nil, coded("InvalidGroup.NotFound", "The security group '%s' does not exist", id)
	}
	for _, i := range e.Instances {
		for _, groups := range i.Interfaces {
			if slices.Contains(groups, id) {
				return nil, coded("DependencyViolation", "resource %s has a dependent object", id)
			}
		}
	}
	delete(e.Groups, id)
	return &ec2.DeleteSecurityGroupOutput{}, nil
}

func (e *EC2) revokeEgress(in *ec2.RevokeSecurityGroupEgressInput) (*ec2.RevokeSecurityGroupEgressOutput, error) {
	g := e.Groups[aws.ToString(in.GroupId)]
	if g == nil || len(in.IpPermissions) == 0 {
		return nil, e.cloud.refuse(coded("InvalidGroup.NotFound", "group %s, %d permissions", aws.ToString(in.GroupId), len(in.IpPermissions)))
	}
	g.Egress = nil
	return &ec2.RevokeSecurityGroupEgressOutput{Return: aws.Bool(true)}, nil
}

func (e *EC2) revokeIngress(in *ec2.RevokeSecurityGroupIngressInput) (*ec2.RevokeSecurityGroupIngressOutput, error) {
	g := e.Groups[aws.ToString(in.GroupId)]
	if g == nil || len(in.IpPermissions) == 0 {
		return nil, e.cloud.refuse(coded("InvalidGroup.NotFound", "group %s, %d permissions", aws.ToString(in.GroupId), len(in.IpPermissions)))
	}
	g.Ingress = nil
	return &ec2.RevokeSecurityGroupIngressOutput{Return: aws.Bool(true)}, nil
}

func (e *EC2) modifyInterface(in *ec2.ModifyNetworkInterfaceAttributeInput) (*ec2.ModifyNetworkInterfaceAttributeOutput, error) {
	if len(in.Groups) == 0 {
		return nil, e.cloud.refuse(coded("InvalidParameterValue", "You must specify one or more security groups"))
	}
	for _, i := range e.Instances {
		if _, ok := i.Interfaces[aws.ToString(in.NetworkInterfaceId)]; ok {
			for _, id := range in.Groups {
				g := e.Groups[id]
				if g == nil {
					return nil, coded("InvalidGroup.NotFound", "The security group '%s' does not exist", id)
				}
				if g.VPC != i.VPC {
					return nil, e.cloud.refuse(coded("InvalidGroup.NotFound", "%s belongs to %s, the interface to %s", id, g.VPC, i.VPC))
				}
			}
			i.Interfaces[*in.NetworkInterfaceId] = slices.Clone(in.Groups)
			return &ec2.ModifyNetworkInterfaceAttributeOutput{}, nil
		}
	}
	return nil, coded("InvalidNetworkInterfaceID.NotFound", "The networkInterface ID '%s' does not exist", aws.ToString(in.NetworkInterfaceId))
}

func (e *EC2) describeInterfaces(in *ec2.DescribeNetworkInterfacesInput) (*ec2.DescribeNetworkInterfacesOutput, error) {
	address := filter(in.Filters, "association.public-ip") + filter(in.Filters, "ipv6-addresses.ipv6-address")
	if address == "" {
		return nil, e.cloud.refuse(coded("InvalidParameterValue", "the fake wants an address"))
	}
	out := &ec2.DescribeNetworkInterfacesOutput{}
	if id, ok := e.PublicIPs[address]; ok {
		n := ec2types.NetworkInterface{NetworkInterfaceId: &id}
		if strings.Contains(address, ":") {
			n.Ipv6Addresses = []ec2types.NetworkInterfaceIpv6Address{{Ipv6Address: &address}}
		} else {
			n.Association = &ec2types.NetworkInterfaceAssociation{PublicIp: &address}
		}
		out.NetworkInterfaces = []ec2types.NetworkInterface{n}
	}
	return out, nil
}

func (e *EC2) describeSnapshots(in *ec2.DescribeSnapshotsInput) (*ec2.DescribeSnapshotsOutput, error) {
	if len(in.Filters) != 1 || !strings.HasPrefix(*in.Filters[0].Name, "tag:") {
		return nil, e.cloud.refuse(coded("InvalidParameterValue", "the fake wants a tag"))
	}
	key, value := strings.TrimPrefix(*in.Filters[0].Name, "tag:"), in.Filters[0].Values[0]
	out := &ec2.DescribeSnapshotsOutput{}
	for _, id := range slices.Sorted(maps.Keys(e.Snapshots)) {
		if e.Snapshots[id][key] == value {
			out.Snapshots = append(out.Snapshots, ec2types.Snapshot{SnapshotId: &id})
		}
	}
	return out, nil
}

func (e *EC2) createSnapshots(in *ec2.CreateSnapshotsInput) (*ec2.CreateSnapshotsOutput, error) {
	i := e.Instances[aws.ToString(in.InstanceSpecification.InstanceId)]
	if i == nil {
		return nil, coded("InvalidInstanceID.NotFound", "The instance does not exist")
	}
	if len(aws.ToString(in.Description)) > 255 {
		return nil, e.cloud.refuse(coded("InvalidParameterValue", "the description is too long"))
	}
	out := &ec2.CreateSnapshotsOutput{}
	for range i.Volumes {
		id := e.next("snap")
		e.Snapshots[id] = specified(in.TagSpecifications, ec2types.ResourceTypeSnapshot)
		out.Snapshots = append(out.Snapshots, ec2types.SnapshotInfo{SnapshotId: &id})
	}
	return out, nil
}

func (e *EC2) createTags(in *ec2.CreateTagsInput) (*ec2.CreateTagsOutput, error) {
	for _, id := range in.Resources {
		i := e.Instances[id]
		if i == nil {
			return nil, coded("InvalidInstanceID.NotFound", "The instance does not exist")
		}
		for _, t := range in.Tags {
			if i.Tags == nil {
				i.Tags = map[string]string{}
			}
			if len(*t.Key) > 128 || len(*t.Value) > 256 || strings.HasPrefix(*t.Key, "aws:") {
				return nil, e.cloud.refuse(coded("InvalidParameterValue", "tag %s", *t.Key))
			}
			i.Tags[*t.Key] = *t.Value
		}
	}
	return &ec2.CreateTagsOutput{}, nil
}

func (e *EC2) deleteTags(in *ec2.DeleteTagsInput) (*ec2.DeleteTagsOutput, error) {
	for _, id := range in.Resources {
		i := e.Instances[id]
		if i == nil {
			return nil, coded("InvalidInstanceID.NotFound", "The instance does not exist")
		}
		for _, t := range in.Tags {
			delete(i.Tags, *t.Key)
		}
	}
	return &ec2.DeleteTagsOutput{}, nil
}
