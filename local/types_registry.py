"""Puts the project's types into ministack's table of CloudFormation types."""

from __future__ import annotations

import contextlib

from . import databases, types_alarms, types_attributes, types_delivery, types_ec2, types_ecs, types_identity, types_pipeline, types_s3
from .types_base import Call, Refused, Type

TYPES: tuple[Type, ...] = (*types_alarms.TYPES, *types_delivery.TYPES, *types_ec2.TYPES, *types_ecs.TYPES,
                           *types_identity.TYPES, *types_pipeline.TYPES)
"""Every type that the launcher adds or replaces."""

_BY_NAME = {t.name: t for t in TYPES}


def register() -> None:
    """Adds the types; they run on worker threads, since they call the server's own API."""
    from ministack.services.cloudformation import provisioners, stacks

    for kind in TYPES:
        provisioners._RESOURCE_HANDLERS[kind.name] = handler(kind)
        if kind.replace_on:
            provisioners._REPLACING_PROPERTIES[kind.name] = kind.replace_on
    types_attributes.apply()
    types_s3.apply()
    ministacks = stacks._runs_on_worker_thread
    stacks._runs_on_worker_thread = lambda name: name in _BY_NAME or name == databases.KIND or ministacks(name)


def handler(kind: Type) -> dict:
    """ministack's description of a type, made from ours."""

    def create(logical_id, props, stack_name):
        call = _call(props, logical_id, stack_name)
        try:
            return kind.create(call)
        except Exception:
            if call.physical_id:
                # Half made: the stack's rollback doesn't know it, so it goes here.
                with contextlib.suppress(Exception):
                    kind.delete(call)
            raise

    def update(physical_id, old_props, new_props, stack_name, logical_id=None):
        call = _call(new_props, logical_id or physical_id, stack_name, physical_id, old_props)
        if kind.update is None:
            raise Refused(f"{kind.name} can't be changed in place: "
                          f"{', '.join(sorted(k for k in new_props if call.changed(k)))}")
        return physical_id, kind.update(call)

    def delete(physical_id, props):
        kind.delete(_call(props, physical_id=physical_id))

    return {"create": create, "update": update, "update_with_logical_id": True, "delete": delete}


def _call(props, logical_id="", stack="", physical_id="", old=None) -> Call:
    from ministack.core.responses import get_account_id, get_region

    return Call(props or {}, logical_id, stack, physical_id, old or {}, get_account_id(), get_region())
