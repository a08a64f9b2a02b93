"""CodeDeploy's deployments to ECS from outside, with tasks as records: what happens when, and every way to end.

test_codedeploy_containers_live.py has the same with real containers and users.
"""

from __future__ import annotations

import os

import pytest
from botocore.exceptions import ClientError

from local import instance

from .bluegreen import EVENTS, Service, template
from .conftest import Aws

HOOK_SECONDS = 4


@pytest.fixture(scope="module")
def aws(tmp_path_factory):
    """An instance without containers, in which a minute of CodeDeploy's is short, and a hook has few seconds."""
    patch = pytest.MonkeyPatch()
    patch.setenv("DOCKER_HOST", "unix:///nonexistent/docker.sock")
    patch.setenv("SLIPWAY_CODEDEPLOY_MINUTE_SECONDS", "0.5")
    patch.setenv("SLIPWAY_CODEDEPLOY_HOOK_SECONDS", str(HOOK_SECONDS))
    patch.setenv("SLIPWAY_STABLE_SECONDS", "20")
    directory = tmp_path_factory.mktemp("codedeploy")
    instance.up(directory, 0)
    yield Aws(directory)
    instance.down(directory, purge=True)
    patch.undo()


@pytest.fixture(scope="module")
def service(aws):
    """The stack's service."""
    made = aws.put("bg", template("nothing:none"))
    assert made["StackStatus"] == "CREATE_COMPLETE", aws.reasons("bg")
    return Service(aws)


@pytest.fixture
def quiet(service):
    """The service at rest, its hook content, its events read."""
    service.hook_says()
    service.notifications()
    return service


def other(group: str) -> str:
    return {"bg-blue": "bg-green", "bg-green": "bg-blue"}[group]


def serving(service) -> str:
    """The name of the target group of the primary task set."""
    return service.primary()["loadBalancers"][0]["targetGroupArn"].split("/")[-2]


def test_a_new_service_has_a_primary_task_set_of_the_familys_newest_revision(service):
    described = service.describe()
    assert described["deploymentController"] == {"type": "CODE_DEPLOY"} and described["deployments"] == []
    (task_set,) = described["taskSets"]
    assert task_set["status"] == "PRIMARY" and task_set["taskDefinition"].endswith(":task-definition/bg:1")
    assert task_set["scale"] == {"value": 100.0, "unit": "PERCENT"} and task_set["stabilityStatus"] == "STEADY_STATE"
    assert (task_set["computedDesiredCount"], task_set["runningCount"], task_set["pendingCount"]) == (2, 2, 0)
    assert task_set["loadBalancers"][0]["targetGroupArn"].split("/")[-2] == "bg-blue"
    told = service.aws.client("ecs").describe_task_sets(cluster="bg", service="bg-svc")["taskSets"]
    assert [t["taskSetArn"] for t in told] == [task_set["taskSetArn"]]


def test_a_good_deployment_goes_through_all_events_and_ends_with_the_other_group_and_the_new_revision(quiet):
    before, blue = quiet.describe(), serving(quiet)
    green, definition = other(blue), quiet.revision(APP_ENVIRONMENT="two")
    identity = quiet.start(definition, description="a good one")
    ended = quiet.ended(identity)
    assert ended["status"] == "Succeeded", ended
    assert ended["description"] == "a good one" and ended["creator"] == "user" and "errorInformation" not in ended
    assert ended["createTime"] <= ended["startTime"] <= ended["completeTime"]
    assert ended["instanceTerminationWaitTimeStarted"] and ended["deploymentOverview"]["Succeeded"] == 1
    assert set(quiet.events(identity).values()) == {"Succeeded"} and len(quiet.events(identity)) == 8

    primary = quiet.primary()
    assert primary["taskDefinition"] == definition and serving(quiet) == green
    assert (primary["startedBy"], primary["externalId"]) == ("CODE_DEPLOY", identity)
    assert set(quiet.tasks().values()) == {definition} and len(quiet.tasks()) == 2
    after = quiet.describe()
    assert len(after["taskSets"]) == 1 and after["taskDefinition"] == definition and after["runningCount"] == 2
    assert before["taskSets"][0]["id"] != primary["id"]
    assert quiet.weights("Prod") == {blue: 0, green: 100} == quiet.weights("Test")
    assert quiet.notifications() == [(identity, "START"), (identity, "SUCCESS")]


