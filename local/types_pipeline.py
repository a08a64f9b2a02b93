"""AWS::CodePipeline::Pipeline. There is nothing that would run a pipeline, so it is a record, checked as CodePipeline does."""

from __future__ import annotations

import re

from . import records
from .types_base import Call, Refused, Type

_KIND = "AWS::CodePipeline::Pipeline"
_NAME = re.compile(r"[A-Za-z0-9.@_-]{1,100}")
# https://docs.aws.amazon.com/codepipeline/latest/userguide/limits.html
_MOST_ACTIONS = 50
_MOST_ALL_ACTIONS = 1000


def _check(props: dict) -> None:
    stages = props.get("Stages") or []
    if len(stages) < 2:
        raise Refused("Pipeline should have at least 2 stages")
    count = 0
    for stage in stages:
        actions = stage.get("Actions") or []
        names = [action["Name"] for action in actions]
        for name in [stage["Name"], *names]:
            if not _NAME.fullmatch(name):
                raise Refused(f"name {name!r}: 1 to 100 letters, digits and .@_- are allowed")
        if not 1 <= len(actions) <= _MOST_ACTIONS:
            raise Refused(f"stage {stage['Name']} has {len(actions)} actions, 1 to {_MOST_ACTIONS} are allowed")
        if len(set(names)) != len(names):
            raise Refused(f"stage {stage['Name']} has two actions of one name")
        source = {action["ActionTypeId"]["Category"] == "Source" for action in actions}
        if source != {stage is stages[0]}:
            raise Refused(f"stage {stage['Name']}: the first stage holds source actions, and no other does")
        count += len(actions)
    if count > _MOST_ALL_ACTIONS:
        raise Refused(f"{count} actions, {_MOST_ALL_ACTIONS} are allowed")
    if len({stage["Name"] for stage in stages}) != len(stages):
        raise Refused("two stages have one name")


def _create(call: Call):
    _check(call.props)
    name = call.props.get("Name") or call.name(100)
    records.put(call.account, call.region, _KIND, name, call.props)
    return name, {"Version": "1"}


def _update(call: Call):
    _check(call.props)
    records.put(call.account, call.region, _KIND, call.physical_id, call.props)
    return {"Version": "2"}


def _delete(call: Call):
    records.remove(call.account, call.region, _KIND, call.physical_id)


TYPES = (Type(_KIND, _create, _delete, _update, frozenset({"Name"}), record_only=True),)
"""The type of this file."""
