"""EC2 types that ministack lacks: addresses, NAT, rules of security groups, network ACLs, flow logs, instances."""

from __future__ import annotations

import base64

from .types_base import Call, Type, absent_is_done, fit, tags_upper, text, truth, without


def _tag(call: Call, resource: str) -> None:
    tags = tags_upper(call.props.get("Tags"))
    ec2 = call.client("ec2")
    dropped = {t["Key"] for t in tags_upper(call.old.get("Tags"))} - {t["Key"] for t in tags}
    if dropped:
        ec2.delete_tags(Resources=[resource], Tags=[{"Key": k} for k in sorted(dropped)])
    if tags:
        ec2.create_tags(Resources=[resource], Tags=tags)


# Addresses

def _address_create(call: Call):
    made = call.client("ec2").allocate_address(Domain="vpc")
    call.physical_id = made["PublicIp"]
    _tag(call, made["AllocationId"])
    attributes = {"AllocationId": made["AllocationId"], "PublicIp": made["PublicIp"]}
    if call.props.get("InstanceId"):
        call.client("ec2").associate_address(AllocationId=made["AllocationId"], InstanceId=call.props["InstanceId"])
    return made["PublicIp"], attributes


def _address(call: Call) -> dict | None:
    found = call.client("ec2").describe_addresses()["Addresses"]
    return next((a for a in found if a["PublicIp"] == call.physical_id), None)


def _address_update(call: Call):
    address = _address(call)
    _tag(call, address["AllocationId"])
    if call.changed("InstanceId") and call.props.get("InstanceId"):
        call.client("ec2").associate_address(AllocationId=address["AllocationId"],
                                             InstanceId=call.props["InstanceId"])
    return {"AllocationId": address["AllocationId"], "PublicIp": address["PublicIp"]}


def _address_delete(call: Call):
    address = _address(call)
    if address:
        absent_is_done(lambda: call.client("ec2").release_address(AllocationId=address["AllocationId"]),
                       "InvalidAllocationID.NotFound")


# NAT gateways

def _nat_create(call: Call):
    ec2 = call.client("ec2")
    made = ec2.create_nat_gateway(**fit(ec2, "create_nat_gateway", without(call.props, "Tags")))["NatGateway"]
    call.physical_id = made["NatGatewayId"]
    _tag(call, made["NatGatewayId"])
    return made["NatGatewayId"], {"NatGatewayId": made["NatGatewayId"]}


def _nat_update(call: Call):
    _tag(call, call.physical_id)
    return {"NatGatewayId": call.physical_id}


def _nat_delete(call: Call):
    absent_is_done(lambda: call.client("ec2").delete_nat_gateway(NatGatewayId=call.physical_id),
                   "NatGatewayNotFound", "InvalidNatGatewayID.NotFound")


# Rules of security groups

def rule_permission(props: dict, direction: str) -> dict:
    """The IpPermission that an AWS::EC2::SecurityGroupIngress or -Egress resource describes."""
    permission: dict = {"IpProtocol": text(props["IpProtocol"])}
    for name in ("FromPort", "ToPort"):
        if props.get(name) is not None:
            permission[name] = int(props[name])
    note = {"Description": props["Description"]} if props.get("Description") else {}
    group = props.get("SourceSecurityGroupId" if direction == "ingress" else "DestinationSecurityGroupId")
    prefix_list = props.get("SourcePrefixListId" if direction == "ingress" else "DestinationPrefixListId")
    if props.get("CidrIp"):
        permission["IpRanges"] = [{"CidrIp": props["CidrIp"], **note}]
    if props.get("CidrIpv6"):
        permission["Ipv6Ranges"] = [{"CidrIpv6": props["CidrIpv6"], **note}]
    if group:
        permission["UserIdGroupPairs"] = [{"GroupId": group, **note}]
    if prefix_list:
        permission["PrefixListIds"] = [{"PrefixListId": prefix_list, **note}]
    return permission


