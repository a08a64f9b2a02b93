"""What the response to findings calls and ministack lacks, in this process: no server is started."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from local import api_response, guardduty, paths

ACCOUNT, REGION = "000000000000", "eu-west-1"


@pytest.fixture(scope="module", autouse=True)
def _applied():
    from ministack.services import autoscaling, ec2  # noqa: F401

    api_response.apply()


@pytest.fixture(autouse=True)
def _scope():
    from local.request_context import request_scope

    with request_scope(ACCOUNT, REGION):
        yield


def _call(service: str, action: str, **parameters: str) -> tuple[int, str]:
    from importlib import import_module

    module = import_module(f"ministack.services.{service}")
    answer = module._ACTION_MAP[action]({name: [value] for name, value in parameters.items()})
    return answer[0], answer[-1].decode() if isinstance(answer[-1], bytes) else answer[-1]


def _one(text: str, element: str) -> str:
    return re.search(f"<{element}>(.*?)</{element}>", text)[1]


def _group(name: str, vpc: str) -> str:
    return _one(_call("ec2", "CreateSecurityGroup", GroupName=name, GroupDescription=name, VpcId=vpc)[1], "groupId")


def _instance() -> tuple[str, str, str]:
    vpc = _one(_call("ec2", "CreateVpc", CidrBlock="10.9.0.0/16")[1], "vpcId")
    subnet = _one(_call("ec2", "CreateSubnet", VpcId=vpc, CidrBlock="10.9.0.0/20")[1], "subnetId")
    group = _group("before", vpc)
    answer = _call("ec2", "RunInstances", ImageId="ami-1", SubnetId=subnet, **{"SecurityGroupId.1": group})[1]
    return vpc, group, _one(answer, "instanceId")


def test_an_instances_network_interface_gets_other_groups():
    vpc, before, instance = _instance()
    shown = _call("ec2", "DescribeInstances", **{"InstanceId.1": instance})[1]
    interface = _one(shown, "networkInterfaceId")
    assert before in shown
    quarantine = _group("quarantine", vpc)
    assert _call("ec2", "ModifyNetworkInterfaceAttribute", NetworkInterfaceId=interface, **{"SecurityGroupId.1": quarantine})[0] == 200
    shown = _call("ec2", "DescribeInstances", **{"InstanceId.1": instance})[1]
    assert quarantine in shown and before not in shown


def test_a_group_of_another_vpc_and_an_unknown_interface_are_refused():
    _, _, instance = _instance()
    elsewhere = _group("elsewhere", _one(_call("ec2", "CreateVpc", CidrBlock="10.8.0.0/16")[1], "vpcId"))
    status, text = _call("ec2", "ModifyNetworkInterfaceAttribute", NetworkInterfaceId="eni-" + instance[2:], **{"SecurityGroupId.1": elsewhere})
    assert status == 400 and "InvalidGroup.NotFound" in text
    status, text = _call("ec2", "ModifyNetworkInterfaceAttribute", NetworkInterfaceId="eni-none", **{"SecurityGroupId.1": elsewhere})
    assert status == 400 and "InvalidNetworkInterfaceID.NotFound" in text


def test_snapshots_are_found_by_their_tag():
    _, _, instance = _instance()
    status, text = _call("ec2", "CreateSnapshots", **{
        "InstanceSpecification.InstanceId": instance, "TagSpecification.1.ResourceType": "snapshot",
        "TagSpecification.1.Tag.1.Key": "mark", "TagSpecification.1.Tag.1.Value": "one"})
    assert status == 200
    snapshot = _one(text, "snapshotId")

    def found(value: str) -> str:
        return _call("ec2", "DescribeSnapshots", **{"Owner.1": "self", "Filter.1.Name": "tag:mark", "Filter.1.Value.1": value})[1]

    assert snapshot in found("one") and "snap-" not in found("two")


def test_an_instance_leaves_its_group_which_starts_another_and_comes_back_if_there_is_room():
    from ministack.services import autoscaling

    _call("autoscaling", "CreateAutoScalingGroup", AutoScalingGroupName="drill", MinSize="0", MaxSize="2", DesiredCapacity="1", LaunchConfigurationName="lc")
    group = autoscaling._asgs["drill"]
    member = {"InstanceIds.member.1": group["Instances"][0]["InstanceId"]}
    assert _call("autoscaling", "DetachInstances", AutoScalingGroupName="drill", ShouldDecrementDesiredCapacity="false", **member)[0] == 200
    assert group["DesiredCapacity"] == 1 and len(group["Instances"]) == 1
    assert group["Instances"][0]["InstanceId"] != member["InstanceIds.member.1"]
    assert _call("autoscaling", "DetachInstances", AutoScalingGroupName="drill", ShouldDecrementDesiredCapacity="false", **member)[0] == 400
    assert _call("autoscaling", "AttachInstances", AutoScalingGroupName="drill", **member)[0] == 200
    assert group["DesiredCapacity"] == 2 and len(group["Instances"]) == 2
    assert _call("autoscaling", "AttachInstances", AutoScalingGroupName="drill", **{"InstanceIds.member.1": "i-third"})[0] == 400


@pytest.mark.parametrize("body", [b"[]", b"", b'{"source": "aws.guardduty"}', b'{"source": "aws.ec2", "detail-type": "x", "detail": {}}'])
def test_only_findings_reach_the_bus(body):
    assert guardduty.accept(ACCOUNT, REGION, body)[0] == 400


def test_a_finding_reaches_the_bus():
    event = Path(paths.ROOT / "lambdas/threatresponse/corpus/findings/task.json").read_bytes()
    assert guardduty.accept(ACCOUNT, REGION, event)[0] == 200
