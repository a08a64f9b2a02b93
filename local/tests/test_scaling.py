"""Application Auto Scaling: when scheduled actions are due, what they do to a service, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from hypothesis import given
from hypothesis import strategies as st

from local import scaling, scaling_actions, scaling_schedule
from local.json_service import Refused

ACCOUNT, REGION = "000000000000", "eu-west-1"
TARGET = {"ServiceNamespace": "ecs", "ResourceId": "service/c/s", "ScalableDimension": "ecs:service:DesiredCount"}
ACTION = TARGET | {"ScheduledActionName": "sleep", "Schedule": "cron(0 20 ? * MON-FRI *)", "Timezone": "Europe/Dublin",
                   "ScalableTargetAction": {"MinCapacity": 0, "MaxCapacity": 0}}


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


# Expressions. Times by the clock of the zone; Europe/Dublin's summer time begins on 29 March 2026 and ends on 25 October.

@pytest.mark.parametrize("expression, timezone, after, expected", [
    ("cron(0 20 ? * MON-FRI *)", "UTC", "2026-03-10T12:00:00", "2026-03-10T20:00:00"),
    ("cron(0 20 ? * MON-FRI *)", "UTC", "2026-03-10T20:00:00", "2026-03-11T20:00:00"),  # once
    ("cron(0 20 ? * MON-FRI *)", "UTC", "2026-03-13T20:00:00", "2026-03-16T20:00:00"),  # over the weekend
    ("cron(0 20 ? * MON-FRI *)", "Europe/Dublin", "2026-03-27T19:59:59", "2026-03-27T20:00:00"),
    ("cron(0 20 ? * MON-FRI *)", "Europe/Dublin", "2026-03-30T12:00:00", "2026-03-30T19:00:00"),  # summer time
    ("cron(30 1 ? * * *)", "Europe/Dublin", "2026-03-28T12:00:00", "2026-03-29T01:30:00"),  # left out: an hour later there
    ("cron(30 1 ? * * *)", "Europe/Dublin", "2026-10-25T00:30:00", "2026-10-26T01:30:00"),  # twice: the first time only
    ("cron(0/10 1 * * ? *)", "Europe/Dublin", "2026-10-25T01:15:00", "2026-10-26T01:00:00"),
    ("cron(15 10 L * ? *)", "UTC", "2026-02-10T12:00:00", "2026-02-28T10:15:00"),
    ("cron(0 8 ? * 2#1 *)", "America/New_York", "2026-03-10T12:00:00", "2026-04-06T12:00:00"),
    ("cron(0 8 1 1 ? 2025)", "UTC", "2026-03-10T12:00:00", None),
    ("at(2026-03-10T20:00:00)", "UTC", "2026-03-10T12:00:00", "2026-03-10T20:00:00"),
    ("at(2026-07-10T20:00:00)", "Europe/Dublin", "2026-03-10T12:00:00", "2026-07-10T19:00:00"),
    ("at(2026-03-10T20:00:00)", "UTC", "2026-03-10T20:00:00", None),
    ("rate(5 minutes)", "UTC", "2026-03-10T12:00:00", "2026-03-10T12:05:00"),
    ("rate(5 minutes)", "UTC", "2026-03-10T12:07:00", "2026-03-10T12:10:00"),
    ("rate(1 day)", "UTC", "2026-03-10T12:00:00", "2026-03-11T12:00:00"),
])
def test_an_expression_says_when_it_is_due_next(expression, timezone, after, expected):
    following = scaling_schedule.read(expression, timezone, utc("2026-03-10T12:00:00"))
    assert following(utc(after)) == (utc(expected) if expected else None)


@pytest.mark.parametrize("expression, timezone", [
    ("cron(0 20 ? * MON-FRI)", "UTC"), ("cron(0 20 * * * *)", "UTC"), ("cron(0 20 ? * ? *)", "UTC"), ("cron(60 20 ? * MON *)", "UTC"),
    ("cron(0 24 ? * MON *)", "UTC"), ("cron(0 20 0 * ? *)", "UTC"), ("cron(0 20 ? 13 MON *)", "UTC"), ("cron(0 20 ? * 8 *)", "UTC"),
    ("cron(0 20 ? * SOMEDAY *)", "UTC"), ("cron(? 20 ? * MON *)", "UTC"), ("cron(0 20 ? * MON 1969)", "UTC"), (" cron(0 20 ? * MON *)", "UTC"),
    ("0 20 * * *", "UTC"), ("at(2026-03-10 20:00:00)", "UTC"), ("at(2026-03-10T20:00)", "UTC"), ("at(2026-02-30T20:00:00)", "UTC"),
    ("rate(0 minutes)", "UTC"), ("rate(5 weeks)", "UTC"), ("rate(minutes)", "UTC"), ("", "UTC"),
    ("cron(0 20 ? * MON *)", "Europe/Atlantis"), ("cron(0 20 ? * MON *)", ""), ("at(2026-03-10T20:00:00)", "+01:00"),
])
def test_what_is_no_expression_or_zone_is_refused(expression, timezone):
    with pytest.raises(ValueError):
        scaling_schedule.read(expression, timezone, utc("2026-03-10T12:00:00"))


@given(st.sampled_from(["cron(0/7 * ? * * *)", "cron(30 1,2 * * ? *)", "cron(0 20 ? * SUN *)", "rate(90 minutes)"]),
       st.sampled_from(["UTC", "Europe/Dublin", "Australia/Lord_Howe", "America/St_Johns"]),
       st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31)))
def test_what_comes_next_is_always_later_and_there_is_nothing_in_between(expression, timezone, after):
    after = after.replace(tzinfo=UTC)
    following = scaling_schedule.read(expression, timezone, utc("2026-01-01T00:00:00"))
    due = following(after)
    assert due > after
    assert following(due - timedelta(seconds=1)) == due


@pytest.mark.parametrize("after, start, end, expected", [
    ("2026-03-10T12:00:00", None, None, "2026-03-10T20:00:00"),
    ("2026-03-10T12:00:00", "2026-03-12T09:30:00", None, "2026-03-12T09:30:00"),  # also at its start
    ("2026-03-12T09:30:00", "2026-03-12T09:30:00", None, "2026-03-12T20:00:00"),
    ("2026-03-10T12:00:00", None, "2026-03-10T20:00:00", "2026-03-10T20:00:00"),
    ("2026-03-10T20:00:00", None, "2026-03-11T19:00:00", None),
])
def test_a_recurring_action_keeps_to_its_start_and_end(after, start, end, expected):
    following = scaling_schedule.read("cron(0 20 ? * * *)", "UTC", utc(after))
    bounds = (utc(start) if start else None, utc(end) if end else None)
    assert scaling_schedule.due(following, utc(after), *bounds) == (utc(expected) if expected else None)


# The service

class Ecs:
    """The ECS services of the cluster c, which refuses what isn't there."""

    class exceptions:
        class ClusterNotFoundException(Exception):
            pass

    def __init__(self):
        self.services = {"s": {"status": "ACTIVE", "desiredCount": 1}}
        self.failure = None

    def describe_services(self, cluster, services):
        if self.failure:
            raise self.failure
        if cluster != "c":
            raise self.exceptions.ClusterNotFoundException
        return {"services": [self.services[s] for s in services if s in self.services]}

    def update_service(self, cluster, service, desiredCount):
        assert cluster == "c"
        self.services[service]["desiredCount"] = desiredCount


