"""Every CloudFormation type of the platform on a running local AWS: made, changed in place, asked, and deleted."""

from __future__ import annotations

import copy
import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from local import records

RESOURCES = json.loads((Path(__file__).parent / "everything.json").read_text())

# What GetAtt must answer for each type (AWS's template reference, "Return values").
ATTRIBUTES = {
    "Eip": ["AllocationId", "PublicIp"], "Nat": ["NatGatewayId"],
    "Ec2": ["PrivateIp", "InstanceId", "AvailabilityZone", "PrivateDnsName", "VpcId"], "In": ["Id"], "Out": ["Id"],
    "Acl": ["Id"], "AclE": ["Id"], "AclA": ["AssociationId"], "Fl": ["Id"], "Oidc": ["Arn"], "Grp": ["Arn"],
    "Rot": ["Id"], "Srp": ["Id"], "St": ["Id"], "Sp": ["Arn"], "AlarmC": ["Arn"], "AlarmM": ["Arn"], "Alarm": ["Arn"],
    "WLog": ["ManagedByFirewallManager"], "IpSet": ["Arn", "Id"], "Acl2": ["Arn", "Id", "Capacity", "LabelNamespace"],
    "Trail": ["Arn"], "Aa": ["Arn"], "Gd": ["Id"], "Svc": ["Name", "ServiceArn"],
    "Lb": ["DNSName", "CanonicalHostedZoneID", "LoadBalancerFullName", "LoadBalancerName", "LoadBalancerArn"],
    "Tg": ["TargetGroupFullName", "TargetGroupName", "TargetGroupArn"], "TgFn": ["TargetGroupArn"], "L443": ["ListenerArn"],
    "Rule": ["RuleArn", "IsDefault"], "Db": ["Endpoint.Address", "Endpoint.Port", "DbiResourceId", "DBInstanceArn"],
    "Lt": ["LatestVersionNumber", "LaunchTemplateId"], "Igw": ["InternetGatewayId"], "Igwa": ["AttachmentType"],
    "Vpc": ["CidrBlock", "VpcId", "DefaultSecurityGroup", "DefaultNetworkAcl"], "Sn": ["AvailabilityZone", "SubnetId"],
    "Rt": ["RouteTableId"], "Sg": ["GroupId", "VpcId"], "Vpe": ["Id"], "Bkt": ["Arn", "DomainName", "RegionalDomainName"],
    "Key": ["Arn", "KeyId"], "Ecr": ["Arn", "RepositoryUri"], "Cl": ["Arn"], "Td": ["TaskDefinitionArn"], "Hz": ["Id"],
    "Fn": ["Arn"], "Ver": ["Version"], "Ev": ["Arn"], "Sch": ["Arn"], "Q": ["Arn", "QueueName", "QueueUrl"],
    "Topic": ["TopicArn", "TopicName"], "Ssm": ["Value", "Type"], "Sf": ["Arn", "Name"], "Ddb": ["Arn"],
    "Role": ["Arn", "RoleId"], "Prof": ["Arn"], "Mp": ["PolicyArn"], "Lg": ["Arn"], "Sec": ["Id"],
}

# Ref where AWS gives something else than a name: the start of an ARN or identifier.
REFS = {
    "Sec": "arn:aws:secretsmanager:", "Sta": "arn:aws:secretsmanager:", "Rot": "arn:aws:secretsmanager:",
    "Srp": "arn:aws:secretsmanager:", "Nat": "nat-", "Acl": "acl-", "AclA": "aclassoc-", "Fl": "fl-", "In": "sgr-",
    "Out": "sgr-", "Oidc": "arn:aws:iam::", "Sp": "arn:aws:autoscaling:", "Aa": "arn:aws:access-analyzer:",
    "Td": "arn:aws:ecs:", "Svc": "arn:aws:ecs:", "Lb": "arn:aws:elasticloadbalancing:", "Cert": "arn:aws:acm:",
    "Topic": "arn:aws:sns:", "Mp": "arn:aws:iam::", "Sf": "arn:aws:states:", "Cl": "all-cluster", "Gd": "",
    "IpSet": "all-set|", "Acl2": "all-acl|", "St": "service/all-cluster/all-svc|", "Ec2": "i-", "Grp": "all-",
}


