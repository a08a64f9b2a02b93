"""What must really work: containers behind load balancers, Go Lambdas called by schedules and stacks, and their end."""

from __future__ import annotations

import http.client
import json
import os
import platform
import subprocess
import time
import zipfile
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from local import engine, instance

from .conftest import COMMIT, ROOT, TAG

RESOURCES = json.loads((Path(__file__).parent / "everything.json").read_text())

pytestmark = pytest.mark.usefixtures("with_engine")


def ask(aws, host: str, path: str = "/version", method: str = "GET"):
    """One request to the load balancers: (status, Location, body)."""
    connection = http.client.HTTPConnection("127.0.0.1", int(aws.endpoint.rsplit(":", 1)[1]), timeout=20)
    try:
        connection.request(method, path, headers={"Host": host})
        response = connection.getresponse()
        return response.status, response.getheader("Location"), response.read().decode(errors="replace")
    finally:
        connection.close()


def service_template(name: str, tag: str, count: int = 2) -> dict:
    """A Fargate service of the real image behind two listeners, taken from the template of everything."""
    wanted = "Vpc Sn Sn2 Sg Lg Role Key Cl Ccp Lb Tg L80 L443 Rule Rs Hz Cert Td Svc".split()
    text = json.dumps({k: RESOURCES[k] for k in wanted}).replace("all-", f"{name}-").replace("big", name)
    text = text.replace("all.example.com", f"{name}.example.com").replace("alias/x", f"alias/{name}")
    resources = json.loads(text.replace("nothing:none", f"simple-flask-app:{tag}"))
    container = resources["Td"]["Properties"]["ContainerDefinitions"][0]
    container.pop("Secrets")
    container["Environment"] = [{"Name": "APP_ENVIRONMENT", "Value": name}]
    resources["Td"]["Properties"]["Family"] = name
    resources["Svc"]["Properties"]["DesiredCount"] = count
    return {"Resources": resources}