@pytest.fixture
def ecs(monkeypatch):
    ecs = Ecs()
    monkeypatch.setattr(scaling, "client", lambda service, account, region: ecs)
    return ecs


@pytest.fixture
def clock(monkeypatch):
    """The time, which stands still until a test moves it: Tuesday noon."""
    class Clock:
        now = utc("2026-03-10T12:00:00").timestamp()

        def at(self, text):
            self.now = utc(text).timestamp()

    clock = Clock()
    monkeypatch.setattr(scaling.time, "time", lambda: clock.now)
    return clock


@pytest.fixture
def service(tmp_path, ecs, clock):
    return scaling.Scaling(tmp_path / "scaling.json")


@pytest.fixture
def ask(service):
    return lambda operation, request=None, **more: service.call(ACCOUNT, REGION, operation, (request or {}) | more)


@pytest.fixture
def target(ask):
    ask("RegisterScalableTarget", TARGET, MinCapacity=0, MaxCapacity=1)


@pytest.fixture
def at(service, clock):
    """Moves the clock, and does what is due then."""
    def at(text):
        clock.at(text)
        scaling_actions.carry_out(service, clock.now)
    return at


def shown(ask) -> dict:
    return ask("DescribeScalableTargets", ServiceNamespace="ecs")["ScalableTargets"][0]