def test_each_hook_finds_what_aws_documents_for_its_event(quiet):
    blue = serving(quiet)
    green = other(blue)
    identity = quiet.start(quiet.revision(APP_ENVIRONMENT="seen"))
    assert quiet.ended(identity)["status"] == "Succeeded"
    seen = {event: quiet.seen(identity, event) for event in EVENTS}
    assert [s[:3] for s in seen["BeforeInstall"]["sets"]] == [["Blue", "PRIMARY", 2]]
    for event in ("AfterInstall", "AfterAllowTestTraffic", "BeforeAllowTraffic"):
        assert [s[:3] for s in seen[event]["sets"]] == [["Blue", "PRIMARY", 2], ["Green", "ACTIVE", 2]], event
        assert seen[event]["PRODUCTION"].get(green, 0) == 0, event
    assert seen["AfterInstall"]["TEST"].get(green, 0) == 0
    assert seen["AfterAllowTestTraffic"]["TEST"] == {blue: 0, green: 100} == seen["BeforeAllowTraffic"]["TEST"]
    assert seen["AfterAllowTraffic"]["PRODUCTION"] == {blue: 0, green: 100}
    assert seen["AfterAllowTraffic"]["sets"] == [["Blue", "ACTIVE", 2, 0.0], ["Green", "PRIMARY", 2, 100.0]]


def test_traffic_moves_in_the_steps_of_the_configuration(quiet):
    blue, shares = serving(quiet), set()
    identity = quiet.start(quiet.revision(APP_ENVIRONMENT="steps"), hooks=(),
                           deploymentConfigName="CodeDeployDefault.ECSLinear10PercentEvery1Minutes")
    def look():
        if quiet.events(identity)["AllowTraffic"] == "InProgress":
            shares.add(quiet.weights("Prod")[other(blue)])
        return quiet.deployment(identity)["status"] == "Succeeded"
    quiet.until(look)
    assert {10, 20, 30, 40, 50, 60, 70, 80, 90} <= shares <= {0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100}


def test_a_hook_that_fails_keeps_users_where_they_are_and_is_rolled_back(quiet):
    before, weights = quiet.primary(), quiet.weights("Prod")
    quiet.hook_says(AfterAllowTestTraffic="Failed")
    identity = quiet.start(quiet.revision(APP_ENVIRONMENT="broken"))
    back = quiet.rolled_back(identity)
    failed = quiet.deployment(identity)
    assert failed["status"] == "Failed" and failed["errorInformation"]["code"] == "HOOK_EXECUTION_FAILURE"
    assert "AfterAllowTestTraffic" in failed["errorInformation"]["message"]
    events = quiet.events(identity)
    assert events["AllowTestTraffic"] == "Succeeded" and events["AfterAllowTestTraffic"] == "Failed"
    assert events["BeforeAllowTraffic"] == events["AllowTraffic"] == "Skipped"
    (diagnostics,) = [e["diagnostics"] for e in quiet.target(identity)["lifecycleEvents"] if e["status"] == "Failed"]
    assert (diagnostics["errorCode"], diagnostics["scriptName"]) == ("ScriptFailed", "bg-hook")

    assert (back["status"], back["creator"]) == ("Succeeded", "codeDeployRollback")
    assert back["rollbackInfo"]["rollbackTriggeringDeploymentId"] == identity
    assert back["revision"] == failed["previousRevision"]
    assert quiet.events(back["deploymentId"])["AllowTraffic"] == "Succeeded"
    assert quiet.primary()["id"] == before["id"] and len(quiet.describe()["taskSets"]) == 1
    assert quiet.weights("Prod") == weights == quiet.weights("Test")
    assert set(quiet.tasks().values()) == {before["taskDefinition"]}
    told = quiet.notifications()
    assert told.index((identity, "START")) < told.index((identity, "FAILURE"))
    assert (back["deploymentId"], "START") in told and (back["deploymentId"], "SUCCESS") in told
    assert quiet.aws.client("codedeploy").list_deployments(
        applicationName="bg-app", deploymentGroupName="bg-dg")["deployments"][:2] == [back["deploymentId"], identity]


