"""CodeDeploy's control plane: applications, deployment configurations and deployment groups, with their strict errors.

moto can create these but neither change nor delete them, so they are kept here. Deployments aren't: CreateDeployment
is refused, saying so.
"""

from __future__ import annotations

import json
import os
import threading
import time
import uuid
from pathlib import Path

# https://docs.aws.amazon.com/codedeploy/latest/userguide/deployment-configurations.html
_PREDEFINED = ("CodeDeployDefault.ECSAllAtOnce", "CodeDeployDefault.ECSCanary10Percent5Minutes",
               "CodeDeployDefault.ECSCanary10Percent15Minutes", "CodeDeployDefault.ECSLinear10PercentEvery1Minutes",
               "CodeDeployDefault.ECSLinear10PercentEvery3Minutes", "CodeDeployDefault.AllAtOnce",
               "CodeDeployDefault.HalfAtATime", "CodeDeployDefault.OneAtATime",
               "CodeDeployDefault.LambdaAllAtOnce")

_COLLECTIONS = ("applications", "configs", "groups")


class Refused(Exception):
    """An error answer: CodeDeploy's code and a message."""

    def __init__(self, code: str, message: str):
        super().__init__(message)
        self.code = code


class CodeDeploy:
    """The service of one instance; every change is written to its file at once."""

    def __init__(self, path: Path):
        self._path = path
        self._lock = threading.RLock()
        try:
            self._state = json.loads(path.read_text())
        except FileNotFoundError:
            self._state = {}

    def call(self, account: str, region: str, operation: str, request: dict) -> dict:
        """Answers one operation; raises Refused with CodeDeploy's error code."""
        method = getattr(self, "do_" + operation, None)
        if method is None:
            raise Refused("InvalidOperationException",
                          f"{operation} isn't emulated: the local CodeDeploy has applications, deployment "
                          "configurations and deployment groups only")
        with self._lock:
            scope = self._state.setdefault(f"{account}/{region}", {c: {} for c in _COLLECTIONS})
            answer = method(scope, request) or {}
            if not operation.startswith(("Get", "List", "BatchGet")):
                partial = self._path.with_suffix(".part")
                partial.write_text(json.dumps(self._state))
                partial.rename(self._path)
            return answer

    # Applications

    def do_CreateApplication(self, scope, request):
        name = _required(request, "applicationName", "ApplicationNameRequiredException")
        if name in scope["applications"]:
            raise Refused("ApplicationAlreadyExistsException", f"Application already exists with name: {name}")
        application = {"applicationId": str(uuid.uuid4()), "applicationName": name, "createTime": time.time(),
                       "linkedToGitHub": False, "computePlatform": request.get("computePlatform", "Server")}
        scope["applications"][name] = application
        return {"applicationId": application["applicationId"]}

    def _application(self, scope, request):
        name = _required(request, "applicationName", "ApplicationNameRequiredException")
        if name not in scope["applications"]:
            raise Refused("ApplicationDoesNotExistException", f"No application found for name: {name}")
        return scope["applications"][name]

    def do_GetApplication(self, scope, request):
        return {"application": self._application(scope, request)}

    def do_ListApplications(self, scope, request):
        return {"applications": sorted(scope["applications"])}

    def do_DeleteApplication(self, scope, request):
        # Deleting what isn't there succeeds, and deployment groups go with their application.
        name = _required(request, "applicationName", "ApplicationNameRequiredException")
        scope["applications"].pop(name, None)
        for key in [k for k in scope["groups"] if k.split("|")[0] == name]:
            del scope["groups"][key]

    # Deployment configurations

    def do_CreateDeploymentConfig(self, scope, request):
        name = _required(request, "deploymentConfigName", "DeploymentConfigNameRequiredException")
        if name in scope["configs"] or name in _PREDEFINED:
            raise Refused("DeploymentConfigAlreadyExistsException", f"Deployment configuration {name} already exists")
        if name.startswith("CodeDeployDefault."):
            raise Refused("InvalidDeploymentConfigNameException", "the prefix CodeDeployDefault. is reserved")
        config = {k: v for k, v in request.items() if v is not None}
        config |= {"deploymentConfigId": str(uuid.uuid4()), "createTime": time.time()}
        scope["configs"][name] = config
        return {"deploymentConfigId": config["deploymentConfigId"]}

    def do_GetDeploymentConfig(self, scope, request):
        name = _required(request, "deploymentConfigName", "DeploymentConfigNameRequiredException")
        if name in _PREDEFINED:
            return {"deploymentConfigInfo": {"deploymentConfigName": name, "computePlatform": _platform(name)}}
        if name not in scope["configs"]:
            raise Refused("DeploymentConfigDoesNotExistException", f"No deployment configuration found: {name}")
        return {"deploymentConfigInfo": scope["configs"][name]}

    def do_ListDeploymentConfigs(self, scope, request):
        return {"deploymentConfigsList": sorted([*_PREDEFINED, *scope["configs"]])}

    def do_DeleteDeploymentConfig(self, scope, request):
        name = _required(request, "deploymentConfigName", "DeploymentConfigNameRequiredException")
        users = [g["deploymentGroupName"] for g in scope["groups"].values() if g.get("deploymentConfigName") == name]
        if users:
            raise Refused("DeploymentConfigInUseException",
                          f"The deployment configuration {name} is used by {', '.join(sorted(users))}")
        if name in _PREDEFINED:
            raise Refused("InvalidOperationException", "a predefined deployment configuration can't be deleted")
        scope["configs"].pop(name, None)

    # Deployment groups

    def do_CreateDeploymentGroup(self, scope, request):
        application = self._application(scope, request)
        name = _required(request, "deploymentGroupName", "DeploymentGroupNameRequiredException")
        key = f"{application['applicationName']}|{name}"
        if key in scope["groups"]:
            raise Refused("DeploymentGroupAlreadyExistsException", f"Deployment group {name} already exists")
        _required(request, "serviceRoleArn", "RoleRequiredException")
        group = {"deploymentGroupId": str(uuid.uuid4()), "computePlatform": application["computePlatform"],
                 "deploymentConfigName": "CodeDeployDefault.OneAtATime"}
        group |= {k: v for k, v in request.items() if k != "tags"}
        self._check(scope, group)
        scope["groups"][key] = group
        return {"deploymentGroupId": group["deploymentGroupId"]}

    def _check(self, scope, group):
        name = group["deploymentConfigName"]
        if name not in _PREDEFINED and name not in scope["configs"]:
            raise Refused("DeploymentConfigDoesNotExistException", f"No deployment configuration found: {name}")
        if group["computePlatform"] == "ECS":
            if not group.get("ecsServices"):
                raise Refused("InvalidECSServiceException", "an ECS deployment group needs its ECS service")
            if (group.get("deploymentStyle") or {}).get("deploymentType") != "BLUE_GREEN":
                raise Refused("InvalidDeploymentStyleException", "For ECS deployment group, deployment type must "
                              "be blue/green")

    def _group(self, scope, request, field="deploymentGroupName"):
        application = self._application(scope, request)
        name = _required(request, field, "DeploymentGroupNameRequiredException")
        key = f"{application['applicationName']}|{name}"
        if key not in scope["groups"]:
            raise Refused("DeploymentGroupDoesNotExistException", f"No Deployment Group found for name: {name}")
        return key, scope["groups"][key]

    def do_GetDeploymentGroup(self, scope, request):
        return {"deploymentGroupInfo": self._group(scope, request)[1]}

    def do_ListDeploymentGroups(self, scope, request):
        name = self._application(scope, request)["applicationName"]
        return {"applicationName": name,
                "deploymentGroups": sorted(k.split("|")[1] for k in scope["groups"] if k.split("|")[0] == name)}

    def do_UpdateDeploymentGroup(self, scope, request):
        key, group = self._group(scope, request, "currentDeploymentGroupName")
        changes = {k: v for k, v in request.items() if k not in ("currentDeploymentGroupName",
                                                                 "newDeploymentGroupName")}
        changed = {**group, **changes}
        if request.get("newDeploymentGroupName"):
            changed["deploymentGroupName"] = request["newDeploymentGroupName"]
        self._check(scope, changed)
        del scope["groups"][key]
        scope["groups"][f"{changed['applicationName']}|{changed['deploymentGroupName']}"] = changed
        return {"hooksNotCleanedUp": []}

    def do_DeleteDeploymentGroup(self, scope, request):
        name = _required(request, "deploymentGroupName", "DeploymentGroupNameRequiredException")
        scope["groups"].pop(f"{request.get('applicationName')}|{name}", None)
        return {"hooksNotCleanedUp": []}

    def do_ListDeployments(self, scope, request):
        return {"deployments": []}


def _required(request: dict, field: str, code: str) -> str:
    if not request.get(field):
        raise Refused(code, f"{field} is required")
    return request[field]


def _platform(config: str) -> str:
    return next((p for p in ("ECS", "Lambda") if config.startswith(f"CodeDeployDefault.{p}")), "Server")


_service: CodeDeploy | None = None
_service_lock = threading.Lock()


def answer(account: str, region: str, target: str, body: bytes) -> tuple[int, bytes]:
    """Answers one JSON request of this process's instance: (status, body)."""
    global _service
    with _service_lock:
        if _service is None:
            _service = CodeDeploy(Path(os.environ["SLIPWAY_CODEDEPLOY"]))
    try:
        return 200, json.dumps(_service.call(account, region, target.rpartition(".")[2],
                                             json.loads(body or b"{}"))).encode()
    except Refused as refused:
        return 400, json.dumps({"__type": refused.code, "message": str(refused)}).encode()
