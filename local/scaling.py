"""Application Auto Scaling for ECS services: scalable targets, scheduled actions, and policies, which are kept only.

Scheduled actions are carried out at their time (scaling_actions.py). Metrics aren't looked at, so policies scale nothing.
https://docs.aws.amazon.com/autoscaling/application/APIReference/API_Operations.html
"""

from __future__ import annotations

import os
import re
import threading
import time
import uuid
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

from . import scaling_schedule
from .json_service import JsonService, Refused
from .types_base import client

ACTIONS_PER_TARGET = 200
"""https://docs.aws.amazon.com/autoscaling/application/userguide/application-auto-scaling-quotas.html"""

_SUSPENDED = ("DynamicScalingInSuspended", "DynamicScalingOutSuspended", "ScheduledScalingSuspended")
_TARGET = ("ServiceNamespace", "ResourceId", "ScalableDimension")
_ROLE = "role/aws-service-role/ecs.application-autoscaling.amazonaws.com/AWSServiceRoleForApplicationAutoScaling_ECSService"


def invalid(message: str) -> Refused:
    return Refused("ValidationException", message)


# Requests against the service's own model

@lru_cache(maxsize=1)
def _model():
    import botocore.session

    return botocore.session.get_session().get_service_model("application-autoscaling")


_JAVA = {r"\uD800\uDC00-\uDBFF\uDFFF": r"\U00010000-\U0010FFFF", r"\p{Print}": r"[\x20-\x7e]"}
"""What the model's patterns write as Java does."""


def check(operation: str, request: dict) -> None:
    """Refuses what isn't as the API's model says: unknown and missing fields, types, lengths, patterns, listed values."""
    faults = list(_faults(_model().operation_model(operation).input_shape, request, ""))
    if faults:
        raise invalid(f"{len(faults)} validation error{'s' * (len(faults) > 1)} detected: {'; '.join(faults)}")


def _faults(shape, value, path: str):
    kinds = {"structure": dict, "list": list, "string": str, "integer": int, "long": int, "boolean": bool,
             "double": (int, float), "timestamp": (int, float), "map": dict}
    if not isinstance(value, kinds[shape.type_name]) or shape.type_name != "boolean" and isinstance(value, bool):
        yield f"Value {value!r} at '{path}' failed to satisfy constraint: Member must be a {shape.type_name}"
        return

    def wrong(constraint: str) -> str:
        return f"Value '{value}' at '{path}' failed to satisfy constraint: Member must {constraint}"

    if shape.type_name == "structure":
        for name in sorted(set(value) - set(shape.members)):
            yield f"'{name}' isn't a member of the request"
        for name in shape.required_members:
            if value.get(name) is None:
                yield f"Value null at '{_under(path, name)}' failed to satisfy constraint: Member must not be null"
        for name, member in shape.members.items():
            if value.get(name) is not None:
                yield from _faults(member, value[name], _under(path, name))
    elif shape.type_name == "list":
        for i, item in enumerate(value):
            yield from _faults(shape.member, item, f"{path}.{i + 1}.member")
    elif shape.type_name == "string":
        about = shape.metadata
        if shape.enum and value not in shape.enum:
            yield wrong(f"satisfy enum value set: [{', '.join(shape.enum)}]")
        if len(value) < about.get("min", 0):
            yield wrong(f"have length greater than or equal to {about['min']}")
        if len(value) > about.get("max", len(value)):
            yield wrong(f"have length less than or equal to {about['max']}")
        pattern = about.get("pattern", ".*")
        for java, python in _JAVA.items():
            pattern = pattern.replace(java, python)
        if not re.fullmatch(pattern, value, re.DOTALL):
            yield wrong(f"satisfy regular expression pattern: {about['pattern']}")


def _under(path: str, name: str) -> str:
    name = name[0].lower() + name[1:]
    return f"{path}.{name}" if path else name


# What is kept

def key(request: dict) -> str:
    """One scalable target among all of its account and region."""
    return "|".join(request[name] for name in _TARGET)


def service_of(resource: str) -> tuple[str, str]:
    """The (cluster, service) of a resource ID."""
    _, cluster, service = resource.split("/")
    return cluster, service