def template() -> dict:
    outputs = {f"Ref{name}": {"Value": {"Ref": name}} for name in REFS}
    for name, attributes in ATTRIBUTES.items():
        for attribute in attributes:
            outputs[f"Att{name}{attribute.replace('.', '')}"] = {"Value": {"Fn::GetAtt": [name, attribute]}}
    return {"Transform": "AWS::SecretsManager-2024-09-16", "Resources": copy.deepcopy(RESOURCES), "Outputs": outputs}


def changed() -> dict:
    """The same with a change in most resources, each of which AWS makes in place."""
    new = template()
    for resource in new["Resources"].values():
        if isinstance((resource.get("Properties") or {}).get("Tags"), list):
            resource["Properties"]["Tags"] = [{"Key": "a", "Value": "c"}, {"Key": "n", "Value": "m"}]

    def props(name):
        return new["Resources"][name]["Properties"]

    props("In")["Description"] = "v2"
    props("AclE")["PortRange"] = {"From": 80, "To": 443}
    props("Oidc")["ClientIdList"] = ["sts.amazonaws.com", "another"]
    props("Rot")["RotationRules"] = {"AutomaticallyAfterDays": 7}
    props("Svc")["HealthCheckGracePeriodSeconds"] = 30
    props("Svc")["Tags"] = [{"Key": "slipway:environment", "Value": "x"},
                            {"Key": "slipway:expires", "Value": "2026-01-01T00:00:00Z"}]
    props("Td")["Cpu"], props("Td")["Memory"] = "512", "1024"
    props("St")["MaxCapacity"] = 6
    props("St")["ScheduledActions"] = [props("St")["ScheduledActions"][1] | {"Schedule": "rate(1 day)"}]
    props("Sp")["TargetTrackingScalingPolicyConfiguration"]["TargetValue"] = 50
    props("Gd")["FindingPublishingFrequency"] = "ONE_HOUR"
    props("Trail")["IsLogging"] = False
    props("IpSet")["Addresses"] = ["192.0.2.7/32"]
    props("AlarmM")["Threshold"] = 3
    props("AlarmC")["AlarmDescription"] = "d"
    props("CdDg")["AutoRollbackConfiguration"] = {"Enabled": False}
    props("Ec2")["InstanceType"] = "t4g.micro"
    props("Grp")["Policies"] = []
    props("Ccp")["CapacityProviders"] = ["FARGATE"]
    props("Rule")["Priority"] = 11
    props("Db")["BackupRetentionPeriod"] = 31
    props("Sec")["Description"] = "s"
    props("Fn")["Environment"]["Variables"]["A"] = "2"
    props("WLog")["RedactedFields"] = [{"SingleHeader": {"Name": "authorization"}}]
    return new


@pytest.fixture(scope="module")
def stack(aws):
    made = aws.put("all", template())
    assert made["StackStatus"] == "CREATE_COMPLETE", aws.reasons("all")
    return made


def test_every_ref_is_what_aws_gives(aws, stack):
    outputs = aws.outputs(stack)
    wrong = {name: outputs[f"Ref{name}"] for name, start in REFS.items() if not outputs[f"Ref{name}"].startswith(start)}
    assert not wrong


def test_every_attribute_has_a_value(aws, stack):
    outputs = aws.outputs(stack)
    empty = [key for key in outputs if key.startswith("Att") and not outputs[key]]
    assert not empty
    assert outputs["AttVpcCidrBlock"] == "10.0.0.0/16"


