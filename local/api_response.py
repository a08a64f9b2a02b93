"""API operations that ministack lacks and the response to findings calls: EC2's network interfaces and snapshots, Auto Scaling's
detaching and attaching."""

from __future__ import annotations


def apply() -> None:
    """Adds the operations to ministack's own tables, and shows an instance's network interface."""
    from ministack.services import autoscaling, ec2

    ec2._ACTION_MAP |= {
        "ModifyNetworkInterfaceAttribute": _modify_network_interface,
        "CreateSnapshots": _create_snapshots,
    }
    autoscaling._ACTION_MAP |= {"DetachInstances": _detach, "AttachInstances": _attach}
    shown = ec2._instance_xml

    def with_interface(instance):
        # ministack's instances have no network interfaces at all; on AWS each has at least its primary one.
        text = shown(instance)
        return text.replace("<amiLaunchIndex>", _interface_xml(instance) + "<amiLaunchIndex>", 1)

    ec2._instance_xml = with_interface


def interface_of(instance: dict) -> str:
    """The ID of the primary network interface that an instance is given here: the instance's own digits."""
    return "eni-" + instance["InstanceId"].removeprefix("i-")


def _interface_xml(instance: dict) -> str:
    if instance["State"]["Name"] == "terminated":
        return ""
    groups = "".join(f"<item><groupId>{g['GroupId']}</groupId><groupName>{g['GroupName']}</groupName></item>"
                     for g in instance.get("SecurityGroups", []))
    address = instance["PrivateIpAddress"]
    return (f"<networkInterfaceSet><item><networkInterfaceId>{interface_of(instance)}</networkInterfaceId>"
            f"<subnetId>{instance['SubnetId']}</subnetId><vpcId>{instance['VpcId']}</vpcId><groupSet>{groups}</groupSet>"
            f"<privateIpAddress>{address}</privateIpAddress><privateIpAddressesSet><item><privateIpAddress>{address}"
            f"</privateIpAddress><primary>true</primary></item></privateIpAddressesSet></item></networkInterfaceSet>")


def _modify_network_interface(p):
    """ModifyNetworkInterfaceAttribute for the security groups, of an instance's interface or one made by itself.

    https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifyNetworkInterfaceAttribute.html
    """
    from ministack.services import ec2

    identity = ec2._p(p, "NetworkInterfaceId")
    wanted = ec2._parse_member_list(p, "SecurityGroupId")
    if not wanted:
        return ec2._error("InvalidParameterCombination", "No attributes specified.", 400)
    instance = next((i for i in ec2._instances.values()
                     if interface_of(i) == identity and i["State"]["Name"] != "terminated"), None)
    interface = ec2._network_interfaces.get(identity)
    if instance is None and interface is None:
        return ec2._error("InvalidNetworkInterfaceID.NotFound", f"The networkInterface ID '{identity}' does not exist", 400)
    vpc = (instance or interface)["VpcId"]
    members = []
    for group_id in wanted:
        group = ec2._security_groups.get(group_id)
        if group is None or group.get("VpcId") != vpc:
            return ec2._error("InvalidGroup.NotFound", f"The security group '{group_id}' does not exist in VPC '{vpc}'", 400)
        members.append({"GroupId": group_id, "GroupName": group["GroupName"]})
    if instance is not None:
        instance["SecurityGroups"] = members
    if interface is not None:
        interface["Groups"] = members
    return ec2._xml(200, "ModifyNetworkInterfaceAttributeResponse", "<return>true</return>")


def _create_snapshots(p):
    """CreateSnapshots: one snapshot of each volume of an instance, all with the same tags.

    https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSnapshots.html
    """
    from ministack.services import ec2

    identity = ec2._p(p, "InstanceSpecification.InstanceId")
    instance = ec2._instances.get(identity)
    if not instance:
        return ec2._error("InvalidInstanceID.NotFound", f"The instance ID '{identity}' does not exist", 400)
    items = ""
    for mapping in instance.get("BlockDeviceMappings", []):
        before = set(ec2._snapshots.keys())
        ec2._create_snapshot(dict(p) | {"VolumeId": [mapping["Ebs"]["VolumeId"]]})
        for snapshot_id in set(ec2._snapshots.keys()) - before:
            snapshot = ec2._snapshots[snapshot_id]
            items += (f"<item><snapshotId>{snapshot_id}</snapshotId><volumeId>{snapshot['VolumeId']}</volumeId>"
                      f"<state>completed</state><startTime>{snapshot['StartTime']}</startTime></item>")
    return ec2._xml(200, "CreateSnapshotsResponse", f"<snapshotSet>{items}</snapshotSet>")


def _group(p):
    from ministack.services import autoscaling

    name = autoscaling._p(p, "AutoScalingGroupName")
    group = autoscaling._asgs.get(name)
    error = None if group else autoscaling._error("ValidationError", f"AutoScalingGroup name not found - {name}")
    return group, autoscaling._parse_member_list(p, "InstanceIds"), error


def _detach(p):
    """DetachInstances: the members leave; unless the capacity is lowered too, the group starts others.

    https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_DetachInstances.html
    """
    from ministack.services import autoscaling

    group, identities, error = _group(p)
    if error:
        return error
    for identity in identities:
        if all(member["InstanceId"] != identity for member in group["Instances"]):
            return autoscaling._error("ValidationError", f"The instance {identity} is not part of Auto Scaling group "
                                                         f"{group['AutoScalingGroupName']}.")
    group["Instances"] = [m for m in group["Instances"] if m["InstanceId"] not in identities]
    if autoscaling._p(p, "ShouldDecrementDesiredCapacity") == "true":
        group["DesiredCapacity"] -= len(identities)
    autoscaling._reconcile_instances(group)
    return autoscaling._xml(200, "DetachInstancesResponse", "<DetachInstancesResult><Activities/></DetachInstancesResult>")


def _attach(p):
    """AttachInstances: raises the desired capacity, and is refused beyond the maximum.

    https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_AttachInstances.html
    """
    from ministack.services import autoscaling

    group, identities, error = _group(p)
    if error:
        return error
    if group["DesiredCapacity"] + len(identities) > group["MaxSize"]:
        return autoscaling._error("ValidationError", "AutoScalingGroup would exceed its maximum size.")
    for identity in identities:
        if any(member["InstanceId"] == identity for member in group["Instances"]):
            return autoscaling._error("ValidationError", f"Instance {identity} is already part of AutoScalingGroup.")
        group["Instances"].append({"InstanceId": identity, "LifecycleState": "InService", "HealthStatus": "Healthy",
                                   "ProtectedFromScaleIn": False,
                                   "AvailabilityZone": next(iter(group.get("AvailabilityZones") or [""]))})
    group["DesiredCapacity"] += len(identities)
    return autoscaling._xml(200, "AttachInstancesResponse", "")