def test_after_traffic_has_moved_a_failed_hook_brings_it_back(quiet):
    before, weights = quiet.primary(), quiet.weights("Prod")
    quiet.hook_says(AfterAllowTraffic="Failed")
    identity = quiet.start(quiet.revision(APP_ENVIRONMENT="late"))
    assert quiet.rolled_back(identity)["status"] == "Succeeded"
    assert quiet.events(identity)["AllowTraffic"] == "Succeeded"
    assert quiet.primary()["id"] == before["id"] and quiet.weights("Prod") == weights == quiet.weights("Test")
    assert quiet.describe()["taskDefinition"] == before["taskDefinition"]


def test_before_the_new_tasks_exist_there_is_nothing_to_roll_back(quiet):
    before = quiet.primary()
    quiet.hook_says(BeforeInstall="Failed")
    failed = quiet.ended(quiet.start(quiet.revision(APP_ENVIRONMENT="early")))
    assert failed["status"] == "Failed" and "rollbackInfo" not in failed
    assert quiet.primary()["id"] == before["id"]


@pytest.mark.parametrize("answer", ["silent", "crash"])
def test_a_hook_that_never_answers_fails_the_deployment_when_its_time_is_over(quiet, answer):
    quiet.hook_says(BeforeAllowTraffic=answer)
    identity = quiet.start(quiet.revision(APP_ENVIRONMENT=answer), hooks=("BeforeAllowTraffic",))
    back = quiet.rolled_back(identity)
    failed = quiet.deployment(identity)
    assert failed["errorInformation"]["code"] == "HOOK_EXECUTION_FAILURE" and back["status"] == "Succeeded"
    (event,) = [e for e in quiet.target(identity)["lifecycleEvents"] if e["status"] == "Failed"]
    assert event["diagnostics"]["errorCode"] == "ScriptTimedOut"
    assert HOOK_SECONDS <= (event["endTime"] - event["startTime"]).total_seconds() < HOOK_SECONDS + 10


def test_a_hook_that_is_not_there_fails_the_deployment_at_once(quiet):
    client = quiet.aws.client("codedeploy")
    spec = ('{"version": 0.0, "Resources": [{"TargetService": {"Type": "AWS::ECS::Service", "Properties": {"TaskDefinition": "%s", '
            '"LoadBalancerInfo": {"ContainerName": "app", "ContainerPort": 8080}}}}], "Hooks": [{"AfterInstall": "nobody"}]}')
    identity = client.create_deployment(applicationName="bg-app", deploymentGroupName="bg-dg", revision={
        "revisionType": "AppSpecContent", "appSpecContent": {"content": spec % quiet.revision(A="b")}})["deploymentId"]
    quiet.rolled_back(identity)
    (event,) = [e for e in quiet.target(identity)["lifecycleEvents"] if e["status"] == "Failed"]
    assert (event["lifecycleEventName"], event["diagnostics"]["errorCode"]) == ("AfterInstall", "ScriptMissing")


@pytest.mark.parametrize("told, rolls_back", [(True, True), (None, True), (False, False)])
def test_a_stop_rolls_back_as_it_says_else_as_the_group_does(quiet, told, rolls_back):
    before = quiet.primary()
    quiet.hook_says(AfterInstall="silent")
    identity = quiet.start(quiet.revision(APP_ENVIRONMENT="stopped"))
    quiet.at(identity, "AfterInstall")
    asked = {} if told is None else {"autoRollbackEnabled": told}
    assert quiet.aws.client("codedeploy").stop_deployment(deploymentId=identity, **asked)["status"] == "Pending"
    stopped = quiet.ended(identity)
    assert (stopped["status"], stopped["errorInformation"]["code"]) == ("Stopped", "MANUAL_STOP")
    with pytest.raises(ClientError, match="DeploymentAlreadyCompletedException"):
        quiet.aws.client("codedeploy").stop_deployment(deploymentId=identity)
    assert ("rollbackInfo" in stopped) == rolls_back
    if rolls_back:
        quiet.rolled_back(identity)
    # Without a rollback the replacement stays until the next deployment.
    assert len(quiet.describe()["taskSets"]) == (1 if rolls_back else 2)
    assert quiet.primary()["id"] == before["id"]
    quiet.until(lambda: (identity, "STOP") in quiet.notifications())


def test_a_left_over_replacement_goes_with_the_next_deployment(quiet):
    definition = quiet.revision(APP_ENVIRONMENT="next")
    assert quiet.ended(quiet.start(definition, hooks=()))["status"] == "Succeeded"
    assert len(quiet.describe()["taskSets"]) == 1 and set(quiet.tasks().values()) == {definition}