def moment(value) -> datetime | None:
    """A time of a request or a record, which is in seconds."""
    return None if value is None else datetime.fromtimestamp(value, UTC)


def _words(request: dict) -> str:
    return (f"service namespace: {request['ServiceNamespace']}, resource ID: {request['ResourceId']}, "
            f"scalable dimension: {request['ScalableDimension']}")


def _capacity(low: int | None, high: int | None) -> None:
    for name, value in (("minCapacity", low), ("maxCapacity", high)):
        if value is not None and value < 0:
            raise invalid(f"Value '{value}' at '{name}' failed to satisfy constraint: Member must be greater than or equal to 0")
    if low is not None and high is not None and high < low:
        raise invalid("Maximum capacity cannot be less than minimum capacity")


def _shown(record: dict) -> dict:
    """A record as the API shows it, without what is ours."""
    return {name: value for name, value in record.items() if name[0].isupper() and value is not None}


def _page(request: dict, field: str, found: list[dict], longest: int) -> dict:
    """One page of a list; the token says where the next one begins."""
    size, token = request.get("MaxResults", longest), request.get("NextToken", "0")
    if not 1 <= size <= longest:
        raise invalid(f"Value '{size}' at 'maxResults' failed to satisfy constraint: Member must be between 1 and {longest}")
    if not token.isdigit() or int(token) > len(found):
        raise Refused("InvalidNextTokenException", "The next token was specified in an invalid format.")
    end = int(token) + size
    return {field: [_shown(r) for r in found[int(token):end]]} | ({"NextToken": str(end)} if end < len(found) else {})


def _matching(request: dict, records) -> list[dict]:
    """The records of the namespace, resource and dimension that a Describe… names."""
    return [r for r in records if all(request.get(name) in (None, r[name]) for name in _TARGET)]


