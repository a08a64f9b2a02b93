"""CodeDeploy's pure parts: what it refuses, AppSpecs, weights over time, listeners' actions, task sets, rollbacks."""

from __future__ import annotations

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local import codedeploy, codedeploy_appspec, codedeploy_deployments, codedeploy_lifecycle, codedeploy_rollback, tasksets
from local.codedeploy_request import paged
from local.codedeploy_traffic import shifted
from local.codedeploy_weights import PREDEFINED_ECS, check, steps
from local.json_service import Refused
from local.targets import choose, groups_of

ACCOUNT, REGION = "000000000000", "eu-west-1"
DEFINITION = "arn:aws:ecs:eu-west-1:000000000000:task-definition/web:2"
LISTENER = "arn:aws:elasticloadbalancing:eu-west-1:000000000000:listener/app/lb/1/1"
GROUP = {
    "applicationName": "a", "deploymentGroupName": "g", "serviceRoleArn": "arn:aws:iam::000000000000:role/r",
    "ecsServices": [{"clusterName": "c", "serviceName": "s"}],
    "deploymentStyle": {"deploymentType": "BLUE_GREEN", "deploymentOption": "WITH_TRAFFIC_CONTROL"},
    "loadBalancerInfo": {"targetGroupPairInfoList": [{
        "targetGroups": [{"name": "blue"}, {"name": "green"}], "prodTrafficRoute": {"listenerArns": [LISTENER]}}]},
    "blueGreenDeploymentConfiguration": {
        "terminateBlueInstancesOnDeploymentSuccess": {"action": "TERMINATE", "terminationWaitTimeInMinutes": 5},
        "deploymentReadyOption": {"actionOnTimeout": "CONTINUE_DEPLOYMENT", "waitTimeInMinutes": 0}}}
ROUTING = {"type": "TimeBasedLinear", "timeBasedLinear": {"linearPercentage": 50, "linearInterval": 1}}


def spec(**changed) -> dict:
    """The AppSpec of AWS's reference, changed."""
    properties = {"TaskDefinition": DEFINITION, "LoadBalancerInfo": {"ContainerName": "app", "ContainerPort": 8080}}
    return {"version": 0.0, "Resources": [{"TargetService": {"Type": "AWS::ECS::Service", "Properties": properties}}]} | changed


def revision(content: str | None = None, **more) -> dict:
    return {"revisionType": "AppSpecContent", "appSpecContent": {"content": content or json.dumps(spec()), **more}}


@pytest.fixture
def service(tmp_path, monkeypatch):
    """CodeDeploy in which deployments are made but don't get to work."""
    monkeypatch.setattr(codedeploy.CodeDeploy, "start_pending", lambda *_: None)
    return codedeploy.CodeDeploy(tmp_path / "state.json")


@pytest.fixture
def deploy(service):
    return lambda operation, **request: service.call(ACCOUNT, REGION, operation, request)


@pytest.fixture
def group(deploy):
    deploy("CreateApplication", applicationName="a", computePlatform="ECS")
    deploy("CreateDeploymentGroup", **GROUP)
    return {"applicationName": "a", "deploymentGroupName": "g"}


def code_of(call) -> str:
    with pytest.raises(Refused) as refused:
        call()
    return refused.value.code


# What is configured

