"""What templates may use besides resources: parameters, dynamic references, functions, exports, and rollbacks."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from botocore.exceptions import ClientError

from local import instance

from .conftest import ROOT, Aws


def parameter(value):
    return {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": value}}


def evaluated(aws, stack, value, **template):
    """The value of an expression, as a stack's output gives it."""
    made = aws.put(stack, {"Resources": {"P": parameter("x")}, "Outputs": {"O": {"Value": value}}, **template})
    assert made["StackStatus"] == "CREATE_COMPLETE", aws.reasons(stack)
    result = aws.outputs(made)["O"]
    aws.delete(stack)
    return result


@pytest.mark.parametrize("name, expression, expected", [
    ("sub", {"Fn::Sub": "${AWS::Region}/${AWS::AccountId}/${AWS::Partition}"}, "eu-west-1/000000000000/aws"),
    ("sub-map", {"Fn::Sub": ["${A}-${!Literal}", {"A": "a"}]}, "a-${Literal}"),
    ("split", {"Fn::Select": ["1", {"Fn::Split": [",", "a,b,c"]}]}, "b"),
    ("cidr", {"Fn::Join": [" ", {"Fn::Cidr": ["10.0.0.0/16", 3, 12]}]}, "10.0.0.0/20 10.0.16.0/20 10.0.32.0/20"),
    ("zones", {"Fn::Join": [",", {"Fn::GetAZs": ""}]}, "eu-west-1a,eu-west-1b,eu-west-1c"),
    ("base64", {"Fn::Base64": "hello"}, "aGVsbG8="),
])
def test_functions_give_what_they_give_on_aws(aws, name, expression, expected):
    assert evaluated(aws, f"fn-{name}", expression) == expected


@pytest.mark.parametrize("stage, expected", [("prod", "three"), ("dev", "one")])
def test_conditions_and_maps_choose(aws, stage, expected):
    value = {"Fn::If": ["Prod", {"Fn::FindInMap": ["Nat", "prod", "Mode"]}, "one"]}
    assert evaluated(aws, f"cond-{stage}", value, Conditions={"Prod": {"Fn::Equals": [stage, "prod"]}},
                     Mappings={"Nat": {"prod": {"Mode": "three"}}}) == expected