def test_sleep_and_wake_by_the_clock(ask, target, at, ecs):
    wake = ACTION | {"ScheduledActionName": "wake", "Schedule": "cron(0 7 ? * MON-FRI *)", "ScalableTargetAction": {"MinCapacity": 1, "MaxCapacity": 1}}
    ask("PutScheduledAction", ACTION)
    ask("PutScheduledAction", wake)
    counts = {}
    for moment in ("2026-03-10T19:59:59", "2026-03-10T20:00:00", "2026-03-11T06:59:59", "2026-03-11T07:00:00", "2026-03-14T07:00:00"):
        at(moment)
        counts[moment[8:16]] = ecs.services["s"]["desiredCount"]
    assert counts == {"10T19:59": 1, "10T20:00": 0, "11T06:59": 0, "11T07:00": 1, "14T07:00": 0}
    assert (shown(ask)["MinCapacity"], shown(ask)["MaxCapacity"]) == (0, 0)
    done = ask("DescribeScalingActivities", ServiceNamespace="ecs")["ScalingActivities"]
    assert [(a["Description"], a["Cause"], a["StatusCode"]) for a in done[:2]] == [
        ("Setting desired count to 0.", "maximum capacity was set to 0", "Successful"),
        ("Setting min capacity to 0 and max capacity to 0", "scheduled action name sleep was triggered", "Successful")]


def test_whoever_wakes_it_in_between_has_it_awake_until_the_next_evening(ask, target, at, ecs):
    ask("PutScheduledAction", ACTION)
    at("2026-03-10T20:00:00")
    ask("RegisterScalableTarget", TARGET, MinCapacity=1, MaxCapacity=1)
    assert ecs.services["s"]["desiredCount"] == 1
    at("2026-03-11T19:59:00")
    assert ecs.services["s"]["desiredCount"] == 1
    at("2026-03-11T20:00:00")
    assert ecs.services["s"]["desiredCount"] == 0


def test_an_action_of_one_bound_keeps_the_other_and_moves_what_lies_outside(ask, ecs, at):
    ask("RegisterScalableTarget", TARGET, MinCapacity=1, MaxCapacity=4)
    ask("PutScheduledAction", ACTION, ScalableTargetAction={"MinCapacity": 3})
    at("2026-03-10T20:00:00")
    assert (shown(ask)["MinCapacity"], shown(ask)["MaxCapacity"], ecs.services["s"]["desiredCount"]) == (3, 4, 3)
    # Below the minimum the maximum can't be: the action fails, and nothing changes.
    ask("PutScheduledAction", ACTION, ScalableTargetAction={"MaxCapacity": 2})
    at("2026-03-11T20:00:00")
    assert (shown(ask)["MinCapacity"], shown(ask)["MaxCapacity"], ecs.services["s"]["desiredCount"]) == (3, 4, 3)
    assert ask("DescribeScalingActivities", TARGET)["ScalingActivities"][0]["StatusCode"] == "Failed"


