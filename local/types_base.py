"""What all the added CloudFormation types share: the description of a type, and fitting properties to an API call.

A handler creates the thing by API through the instance's own endpoint (ministack's or moto's), so it is seen by
every SDK as if a person had created it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any


class Refused(ValueError):
    """A property or change that CloudFormation would refuse; the message becomes the stack event's reason."""


@dataclass
class Call:
    """One create, update or delete of one resource."""

    props: dict
    """The template's properties, intrinsics resolved."""
    logical_id: str = ""
    stack: str = ""
    physical_id: str = ""
    """What Ref gives; a create sets it as soon as something exists, so that a failure later can take it back."""
    old: dict = field(default_factory=dict)
    """The previous properties, for an update."""
    account: str = "000000000000"
    region: str = "eu-west-1"

    def client(self, service: str):
        """The boto3 client of a service in the stack's account and region."""
        return client(service, self.account, self.region)

    def name(self, longest: int = 128, lowercase: bool = False) -> str:
        """The name that CloudFormation would make up: stack, logical id and a stable suffix."""
        from ministack.services.cloudformation.provisioners import _physical_name

        return _physical_name(self.stack, self.logical_id, max_len=longest, lowercase=lowercase)

    def changed(self, *names: str) -> bool:
        """Whether any of these properties differs from the previous template's."""
        return any(self.props.get(n) != self.old.get(n) for n in names)


@lru_cache(maxsize=None)
def client(service: str, account: str, region: str):
    """A boto3 client at the instance's endpoint; the access key is the account, as ministack reads it."""
    import boto3
    from botocore.config import Config

    return boto3.client(service, endpoint_url=os.environ["SLIPWAY_ENDPOINT"], region_name=region,
                        aws_access_key_id=account, aws_secret_access_key="test",
                        config=Config(retries={"max_attempts": 2}, read_timeout=120))


@dataclass(frozen=True)
class Type:
    """One CloudFormation resource type that the launcher adds or replaces."""

    name: str
    create: Callable[[Call], tuple[str, dict]]
    """Returns what Ref gives and what GetAtt can ask for."""
    delete: Callable[[Call], None]
    update: Callable[[Call], dict] | None = None
    """Changes the thing in place and returns its attributes; without it every change is a replacement."""
    replace_on: frozenset[str] = frozenset()
    """Properties that can't be changed in place ("Update requires: Replacement")."""
    record_only: bool = False
    """Whether nothing but a record is made, because neither ministack nor moto has the API."""


def fit(service_client, operation: str, values: dict) -> dict:
    """Turns properties into the parameters of an API operation.

    Names are matched without regard to case (CloudFormation writes Name and KMSKeyId where an API writes name
    and KmsKeyId), and strings become the numbers and truth values that the API wants, as CloudFormation
    does. A property that the operation doesn't have raises Refused with its name.
    """
    method = service_client.meta.method_to_api_mapping[operation]
    shape = service_client.meta.service_model.operation_model(method).input_shape
    return _fit_value(shape, values, method)


def _fit_value(shape, value: Any, path: str) -> Any:
    kind = shape.type_name
    if kind == "structure":
        if not isinstance(value, dict):
            raise Refused(f"{path}: expected an object, got {value!r}")
        members = {name.lower(): (name, member) for name, member in shape.members.items()}
        fitted = {}
        for name, item in value.items():
            if item is None:
                continue
            found = members.get(name.lower())
            if not found:
                raise Refused(f"{path}: encountered unsupported property {name}")
            fitted[found[0]] = _fit_value(found[1], item, f"{path}.{name}")
        return fitted
    if kind == "list":
        items = value if isinstance(value, list) else [value]
        return [_fit_value(shape.member, item, f"{path}[{i}]") for i, item in enumerate(items)]
    if kind == "map":
        return {str(k): _fit_value(shape.value, v, f"{path}.{k}") for k, v in value.items()}
    if kind == "boolean":
        return truth(value)
    if kind in ("integer", "long"):
        return int(value)
    if kind in ("float", "double"):
        return float(value)
    if kind == "string":
        return text(value)
    return value


def truth(value: Any) -> bool:
    """A template's truth value, which YAML and parameters may carry as a string."""
    if isinstance(value, bool):
        return value
    lowered = str(value).lower()
    if lowered not in ("true", "false"):
        raise Refused(f"expected true or false, got {value!r}")
    return lowered == "true"


def text(value: Any) -> str:
    """A scalar as CloudFormation writes it; a policy document becomes its JSON."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (dict, list)):
        import json

        return json.dumps(value)
    return str(value)


def without(values: dict, *names: str) -> dict:
    """A copy of the properties without some."""
    return {k: v for k, v in values.items() if k not in names}


def tags_lower(tags: list | None) -> list[dict]:
    """Tags in the spelling of the ECS API."""
    return [{"key": text(t["Key"]), "value": text(t.get("Value", ""))} for t in tags or []]


def tags_upper(tags: list | None) -> list[dict]:
    """Tags as strings, in the spelling of most APIs."""
    return [{"Key": text(t["Key"]), "Value": text(t.get("Value", ""))} for t in tags or []]


def tags_map(tags: Any) -> dict[str, str]:
    """Tags as a map, from either of the two shapes that templates use."""
    if isinstance(tags, dict):
        return {str(k): text(v) for k, v in tags.items()}
    return {t["Key"]: t["Value"] for t in tags_upper(tags)}


def error_code(failed: Exception) -> str:
    """The AWS error code of a botocore ClientError, or an empty string."""
    return getattr(failed, "response", {}).get("Error", {}).get("Code", "")


def absent_is_done(action: Callable[[], Any], *codes: str) -> None:
    """Runs a delete; the given error codes (the thing is gone already) count as success."""
    from botocore.exceptions import ClientError

    try:
        action()
    except ClientError as failed:
        if error_code(failed) not in codes:
            raise