def _rule_type(direction: str) -> Type:
    def create(call: Call):
        ec2 = call.client("ec2")
        authorize = getattr(ec2, f"authorize_security_group_{direction}")
        made = authorize(GroupId=call.props["GroupId"], IpPermissions=[rule_permission(call.props, direction)])
        rules = made.get("SecurityGroupRules") or []
        rule = rules[0]["SecurityGroupRuleId"] if rules else f"{call.props['GroupId']}|{call.logical_id}"
        return rule, {"Id": rule}

    def update(call: Call):
        # Only the description can change in place.
        ec2 = call.client("ec2")
        describe = getattr(ec2, f"update_security_group_rule_descriptions_{direction}")
        describe(GroupId=call.props["GroupId"], IpPermissions=[rule_permission(call.props, direction)])
        return {"Id": call.physical_id}

    def delete(call: Call):
        ec2 = call.client("ec2")
        revoke = getattr(ec2, f"revoke_security_group_{direction}")
        absent_is_done(lambda: revoke(GroupId=call.props["GroupId"],
                                      IpPermissions=[rule_permission(call.props, direction)]),
                       "InvalidGroup.NotFound", "InvalidPermission.NotFound", "InvalidGroupId.NotFound")

    replaced = {"CidrIp", "CidrIpv6", "FromPort", "ToPort", "GroupId", "IpProtocol"} | (
        {"SourceSecurityGroupId", "SourcePrefixListId", "SourceSecurityGroupName", "GroupName"}
        if direction == "ingress" else {"DestinationSecurityGroupId", "DestinationPrefixListId"})
    return Type(f"AWS::EC2::SecurityGroup{direction.capitalize()}", create, delete, update, frozenset(replaced))


# Network ACLs

def _acl_create(call: Call):
    made = call.client("ec2").create_network_acl(VpcId=call.props["VpcId"])["NetworkAcl"]
    call.physical_id = made["NetworkAclId"]
    _tag(call, made["NetworkAclId"])
    return made["NetworkAclId"], {"Id": made["NetworkAclId"]}


def _acl_update(call: Call):
    _tag(call, call.physical_id)
    return {"Id": call.physical_id}


def _acl_delete(call: Call):
    absent_is_done(lambda: call.client("ec2").delete_network_acl(NetworkAclId=call.physical_id),
                   "InvalidNetworkAclID.NotFound")


def acl_entry(props: dict) -> dict:
    """The parameters of CreateNetworkAclEntry for an AWS::EC2::NetworkAclEntry."""
    entry = {"NetworkAclId": props["NetworkAclId"], "RuleNumber": int(props["RuleNumber"]),
             "Protocol": text(props["Protocol"]), "RuleAction": props["RuleAction"],
             "Egress": truth(props.get("Egress", False))}
    for name, parameter in (("CidrBlock", "CidrBlock"), ("Ipv6CidrBlock", "Ipv6CidrBlock")):
        if props.get(name):
            entry[parameter] = props[name]
    if props.get("PortRange"):
        entry["PortRange"] = {k: int(v) for k, v in props["PortRange"].items()}
    if props.get("Icmp"):
        entry["IcmpTypeCode"] = {k: int(v) for k, v in props["Icmp"].items()}
    return entry


def _acl_entry_create(call: Call):
    call.client("ec2").create_network_acl_entry(**acl_entry(call.props))
    name = call.name()
    return name, {"Id": name}


def _acl_entry_update(call: Call):
    call.client("ec2").replace_network_acl_entry(**acl_entry(call.props))
    return {"Id": call.physical_id}


def _acl_entry_delete(call: Call):
    entry = acl_entry(call.props)
    absent_is_done(lambda: call.client("ec2").delete_network_acl_entry(
        NetworkAclId=entry["NetworkAclId"], RuleNumber=entry["RuleNumber"], Egress=entry["Egress"]),
        "InvalidNetworkAclID.NotFound", "InvalidNetworkAclEntry.NotFound")


def _association_of(ec2, subnet: str) -> dict | None:
    for acl in ec2.describe_network_acls()["NetworkAcls"]:
        for association in acl.get("Associations", []):
            if association.get("SubnetId") == subnet:
                return {**association, "VpcId": acl["VpcId"]}
    return None