@pytest.mark.parametrize("operation, request_, code", [
    ("GetApplication", {"applicationName": "none"}, "ApplicationDoesNotExistException"),
    ("CreateApplication", {"applicationName": "a"}, "ApplicationAlreadyExistsException"),
    ("CreateApplication", {}, "ApplicationNameRequiredException"),
    ("CreateDeploymentGroup", {**GROUP, "serviceRoleArn": ""}, "RoleRequiredException"),
    ("CreateDeploymentGroup", {**GROUP, "ecsServices": []}, "InvalidECSServiceException"),
    ("CreateDeploymentGroup", {**GROUP, "deploymentStyle": {}}, "InvalidDeploymentStyleException"),
    ("CreateDeploymentGroup", {**GROUP, "loadBalancerInfo": {}}, "InvalidLoadBalancerInfoException"),
    ("CreateDeploymentGroup", {**GROUP, "blueGreenDeploymentConfiguration": {}},
     "InvalidBlueGreenDeploymentConfigurationException"),
    ("CreateDeploymentGroup", {**GROUP, "autoRollbackConfiguration": {"enabled": True}}, "InvalidAutoRollbackConfigException"),
    ("CreateDeploymentGroup", {**GROUP, "alarmConfiguration": {"enabled": True}}, "InvalidAlarmConfigException"),
    ("CreateDeploymentGroup", {**GROUP, "alarmConfiguration": {"alarms": [{"name": f"a{i}"} for i in range(11)]}},
     "AlarmsLimitExceededException"),
    ("CreateDeploymentGroup", {**GROUP, "deploymentConfigName": "none"}, "DeploymentConfigDoesNotExistException"),
    ("CreateDeploymentConfig", {"deploymentConfigName": "x", "computePlatform": "ECS"},
     "InvalidTrafficRoutingConfigurationException"),
    ("GetDeploymentGroup", {"applicationName": "a", "deploymentGroupName": "none"}, "DeploymentGroupDoesNotExistException"),
    ("CreateDeploymentWithMagic", {"applicationName": "a"}, "InvalidOperationException"),
])
def test_codedeploy_refuses_with_its_own_codes(deploy, operation, request_, code):
    deploy("CreateApplication", applicationName="a", computePlatform="ECS")
    assert code_of(lambda: deploy(operation, **request_)) == code


def test_an_ecs_group_without_a_configuration_moves_all_traffic_at_once(deploy, group):
    assert deploy("GetDeploymentGroup", **group)["deploymentGroupInfo"]["deploymentConfigName"] == (
        "CodeDeployDefault.ECSAllAtOnce")


def test_codedeploy_keeps_its_state_in_its_file(deploy, group, service, tmp_path):
    identity = deploy("CreateDeployment", **group, revision=revision())["deploymentId"]
    again = codedeploy.CodeDeploy(tmp_path / "state.json")
    assert again.call(ACCOUNT, REGION, "GetDeploymentGroup", group)["deploymentGroupInfo"]["computePlatform"] == "ECS"
    assert again.record(ACCOUNT, REGION, identity)["status"] == "Created"
    assert again.call(ACCOUNT, "us-east-1", "ListApplications", {}) == {"applications": []}


def test_a_configuration_in_use_stays(deploy):
    deploy("CreateApplication", applicationName="a", computePlatform="ECS")
    deploy("CreateDeploymentConfig", deploymentConfigName="x", computePlatform="ECS", trafficRoutingConfig=ROUTING)
    deploy("CreateDeploymentGroup", **GROUP, deploymentConfigName="x")
    assert code_of(lambda: deploy("DeleteDeploymentConfig", deploymentConfigName="x")) == "DeploymentConfigInUseException"


# Deployments

@pytest.mark.parametrize("request_, code", [
    ({"revision": None}, "RevisionRequiredException"),
    ({"revision": {"revisionType": "S3"}}, "InvalidRevisionException"),
    ({"revision": revision("no: [appspec")}, "InvalidRevisionException"),
    ({"revision": revision(sha256="0" * 64)}, "InvalidRevisionException"),
    ({"description": "x" * 101}, "DescriptionTooLongException"),
    ({"deploymentConfigName": "none"}, "DeploymentConfigDoesNotExistException"),
    ({"overrideAlarmConfiguration": {"enabled": True, "alarms": []}}, "InvalidAlarmConfigException"),
    ({"autoRollbackConfiguration": {"enabled": True, "events": ["SOMETIMES"]}}, "InvalidAutoRollbackConfigException"),
    ({"deploymentGroupName": "none"}, "DeploymentGroupDoesNotExistException"),
])
def test_a_deployment_is_refused_before_it_starts(deploy, group, request_, code):
    assert code_of(lambda: deploy("CreateDeployment", **group | {"revision": revision()} | request_)) == code
    assert deploy("ListDeployments")["deployments"] == []