def test_a_parameter_may_take_its_value_from_ssm(aws):
    aws.client("ssm").put_parameter(Name="/t/one", Value="from ssm", Type="String", Overwrite=True)
    assert evaluated(aws, "value-of-ssm", {"Ref": "X"}, Parameters={
        "X": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/t/one"}}) == "from ssm"


def test_dynamic_references_are_resolved_in_properties(aws):
    aws.client("ssm").put_parameter(Name="/t/two", Value="from ssm", Type="String", Overwrite=True)
    aws.client("secretsmanager").create_secret(Name="t-secret", SecretString=json.dumps({"user": "from the secret"}))
    made = aws.put("dynamic", {"Resources": {
        "A": parameter("{{resolve:ssm:/t/two}}"),
        "B": parameter("{{resolve:secretsmanager:t-secret:SecretString:user}}")}, "Outputs": {
        "A": {"Value": {"Fn::GetAtt": ["A", "Value"]}}, "B": {"Value": {"Fn::GetAtt": ["B", "Value"]}}}})
    assert aws.outputs(made) == {"A": "from ssm", "B": "from the secret"}
    aws.delete("dynamic")


def test_an_export_in_use_can_neither_change_nor_go(aws):
    def producer(value):
        return {"Resources": {"P": parameter(value)},
                "Outputs": {"O": {"Value": value, "Export": {"Name": "t-export"}}}}

    aws.put("producer", producer("1"))
    consumer = aws.put("consumer", {"Resources": {"P": parameter("x")},
                                    "Outputs": {"O": {"Value": {"Fn::ImportValue": "t-export"}}}})
    assert aws.outputs(consumer) == {"O": "1"}
    refused = aws.put("producer", producer("2"), "update")
    assert refused["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert "Export t-export cannot be updated as it is in use by consumer" in aws.reasons("producer")
    aws.put("producer", {"Resources": {"P": parameter("1")}}, "update")
    assert "Export t-export cannot be deleted as it is in use by consumer" in aws.reasons("producer")
    with pytest.raises(ClientError, match="t-export"):
        aws.client("cloudformation").delete_stack(StackName="producer")
    assert aws.delete("consumer") is None
    assert aws.delete("producer") is None


def test_a_weak_reference_reads_another_stacks_output_and_locks_nothing(aws):
    aws.put("weak-producer", {"Resources": {"P": parameter("x")}, "Outputs": {"O": {"Value": "1"}}})
    made = aws.put("weak-consumer", {"Resources": {"P": parameter("x")}, "Outputs": {
        "O": {"Value": {"Fn::GetStackOutput": {"StackName": "weak-producer", "OutputName": "O"}}}}})
    assert aws.outputs(made) == {"O": "1"}
    assert aws.delete("weak-producer") is None
    assert aws.delete("weak-consumer") is None


def test_an_application_of_the_serverless_repository_is_refused_at_once(aws):
    with pytest.raises(ClientError, match="Serverless Application Repository"):
        aws.put("sar", {"Transform": "AWS::Serverless-2016-10-31", "Resources": {"A": {
            "Type": "AWS::Serverless::Application", "Properties": {"Location": {
                "ApplicationId": "arn:aws:serverlessrepo:us-east-1:000000000000:applications/x",
                "SemanticVersion": "1.0.0"}}}}})


def test_half_made_things_go_with_the_rollback(aws):
    group = {"Type": "AWS::IAM::Group", "Properties": {"GroupName": "half", "Policies": [
        {"PolicyName": "p", "PolicyDocument": {"Version": "2012-10-17", "Statement": []}}]}}
    made = aws.put("half", {"Resources": {"G": group}})
    assert made["StackStatus"] == "ROLLBACK_COMPLETE"
    assert "half" not in [g["GroupName"] for g in aws.client("iam").list_groups()["Groups"]]
    aws.delete("half")


def test_services_are_found_by_tag_in_pages_of_a_hundred(aws):
    ecs = aws.client("ecs")
    ecs.create_cluster(clusterName="tagged")
    definition = ecs.register_task_definition(family="tagged", containerDefinitions=[
        {"name": "app", "image": "none"}])["taskDefinition"]["taskDefinitionArn"]
    made = [ecs.create_service(cluster="tagged", serviceName=f"s{n}", taskDefinition=definition, desiredCount=0,
                               tags=[{"key": "slipway:environment", "value": f"e{n}"}])["service"]["serviceArn"]
            for n in range(105)]
    ecs.delete_service(cluster="tagged", service="s104")
    pages = aws.client("resourcegroupstaggingapi").get_paginator("get_resources").paginate(
        ResourceTypeFilters=["ecs:service"], TagFilters=[{"Key": "slipway:environment"}], ResourcesPerPage=100)
    found = [[r["ResourceARN"] for r in page["ResourceTagMappingList"]] for page in pages]
    assert [len(page) for page in found] == [100, 4]
    assert {arn for page in found for arn in page} >= set(made[:104])
    for n in range(104):
        ecs.delete_service(cluster="tagged", service=f"s{n}")


def test_instances_side_by_side_share_nothing(aws, tmp_path):
    other = tmp_path / "other"
    try:
        assert aws.command("up", "--dir", str(other), "--port", "0").returncode == 0
        assert instance.load(other).port != instance.load(aws.directory).port
        aws.client("ssm").put_parameter(Name="/only/here", Value="x", Type="String")
        with pytest.raises(ClientError, match="ParameterNotFound"):
            Aws(other).client("ssm").get_parameter(Name="/only/here")
    finally:
        assert aws.command("down", "--dir", str(other), "--purge").returncode == 0
    assert not other.exists()
    assert aws.command("status", "--dir", str(other)).returncode == 4
    assert aws.client("ssm").get_parameter(Name="/only/here")["Parameter"]["Value"] == "x"


def test_without_an_engine_a_service_is_a_record_and_up_says_so(tmp_path):
    directory = tmp_path / "bare"
    env = {**os.environ, "DOCKER_HOST": f"unix://{tmp_path}/nothing.sock"}

    def command(*arguments):
        return subprocess.run([sys.executable, "-m", "local", *arguments], cwd=ROOT, env=env, capture_output=True,
                              text=True)

    assert command("engine").returncode == 3
    try:
        started = command("up", "--dir", str(directory), "--port", "0")
        assert started.returncode == 0 and "WITHOUT CONTAINERS" in started.stderr
        assert json.loads((directory / "instance.json").read_text())["engine"] is None
        bare = Aws(directory)
        made = bare.put("svc", {"Resources": {
            "Cluster": {"Type": "AWS::ECS::Cluster", "Properties": {"ClusterName": "c"}},
            "Td": {"Type": "AWS::ECS::TaskDefinition", "Properties": {
                "RequiresCompatibilities": ["FARGATE"], "NetworkMode": "awsvpc", "Cpu": "256", "Memory": "512",
                "ContainerDefinitions": [{"Name": "app", "Image": "none"}]}},
            "Svc": {"Type": "AWS::ECS::Service", "Properties": {
                "Cluster": {"Ref": "Cluster"}, "ServiceName": "s", "TaskDefinition": {"Ref": "Td"}, "DesiredCount": 2,
                "LaunchType": "FARGATE", "NetworkConfiguration": {"AwsvpcConfiguration": {"Subnets": ["subnet-1"]}}}}}})
        assert made["StackStatus"] == "CREATE_COMPLETE", bare.reasons("svc")
        tasks = bare.client("ecs").list_tasks(cluster="c")["taskArns"]
        assert len(tasks) == 2
        assert all(t["attachments"] == [] for t in bare.client("ecs").describe_tasks(
            cluster="c", tasks=tasks)["tasks"])
    finally:
        assert command("down", "--dir", str(directory), "--purge").returncode == 0


def bucket(**tags):
    return {"Resources": {"B": {"Type": "AWS::S3::Bucket", "Properties": {
        "Tags": [{"Key": k, "Value": v} for k, v in tags.items()]}}}, "Outputs": {"O": {"Value": {"Ref": "B"}}}}


def test_a_bucket_has_the_tags_of_its_template(aws):
    name = aws.outputs(aws.put("tagged-bucket", bucket(stage="dev")))["O"]
    assert aws.client("s3").get_bucket_tagging(Bucket=name)["TagSet"] == [{"Key": "stage", "Value": "dev"}]
    aws.put("tagged-bucket", bucket(stage="qa"), "update")
    assert aws.client("s3").get_bucket_tagging(Bucket=name)["TagSet"] == [{"Key": "stage", "Value": "qa"}]
    aws.delete("tagged-bucket")


def test_a_bucket_with_objects_is_not_deleted(aws):
    name = aws.outputs(aws.put("full-bucket", bucket(stage="dev")))["O"]
    aws.client("s3").put_object(Bucket=name, Key="precious", Body=b"x")
    aws.client("cloudformation").delete_stack(StackName="full-bucket")
    stack = aws.client("cloudformation").describe_stacks(StackName="full-bucket")["Stacks"][0]
    assert stack["StackStatus"] == "DELETE_FAILED"
    assert "not empty" in aws.reasons("full-bucket")
    assert aws.client("s3").get_object(Bucket=name, Key="precious")["Body"].read() == b"x"
    aws.client("s3").delete_object(Bucket=name, Key="precious")
    aws.delete("full-bucket")