def test_an_at_is_done_once(ask, target, at, ecs):
    ask("PutScheduledAction", ACTION, Schedule="at(2026-03-10T13:00:00)", Timezone="UTC")
    at("2026-03-10T13:00:00")
    ecs.services["s"]["desiredCount"] = 1
    at("2027-03-10T13:00:00")
    assert ecs.services["s"]["desiredCount"] == 1
    assert [a["Schedule"] for a in ask("DescribeScheduledActions", TARGET)["ScheduledActions"]] == ["at(2026-03-10T13:00:00)"]


def test_what_is_suspended_is_not_done_and_not_caught_up(ask, target, at, ecs):
    ask("PutScheduledAction", ACTION)
    ask("RegisterScalableTarget", TARGET, SuspendedState={"ScheduledScalingSuspended": True})
    at("2026-03-10T20:00:00")
    ask("RegisterScalableTarget", TARGET, SuspendedState={"DynamicScalingInSuspended": True})
    assert shown(ask)["SuspendedState"] == {"DynamicScalingInSuspended": True, "DynamicScalingOutSuspended": False, "ScheduledScalingSuspended": True}
    ask("RegisterScalableTarget", TARGET, SuspendedState={"ScheduledScalingSuspended": False})
    at("2026-03-10T20:00:01")
    assert ecs.services["s"]["desiredCount"] == 1
    at("2026-03-11T20:00:00")
    assert ecs.services["s"]["desiredCount"] == 0


def test_what_came_due_while_the_local_aws_was_stopped_is_done_once_in_order(ask, target, service, clock, ecs):
    ask("PutScheduledAction", ACTION)
    ask("PutScheduledAction", ACTION, ScheduledActionName="wake", Schedule="cron(0 7 ? * MON-FRI *)", ScalableTargetAction={"MinCapacity": 1, "MaxCapacity": 1})
    for moment, expected in (("2026-03-11T21:00:00", 0), ("2026-03-13T08:00:00", 1)):
        clock.at(moment)
        again = scaling.Scaling(service._path)
        scaling_actions.carry_out(again, clock.now)
        assert ecs.services["s"]["desiredCount"] == expected


def test_a_server_that_does_not_answer_yet_loses_no_action(ask, target, service, at, ecs):
    ask("PutScheduledAction", ACTION)
    ecs.failure = EndpointConnectionError(endpoint_url="http://127.0.0.1")
    with pytest.raises(EndpointConnectionError):
        at("2026-03-10T20:00:00")
    ecs.failure = None
    at("2026-03-10T20:00:05")
    assert ecs.services["s"]["desiredCount"] == 0


def test_a_refused_change_is_told_and_the_others_go_on(ask, target, at, ecs):
    ecs.services["t"] = {"status": "ACTIVE", "desiredCount": 1}
    ask("RegisterScalableTarget", TARGET, ResourceId="service/c/t", MinCapacity=0, MaxCapacity=1)
    for resource in ("service/c/s", "service/c/t"):
        ask("PutScheduledAction", ACTION, ResourceId=resource)
    update = ecs.update_service

    def refuse(cluster, service, desiredCount):
        if service == "s":
            raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "UpdateService")
        update(cluster, service, desiredCount)

    ecs.update_service = refuse
    at("2026-03-10T20:00:00")
    assert ecs.services["t"]["desiredCount"] == 0
    failed = ask("DescribeScalingActivities", TARGET)["ScalingActivities"]
    assert [a["StatusCode"] for a in failed] == ["Failed"] and "no" in failed[0]["StatusMessage"]


def test_registering_brings_a_service_within_its_bounds(ask, ecs):
    ecs.services["s"]["desiredCount"] = 9
    made = ask("RegisterScalableTarget", TARGET, MinCapacity=1, MaxCapacity=4)
    assert ecs.services["s"]["desiredCount"] == 4
    ask("RegisterScalableTarget", TARGET, MaxCapacity=2)
    assert (ecs.services["s"]["desiredCount"], shown(ask)["MinCapacity"], shown(ask)["MaxCapacity"]) == (2, 1, 2)
    ecs.services["s"]["desiredCount"] = 0
    assert ask("RegisterScalableTarget", TARGET) == made  # also without bounds in the request
    assert ecs.services["s"]["desiredCount"] == 1