def test_a_group_has_one_deployment_at_a_time(deploy, group):
    first = deploy("CreateDeployment", **group, revision=revision())["deploymentId"]
    with pytest.raises(Refused) as refused:
        deploy("CreateDeployment", **group, revision=revision())
    assert (refused.value.code, str(refused.value)) == (
        "DeploymentLimitExceededException", f"The Deployment Group 'g' already has an active Deployment '{first}'")


def test_a_deployment_tells_its_revision_by_hash_and_not_by_content(deploy, group):
    identity = deploy("CreateDeployment", **group, revision=revision(), description="why")["deploymentId"]
    told = deploy("GetDeployment", deploymentId=identity)["deploymentInfo"]
    wanted = hashlib.sha256(json.dumps(spec()).encode()).hexdigest()
    assert told["revision"] == {"revisionType": "AppSpecContent", "appSpecContent": {"sha256": wanted}}
    assert (told["description"], told["creator"], told["status"], told["computePlatform"]) == ("why", "user", "Created", "ECS")
    assert not [k for k in told if k.startswith("_")]
    assert deploy("BatchGetDeployments", deploymentIds=[identity])["deploymentsInfo"] == [told]
    used = deploy("GetApplicationRevision", applicationName="a", revision={
        "revisionType": "AppSpecContent", "appSpecContent": {"sha256": wanted}})["revisionInfo"]
    assert used["deploymentGroups"] == ["g"]


def test_deployments_are_listed_newest_first_by_status_and_time(deploy, group, service):
    made = []
    for status, created in (("Succeeded", 100.0), ("Failed", 200.0), ("Created", 300.0)):
        made.append(deploy("CreateDeployment", **group, revision=revision())["deploymentId"])
        with service.edit(ACCOUNT, REGION) as scope:
            scope["deployments"][made[-1]] |= {"status": status, "createTime": created}
    def listed(**request):
        return [made.index(i) for i in deploy("ListDeployments", **group, **request)["deployments"]]
    assert listed() == [2, 1, 0]
    assert listed(includeOnlyStatuses=["Succeeded", "Created"]) == [2, 0]
    assert listed(createTimeRange={"start": 150.0}) == [2, 1] and listed(createTimeRange={"end": 200.0}) == [1, 0]
    assert listed(createTimeRange={"start": 150.0, "end": 250.0}) == [1]
    assert code_of(lambda: listed(includeOnlyStatuses=["Fine"])) == "InvalidDeploymentStatusException"
    assert code_of(lambda: listed(createTimeRange={"start": 2, "end": 1})) == "InvalidTimeRangeException"
    told = deploy("GetDeploymentGroup", **group)["deploymentGroupInfo"]
    assert told["lastSuccessfulDeployment"]["deploymentId"] == made[0]
    assert told["lastAttemptedDeployment"]["deploymentId"] == made[2]


@given(st.integers(0, 450))
def test_pages_give_everything_once(count):
    names, found, token = [f"d-{i}" for i in range(count)], [], None
    while True:
        page = paged({"nextToken": token} if token else {}, "deployments", names)
        found += page["deployments"]
        token = page.get("nextToken")
        if not token:
            break
    assert found == names