def _acl_association_create(call: Call):
    ec2 = call.client("ec2")
    acl = call.props["NetworkAclId"]
    current = _association_of(ec2, call.props["SubnetId"])
    if current:
        made = ec2.replace_network_acl_association(
            AssociationId=current["NetworkAclAssociationId"], NetworkAclId=acl)["NewAssociationId"]
    else:
        made = _associate_first(call, acl, call.props["SubnetId"])
    return made, {"AssociationId": made}


def _associate_first(call: Call, acl: str, subnet: str) -> str:
    """Associates a subnet that ministack made without its VPC's default ACL (on AWS it always has one)."""
    from ministack.services import ec2 as store

    record = store._network_acls.get_scoped(call.account, call.region, acl)
    identity = "aclassoc-" + subnet.removeprefix("subnet-")
    record.setdefault("Associations", []).append(
        {"NetworkAclAssociationId": identity, "NetworkAclId": acl, "SubnetId": subnet})
    return identity


def _acl_association_delete(call: Call):
    ec2 = call.client("ec2")
    current = _association_of(ec2, call.props["SubnetId"])
    if not current or current["NetworkAclAssociationId"] != call.physical_id:
        return
    default = [a for a in ec2.describe_network_acls(
        Filters=[{"Name": "vpc-id", "Values": [current["VpcId"]]}])["NetworkAcls"] if a.get("IsDefault")]
    if default:
        ec2.replace_network_acl_association(AssociationId=current["NetworkAclAssociationId"],
                                            NetworkAclId=default[0]["NetworkAclId"])
        return
    from ministack.services import ec2 as store

    record = store._network_acls.get_scoped(call.account, call.region, current["NetworkAclId"])
    if record:
        record["Associations"] = [a for a in record.get("Associations", [])
                                  if a["NetworkAclAssociationId"] != call.physical_id]


# Flow logs

def _flow_log_create(call: Call):
    ec2 = call.client("ec2")
    parameters = without(call.props, "ResourceId", "Tags") | {"ResourceIds": [call.props["ResourceId"]]}
    made = ec2.create_flow_logs(**fit(ec2, "create_flow_logs", parameters))
    if made.get("Unsuccessful"):
        raise ValueError(f"CreateFlowLogs: {made['Unsuccessful'][0]['Error']['Message']}")
    identity = call.physical_id = made["FlowLogIds"][0]
    _tag(call, identity)
    return identity, {"Id": identity}


def _flow_log_update(call: Call):
    _tag(call, call.physical_id)
    return {"Id": call.physical_id}


def _flow_log_delete(call: Call):
    call.client("ec2").delete_flow_logs(FlowLogIds=[call.physical_id])


# Instances

_NOT_IN_RUN_INSTANCES = ("Tags", "SourceDestCheck", "AvailabilityZone", "PropagateTagsToVolumeOnCreation",
                         "SecurityGroupIds", "IamInstanceProfile", "UserData", "LaunchTemplate", "Tenancy")


def _instance_attributes(instance: dict) -> dict:
    return {
        "InstanceId": instance["InstanceId"],
        "AvailabilityZone": instance.get("Placement", {}).get("AvailabilityZone", ""),
        "PrivateDnsName": instance.get("PrivateDnsName", ""),
        "PrivateIp": instance.get("PrivateIpAddress", ""),
        "PublicDnsName": instance.get("PublicDnsName", ""),
        "PublicIp": instance.get("PublicIpAddress", ""),
        "VpcId": instance.get("VpcId", ""),
    }


def _describe_instance(call: Call) -> dict | None:
    found = call.client("ec2").describe_instances(InstanceIds=[call.physical_id])["Reservations"]
    return found[0]["Instances"][0] if found else None


def run_instances_form(props: dict) -> dict:
    """The template's properties in the shape of RunInstances, where the two differ."""
    changed = dict(props)
    if "Monitoring" in props:
        changed["Monitoring"] = {"Enabled": truth(props["Monitoring"])}
    if props.get("NetworkInterfaces"):
        changed["NetworkInterfaces"] = [
            {("Groups" if key == "GroupSet" else key): value for key, value in interface.items()}
            for interface in props["NetworkInterfaces"]]
    return changed