class Scaling(JsonService):
    """The service of one instance."""

    title = "Application Auto Scaling"
    collections = ("targets", "actions", "policies", "activities")
    read_only = ("Describe", "List")
    unknown = "UnknownOperationException"

    def call(self, account: str, region: str, operation: str, request: dict) -> dict:
        if hasattr(self, "do_" + operation):
            check(operation, request)
            if request.get("ServiceNamespace", "ecs") != "ecs":
                raise invalid(f"{request['ServiceNamespace']} isn't emulated by the local {self.title}: it scales ECS services")
        return super().call(account, region, operation, request | {"account": account, "region": region})

    # Scalable targets

    def do_RegisterScalableTarget(self, scope: dict, request: dict) -> dict:
        if request["ScalableDimension"] != "ecs:service:DesiredCount" or not re.fullmatch(r"service/[^/]+/[^/]+", request["ResourceId"]):
            raise invalid("Unsupported service namespace, resource type or scalable dimension")
        old = scope["targets"].get(key(request))
        low, high = (request.get(n, (old or {}).get(n)) for n in ("MinCapacity", "MaxCapacity"))
        if low is None or high is None:
            raise invalid("MinCapacity and MaxCapacity must be given when a scalable target is registered")
        _capacity(low, high)
        account, region = request["account"], request["region"]
        if desired(account, region, request["ResourceId"]) is None:
            raise invalid(f"ECS service doesn't exist: {request['ResourceId']}")
        if old and request.get("Tags"):
            raise invalid("Tags are for new scalable targets: use TagResource")
        # The role is ECS's own, whatever is given: https://docs.aws.amazon.com/autoscaling/application/APIReference/API_RegisterScalableTarget.html
        target = old or {name: request[name] for name in _TARGET} | {
            "RoleARN": f"arn:aws:iam::{account}:{_ROLE}", "CreationTime": time.time(),
            "SuspendedState": dict.fromkeys(_SUSPENDED, False), "tags": request.get("Tags", {}),
            "ScalableTargetARN": f"arn:aws:application-autoscaling:{region}:{account}:scalable-target/0ec5{uuid.uuid4().hex}"}
        target |= {"MinCapacity": low, "MaxCapacity": high,
                   "SuspendedState": target["SuspendedState"] | request.get("SuspendedState", {})}
        scope["targets"][key(request)] = target
        bring_within(account, region, target)
        return {"ScalableTargetARN": target["ScalableTargetARN"]}

    def do_DescribeScalableTargets(self, scope: dict, request: dict) -> dict:
        wanted = request.get("ResourceIds")
        found = [t for t in _matching(request, scope["targets"].values()) if not wanted or t["ResourceId"] in wanted]
        return _page(request, "ScalableTargets", found, 50)

    def do_DeregisterScalableTarget(self, scope: dict, request: dict) -> None:
        if scope["targets"].pop(key(request), None) is None:
            raise Refused("ObjectNotFoundException", f"No scalable target found for {_words(request)}")
        for name in ("actions", "policies"):
            scope[name] = {k: r for k, r in scope[name].items() if key(r) != key(request)}

    def do_ListTagsForResource(self, scope: dict, request: dict) -> dict:
        return {"Tags": self._target_of_arn(scope, request)["tags"]}

    def do_TagResource(self, scope: dict, request: dict) -> None:
        self._target_of_arn(scope, request)["tags"] |= request["Tags"]

    def do_UntagResource(self, scope: dict, request: dict) -> None:
        tags = self._target_of_arn(scope, request)["tags"]
        for name in request["TagKeys"]:
            tags.pop(name, None)

    def _target_of_arn(self, scope: dict, request: dict) -> dict:
        arn = request["ResourceARN"]
        found = next((t for t in scope["targets"].values() if t["ScalableTargetARN"] == arn), None)
        if found is None:
            raise Refused("ResourceNotFoundException", f"There is no scalable target {arn}")
        return found

    # Scheduled actions

    def do_PutScheduledAction(self, scope: dict, request: dict) -> None:
        self._need_target(scope, request)
        name = request["ScheduledActionName"]
        identity = f"{key(request)}|{name}"
        old = scope["actions"].get(identity) or {}
        if not old and sum(key(a) == key(request) for a in scope["actions"].values()) >= ACTIONS_PER_TARGET:
            raise Refused("LimitExceededException", f"A scalable target can have {ACTIONS_PER_TARGET} scheduled actions: {_words(request)}")
        change = request.get("ScalableTargetAction", old.get("ScalableTargetAction")) or {}
        low, high = change.get("MinCapacity"), change.get("MaxCapacity")
        if low is None and high is None:
            raise invalid("At least one of minimum capacity and maximum capacity should be provided")
        _capacity(low, high)
        schedule, zone = (request.get(n, old.get(n)) for n in ("Schedule", "Timezone"))
        if schedule is None:
            raise invalid("Schedule must be given for a new scheduled action")
        start, end = request.get("StartTime"), request.get("EndTime")
        if start is not None and end is not None and end <= start:
            raise invalid("EndTime must be later than StartTime")
        now = time.time()
        account, region = request["account"], request["region"]
        action = {n: request[n] for n in (*_TARGET, "ScheduledActionName")} | {
            "Schedule": schedule, "Timezone": zone, "StartTime": start, "EndTime": end,
            "ScalableTargetAction": {n: change[n] for n in ("MinCapacity", "MaxCapacity") if change.get(n) is not None},
            "CreationTime": old.get("CreationTime", now),
            "ScheduledActionARN": old.get("ScheduledActionARN") or
            f"arn:aws:autoscaling:{region}:{account}:scheduledAction:{uuid.uuid4()}:resource/ecs/{request['ResourceId']}:scheduledActionName/{name}"}
        try:
            action["due"] = next_due(action, now)
        except ValueError as wrong:
            raise invalid(str(wrong)) from wrong
        scope["actions"][identity] = action

    def do_DescribeScheduledActions(self, scope: dict, request: dict) -> dict:
        names = request.get("ScheduledActionNames")
        found = [a for a in _matching(request, scope["actions"].values()) if not names or a["ScheduledActionName"] in names]
        return _page(request, "ScheduledActions", found, 50)

    def do_DeleteScheduledAction(self, scope: dict, request: dict) -> None:
        name = request["ScheduledActionName"]
        if scope["actions"].pop(f"{key(request)}|{name}", None) is None:
            raise Refused("ObjectNotFoundException", f"No scheduled action found for {_words(request)}, scheduled action name: {name}")

    def do_DescribeScalingActivities(self, scope: dict, request: dict) -> dict:
        return _page(request, "ScalingActivities", _matching(request, reversed(scope["activities"].values())), 50)

    # Policies: records

    def do_PutScalingPolicy(self, scope: dict, request: dict) -> dict:
        self._need_target(scope, request)
        identity = f"{key(request)}|{request['PolicyName']}"
        old = scope["policies"].get(identity) or {}
        policy = old | {n: v for n, v in request.items() if n[0].isupper()}
        kind = policy.get("PolicyType")
        if kind not in ("StepScaling", "TargetTrackingScaling") or kind + "PolicyConfiguration" not in policy:
            raise invalid(f"A policy is of type StepScaling or TargetTrackingScaling and has the configuration of its type; got {kind}")
        arn = f"arn:aws:autoscaling:{request['region']}:{request['account']}:scalingPolicy:{uuid.uuid4()}:resource/ecs/" \
              f"{request['ResourceId']}:policyName/{request['PolicyName']}"
        scope["policies"][identity] = {"PolicyARN": arn, "CreationTime": time.time(), "Alarms": []} | policy
        return {"PolicyARN": scope["policies"][identity]["PolicyARN"], "Alarms": []}

    def do_DescribeScalingPolicies(self, scope: dict, request: dict) -> dict:
        names = request.get("PolicyNames")
        found = [p for p in _matching(request, scope["policies"].values()) if not names or p["PolicyName"] in names]
        return _page(request, "ScalingPolicies", found, 10)

    def do_DeleteScalingPolicy(self, scope: dict, request: dict) -> None:
        if scope["policies"].pop(f"{key(request)}|{request['PolicyName']}", None) is None:
            raise Refused("ObjectNotFoundException", f"No scaling policy found for {_words(request)}, policy name: {request['PolicyName']}")

    def _need_target(self, scope: dict, request: dict) -> None:
        if key(request) not in scope["targets"]:
            raise Refused("ObjectNotFoundException", f"No scalable target registered for {_words(request)}")