@pytest.mark.parametrize("operation, request_, code", [
    ("GetDeployment", {}, "DeploymentIdRequiredException"),
    ("GetDeployment", {"deploymentId": "nonsense"}, "InvalidDeploymentIdException"),
    ("GetDeployment", {"deploymentId": "d-AAAAAAAAA"}, "DeploymentDoesNotExistException"),
    ("BatchGetDeployments", {"deploymentIds": ["d-AAAAAAAAA"] * 26}, "BatchLimitExceededException"),
    ("StopDeployment", {"deploymentId": "d-AAAAAAAAA"}, "DeploymentDoesNotExistException"),
    ("ListDeployments", {"deploymentGroupName": "g"}, "ApplicationNameRequiredException"),
    ("ListDeployments", {"nextToken": "x"}, "InvalidNextTokenException"),
    ("PutLifecycleEventHookExecutionStatus", {"deploymentId": "d-AAAAAAAAA", "status": "Succeeded"},
     "DeploymentDoesNotExistException"),
    ("GetApplicationRevision", {"applicationName": "a"}, "RevisionRequiredException"),
    ("GetApplicationRevision", {"applicationName": "a", "revision": revision()}, "RevisionDoesNotExistException"),
])
def test_questions_about_deployments_are_refused_as_on_aws(deploy, group, operation, request_, code):
    assert code_of(lambda: deploy(operation, **request_)) == code


def test_what_has_not_started_has_no_targets_and_what_does_not_wait_does_not_continue(deploy, group):
    identity = deploy("CreateDeployment", **group, revision=revision())["deploymentId"]
    assert code_of(lambda: deploy("ListDeploymentTargets", deploymentId=identity)) == "DeploymentNotStartedException"
    assert code_of(lambda: deploy("ContinueDeployment", deploymentId=identity)) == "DeploymentIsNotInReadyStateException"


def test_a_target_is_the_service_and_has_the_lifecycle_events(deploy, group, service):
    identity = deploy("CreateDeployment", **group, revision=revision())["deploymentId"]
    with service.edit(ACCOUNT, REGION) as scope:
        scope["deployments"][identity]["status"] = "InProgress"
    assert deploy("ListDeploymentTargets", deploymentId=identity)["targetIds"] == ["c:s"]
    target = deploy("GetDeploymentTarget", deploymentId=identity, targetId="c:s")["deploymentTarget"]
    assert [e["lifecycleEventName"] for e in target["ecsTarget"]["lifecycleEvents"]] == [
        "BeforeInstall", "Install", "AfterInstall", "BeforeAllowTraffic", "AllowTraffic", "AfterAllowTraffic"]
    assert code_of(lambda: deploy("BatchGetDeploymentTargets", deploymentId=identity, targetIds=["c:other"])) == (
        "DeploymentTargetDoesNotExistException")
    assert code_of(lambda: deploy("BatchGetDeploymentTargets", deploymentId=identity, targetIds=["c:s"] * 26)) == (
        "DeploymentTargetListSizeExceededException")


def test_with_a_test_listener_there_are_eight_events_in_awss_order():
    assert [e["lifecycleEventName"] for e in codedeploy_deployments.events(True)] == [
        "BeforeInstall", "Install", "AfterInstall", "AllowTestTraffic", "AfterAllowTestTraffic", "BeforeAllowTraffic",
        "AllowTraffic", "AfterAllowTraffic"]


def test_a_hook_is_answered_once(deploy, group, service):
    identity = deploy("CreateDeployment", **group, revision=revision())["deploymentId"]
    with service.edit(ACCOUNT, REGION) as scope:
        scope["deployments"][identity]["_hooks"]["e"] = {"event": "BeforeInstall"}
    def say(execution, status):
        return deploy("PutLifecycleEventHookExecutionStatus", deploymentId=identity,
                      lifecycleEventHookExecutionId=execution, status=status)
    assert code_of(lambda: say("e", "Skipped")) == "InvalidLifecycleEventHookExecutionStatusException"
    assert code_of(lambda: say("other", "Failed")) == "InvalidLifecycleEventHookExecutionIdException"
    assert say("e", "Succeeded") == {"lifecycleEventHookExecutionId": "e"}
    assert code_of(lambda: say("e", "Failed")) == "LifecycleEventAlreadyCompletedException"