def test_cidr_and_zones_are_computed_as_on_aws(aws, stack):
    subnets = aws.client("ec2").describe_subnets(
        Filters=[{"Name": "vpc-id", "Values": [aws.outputs(stack)["AttVpcVpcId"]]}])["Subnets"]
    assert {(s["CidrBlock"], s["AvailabilityZone"]) for s in subnets} == {
        ("10.0.0.0/20", "eu-west-1a"), ("10.0.48.0/20", "eu-west-1b")}


def test_a_certificate_with_dns_validation_is_issued_at_once(aws, stack):
    arn = aws.outputs(stack)["RefCert"]
    assert aws.client("acm").describe_certificate(CertificateArn=arn)["Certificate"]["Status"] == "ISSUED"


def test_a_listeners_further_certificate_is_listed(aws, stack):
    listed = aws.client("elbv2").describe_listener_certificates(ListenerArn=aws.outputs(stack)["AttL443ListenerArn"])
    assert sorted(c["IsDefault"] for c in listed["Certificates"]) == [False, True]


def test_a_priority_is_one_rules_only_and_the_quota_counts(aws, stack):
    balancing = aws.client("elbv2")
    outputs = aws.outputs(stack)
    resource, group = outputs["AttL443ListenerArn"], outputs["AttTgTargetGroupArn"]

    def make(priority):
        rule = balancing.create_rule(
            ListenerArn=resource, Priority=priority, Conditions=[{"Field": "host-header", "Values": [f"h{priority}.example.com"]}],
            Actions=[{"Type": "forward", "TargetGroupArn": group}])
        return rule["Rules"][0]["RuleArn"]

    def refused(priority):
        with pytest.raises(ClientError) as refusal:
            make(priority)
        return refusal.value.response["Error"]["Code"]

    there = len([r for r in balancing.describe_rules(ListenerArn=resource)["Rules"] if not r["IsDefault"]])
    made = [make(20000)]
    assert refused(20000) == "PriorityInUse"
    made += [make(20001 + i) for i in range(99 - there)]
    assert refused(30000) == "TooManyRules"
    for rule in made:
        balancing.delete_rule(RuleArn=rule)


def test_a_templates_targets_are_registered(aws, stack):
    outputs = aws.outputs(stack)
    found = aws.client("elbv2").describe_target_health(TargetGroupArn=outputs["AttTgFnTargetGroupArn"])
    assert [t["Target"]["Id"] for t in found["TargetHealthDescriptions"]] == [outputs["AttFnArn"]]


def test_things_without_an_api_are_records_that_status_lists(aws, stack):
    kept = {r["type"] for r in records.read(aws.directory / "records.json")}
    assert kept == {"AWS::AccessAnalyzer::Analyzer", "AWS::CodePipeline::Pipeline", "AWS::WAFv2::LoggingConfiguration", "AWS::CloudWatch::Alarm"}
    shown = aws.command("status", "--dir", str(aws.directory)).stdout
    assert shown.count("record only") == 4


def scheduled(aws) -> list[dict]:
    return aws.client("application-autoscaling").describe_scheduled_actions(ServiceNamespace="ecs")["ScheduledActions"]


def test_scheduled_actions_of_a_template_are_made_and_carried_out(aws, stack):
    client = aws.client("application-autoscaling")
    assert [(a["ScheduledActionName"], a["Schedule"], a.get("Timezone"), a["ScalableTargetAction"]) for a in scheduled(aws)] == [
        ("wake", "cron(0 7 ? * MON-FRI *)", "Europe/Dublin", {"MinCapacity": 0, "MaxCapacity": 4}),
        ("sleep", "cron(0 20 ? * MON-FRI *)", None, {"MaxCapacity": 0})]
    assert scheduled(aws)[1]["StartTime"] == datetime(2099, 1, 1, tzinfo=UTC)
    target = {n: scheduled(aws)[0][n] for n in ("ServiceNamespace", "ResourceId", "ScalableDimension")}
    soon = datetime.now(UTC) + timedelta(seconds=2)
    client.put_scheduled_action(**target, ScheduledActionName="soon", Schedule=f"at({soon:%Y-%m-%dT%H:%M:%S})", ScalableTargetAction={"MaxCapacity": 3})
    deadline = time.monotonic() + 15
    while client.describe_scalable_targets(ServiceNamespace="ecs")["ScalableTargets"][0]["MaxCapacity"] != 3:
        assert time.monotonic() < deadline, "the action wasn't carried out"
        time.sleep(0.2)
    client.delete_scheduled_action(**target, ScheduledActionName="soon")