def next_due(action: dict, after: float) -> float | None:
    """When an action is due for the first time after a moment, in seconds; raises ValueError for a schedule that isn't one."""
    start = moment(action["StartTime"])
    following = scaling_schedule.read(action["Schedule"], action["Timezone"] or "UTC", start or moment(action["CreationTime"]))
    if action["Schedule"].startswith("at("):  # the bounds are those of recurring actions
        found = following(moment(after))
    else:
        found = scaling_schedule.due(following, moment(after), start, moment(action["EndTime"]))
    return found.timestamp() if found else None


# The services that are scaled

def desired(account: str, region: str, resource: str) -> int | None:
    """The desired count of an ECS service; None where there is no active one."""
    cluster, name = service_of(resource)
    ecs = client("ecs", account, region)
    try:
        found = ecs.describe_services(cluster=cluster, services=[name])["services"]
    except ecs.exceptions.ClusterNotFoundException:
        return None
    return next((s["desiredCount"] for s in found if s["status"] == "ACTIVE"), None)


def bring_within(account: str, region: str, target: dict) -> tuple[int, int] | None:
    """Brings a service's desired count within the bounds of its target; returns (before, after) where it changed."""
    now = desired(account, region, target["ResourceId"])
    if now is None:
        return None
    wanted = min(max(now, target["MinCapacity"]), target["MaxCapacity"])
    if wanted == now:
        return None
    cluster, name = service_of(target["ResourceId"])
    client("ecs", account, region).update_service(cluster=cluster, service=name, desiredCount=wanted)
    return now, wanted


_service: Scaling | None = None
_service_lock = threading.Lock()


def service() -> Scaling:
    """This process's Application Auto Scaling."""
    global _service
    with _service_lock:
        if _service is None:
            _service = Scaling(Path(os.environ["SLIPWAY_SCALING"]))
        return _service