def test_a_deployment_that_has_ended_can_not_be_stopped(deploy, group, service):
    identity = deploy("CreateDeployment", **group, revision=revision())["deploymentId"]
    assert deploy("StopDeployment", deploymentId=identity, autoRollbackEnabled=True)["status"] == "Pending"
    with service.edit(ACCOUNT, REGION) as scope:
        assert scope["deployments"][identity]["_stop"] == {"rollback": True}
        scope["deployments"][identity]["status"] = "Stopped"
    assert code_of(lambda: deploy("StopDeployment", deploymentId=identity)) == "DeploymentAlreadyCompletedException"


# AppSpecs

# https://docs.aws.amazon.com/codedeploy/latest/userguide/reference-appspec-file-example.html, its keys
YAML = f"""
version: 0.0
Resources:
  - TargetService:
      Type: AWS::ECS::Service
      Properties:
        TaskDefinition: "{DEFINITION}"
        LoadBalancerInfo:
          ContainerName: "app"
          ContainerPort: 80
        PlatformVersion: "LATEST"
        NetworkConfiguration:
          AwsvpcConfiguration:
            Subnets: ["subnet-1", "subnet-2"]
            SecurityGroups: ["sg-1"]
            AssignPublicIp: "ENABLED"
        CapacityProviderStrategy:
          - Base: 1
            CapacityProvider: "FARGATE_SPOT"
            Weight: 2
Hooks:
  - BeforeInstall: "one"
  - AfterAllowTraffic: "two"
"""


def test_an_appspec_in_yaml_has_everything_that_ecs_needs():
    read = codedeploy_appspec.parse(YAML)
    assert (read.task_definition, read.container, read.port) == (DEFINITION, "app", 80)
    assert read.hooks == {"BeforeInstall": "one", "AfterAllowTraffic": "two"}
    assert read.changes == {
        "platformVersion": "LATEST", "launchType": None,
        "networkConfiguration": {"awsvpcConfiguration": {
            "subnets": ["subnet-1", "subnet-2"], "securityGroups": ["sg-1"], "assignPublicIp": "ENABLED"}},
        "capacityProviderStrategy": [{"capacityProvider": "FARGATE_SPOT", "weight": 2, "base": 1}]}


@pytest.mark.parametrize("version", [0.0, "0.0"])
def test_an_appspec_in_json_is_read(version):
    assert codedeploy_appspec.parse(json.dumps(spec(version=version))).port == 8080


def changed_properties(**changed) -> list:
    resources = spec()["Resources"]
    resources[0]["TargetService"]["Properties"] |= changed
    return resources


@pytest.mark.parametrize("document", [
    [], spec(version="1.0"), spec(Resources=[]), spec(Resources=spec()["Resources"] * 2),
    spec(Resources=[{"TargetService": {"Type": "AWS::Lambda::Function"}}]),
    spec(Resources=changed_properties(TaskDefinition="web")), spec(Resources=changed_properties(LoadBalancerInfo=None)),
    spec(Resources=changed_properties(LoadBalancerInfo={"ContainerName": "app", "ContainerPort": "8080"})),
    spec(Hooks=[{"Install": "f"}]), spec(Hooks=[{"BeforeInstall": ""}]), spec(Hooks={"BeforeInstall": "f"}),
    spec(Hooks=[{"BeforeInstall": "f"}, {"BeforeInstall": "g"}]),
])
def test_what_is_no_appspec_for_ecs_is_refused(document):
    assert code_of(lambda: codedeploy_appspec.parse(json.dumps(document))) == "InvalidRevisionException"


