"""CodeDeploy's applications, deployment configurations and deployment groups, with their strict errors."""

from __future__ import annotations

import time
import uuid

from . import codedeploy_weights
from .codedeploy_request import required
from .json_service import Refused

# https://docs.aws.amazon.com/codedeploy/latest/userguide/deployment-configurations.html
_PREDEFINED = (*codedeploy_weights.PREDEFINED_ECS, "CodeDeployDefault.AllAtOnce", "CodeDeployDefault.HalfAtATime",
               "CodeDeployDefault.OneAtATime", "CodeDeployDefault.LambdaAllAtOnce")

_DEFAULTS = {"ECS": "CodeDeployDefault.ECSAllAtOnce", "Lambda": "CodeDeployDefault.LambdaAllAtOnce"}
"""The configuration of a group that names none, by compute platform."""

_ROLLBACK_EVENTS = {"DEPLOYMENT_FAILURE", "DEPLOYMENT_STOP_ON_ALARM", "DEPLOYMENT_STOP_ON_REQUEST"}


class Groups:
    """The operations on them; a part of CodeDeploy."""

    # Applications

    def do_CreateApplication(self, scope, request):
        name = required(request, "applicationName", "ApplicationNameRequiredException")
        if name in scope["applications"]:
            raise Refused("ApplicationAlreadyExistsException", f"Application already exists with name: {name}")
        application = {"applicationId": str(uuid.uuid4()), "applicationName": name, "createTime": time.time(),
                       "linkedToGitHub": False, "computePlatform": request.get("computePlatform", "Server")}
        scope["applications"][name] = application
        return {"applicationId": application["applicationId"]}

    def _application(self, scope, request):
        name = required(request, "applicationName", "ApplicationNameRequiredException")
        if name not in scope["applications"]:
            raise Refused("ApplicationDoesNotExistException", f"No application found for name: {name}")
        return scope["applications"][name]

    def do_GetApplication(self, scope, request):
        return {"application": self._application(scope, request)}

    def do_ListApplications(self, scope, request):
        return {"applications": sorted(scope["applications"])}

    def do_DeleteApplication(self, scope, request):
        # Deleting what isn't there succeeds, and deployment groups go with their application.
        name = required(request, "applicationName", "ApplicationNameRequiredException")
        scope["applications"].pop(name, None)
        for key in [k for k in scope["groups"] if k.split("|")[0] == name]:
            del scope["groups"][key]

    # Deployment configurations

    def do_CreateDeploymentConfig(self, scope, request):
        name = required(request, "deploymentConfigName", "DeploymentConfigNameRequiredException")
        if name in scope["configs"] or name in _PREDEFINED:
            raise Refused("DeploymentConfigAlreadyExistsException", f"Deployment configuration {name} already exists")
        if name.startswith("CodeDeployDefault."):
            raise Refused("InvalidDeploymentConfigNameException", "the prefix CodeDeployDefault. is reserved")
        if request.get("computePlatform") in ("ECS", "Lambda"):
            codedeploy_weights.check(request.get("trafficRoutingConfig"))
        config = {k: v for k, v in request.items() if v is not None}
        config |= {"deploymentConfigId": str(uuid.uuid4()), "createTime": time.time()}
        scope["configs"][name] = config
        return {"deploymentConfigId": config["deploymentConfigId"]}

    def do_GetDeploymentConfig(self, scope, request):
        name = required(request, "deploymentConfigName", "DeploymentConfigNameRequiredException")
        if name in _PREDEFINED:
            known = {"deploymentConfigName": name, "computePlatform": _platform(name)}
            if name in codedeploy_weights.PREDEFINED_ECS:
                known["trafficRoutingConfig"] = codedeploy_weights.PREDEFINED_ECS[name]
            return {"deploymentConfigInfo": known}
        if name not in scope["configs"]:
            raise Refused("DeploymentConfigDoesNotExistException", f"No deployment configuration found: {name}")
        return {"deploymentConfigInfo": scope["configs"][name]}

    def do_ListDeploymentConfigs(self, scope, request):
        return {"deploymentConfigsList": sorted([*_PREDEFINED, *scope["configs"]])}

    def do_DeleteDeploymentConfig(self, scope, request):
        name = required(request, "deploymentConfigName", "DeploymentConfigNameRequiredException")
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
        name = required(request, "deploymentGroupName", "DeploymentGroupNameRequiredException")
        key = f"{application['applicationName']}|{name}"
        if key in scope["groups"]:
            raise Refused("DeploymentGroupAlreadyExistsException", f"Deployment group {name} already exists")
        required(request, "serviceRoleArn", "RoleRequiredException")
        group = {"deploymentGroupId": str(uuid.uuid4()), "computePlatform": application["computePlatform"],
                 "deploymentConfigName": _DEFAULTS.get(application["computePlatform"], "CodeDeployDefault.OneAtATime")}
        group |= {k: v for k, v in request.items() if k != "tags"}
        self._check(scope, group)
        scope["groups"][key] = group
        return {"deploymentGroupId": group["deploymentGroupId"]}

    def _check(self, scope, group):
        name = group["deploymentConfigName"]
        if name not in _PREDEFINED and name not in scope["configs"]:
            raise Refused("DeploymentConfigDoesNotExistException", f"No deployment configuration found: {name}")
        check_alarms(group.get("alarmConfiguration"))
        check_rollback(group.get("autoRollbackConfiguration"))
        if group["computePlatform"] == "ECS":
            check_ecs(group)

    def _group(self, scope, request, field="deploymentGroupName"):
        application = self._application(scope, request)
        name = required(request, field, "DeploymentGroupNameRequiredException")
        key = f"{application['applicationName']}|{name}"
        if key not in scope["groups"]:
            raise Refused("DeploymentGroupDoesNotExistException", f"No Deployment Group found for name: {name}")
        return key, scope["groups"][key]

    def do_GetDeploymentGroup(self, scope, request):
        key, group = self._group(scope, request)
        return {"deploymentGroupInfo": group | self.latest(scope, key)}

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
        name = required(request, "deploymentGroupName", "DeploymentGroupNameRequiredException")
        scope["groups"].pop(f"{request.get('applicationName')}|{name}", None)
        return {"hooksNotCleanedUp": []}


