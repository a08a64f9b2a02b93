"""The pure parts of the local AWS: names, choices, and how templates become API calls and containers."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st

from local import (api_additions, containers, ecrnames, engine, errors, exports, forward, images, instance,
                   lambdanet, loadbalancers, patches, targets, tasknet, types_attributes, types_pipeline, types_registry, waiting)
from local.types_base import Refused, fit, truth
from local.types_delivery import policy_target, target_identity
from local.types_ec2 import acl_entry, rule_permission
from local.types_ecs import cluster_name, service_parameters, task_definition
from local.types_identity import rotation_parameters


def client(service):
    return boto3.client(service, region_name="eu-west-1", aws_access_key_id="x", aws_secret_access_key="x")


# Image names

ECR = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/simple-flask-app"
DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize("image, tag, digest", [
    (f"{ECR}:3f2a", "3f2a", None), (ECR, None, None), (f"{ECR}@{DIGEST}", None, DIGEST),
    (f"{ECR}:3f2a@{DIGEST}", "3f2a", DIGEST),
])
def test_an_ecr_name_has_account_region_repository_and_tag_or_digest(image, tag, digest):
    reference = ecrnames.parse(image)
    assert (reference.account, reference.region, reference.repository) == (
        "123456789012", "eu-west-1", "simple-flask-app")
    assert (reference.tag, reference.digest) == (tag, digest)
    assert str(reference) == image


@pytest.mark.parametrize("image", ["python:3.13", "localhost/app:1", "public.ecr.aws/x/y:1", f"{ECR}:", f"{ECR}@sha256:ab",
                                   "12.dkr.ecr.eu-west-1.amazonaws.com/app:1", f"{ECR}:a b"])
def test_other_registries_and_malformed_names_are_not_ecrs(image):
    assert ecrnames.parse(image) is None


@given(st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}", fullmatch=True))
def test_every_legal_tag_survives_the_way_into_a_name_and_back(tag):
    assert ecrnames.parse(ecrnames.image_name("000000000000", "eu-west-1", "a/b", tag)).tag == tag


def test_a_digest_in_the_name_wins_over_the_tag():
    stored = [{"imageDigest": DIGEST, "imageTags": ["old"]}, {"imageDigest": "sha256:" + "b" * 64, "imageTags": ["new"]}]
    assert ecrnames.pick(stored, ecrnames.parse(f"{ECR}:new@{DIGEST}"))["imageTags"] == ["old"]
    assert ecrnames.pick(stored, ecrnames.parse(f"{ECR}:new"))["imageTags"] == ["new"]
    assert ecrnames.pick(stored, ecrnames.parse(ECR)) is None


def test_a_pushed_manifest_names_the_layers_and_configuration_by_their_real_digests():
    config, layer = json.dumps({"os": "linux"}).encode(), b"layer bytes"
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        def add(name, data):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))

        add("c.json", config)
        add("one/layer.tar", layer)
        link = tarfile.TarInfo("two/layer.tar")
        link.type, link.linkname = tarfile.SYMTYPE, "../one/layer.tar"
        tar.addfile(link)
        add("manifest.json", json.dumps([{"Config": "c.json", "Layers": ["one/layer.tar", "two/layer.tar"]}]).encode())
    archive.seek(0)
    manifest = json.loads(images.manifest_of(archive))
    assert manifest["config"]["digest"] == "sha256:" + hashlib.sha256(config).hexdigest()
    assert [(x["digest"], x["size"]) for x in manifest["layers"]] == [
        ("sha256:" + hashlib.sha256(layer).hexdigest(), len(layer))] * 2
    assert ecrnames.config_digest(json.dumps(manifest)) == manifest["config"]["digest"]


# Building

@pytest.mark.parametrize("image, host", [
    ("docker.io/library/python:3", "registry-1.docker.io"), ("python:3", "registry-1.docker.io"),
    ("team/app", "registry-1.docker.io"), ("ghcr.io/a/b:1", "ghcr.io"), ("localhost:5000/a", "localhost:5000"),
])
def test_the_registry_of_an_image_is_found_in_its_name(image, host):
    assert images.registry_of(image) == host


def test_the_base_image_must_be_pinned_by_digest():
    assert images.pinned_base(f"# x\nARG BASE_IMAGE=python:3@{DIGEST}\nFROM ${{BASE_IMAGE}}\n") == f"python:3@{DIGEST}"
    for dockerfile in ("ARG BASE_IMAGE=python:3\n", "FROM python:3\n", f"ARG BASE_IMAGE=python@{DIGEST}0\n"):
        with pytest.raises(errors.LocalError):
            images.pinned_base(dockerfile)


def test_only_settings_that_hold_in_another_file_system_reach_the_build():
    kept = images.pip_conf({"index-url": "https://mirror.example/simple", "find-links": "/opt/wheels",
                            "cert": "/home/me/ca.pem", "extra-index-url": "a\\nb"}, "/run/ca")
    assert kept == ("[global]\ncert = /run/ca\nindex-url = https://mirror.example/simple\n"
                    "extra-index-url = a\n    b\n")


@pytest.mark.parametrize("text, expected", [
    ('ID=debian\n', True), ('ID=ubuntu\nID_LIKE=debian\n', True), ('ID="linuxmint"\nID_LIKE="ubuntu debian"\n', True),
    ('ID=fedora\n', False), ('NAME=debian\n', False), ('', False),
])
def test_debian_and_its_derivatives_are_known_by_os_release(text, expected):
    assert engine.debian_like(text) is expected


# Forwarding

def authorization(service, key="test"):
    return (f"AWS4-HMAC-SHA256 Credential={key}/20260101/eu-west-1/{service}/aws4_request, "
            "SignedHeaders=host, Signature=0")


@pytest.mark.parametrize("service, moto", [
    ("guardduty", True), ("securityhub", True), ("application-autoscaling", False), ("ecs", False), ("s3", False),
    ("codedeploy", False), ("autoscaling", False),
])
def test_a_request_goes_to_moto_by_the_service_in_its_signature(service, moto):
    assert forward.wanted(authorization(service)) is moto


def test_an_unsigned_request_is_never_forwarded():
    assert not forward.wanted("")
    assert not forward.wanted("Bearer guardduty")


@pytest.mark.parametrize("key, account", [("test", "000000000000"), ("123456789012", "123456789012"),
                                          ("1234567890123", "000000000000")])
def test_a_key_of_twelve_digits_is_the_account(key, account):
    assert forward.account_of(forward.scope(authorization("guardduty", key))[0]) == account


@pytest.mark.parametrize("agent, action, waits", [
    ("aws-sdk-js/3 aws-cdk/2.1148.1", "ExecuteChangeSet", True), ("aws-cdk/2", "DeleteStack", True),
    ("aws-sdk-go-v2/1.4", "DeleteStack", False), ("aws-cdk/2", "DescribeStacks", False), ("", "DeleteStack", False),
])
def test_only_the_cdk_cli_is_answered_late(agent, action, waits):
    assert waiting.wanted({"user-agent": agent}, {"Action": [action]}) is waits


# Load balancers

def test_a_host_without_a_port_is_for_port_80():
    assert loadbalancers.split_host("App.Example.com") == ("app.example.com", 80)
    assert loadbalancers.split_host("app.example.com:443") == ("app.example.com", 443)


def test_a_wildcard_answers_where_no_closer_name_does():
    assert loadbalancers.candidates("a.qa.example.com") == [
        "a.qa.example.com", "*.qa.example.com", "*.example.com", "*.com"]


@pytest.mark.parametrize("asked, expected", [(80, 80), (443, 443), (4566, 80), (8443, None)])
def test_a_port_without_a_listener_finds_none_and_the_gateways_own_finds_the_plain_one(asked, expected):
    assert loadbalancers.listener_port([{"Port": 443}, {"Port": 80}], asked, 4566) == expected


@pytest.mark.parametrize("matcher, status, good", [
    ("200", 200, True), ("200", 204, False), ("200-299", 204, True), ("200,302", 302, True), ("200-299,404", 404, True),
    ("", 200, False),
])
def test_a_matcher_is_a_code_a_list_or_a_range(matcher, status, good):
    assert targets.matches(matcher, status) is good


def test_a_target_is_healthy_after_one_success_and_unhealthy_after_the_threshold():
    health, bad = targets.Health(), ("Target.Timeout", "Request timed out")
    targets.judge(health, bad, 2)
    assert health.state == "initial"
    targets.judge(health, None, 2)
    assert health.state == "healthy"
    targets.judge(health, bad, 2)
    assert health.state == "healthy"
    targets.judge(health, bad, 2)
    assert (health.state, health.reason) == ("unhealthy", "Target.Timeout")
    targets.judge(health, None, 2)
    assert health.state == "healthy"


@given(st.lists(st.tuples(st.text(min_size=1, max_size=3), st.integers(0, 999)), min_size=1, max_size=5),
       st.floats(0, 1, exclude_max=True))
def test_a_group_of_weight_zero_gets_traffic_only_when_all_have_zero(groups, draw):
    chosen = targets.choose(groups, draw)
    if any(weight for _, weight in groups):
        assert chosen in {name for name, weight in groups if weight}
    else:
        assert chosen == groups[0][0]


# Containers

TASK = {"com.amazonaws.ecs.task-arn": "arn:aws:ecs:eu-west-1:000000000000:task/c/0123456789abcdef"}


def definition(*defined, **more):
    return {"containerDefinitions": list(defined), "networkMode": "awsvpc", "memory": "1024", **more}


def test_a_definitions_user_root_and_memory_reach_the_container():
    app = {"name": "app", "user": "10001", "readonlyRootFilesystem": True, "entryPoint": ["/x"], "workingDirectory": "/w"}
    made = containers.complete({"labels": TASK}, app, definition(app))
    assert (made["user"], made["read_only"], made["entrypoint"], made["working_dir"]) == ("10001", True, ["/x"], "/w")
    assert made["mem_limit"] == 1024 * 1024 * 1024


def test_a_volume_of_one_container_is_in_memory_and_one_of_two_is_shared():
    a = {"name": "a", "mountPoints": [{"sourceVolume": "tmp", "containerPath": "/tmp"},
                                      {"sourceVolume": "both", "containerPath": "/b"}]}
    b = {"name": "b", "mountPoints": [{"sourceVolume": "both", "containerPath": "/b", "readOnly": True}]}
    td = definition(a, b, volumes=[{"name": "tmp"}, {"name": "both"}])
    assert containers.complete({"labels": TASK}, a, td)["tmpfs"] == {"/tmp": "rw,mode=1777"}
    assert containers.complete({"labels": TASK}, b, td)["volumes"] == ["slipway-ecs-0123456789abcdef-both:/b:ro"]


def test_the_containers_of_a_task_share_the_first_ones_network():
    a, b = {"name": "a"}, {"name": "b"}
    made = containers.complete({"labels": TASK, "network": "n", "extra_hosts": {}}, b, definition(a, b))
    assert made["network_mode"] == "container:ministack-ecs-01234567-a"
    assert "network" not in made and "extra_hosts" not in made


def test_only_the_local_awss_urls_move_to_the_tasks_loopback_address():
    assert tasknet.readdressed({"AWS_ENDPOINT_URL": "http://host.docker.internal:4566",
                                "ECS_CONTAINER_METADATA_URI_V4": "http://host.docker.internal:4566/v4/t",
                                "OTHER": "http://host.docker.internal:80/x"}, 4566) == {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:4566", "ECS_CONTAINER_METADATA_URI_V4": "http://127.0.0.1:4566/v4/t",
        "OTHER": "http://host.docker.internal:80/x"}


# Properties

def test_properties_are_matched_without_regard_to_case_and_converted():
    fitted = fit(client("cloudtrail"), "create_trail", {"Name": "t", "S3BucketName": "b", "KMSKeyId": "k",
                                                        "IsMultiRegionTrail": "true"})
    assert fitted == {"Name": "t", "S3BucketName": "b", "KmsKeyId": "k", "IsMultiRegionTrail": True}


def test_an_unknown_property_is_refused_by_its_name():
    with pytest.raises(Refused, match="Colour"):
        fit(client("cloudtrail"), "create_trail", {"Name": "t", "S3BucketName": "b", "Colour": "red"})


@pytest.mark.parametrize("value", ["yes", 1, None, ""])
def test_only_true_and_false_are_truth_values(value):
    with pytest.raises(Refused):
        truth(value)


def test_a_rule_between_groups_names_the_other_group():
    assert rule_permission({"IpProtocol": "tcp", "FromPort": "5432", "ToPort": 5432, "SourceSecurityGroupId": "sg-1",
                            "Description": "app"}, "ingress") == {
        "IpProtocol": "tcp", "FromPort": 5432, "ToPort": 5432,
        "UserIdGroupPairs": [{"GroupId": "sg-1", "Description": "app"}]}
    assert rule_permission({"IpProtocol": -1, "CidrIp": "0.0.0.0/0"}, "egress") == {
        "IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}


def test_an_acl_entry_is_inbound_unless_it_says_otherwise():
    assert acl_entry({"NetworkAclId": "acl-1", "RuleNumber": "100", "Protocol": 6, "RuleAction": "allow",
                      "CidrBlock": "0.0.0.0/0", "PortRange": {"From": "443", "To": 443}}) == {
        "NetworkAclId": "acl-1", "RuleNumber": 100, "Protocol": "6", "RuleAction": "allow", "Egress": False,
        "CidrBlock": "0.0.0.0/0", "PortRange": {"From": 443, "To": 443}}


FARGATE = {"RequiresCompatibilities": ["FARGATE"], "NetworkMode": "awsvpc", "Cpu": 256, "Memory": "512",
           "ContainerDefinitions": [{"Name": "app", "Image": "i", "PortMappings": [{"ContainerPort": "8080"}],
                                     "DockerLabels": {"Team": "x"}}]}


def test_a_task_definition_keeps_all_it_says():
    made = task_definition(client("ecs"), {**FARGATE, "RuntimePlatform": {"CpuArchitecture": "ARM64"},
                                           "Tags": [{"Key": "a", "Value": 1}]}, "f")
    assert (made["family"], made["cpu"], made["runtimePlatform"]) == ("f", "256", {"cpuArchitecture": "ARM64"})
    assert made["containerDefinitions"] == [{"name": "app", "image": "i", "portMappings": [{"containerPort": 8080}],
                                             "dockerLabels": {"Team": "x"}}]
    assert made["tags"] == [{"key": "a", "value": "1"}]


@pytest.mark.parametrize("change", [{"NetworkMode": "bridge"}, {"Cpu": None}, {"Memory": None}])
def test_fargate_refuses_a_task_without_its_size_or_awsvpc(change):
    with pytest.raises(Refused):
        task_definition(client("ecs"), {**FARGATE, **change}, "f")


@pytest.mark.parametrize("props", [
    {"LaunchType": "FARGATE", "CapacityProviderStrategy": [{"CapacityProvider": "FARGATE"}]},
    {"DeploymentController": {"Type": "CODE_DEPLOY"},
     "DeploymentConfiguration": {"DeploymentCircuitBreaker": {"Enable": True, "Rollback": True}}},
    {"DeploymentController": {"Type": "CODE_DEPLOY"},
     "DeploymentConfiguration": {"Alarms": {"AlarmNames": ["a"], "Enable": True, "Rollback": True}}},
])
def test_a_service_refuses_what_ecs_refuses(props):
    with pytest.raises(Refused):
        service_parameters(client("ecs"), "create_service", props)


def test_a_cluster_is_known_by_name_and_by_arn():
    for value in ("arn:aws:ecs:eu-west-1:000000000000:cluster/qa-cluster", "qa-cluster"):
        assert cluster_name(value) == "qa-cluster"


def test_a_scaling_policy_finds_its_target_by_ref_or_by_parts():
    parts = {"ResourceId": "service/c/s", "ScalableDimension": "ecs:service:DesiredCount", "ServiceNamespace": "ecs"}
    assert target_identity(parts) == "service/c/s|ecs:service:DesiredCount|ecs"
    assert policy_target({"ScalingTargetId": target_identity(parts)}) == parts == policy_target(parts)


def test_a_rotation_has_days_or_an_expression():
    assert rotation_parameters({"SecretId": "s", "RotationRules": {"AutomaticallyAfterDays": "30"}}) == {
        "SecretId": "s", "RotationRules": {"AutomaticallyAfterDays": 30}}
    assert rotation_parameters({"SecretId": "s", "RotationLambdaARN": "l",
                                "RotationRules": {"ScheduleExpression": "rate(7 days)"}}) == {
        "SecretId": "s", "RotationLambdaARN": "l", "RotationRules": {"ScheduleExpression": "rate(7 days)"}}


def test_a_web_acls_capacity_adds_up_its_managed_groups():
    # 700 and 200: the capacities in AWS's list of baseline rule groups.
    rules = [{"Statement": {"ManagedRuleGroupStatement": {"VendorName": "AWS", "Name": name}}}
             for name in ("AWSManagedRulesCommonRuleSet", "AWSManagedRulesKnownBadInputsRuleSet")]
    assert types_attributes.web_acl_capacity(rules) == 900


def test_no_type_is_registered_twice():
    names = [t.name for t in types_registry.TYPES]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("declared, left", [
    (patches.SECRETS_TRANSFORM, None), ([patches.SECRETS_TRANSFORM], None),
    ([patches.SECRETS_TRANSFORM, "AWS::LanguageExtensions"], ["AWS::LanguageExtensions"]),
    ("AWS::Serverless-2016-10-31", "AWS::Serverless-2016-10-31"),
])
def test_only_the_transform_of_hosted_rotation_is_taken_out(declared, left):
    assert patches.without_transform({"Transform": declared}, patches.SECRETS_TRANSFORM).get("Transform") == left


# Exports

OWN, OTHER = "arn:aws:cloudformation:r:a:stack/own/1", "arn:aws:cloudformation:r:a:stack/other/1"


@pytest.mark.parametrize("current, new, imported, expected", [
    ({}, {"e": "1"}, [], None),
    ({"e": (OWN, "1")}, {"e": "1"}, ["user"], None),
    ({"e": (OWN, "1")}, {"e": "2"}, [], None),
    ({"e": (OWN, "1")}, {"e": "2"}, ["user"], "Export e cannot be updated as it is in use by user"),
    ({"e": (OWN, "1")}, {}, ["user"], "Export e cannot be deleted as it is in use by user"),
    ({"e": (OWN, "1")}, {}, [], None),
    ({"e": (OTHER, "1")}, {"e": "1"}, [], "Export with name e is already exported by stack other."),
    ({"e": (OTHER, "1")}, {}, ["user"], None),
])
def test_an_export_stays_as_it_is_while_somebody_imports_it(current, new, imported, expected):
    known = {name: {"StackId": stack, "Value": value} for name, (stack, value) in current.items()}
    wanted = {name: {"StackId": OWN, "Value": value} for name, value in new.items()}
    assert exports.problem(OWN, known, wanted, lambda name: imported) == expected


# Tagging pages

def resources(count):
    listed = [{"ResourceARN": f"arn:aws:sqs:eu-west-1:000000000000:q{n:04}", "Tags": []} for n in range(count)]
    return lambda data: (200, {}, json.dumps({"ResourceTagMappingList": listed, "PaginationToken": ""}).encode())


@given(st.integers(0, 250), st.integers(1, 100))
def test_all_resources_come_once_whatever_the_page_size(count, size):
    pytest.importorskip("ministack")
    seen, token = [], None
    while True:
        request = {"ResourcesPerPage": size, **({"PaginationToken": token} if token else {})}
        answer = json.loads(api_additions.paged(resources(count), request)[2])
        assert len(answer["ResourceTagMappingList"]) <= size
        seen += [r["ResourceARN"] for r in answer["ResourceTagMappingList"]]
        token = answer["PaginationToken"]
        if not token:
            break
    assert len(seen) == len(set(seen)) == count


def test_resources_named_by_their_arns_come_all_at_once():
    answer = json.loads(api_additions.paged(resources(100), {"ResourceARNList": ["arn"]})[2])
    assert len(answer["ResourceTagMappingList"]) == 100 and not answer.get("PaginationToken")


@pytest.mark.parametrize("size", [101, -1])
def test_a_page_of_more_than_a_hundred_is_refused(size):
    assert api_additions.paged(resources(1), {"ResourcesPerPage": size})[0] == 400


# The way from a function to a load balancer

@pytest.mark.parametrize("value, wanted", [
    ("https://lb.elb.amazonaws.com:8443", "https://127.0.0.1:1"), ("https://LB.elb.amazonaws.com:8443/a?b", "https://127.0.0.1:1/a?b"),
    ("https://lb.elb.amazonaws.com", "https://127.0.0.1:2"), ("http://lb.elb.amazonaws.com/", "http://127.0.0.1:3/"),
    ('{"url":"https://lb.elb.amazonaws.com:8443","host":"lb.elb.amazonaws.com"}',
     '{"url":"https://127.0.0.1:1","host":"lb.elb.amazonaws.com"}'),
    ("https://lb.elb.amazonaws.com:9999", None), ("https://lb.elb.amazonaws.com.example.org:8443", None),
    ("https://other.example.com:8443", None), ("ftp://lb.elb.amazonaws.com", None), ("lb.elb.amazonaws.com:8443", None),
    ("https://user@lb.elb.amazonaws.com:8443", None),
])
def test_only_urls_of_listeners_are_readdressed(value, wanted):
    doors = {("https", "lb.elb.amazonaws.com", 8443): 1, ("https", "lb.elb.amazonaws.com", 443): 2,
             ("http", "lb.elb.amazonaws.com", 80): 3}
    assert lambdanet.readdressed({"A": value}, lambda *key: doors.get(key)) == {"A": wanted or value}


@given(st.dictionaries(st.text(min_size=1), st.text()))
def test_without_load_balancers_variables_stay_as_they_are(variables):
    assert lambdanet.readdressed(variables, lambda *_: None) == variables


# Instances

def test_two_directories_have_different_container_labels(tmp_path):
    assert instance.label(tmp_path / "a") != instance.label(tmp_path / "b")
    assert instance.label(tmp_path / "a") == instance.label(tmp_path / "x" / ".." / "a")


def test_the_environment_reads_nothing_of_the_users_own_aws_settings(tmp_path):
    env = instance.environment(tmp_path, "http://127.0.0.1:4566")
    assert env["AWS_CONFIG_FILE"] == env["AWS_SHARED_CREDENTIALS_FILE"] == "/dev/null"
    assert env["CDK_HOME"].startswith(str(tmp_path))


def test_a_dead_or_foreign_process_is_not_ours():
    assert not instance.alive(0, "local.server")
    assert not instance.alive(1, "local.server")


def _pipeline(*stages):
    return {"Stages": [{"Name": name, "Actions": [
        {"Name": action, "ActionTypeId": {"Category": category}} for action, category in actions]} for name, actions in stages]}


@pytest.mark.parametrize(("stages", "words"), [
    ([("Source", [("S", "Source")])], "at least 2 stages"),
    ([("Source", [("S", "Source")]), ("b", [("x", "Build"), ("x", "Build")])], "two actions of one name"),
    ([("Source", [("S", "Source")]), ("b", [(f"x{i}", "Build") for i in range(51)])], "51 actions"),
    ([("Source", [("S", "Source")]), ("b", [])], "0 actions"),
    ([("Source", [("S", "Source")]), ("b c", [("x", "Build")])], "'b c'"),
    ([("a", [("x", "Build")]), ("b", [("y", "Build")])], "the first stage holds source actions"),
    ([("Source", [("S", "Source")]), ("b", [("x", "Source")])], "no other does"),
])
def test_a_pipeline_that_codepipeline_would_refuse_is_refused(stages, words):
    with pytest.raises(Refused, match=words):
        types_pipeline._check(_pipeline(*stages))


def test_a_sound_pipeline_is_taken():
    types_pipeline._check(_pipeline(("Source", [("S", "Source")]), ("b", [("x", "Build"), ("y.z@1", "Approval")])))


# Filters of ListSecrets

@pytest.mark.parametrize("key, values, passes", [
    ("tag-value", ["slipway-qa-env-"], True), ("tag-value", ["slipway-qa-env-x"], True), ("tag-value", ["qa-env"], False),
    ("tag-value", ["Slipway"], False), ("tag-key", ["aws:cloud"], True), ("name", ["slipway/qa/"], True), ("name", ["qa/"], False),
    ("name", ["other", "slipway"], True), ("name", ["!slipway"], False), ("name", ["!other"], True), ("description", ["the login"], True),
])
def test_a_filter_of_secrets_takes_the_beginnings_of_values(key, values, passes):
    secret = {"Name": "slipway/qa/x", "Description": "The login of x", "Tags": [{"Key": "aws:cloudformation:stack-name", "Value": "slipway-qa-env-x"}]}
    assert api_additions._passes(secret, [{"Key": key, "Values": values}]) is passes
    assert not api_additions._passes(secret, [{"Key": key, "Values": values}, {"Key": "name", "Values": ["nothing"]}])