@pytest.mark.parametrize("event", ["AfterInstall", "AfterAllowTraffic"])
def test_an_alarm_stops_the_deployment_and_rolls_it_back(quiet, event):
    alarms, before = quiet.aws.client("cloudwatch"), quiet.primary()
    quiet.hook_says(**{event: "silent"})
    identity = quiet.start(quiet.revision(APP_ENVIRONMENT="alarmed"))
    quiet.at(identity, event)
    alarms.set_alarm_state(AlarmName="bg-alarm", StateValue="ALARM", StateReason="too much")
    try:
        back = quiet.rolled_back(identity)
    finally:
        alarms.set_alarm_state(AlarmName="bg-alarm", StateValue="OK", StateReason="fine")
    stopped = quiet.deployment(identity)
    assert (stopped["status"], stopped["errorInformation"]["code"]) == ("Stopped", "ALARM_ACTIVE")
    assert "bg-alarm" in stopped["errorInformation"]["message"] and back["status"] == "Succeeded"
    assert quiet.primary()["id"] == before["id"]


def test_a_deployment_may_watch_other_alarms_than_its_group(quiet):
    alarms = quiet.aws.client("cloudwatch")
    alarms.set_alarm_state(AlarmName="bg-alarm", StateValue="ALARM", StateReason="too much")
    try:
        ended = quiet.ended(quiet.start(quiet.revision(A="b"), hooks=(), overrideAlarmConfiguration={"enabled": False}))
    finally:
        alarms.set_alarm_state(AlarmName="bg-alarm", StateValue="OK", StateReason="fine")
    assert ended["status"] == "Succeeded"


def test_a_second_deployment_is_refused_while_one_is_under_way(quiet):
    quiet.hook_says(BeforeInstall="silent")
    identity = quiet.start(quiet.revision(APP_ENVIRONMENT="first"))
    with pytest.raises(ClientError, match=f"DeploymentLimitExceededException.*bg-dg.*{identity}"):
        quiet.start(quiet.revision(APP_ENVIRONMENT="second"))
    quiet.aws.client("codedeploy").stop_deployment(deploymentId=identity)
    assert quiet.ended(identity)["status"] == "Stopped"


@pytest.mark.parametrize("definition, code", [
    ("arn:aws:ecs:eu-west-1:000000000000:task-definition/bg:999", "INVALID_REVISION"),
])
def test_a_revision_that_is_not_there_fails_the_deployment(quiet, definition, code):
    failed = quiet.ended(quiet.start(definition))
    assert (failed["status"], failed["errorInformation"]["code"]) == ("Failed", code)
    assert set(quiet.events(failed["deploymentId"]).values()) == {"Skipped"}


def test_the_termination_wait_can_be_cut_short_and_keeps_the_old_tasks_until_then(quiet):
    client, waiting = quiet.aws.client("codedeploy"), {
        "terminateBlueInstancesOnDeploymentSuccess": {"action": "TERMINATE", "terminationWaitTimeInMinutes": 2000},
        "deploymentReadyOption": {"actionOnTimeout": "STOP_DEPLOYMENT", "waitTimeInMinutes": 2000}}
    group = client.get_deployment_group(applicationName="bg-app", deploymentGroupName="bg-dg")["deploymentGroupInfo"]
    def options(wanted):
        client.update_deployment_group(applicationName="bg-app", currentDeploymentGroupName="bg-dg",
                                       blueGreenDeploymentConfiguration=wanted)
    options(waiting)
    try:
        identity = quiet.start(quiet.revision(APP_ENVIRONMENT="waits"), hooks=())
        quiet.until(lambda: quiet.deployment(identity)["status"] == "Ready")
        with pytest.raises(ClientError, match="DeploymentIsNotInReadyStateException"):
            client.continue_deployment(deploymentId=identity, deploymentWaitType="TERMINATION_WAIT")
        client.continue_deployment(deploymentId=identity, deploymentWaitType="READY_WAIT")
        quiet.until(lambda: quiet.deployment(identity)["instanceTerminationWaitTimeStarted"])
        assert len(quiet.tasks()) == 4 and len(quiet.describe()["taskSets"]) == 2
        client.continue_deployment(deploymentId=identity, deploymentWaitType="TERMINATION_WAIT")
        assert quiet.ended(identity)["status"] == "Succeeded" and len(quiet.tasks()) == 2
    finally:
        options(group["blueGreenDeploymentConfiguration"])