def test_an_unchanged_template_is_no_update(aws, stack):
    with pytest.raises(ClientError, match="No updates are to be performed"):
        aws.put("all", template(), "update")


def test_an_unknown_type_is_refused_by_name(aws):
    with pytest.raises(ClientError, match=r"Unrecognized resource types: \[AWS::Foo::Bar\]"):
        aws.put("unknown", {"Resources": {"X": {"Type": "AWS::Foo::Bar"}}})


def test_an_unknown_property_of_an_added_type_fails_by_name(aws):
    made = aws.put("prop", {"Resources": {"X": {"Type": "AWS::EC2::EIP", "Properties": {}}, "Y": {
        "Type": "AWS::WAFv2::IPSet", "Properties": {"Scope": "REGIONAL", "IPAddressVersion": "IPV4", "Addresses": [],
                                                    "Colour": "red"}}}})
    assert made["StackStatus"] == "ROLLBACK_COMPLETE"
    assert "Colour" in aws.reasons("prop")
    aws.delete("prop")


def test_changes_are_made_in_place(aws, stack):
    before = aws.outputs(stack)
    updated = aws.put("all", changed(), "update")
    assert updated["StackStatus"] == "UPDATE_COMPLETE", aws.reasons("all")
    after = aws.outputs(updated)
    # Only a new revision of the task definition has another Ref.
    assert {key for key in before if before[key] != after[key]} == {"RefTd", "AttTdTaskDefinitionArn"}

    service = aws.client("ecs").describe_services(cluster="all-cluster", services=["all-svc"],
                                                  include=["TAGS"])["services"][0]
    assert {t["key"]: t["value"] for t in service["tags"] if t["key"].startswith("slipway:")} == {
        "slipway:environment": "x", "slipway:expires": "2026-01-01T00:00:00Z"}
    assert service["createdAt"] and service["taskDefinition"] == after["RefTd"]
    assert service["healthCheckGracePeriodSeconds"] == 30
    rules = aws.client("ec2").describe_security_group_rules()["SecurityGroupRules"]
    assert [r["SecurityGroupRuleId"] for r in rules if r.get("Description") == "v2"] == [after["RefIn"]]
    secret = aws.client("secretsmanager").describe_secret(SecretId=after["RefSec"])
    assert secret["RotationRules"] == {"AutomaticallyAfterDays": 7} and secret["Description"] == "s"
    provider = aws.client("iam").get_open_id_connect_provider(OpenIDConnectProviderArn=after["RefOidc"])
    assert provider["ClientIDList"] == ["sts.amazonaws.com", "another"]
    scaling = aws.client("application-autoscaling").describe_scalable_targets(ServiceNamespace="ecs")
    assert [t["MaxCapacity"] for t in scaling["ScalableTargets"]] == [6]
    assert aws.client("application-autoscaling").list_tags_for_resource(ResourceARN=scaling["ScalableTargets"][0]["ScalableTargetARN"])["Tags"] == {"a": "c", "n": "m"}
    assert [(a["ScheduledActionName"], a["Schedule"]) for a in scheduled(aws)] == [("sleep", "rate(1 day)")]
    detector = aws.client("guardduty").get_detector(DetectorId=after["RefGd"])
    assert detector["FindingPublishingFrequency"] == "ONE_HOUR"
    assert aws.client("cloudtrail").get_trail_status(Name=after["AttTrailArn"])["IsLogging"] is False
    group = aws.client("codedeploy").get_deployment_group(applicationName="all-app", deploymentGroupName="all-dg")
    assert group["deploymentGroupInfo"]["autoRollbackConfiguration"]["enabled"] is False