@given(st.integers(1, 65535), st.from_regex(r"[a-zA-Z][a-zA-Z0-9_-]{0,20}", fullmatch=True))
def test_an_appspec_that_codedeploy_writes_itself_can_be_read(port, container):
    read = codedeploy_appspec.parse(codedeploy_appspec.write(DEFINITION, container, port))
    assert (read.task_definition, read.container, read.port, read.hooks) == (DEFINITION, container, port, {})


# Weights

@pytest.mark.parametrize("name, wanted", [
    ("ECSAllAtOnce", [(100, 0)]), ("ECSCanary10Percent5Minutes", [(10, 5), (100, 0)]),
    ("ECSCanary10Percent15Minutes", [(10, 15), (100, 0)]),
    ("ECSLinear10PercentEvery1Minutes", [(s, 1) for s in range(10, 100, 10)] + [(100, 0)]),
    ("ECSLinear10PercentEvery3Minutes", [(s, 3) for s in range(10, 100, 10)] + [(100, 0)]),
])
def test_awss_own_configurations_do_what_their_names_say(name, wanted):
    assert steps(PREDEFINED_ECS[f"CodeDeployDefault.{name}"]) == wanted


@given(st.integers(1, 99), st.integers(1, 2880), st.sampled_from(["Canary", "Linear"]))
def test_shares_rise_to_a_hundred_in_equal_steps(percentage, minutes, kind):
    field = f"timeBased{kind}"
    routing = {"type": f"TimeBased{kind}", field: {f"{kind.lower()}Percentage": percentage, f"{kind.lower()}Interval": minutes}}
    check(routing)
    made = steps(routing)
    shares = [share for share, _ in made]
    assert shares == sorted(set(shares)) and shares[0] == percentage and made[-1] == (100, 0)
    assert all(pause == minutes for _, pause in made[:-1])
    if kind == "Canary":
        assert len(made) == 2
    else:
        assert {b - a for a, b in zip(shares, shares[1:-1])} <= {percentage} and 100 - shares[-2] <= percentage


@pytest.mark.parametrize("routing", [
    None, {"type": "Sideways"}, {"type": "TimeBasedLinear"},
    {"type": "TimeBasedCanary", "timeBasedCanary": {"canaryPercentage": 100, "canaryInterval": 1}},
    {"type": "TimeBasedLinear", "timeBasedLinear": {"linearPercentage": 0, "linearInterval": 1}},
    {"type": "TimeBasedLinear", "timeBasedLinear": {"linearPercentage": 10, "linearInterval": 0}},
])
def test_a_routing_that_aws_refuses_is_refused(routing):
    assert code_of(lambda: check(routing)) == "InvalidTrafficRoutingConfigurationException"


# Listeners

def forward(*groups) -> dict:
    return {"Type": "forward", "ForwardConfig": {"TargetGroups": [{"TargetGroupArn": a, "Weight": w} for a, w in groups]}}


@pytest.mark.parametrize("actions", [
    [{"Type": "forward", "TargetGroupArn": "blue"}], [forward(("blue", 1))], [forward(("green", 100))],
    [forward(("blue", 100), ("green", 0))],
])
@given(share=st.integers(0, 100), draw=st.floats(0, 1, exclude_max=True))
def test_green_gets_its_share_whatever_the_action_was(actions, share, draw):
    moved = shifted(actions, "blue", "green", share)
    assert groups_of(moved[0]) == [("blue", 100 - share), ("green", share)] and "TargetGroupArn" not in moved[0]
    assert choose(groups_of(moved[0]), draw) == ("blue" if draw * 100 < 100 - share else "green")


def test_actions_that_lead_elsewhere_stay():
    redirect = {"Type": "redirect", "Order": 1, "RedirectConfig": {"StatusCode": "HTTP_301"}}
    assert shifted([redirect, forward(("other", 1))], "blue", "green", 50) is None
    login = {"Type": "authenticate-oidc", "Order": 1, "AuthenticateOidcConfig": {"Issuer": "x"}}
    assert shifted([login, forward(("blue", 1))], "blue", "green", 100)[0] == login