def routing_of(scope: dict, name: str) -> dict:
    """The traffic routing of a deployment configuration for ECS."""
    if name in codedeploy_weights.PREDEFINED_ECS:
        return codedeploy_weights.PREDEFINED_ECS[name]
    return (scope["configs"].get(name) or {}).get("trafficRoutingConfig") or codedeploy_weights.ALL_AT_ONCE


def check_ecs(group: dict) -> None:
    """Refuses an ECS group that AWS refuses.

    https://docs.aws.amazon.com/codedeploy/latest/userguide/deployment-groups-create-ecs.html
    """
    if len(group.get("ecsServices") or []) != 1:
        raise Refused("InvalidECSServiceException", "an ECS deployment group needs its one ECS service")
    style = group.get("deploymentStyle") or {}
    if style.get("deploymentType") != "BLUE_GREEN" or style.get("deploymentOption") != "WITH_TRAFFIC_CONTROL":
        raise Refused("InvalidDeploymentStyleException", "For ECS deployment group, deployment type must be blue/green "
                      "with traffic control")
    pairs = (group.get("loadBalancerInfo") or {}).get("targetGroupPairInfoList") or []
    if len(pairs) != 1 or len(pairs[0].get("targetGroups") or []) != 2:
        raise Refused("InvalidLoadBalancerInfoException", "an ECS deployment group needs one pair of target groups")
    if len((pairs[0].get("prodTrafficRoute") or {}).get("listenerArns") or []) != 1:
        raise Refused("InvalidLoadBalancerInfoException", "the pair of target groups needs one production listener")
    if pairs[0].get("testTrafficRoute") and len(pairs[0]["testTrafficRoute"].get("listenerArns") or []) != 1:
        raise Refused("InvalidLoadBalancerInfoException", "a test traffic route has one listener")
    options = group.get("blueGreenDeploymentConfiguration") or {}
    if not options.get("terminateBlueInstancesOnDeploymentSuccess") or not options.get("deploymentReadyOption"):
        raise Refused("InvalidBlueGreenDeploymentConfigurationException", "an ECS deployment group needs a termination "
                      "and a deployment ready option")
    ready = options["deploymentReadyOption"]
    if ready.get("actionOnTimeout") == "STOP_DEPLOYMENT" and not ready.get("waitTimeInMinutes"):
        raise Refused("InvalidBlueGreenDeploymentConfigurationException", "STOP_DEPLOYMENT needs a wait time")


def check_alarms(configuration: dict | None) -> None:
    """Refuses an alarm configuration that AWS refuses: https://docs.aws.amazon.com/codedeploy/latest/APIReference/API_AlarmConfiguration.html"""
    alarms = (configuration or {}).get("alarms") or []
    if (configuration or {}).get("enabled") and not all(a.get("name") for a in alarms or [{}]):
        raise Refused("InvalidAlarmConfigException", "The alarm configuration is enabled and names no alarm.")
    if len(alarms) > 10:
        raise Refused("AlarmsLimitExceededException", "The maximum number of alarms for a deployment group (10) was exceeded.")


def check_rollback(configuration: dict | None) -> None:
    """Refuses an automatic rollback configuration that AWS refuses."""
    events = set((configuration or {}).get("events") or [])
    if events - _ROLLBACK_EVENTS or ((configuration or {}).get("enabled") and not events):
        raise Refused("InvalidAutoRollbackConfigException", "The automatic rollback configuration was specified in an "
                      "invalid format: it needs at least one of " + ", ".join(sorted(_ROLLBACK_EVENTS)))


def _platform(config: str) -> str:
    return next((p for p in ("ECS", "Lambda") if config.startswith(f"CodeDeployDefault.{p}")), "Server")