def test_a_property_that_cannot_change_in_place_replaces_the_thing(aws):
    def template(port, traffic):
        wanted = {k: copy.deepcopy(RESOURCES[k]) for k in ("Vpc", "Sg", "Sg2", "In", "FlRole", "Lg", "Fl")}
        wanted["In"]["Properties"] |= {"FromPort": port, "ToPort": port}
        wanted["Fl"]["Properties"]["TrafficType"] = traffic
        return {"Resources": wanted, "Outputs": {k: {"Value": {"Ref": k}} for k in ("In", "Fl", "Sg")}}

    before = aws.outputs(aws.put("replace", template(8080, "ALL")))
    updated = aws.put("replace", template(8081, "REJECT"), "update")
    assert updated["StackStatus"] == "UPDATE_COMPLETE", aws.reasons("replace")
    after = aws.outputs(updated)
    assert before["In"] != after["In"] and before["Fl"] != after["Fl"] and before["Sg"] == after["Sg"]
    ec2 = aws.client("ec2")
    rules = ec2.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [after["Sg"]]}])
    assert [r["FromPort"] for r in rules["SecurityGroupRules"] if not r["IsEgress"]] == [8081]
    logs = [f["FlowLogId"] for f in ec2.describe_flow_logs()["FlowLogs"]]
    assert after["Fl"] in logs and before["Fl"] not in logs
    assert aws.delete("replace") is None


def test_a_second_detector_is_refused_as_on_aws(aws, stack):
    made = aws.put("second", {"Resources": {"D": {"Type": "AWS::GuardDuty::Detector", "Properties": {"Enable": True}}}})
    assert made["StackStatus"] == "ROLLBACK_COMPLETE"
    assert "already exists" in aws.reasons("second")
    aws.delete("second")


def test_the_state_survives_a_restart(aws, stack):
    before = aws.client("cloudformation").describe_stack_resources(StackName="all")["StackResources"]
    detectors = aws.client("guardduty").list_detectors()["DetectorIds"]
    port = aws.endpoint
    assert aws.command("down", "--dir", str(aws.directory)).returncode == 0
    assert aws.command("up", "--dir", str(aws.directory), "--port", "0").returncode == 0
    assert aws.endpoint == port
    after = aws.client("cloudformation").describe_stack_resources(StackName="all")["StackResources"]
    assert [r["PhysicalResourceId"] for r in after] == [r["PhysicalResourceId"] for r in before]
    assert aws.client("guardduty").list_detectors()["DetectorIds"] == detectors
    assert [a["ScheduledActionName"] for a in scheduled(aws)] == ["sleep"]
    assert aws.client("codedeploy").list_applications()["applications"] == ["all-app"]


def test_everything_is_deleted_again(aws, stack):
    assert aws.delete("all") is None
    assert records.read(aws.directory / "records.json") == []
    assert aws.client("ec2").describe_nat_gateways(
        Filter=[{"Name": "state", "Values": ["available", "pending"]}])["NatGateways"] == []
    assert aws.client("ec2").describe_addresses()["Addresses"] == []
    assert aws.client("guardduty").list_detectors()["DetectorIds"] == []
    assert aws.client("codedeploy").list_applications()["applications"] == []
    assert aws.client("application-autoscaling").describe_scalable_targets(
        ServiceNamespace="ecs")["ScalableTargets"] == []
    assert aws.client("elbv2").describe_load_balancers()["LoadBalancers"] == []
    assert aws.client("wafv2").list_ip_sets(Scope="REGIONAL")["IPSets"] == []