@pytest.fixture(scope="module")
def probe(aws, tmp_path_factory):
    """The Go Lambda of these tests, built as the platform's are, in a bucket; gives its Code property."""
    folder = tmp_path_factory.mktemp("probe")
    arch = "arm64" if platform.machine() in ("arm64", "aarch64") else "amd64"
    subprocess.run(["go", "build", "-trimpath", "-tags", "lambda.norpc", "-ldflags", "-s -w", "-o",
                    str(folder / "bootstrap"), "./local/tests/probe"], cwd=ROOT, check=True,
                   env={**os.environ, "CGO_ENABLED": "0", "GOOS": "linux", "GOARCH": arch})
    with zipfile.ZipFile(folder / "probe.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        member = zipfile.ZipInfo("bootstrap")
        member.external_attr = 0o755 << 16
        archive.writestr(member, (folder / "bootstrap").read_bytes())
    s3 = aws.client("s3")
    s3.create_bucket(Bucket="probe-code", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    s3.upload_file(str(folder / "probe.zip"), "probe-code", "probe.zip")
    return {"S3Bucket": "probe-code", "S3Key": "probe.zip"}


def lambda_resources(code: dict, **variables: str) -> dict:
    trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {
        "Service": "lambda.amazonaws.com"}}]}
    return {
        "Role": {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": trust}},
        "Log": {"Type": "AWS::Logs::LogGroup", "Properties": {"RetentionInDays": 7}},
        "Fn": {"Type": "AWS::Lambda::Function", "Properties": {
            "Runtime": "provided.al2023", "Handler": "bootstrap", "Code": code, "Timeout": 30,
            "Role": {"Fn::GetAtt": ["Role", "Arn"]}, "LoggingConfig": {"LogGroup": {"Ref": "Log"}},
            "Environment": {"Variables": variables}}},
    }


@pytest.fixture(scope="module")
def service(aws, pushed):
    made = aws.put("web", service_template("web", TAG))
    assert made["StackStatus"] == "CREATE_COMPLETE", aws.reasons("web")
    return made


def web_service(aws):
    return aws.client("ecs").describe_services(cluster="web-cluster", services=["web-svc"],
                                               include=["TAGS"])["services"][0]


def web_targets(aws):
    group = aws.client("elbv2").describe_target_groups(Names=["web-tg"])["TargetGroups"][0]["TargetGroupArn"]
    return {t["Target"]["Id"]: t["TargetHealth"]["State"] for t in aws.client("elbv2").describe_target_health(
        TargetGroupArn=group)["TargetHealthDescriptions"]}


def test_an_immutable_tag_can_be_found_and_pushed_again_but_not_moved(aws, pushed):
    found = aws.client("ecr").describe_images(repositoryName="simple-flask-app", imageIds=[{"imageTag": TAG}])
    assert [d["imageDigest"] for d in found["imageDetails"]] == [pushed]
    assert aws.command("push", "--tag", TAG, "--dir", str(aws.directory)).stdout.strip() == pushed
    with pytest.raises(ClientError, match="ImageTagAlreadyExistsException"):
        aws.client("ecr").put_image(repositoryName="simple-flask-app", imageTag=TAG, imageManifest="{}")


def test_a_service_is_complete_when_its_containers_run_and_are_healthy(aws, service, pushed):
    state = web_service(aws)
    assert (state["runningCount"], state["desiredCount"]) == (2, 2)
    tasks = aws.client("ecs").describe_tasks(cluster="web-cluster", tasks=aws.client("ecs").list_tasks(
        cluster="web-cluster")["taskArns"])["tasks"]
    addresses = {d["value"] for t in tasks for a in t["attachments"] for d in a["details"]
                 if d["name"] == "privateIPv4Address"}
    assert web_targets(aws) == dict.fromkeys(addresses, "healthy") and len(addresses) == 2
    assert {t["capacityProviderName"] for t in tasks} == {"FARGATE_SPOT"}
    assert {c["imageDigest"] for t in tasks for c in t["containers"]} == {pushed}
    shown = aws.command("status", "--dir", str(aws.directory)).stdout
    assert shown.count("  container ") == 2


@pytest.mark.parametrize("host, status, location, part", [
    ("app.web.example.com", 301, "https://app.web.example.com:443/version", ""),
    ("app.web.example.com:443", 200, None, COMMIT),
    ("other.web.example.com:443", 404, None, "nothing here"),
    ("app.web.example.com:8443", 503, None, "no listener on port 8443"),
])
def test_a_request_reaches_its_listener_and_host_rule(aws, service, host, status, location, part):
    got = ask(aws, host)
    assert got[:2] == (status, location)
    assert part in got[2]


def test_the_container_answers_with_its_commit_and_environment(aws, service):
    answer = json.loads(ask(aws, "app.web.example.com:443")[2])
    assert COMMIT in answer.values() and "web" in answer.values()


def test_a_function_reaches_a_listener_by_the_balancers_name_and_trusts_its_certificate(aws, service, probe):
    name = aws.client("elbv2").describe_load_balancers(Names=["web-lb"])["LoadBalancers"][0]["DNSName"]
    answers = {}
    for stack, url, host in (("ask-good", f"https://{name}:443/version", "x.qa.web.example.com"),
                             ("ask-alias", "https://app.web.example.com/version", "web.example.com"),
                             ("ask-other", f"https://{name}:443/version", "elsewhere.example.org"),
                             ("ask-plain", f"http://{name}/version", "app.web.example.com"),
                             ("ask-nobody", f"https://{name}:8443/version", "web.example.com")):
        resources = lambda_resources(probe, ASK=url, HOST=host)
        resources["Fn"]["Properties"]["FunctionName"] = stack
        assert aws.put(stack, {"Resources": resources})["StackStatus"] == "CREATE_COMPLETE", aws.reasons(stack)
        answers[stack] = json.load(aws.client("lambda").invoke(FunctionName=stack)["Payload"])
        aws.delete(stack)
    # The listener's certificate is for web.example.com and *.qa.web.example.com; its rule for app.web.example.com.
    assert (answers["ask-good"]["status"], answers["ask-good"]["body"]) == (404, "nothing here")
    assert answers["ask-alias"]["status"] == 404
    assert "certificate is valid for" in answers["ask-other"]["error"]
    assert (answers["ask-plain"]["status"], answers["ask-plain"]["location"]) == (301, "https://app.web.example.com:443/version")
    # Nobody knows the name: a port without a listener isn't readdressed.
    assert f"{name}:8443" in answers["ask-nobody"]["error"]


@pytest.mark.skipif(os.geteuid() != 0, reason="entering a container's network needs root")
def test_a_task_can_call_the_local_aws_on_its_own_loopback_address(aws, service):
    container = instance.containers(aws.directory, engine.find().host)[0]
    code = ("import os, urllib.request; "
            "print(urllib.request.urlopen(os.environ['AWS_ENDPOINT_URL'] + '/_ministack/health', timeout=5).status)")
    done = container.exec_run(["python3", "-c", code])
    assert done.output.decode().strip() == "200"


def test_a_load_balancer_answers_by_its_own_name_and_by_path(aws, service):
    name = aws.client("elbv2").describe_load_balancers(Names=["web-lb"])["LoadBalancers"][0]["DNSName"]
    assert ask(aws, name, "/health")[:2] == (301, f"https://{name}:443/health")
    assert ask(aws, f"{name}:443")[0] == 404
    assert ask(aws, "app.web.example.com:443", "/_alb/web-lb/health")[0] == 200


def test_a_scaled_and_retagged_service_keeps_its_other_tags(aws, service):
    ecs, arn = aws.client("ecs"), web_service(aws)["serviceArn"]
    ecs.update_service(cluster="web-cluster", service="web-svc", desiredCount=1)
    ecs.tag_resource(resourceArn=arn, tags=[{"key": "slipway:expires", "value": "2026-01-01T00:00:00Z"}])
    deadline = time.monotonic() + 30
    while web_service(aws)["runningCount"] != 1 and time.monotonic() < deadline:
        time.sleep(0.2)
    tags = {t["key"]: t["value"] for t in web_service(aws)["tags"]}
    assert tags["slipway:expires"] == "2026-01-01T00:00:00Z" and "slipway:environment" in tags
    assert len(web_targets(aws)) == 1
    ecs.update_service(cluster="web-cluster", service="web-svc", desiredCount=2)


def test_tasks_run_again_after_a_restart(aws, service):
    assert aws.command("down", "--dir", str(aws.directory)).returncode == 0
    assert instance.containers(aws.directory, engine.find().host) == []
    assert aws.command("up", "--dir", str(aws.directory), "--port", "0").returncode == 0
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if sorted(web_targets(aws).values()) == ["healthy", "healthy"] and web_service(aws)["runningCount"] == 2:
            break
        time.sleep(0.3)
    assert ask(aws, "app.web.example.com:443")[0] == 200


def test_an_image_that_was_never_pushed_fails_the_stack_with_the_reason(aws, service):
    template = service_template("bad", "never-pushed", count=1)
    template["Resources"]["Svc"]["Properties"]["DeploymentConfiguration"]["DeploymentCircuitBreaker"] = {
        "Enable": True, "Rollback": False}
    made = aws.put("bad", template)
    assert made["StackStatus"] == "ROLLBACK_COMPLETE"
    assert "never-pushed: not found" in aws.reasons("bad")
    aws.delete("bad")


def test_a_go_lambda_is_a_custom_resource(aws, probe):
    def template(n, fail=False):
        resources = lambda_resources(probe)
        resources["Thing"] = {"Type": "Custom::Thing", "Properties": {
            "ServiceToken": {"Fn::GetAtt": ["Fn", "Arn"]}, "N": n, "Fail": fail}}
        return {"Resources": resources, "Outputs": {"Echo": {"Value": {"Fn::GetAtt": ["Thing", "Echo"]}},
                                                    "Id": {"Value": {"Ref": "Thing"}}}}

    made = aws.put("custom", template(5))
    # CloudFormation sends every value as a string.
    assert aws.outputs(made) == {"Echo": "Create 5 string", "Id": "probe"}
    assert aws.outputs(aws.put("custom", template(6), "update"))["Echo"] == "Update 6 string"
    assert aws.put("custom", template(7, fail=True), "update")["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert "told to fail" in aws.reasons("custom")
    assert aws.delete("custom") is None


def test_a_scheduled_go_lambda_deletes_a_stack_with_its_containers_and_rules(aws, service, probe):
    resources = lambda_resources(probe, GREETING="from the template", DELETE_STACK="web")
    resources["Rule"] = {"Type": "AWS::Events::Rule", "Properties": {
        "ScheduleExpression": "rate(1 minute)", "Targets": [{"Arn": {"Fn::GetAtt": ["Fn", "Arn"]}, "Id": "t"}]}}
    resources["Permission"] = {"Type": "AWS::Lambda::Permission", "Properties": {
        "FunctionName": {"Ref": "Fn"}, "Action": "lambda:InvokeFunction", "Principal": "events.amazonaws.com",
        "SourceArn": {"Fn::GetAtt": ["Rule", "Arn"]}}}
    made = aws.put("schedule", {"Resources": resources, "Outputs": {"Log": {"Value": {"Ref": "Log"}}}})
    deadline = time.monotonic() + 130
    while aws.settle("web") is not None:
        assert time.monotonic() < deadline, "the schedule's Lambda didn't delete the stack within two minutes"
        time.sleep(1)
    log = aws.client("logs").filter_log_events(logGroupName=aws.outputs(made)["Log"])["events"]
    assert any("scheduled from the template" in e["message"] for e in log)
    left = [c for c in aws.client("ecs").list_clusters()["clusterArns"] if c.endswith("/web-cluster")]
    assert left == []
    assert aws.client("elbv2").describe_load_balancers()["LoadBalancers"] == []
    assert instance.containers(aws.directory, engine.find().host) == []
    assert "nothing here" not in ask(aws, "app.web.example.com:443", "/health")[2]
    assert aws.delete("schedule") is None