@pytest.mark.parametrize("changes, words", [
    ({"taskDefinition": "bg:1"}, "Unable to update task definition on services with a CODE_DEPLOY"),
    ({"loadBalancers": []}, "Unable to update load balancers"),
    ({"networkConfiguration": {"awsvpcConfiguration": {"subnets": ["s"]}}}, "Unable to update network parameters"),
    ({"forceNewDeployment": True}, "Unable to force a new deployment"),
])
def test_what_codedeploy_owns_can_not_be_updated_by_hand(quiet, changes, words):
    with pytest.raises(ClientError, match=f"InvalidParameterException.*{words}"):
        quiet.aws.client("ecs").update_service(cluster="bg", service="bg-svc", **changes)


def test_scaling_and_replacement_use_the_revision_that_serves(quiet):
    ecs, definition = quiet.aws.client("ecs"), quiet.primary()["taskDefinition"]
    ecs.update_service(cluster="bg", service="bg-svc", desiredCount=3)
    quiet.until(lambda: list(quiet.tasks().values()) == [definition] * 3)
    assert quiet.primary()["computedDesiredCount"] == quiet.describe()["runningCount"] == 3
    victim = next(iter(quiet.tasks()))
    ecs.stop_task(cluster="bg", task=victim)
    quiet.until(lambda: len(quiet.tasks()) == 3 and victim not in quiet.tasks())
    assert set(quiet.tasks().values()) == {definition}
    ecs.update_service(cluster="bg", service="bg-svc", desiredCount=2)
    quiet.until(lambda: len(quiet.tasks()) == 2)


def test_a_template_can_change_the_services_own_settings_and_no_other(quiet):
    body = template("nothing:none", service={"HealthCheckGracePeriodSeconds": 90})
    # Without a count the template leaves what scaling has set, and the traffic is none of the service's.
    weights, primary = quiet.weights("Prod"), quiet.primary()
    made = quiet.aws.put("bg", body, "update")
    assert made["StackStatus"] == "UPDATE_COMPLETE", quiet.aws.reasons("bg")
    assert quiet.describe()["healthCheckGracePeriodSeconds"] == 90
    assert quiet.weights("Prod") == weights and quiet.primary()["id"] == primary["id"]
    body["Resources"]["Svc"]["Properties"]["TaskDefinition"] = "bg:1"
    assert quiet.aws.put("bg", body, "update")["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert "Unable to update task definition on services with a CODE_DEPLOY" in quiet.aws.reasons("bg")
    assert quiet.primary()["id"] == primary["id"]


def test_a_restart_in_the_middle_ends_the_deployment_and_gives_users_what_they_had(quiet):
    before, weights = quiet.primary(), quiet.weights("Prod")
    quiet.hook_says(AfterAllowTestTraffic="silent")
    identity = quiet.start(quiet.revision(APP_ENVIRONMENT="restarted"))
    quiet.at(identity, "AfterAllowTestTraffic")
    instance.down(quiet.aws.directory)
    instance.up(quiet.aws.directory, 0)
    back = quiet.rolled_back(identity)
    failed = quiet.deployment(identity)
    assert (failed["status"], failed["errorInformation"]["code"]) == ("Failed", "INTERNAL_ERROR")
    assert "restart" in failed["errorInformation"]["message"] and back["status"] == "Succeeded"
    assert quiet.weights("Prod") == weights == quiet.weights("Test")
    quiet.until(lambda: list(quiet.tasks().values()) == [before["taskDefinition"]] * 2)
    assert [s["id"] for s in quiet.describe()["taskSets"]] == [before["id"]]


def test_after_a_restart_the_next_deployment_is_as_any_other(quiet):
    definition = quiet.revision(APP_ENVIRONMENT="again")
    assert quiet.ended(quiet.start(definition))["status"] == "Succeeded"
    assert quiet.primary()["taskDefinition"] == definition


def test_the_stack_goes_with_all_of_it(quiet):
    assert quiet.aws.delete("bg") is None
    assert not quiet.tasks()
    assert os.path.exists(quiet.aws.directory / "codedeploy.json")