def test_a_deregistered_target_takes_its_actions_along(ask, target):
    ask("PutScheduledAction", ACTION)
    ask("PutScalingPolicy", TARGET, PolicyName="p", PolicyType="TargetTrackingScaling", TargetTrackingScalingPolicyConfiguration={"TargetValue": 1.0})
    ask("DeregisterScalableTarget", TARGET)
    for operation, field in (("DescribeScheduledActions", "ScheduledActions"), ("DescribeScalingPolicies", "ScalingPolicies")):
        assert ask(operation, ServiceNamespace="ecs")[field] == []


def test_tags_of_a_target(ask, ecs):
    arn = ask("RegisterScalableTarget", TARGET, MinCapacity=0, MaxCapacity=1, Tags={"a": "b", "c": "d"})["ScalableTargetARN"]
    ask("TagResource", ResourceARN=arn, Tags={"a": "x", "e": "f"})
    ask("UntagResource", ResourceARN=arn, TagKeys=["c", "never"])
    ask("RegisterScalableTarget", TARGET, MaxCapacity=2)
    assert ask("ListTagsForResource", ResourceARN=arn) == {"Tags": {"a": "x", "e": "f"}}


def test_an_update_of_an_action_keeps_what_it_does_not_name_but_for_start_and_end(ask, target):
    ask("PutScheduledAction", ACTION, StartTime=1800000000, EndTime=1900000000)
    first = ask("DescribeScheduledActions", TARGET)["ScheduledActions"][0]
    assert (first["StartTime"], first["EndTime"]) == (1800000000, 1900000000)
    ask("PutScheduledAction", TARGET, ScheduledActionName="sleep", Schedule="rate(1 day)")
    second = ask("DescribeScheduledActions", TARGET)["ScheduledActions"][0]
    assert second == {n: v for n, v in first.items() if n not in ("StartTime", "EndTime")} | {"Schedule": "rate(1 day)"}
    ask("DeleteScheduledAction", TARGET, ScheduledActionName="sleep")
    assert ask("DescribeScheduledActions", TARGET)["ScheduledActions"] == []


def test_lists_come_in_pages(ask, target):
    for i in range(5):
        ask("PutScheduledAction", ACTION, ScheduledActionName=f"a{i}")
    first = ask("DescribeScheduledActions", TARGET, MaxResults=3)
    second = ask("DescribeScheduledActions", TARGET, MaxResults=3, NextToken=first["NextToken"])
    assert [a["ScheduledActionName"] for a in first["ScheduledActions"] + second["ScheduledActions"]] == ["a0", "a1", "a2", "a3", "a4"]
    assert "NextToken" not in second


WITHOUT = {"ServiceNamespace": "ecs", "ResourceId": "service/c/other", "ScalableDimension": "ecs:service:DesiredCount"}