def _instance_create(call: Call):
    ec2 = call.client("ec2")
    props = run_instances_form(call.props)
    parameters = fit(ec2, "run_instances", without(props, *_NOT_IN_RUN_INSTANCES))
    parameters |= {"MinCount": 1, "MaxCount": 1}
    if props.get("SecurityGroupIds"):
        parameters["SecurityGroupIds"] = props["SecurityGroupIds"]
    if props.get("IamInstanceProfile"):
        parameters["IamInstanceProfile"] = {"Name": props["IamInstanceProfile"]}
    if props.get("UserData"):
        # The template's user data is base64 already, and boto3 would encode it again.
        parameters["UserData"] = base64.b64decode(props["UserData"]).decode(errors="replace")
    if props.get("LaunchTemplate"):
        parameters["LaunchTemplate"] = {k: text(v) for k, v in props["LaunchTemplate"].items()}
    placement = {"AvailabilityZone": props.get("AvailabilityZone"), "Tenancy": props.get("Tenancy")}
    if any(placement.values()):
        parameters["Placement"] = {k: v for k, v in placement.items() if v}
    made = ec2.run_instances(**parameters)["Instances"][0]
    call.physical_id = made["InstanceId"]
    _tag(call, made["InstanceId"])
    _instance_modify(call)
    return made["InstanceId"], _instance_attributes(_describe_instance(call) or made)


def _instance_modify(call: Call) -> None:
    if "SourceDestCheck" in call.props and call.changed("SourceDestCheck"):
        call.client("ec2").modify_instance_attribute(
            InstanceId=call.physical_id, SourceDestCheck={"Value": truth(call.props["SourceDestCheck"])})
    if call.old and call.changed("SecurityGroupIds"):
        call.client("ec2").modify_instance_attribute(
            InstanceId=call.physical_id, Groups=call.props.get("SecurityGroupIds") or [])


def _instance_update(call: Call):
    _tag(call, call.physical_id)
    _instance_modify(call)
    return _instance_attributes(_describe_instance(call))


def _instance_delete(call: Call):
    absent_is_done(lambda: call.client("ec2").terminate_instances(InstanceIds=[call.physical_id]),
                   "InvalidInstanceID.NotFound")


TYPES = (
    Type("AWS::EC2::EIP", _address_create, _address_delete, _address_update,
         frozenset({"Domain", "NetworkBorderGroup"})),
    Type("AWS::EC2::NatGateway", _nat_create, _nat_delete, _nat_update,
         frozenset({"AllocationId", "SubnetId", "ConnectivityType", "PrivateIpAddress"})),
    _rule_type("ingress"),
    _rule_type("egress"),
    Type("AWS::EC2::NetworkAcl", _acl_create, _acl_delete, _acl_update, frozenset({"VpcId"})),
    Type("AWS::EC2::NetworkAclEntry", _acl_entry_create, _acl_entry_delete, _acl_entry_update,
         frozenset({"NetworkAclId", "RuleNumber", "Egress"})),
    Type("AWS::EC2::SubnetNetworkAclAssociation", _acl_association_create, _acl_association_delete,
         replace_on=frozenset({"SubnetId", "NetworkAclId"})),
    Type("AWS::EC2::FlowLog", _flow_log_create, _flow_log_delete, _flow_log_update,
         frozenset({"ResourceId", "ResourceType", "TrafficType", "LogDestination", "LogDestinationType",
                    "LogGroupName", "DeliverLogsPermissionArn", "LogFormat", "MaxAggregationInterval"})),
    Type("AWS::EC2::Instance", _instance_create, _instance_delete, _instance_update,
         frozenset({"ImageId", "SubnetId", "UserData", "AvailabilityZone", "KeyName", "LaunchTemplate",
                    "NetworkInterfaces", "BlockDeviceMappings"})),
)
"""The types of this file, in no particular order."""
