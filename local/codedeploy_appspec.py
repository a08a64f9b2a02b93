"""The AppSpec of an ECS deployment: reading and checking it.

https://docs.aws.amazon.com/codedeploy/latest/userguide/reference-appspec-file-structure-resources.html
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field

from .json_service import Refused

HOOKS = ("BeforeInstall", "AfterInstall", "AfterAllowTestTraffic", "BeforeAllowTraffic", "AfterAllowTraffic")
"""The lifecycle events that may have a Lambda function, in their order."""


@dataclass
class AppSpec:
    """What is to be deployed, in the spelling of the ECS API."""

    task_definition: str
    container: str
    port: int
    hooks: dict[str, str] = field(default_factory=dict)
    """Lifecycle event → name or ARN of its function."""
    changes: dict = field(default_factory=dict)
    """platformVersion, networkConfiguration and capacityProviderStrategy, where the AppSpec has them."""


def sha256(content: str) -> str:
    """The hash by which CodeDeploy names a revision's content."""
    return hashlib.sha256(content.encode()).hexdigest()


def revision_content(revision: dict | None) -> str:
    """The text of a revision; only those that carry it themselves are emulated."""
    if not revision:
        raise Refused("RevisionRequiredException", "The revision was not specified.")
    kind = revision.get("revisionType")
    if kind != "AppSpecContent":
        raise Refused("InvalidRevisionException", f"revisions of type {kind} aren't emulated: use AppSpecContent")
    content = (revision.get("appSpecContent") or {}).get("content")
    if not content:
        raise Refused("InvalidRevisionException", "The AppSpec has no content.")
    told = revision["appSpecContent"].get("sha256")
    if told and told.lower() != sha256(content):
        raise Refused("InvalidRevisionException", "The sha256 isn't that of the AppSpec's content.")
    return content


def parse(content: str) -> AppSpec:
    """Reads an AppSpec, which is JSON or YAML; refuses what isn't a deployment of one ECS service."""
    import yaml

    try:
        document = yaml.safe_load(content)
    except yaml.YAMLError as fault:
        raise _invalid(f"it is neither JSON nor YAML: {fault}") from fault
    if not isinstance(document, dict):
        raise _invalid("it isn't an object")
    # YAML reads the version as a number, JSON may have it as one or as a string.
    if str(document.get("version")) != "0.0":
        raise _invalid(f"the version is {document.get('version')!r}, not 0.0")
    resources = document.get("Resources")
    if not isinstance(resources, list) or len(resources) != 1 or not isinstance(resources[0], dict):
        raise _invalid("Resources must be a list with one resource")
    target = next(iter(resources[0].values()), None)
    if not isinstance(target, dict) or target.get("Type") != "AWS::ECS::Service":
        raise _invalid("the resource's Type must be AWS::ECS::Service")
    properties = target.get("Properties") or {}
    definition = properties.get("TaskDefinition")
    if not isinstance(definition, str) or ":task-definition/" not in definition:
        raise _invalid("TaskDefinition must be the ARN of a task definition")
    balancer = properties.get("LoadBalancerInfo") or {}
    name, port = balancer.get("ContainerName"), balancer.get("ContainerPort")
    if not name or not isinstance(port, int) or isinstance(port, bool):
        raise _invalid("LoadBalancerInfo needs ContainerName and a number as ContainerPort")
    return AppSpec(definition, name, port, _hooks(document.get("Hooks") or []), _changes(properties))


def _hooks(listed) -> dict[str, str]:
    if not isinstance(listed, list):
        raise _invalid("Hooks must be a list")
    found: dict[str, str] = {}
    for entry in listed:
        if not isinstance(entry, dict) or len(entry) != 1:
            raise _invalid("each hook is one lifecycle event with the name of its function")
        event, function = next(iter(entry.items()))
        if event not in HOOKS:
            raise _invalid(f"{event} isn't a lifecycle event that can have a hook")
        if event in found or not isinstance(function, str) or not function:
            raise _invalid(f"{event} needs one function")
        found[event] = function
    return found


def _changes(properties: dict) -> dict:
    changes: dict = {}
    if properties.get("PlatformVersion"):
        changes["platformVersion"] = str(properties["PlatformVersion"])
    network = (properties.get("NetworkConfiguration") or {}).get("AwsvpcConfiguration")
    if network:
        changes["networkConfiguration"] = {"awsvpcConfiguration": {
            "subnets": network.get("Subnets") or [], "securityGroups": network.get("SecurityGroups") or [],
            "assignPublicIp": network.get("AssignPublicIp", "DISABLED")}}
    strategy = properties.get("CapacityProviderStrategy")
    if strategy:
        changes |= {"launchType": None, "capacityProviderStrategy": [
            {"capacityProvider": s.get("CapacityProvider"), "weight": int(s.get("Weight", 0)), "base": int(s.get("Base", 0))}
            for s in strategy]}
    return changes


def write(task_definition: str, container: str, port: int) -> str:
    """The AppSpec, without hooks, of a deployment that CodeDeploy starts by itself to go back to a revision."""
    return json.dumps({"version": "0.0", "Resources": [{"TargetService": {"Type": "AWS::ECS::Service", "Properties": {
        "TaskDefinition": task_definition, "LoadBalancerInfo": {"ContainerName": container, "ContainerPort": port}}}}]})


def _invalid(why: str) -> Refused:
    return Refused("InvalidRevisionException", f"The AppSpec file is invalid: {why}")