@pytest.mark.parametrize("operation, request_, code", [
    ("RegisterScalableTarget", TARGET | {"ResourceId": "service/c/t", "MinCapacity": 0, "MaxCapacity": 1}, "ValidationException"),  # no such service
    ("RegisterScalableTarget", TARGET | {"ResourceId": "service/d/s", "MinCapacity": 0, "MaxCapacity": 1}, "ValidationException"),
    ("RegisterScalableTarget", TARGET | {"ResourceId": "s", "MinCapacity": 0, "MaxCapacity": 1}, "ValidationException"),
    ("RegisterScalableTarget", TARGET | {"MinCapacity": 2}, "ValidationException"),  # above the maximum that stands
    ("RegisterScalableTarget", TARGET | {"MinCapacity": -1}, "ValidationException"),
    ("RegisterScalableTarget", TARGET | {"MinCapacity": "1"}, "ValidationException"),
    ("RegisterScalableTarget", TARGET | {"ScalableDimension": "ecs:service:Size"}, "ValidationException"),
    ("RegisterScalableTarget", TARGET | {"ScalableDimension": "dynamodb:table:ReadCapacityUnits"}, "ValidationException"),
    ("RegisterScalableTarget", TARGET | {"ServiceNamespace": "dynamodb"}, "ValidationException"),
    ("RegisterScalableTarget", {"ServiceNamespace": "ecs"}, "ValidationException"),
    ("RegisterScalableTarget", TARGET | {"Tags": {"a": "b"}}, "ValidationException"),  # for new ones only
    ("TagResource", {"ResourceARN": "arn:aws:application-autoscaling:eu-west-1:0:scalable-target/x", "Tags": {}}, "ResourceNotFoundException"),
    ("DeregisterScalableTarget", WITHOUT, "ObjectNotFoundException"),
    ("PutScheduledAction", ACTION | WITHOUT, "ObjectNotFoundException"),
    ("PutScheduledAction", {n: v for n, v in ACTION.items() if n != "Schedule"}, "ValidationException"),
    ("PutScheduledAction", {n: v for n, v in ACTION.items() if n != "ScalableTargetAction"}, "ValidationException"),
    ("PutScheduledAction", ACTION | {"ScalableTargetAction": {}}, "ValidationException"),
    ("PutScheduledAction", ACTION | {"ScalableTargetAction": {"MinCapacity": 2, "MaxCapacity": 1}}, "ValidationException"),
    ("PutScheduledAction", ACTION | {"ScalableTargetAction": {"MaxCapacity": -1}}, "ValidationException"),
    ("PutScheduledAction", ACTION | {"Schedule": "cron(0 20 * * * *)"}, "ValidationException"),
    ("PutScheduledAction", ACTION | {"Timezone": "Europe/Atlantis"}, "ValidationException"),
    ("PutScheduledAction", ACTION | {"ScheduledActionName": "a:b"}, "ValidationException"),
    ("PutScheduledAction", ACTION | {"ScheduledActionName": "x" * 257}, "ValidationException"),
    ("PutScheduledAction", ACTION | {"StartTime": 2e9, "EndTime": 1e9}, "ValidationException"),
    ("PutScheduledAction", ACTION | {"Desired": 1}, "ValidationException"),
    ("DeleteScheduledAction", TARGET | {"ScheduledActionName": "sleep"}, "ObjectNotFoundException"),
    ("DescribeScheduledActions", {}, "ValidationException"),
    ("DescribeScheduledActions", TARGET | {"NextToken": "x"}, "InvalidNextTokenException"),
    ("DescribeScheduledActions", TARGET | {"MaxResults": 51}, "ValidationException"),
    ("PutScalingPolicy", WITHOUT | {"PolicyName": "p", "PolicyType": "StepScaling", "StepScalingPolicyConfiguration": {}}, "ObjectNotFoundException"),
    ("PutScalingPolicy", TARGET | {"PolicyName": "p", "PolicyType": "TargetTrackingScaling"}, "ValidationException"),
    ("PutScalingPolicy", TARGET | {"PolicyName": "p"}, "ValidationException"),
    ("DeleteScalingPolicy", TARGET | {"PolicyName": "p"}, "ObjectNotFoundException"),
    ("GetPredictiveScalingForecast", {}, "UnknownOperationException"),
])
def test_what_aws_refuses_is_refused(ask, target, operation, request_, code):
    with pytest.raises(Refused) as refused:
        ask(operation, request_)
    assert refused.value.code == code


def test_a_target_has_at_most_200_actions(ask, target):
    for i in range(scaling.ACTIONS_PER_TARGET):
        ask("PutScheduledAction", ACTION, ScheduledActionName=f"a{i}")
    ask("PutScheduledAction", ACTION, ScheduledActionName="a0")
    with pytest.raises(Refused) as refused:
        ask("PutScheduledAction", ACTION, ScheduledActionName="more")
    assert refused.value.code == "LimitExceededException"