# Task sets

@pytest.mark.parametrize("request_, word", [
    ({"taskDefinition": "web:2"}, "update task definition"), ({"loadBalancers": []}, "update load balancers"),
    ({"networkConfiguration": {}}, "update network parameters"), ({"platformVersion": "1.4.0"}, "update platform version"),
    ({"forceNewDeployment": True}, "force a new deployment"),
])
def test_what_codedeploy_owns_can_not_be_updated(request_, word):
    assert tasksets.refusal({"desiredCount": 1, **request_}) == (
        f"Unable to {word} on services with a CODE_DEPLOY deployment controller. "
        "Use AWS CodeDeploy to trigger a new deployment.")


# https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_UpdateService.html lists them.
@pytest.mark.parametrize("request_", [
    {"desiredCount": 3}, {"deploymentConfiguration": {"maximumPercent": 200, "minimumHealthyPercent": 100}},
    {"healthCheckGracePeriodSeconds": 60}, {"propagateTags": "SERVICE"}, {"enableECSManagedTags": True},
    {"forceNewDeployment": False},
])
def test_what_the_service_owns_can_be_updated(request_):
    assert tasksets.refusal(request_) is None


def test_a_circuit_breaker_and_alarms_need_ecss_own_controller():
    for configuration in ({"deploymentCircuitBreaker": {"enable": True, "rollback": True}},
                          {"alarms": {"enable": True, "rollback": True, "alarmNames": ["a"]}}):
        assert tasksets.refusal({"deploymentConfiguration": configuration})
        assert tasksets.creation_refusal({"loadBalancers": [{}], "deploymentConfiguration": configuration})
    assert tasksets.creation_refusal({}) and tasksets.creation_refusal({"loadBalancers": [{}]}) is None


@given(st.integers(0, 100), st.integers(0, 100))
def test_a_set_wants_its_share_rounded_up(desired, percent):
    wanted = tasksets.desired_of({"scale": {"value": float(percent), "unit": "PERCENT"}}, desired)
    assert 0 <= wanted - desired * percent / 100 < 1


@given(st.integers(0, 1000))
def test_a_failing_task_is_started_again_ever_more_slowly(failures):
    assert 0 < tasksets.pause_before_restart(failures) <= tasksets.pause_before_restart(failures + 1) <= tasksets.LONGEST_PAUSE


# Rollbacks

ALL = ["DEPLOYMENT_FAILURE", "DEPLOYMENT_STOP_ON_ALARM", "DEPLOYMENT_STOP_ON_REQUEST"]


@pytest.mark.parametrize("event", ALL)
@given(enabled=st.booleans(), events=st.lists(st.sampled_from(ALL), unique=True), said=st.sampled_from([None, True, False]))
def test_a_rollback_needs_its_event_or_the_words_of_the_stop(event, enabled, events, said):
    halt = codedeploy_lifecycle.Halt("Stopped", "X", "x", event, rollback=said)
    assert codedeploy_rollback.wanted(halt, {"enabled": enabled, "events": events}) == (
        said if said is not None else enabled and event in events)
    assert codedeploy_rollback.wanted(halt, None) == bool(said)


def test_an_unsuccessful_end_fails_the_event_at_work_and_skips_the_rest():
    record = {"status": "InProgress", "deploymentOverview": {"InProgress": 1}, "_events": codedeploy_deployments.events(False)}
    record["_events"][0]["status"], record["_events"][1]["status"] = "Succeeded", "InProgress"
    codedeploy_rollback.close(record, "Failed", "TIMEOUT", "too slow")
    assert [e["status"] for e in record["_events"]] == ["Succeeded", "Failed", "Skipped", "Skipped", "Skipped", "Skipped"]
    assert record["errorInformation"] == {"code": "TIMEOUT", "message": "too slow"}
    assert record["_events"][1]["diagnostics"]["message"] == "too slow"
