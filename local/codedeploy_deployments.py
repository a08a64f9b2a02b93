"""CodeDeploy's operations on deployments, their targets, their hooks' answers, and revisions.

A deployment's record is what GetDeployment shows; its private fields, with an underscore, are what its lifecycle needs.
https://docs.aws.amazon.com/codedeploy/latest/APIReference/
"""

from __future__ import annotations

import copy
import re
import secrets
import threading
import time

from . import codedeploy_appspec
from .codedeploy_groups import check_alarms, check_rollback
from .codedeploy_request import paged, required
from .json_service import Refused

STATUSES = ("Created", "Queued", "InProgress", "Baking", "Succeeded", "Failed", "Stopped", "Ready")

ENDED = ("Succeeded", "Failed", "Stopped")

_BATCH = 25

_LONGEST_DESCRIPTION = 100


def shown(record: dict) -> dict:
    """What GetDeployment tells of a record."""
    return {k: v for k, v in record.items() if not k.startswith("_")}


def new_id() -> str:
    """A deployment's ID in AWS's form."""
    return "d-" + "".join(secrets.choice("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") for _ in range(9))


def events(with_test_listener: bool) -> list[dict]:
    """The lifecycle events of an ECS deployment, before it starts.

    https://docs.aws.amazon.com/codedeploy/latest/userguide/reference-appspec-file-structure-hooks.html
    """
    names = ["BeforeInstall", "Install", "AfterInstall", "AllowTestTraffic", "AfterAllowTestTraffic",
             "BeforeAllowTraffic", "AllowTraffic", "AfterAllowTraffic"]
    if not with_test_listener:
        names = [n for n in names if "TestTraffic" not in n]
    return [{"lifecycleEventName": n, "status": "Pending"} for n in names]


def record_of(application: str, group: dict, content: str, **more) -> dict:
    """A new deployment of a group; what the group says now holds for all of it."""
    pair = group["loadBalancerInfo"]["targetGroupPairInfoList"][0]
    return {
        "applicationName": application, "deploymentGroupName": group["deploymentGroupName"],
        "deploymentConfigName": group["deploymentConfigName"], "deploymentId": new_id(), "computePlatform": "ECS",
        "revision": {"revisionType": "AppSpecContent", "appSpecContent": {"sha256": codedeploy_appspec.sha256(content)}},
        "status": "Created", "createTime": time.time(), "creator": "user",
        "deploymentOverview": {"Pending": 1, "InProgress": 0, "Succeeded": 0, "Failed": 0, "Skipped": 0, "Ready": 0},
        "ignoreApplicationStopFailures": False, "updateOutdatedInstancesOnly": False,
        "instanceTerminationWaitTimeStarted": False, "fileExistsBehavior": "DISALLOW", "deploymentStatusMessages": [],
        **{field: copy.deepcopy(group[field]) for field in (
            "autoRollbackConfiguration", "deploymentStyle", "blueGreenDeploymentConfiguration", "loadBalancerInfo")
           if group.get(field)},
        "_content": content, "_group": copy.deepcopy(group), "_events": events(bool(pair.get("testTrafficRoute"))),
        "_hooks": {}, "_taskSets": [], **more}


class Deployments:
    """The operations; a part of CodeDeploy."""

    def do_CreateDeployment(self, scope, request):
        key, group = self._group(scope, request)
        if group["computePlatform"] != "ECS":
            raise Refused("InvalidOperationException", "deployments of other platforms than ECS aren't emulated")
        if len(request.get("description") or "") > _LONGEST_DESCRIPTION:
            raise Refused("DescriptionTooLongException", f"The description is too long: it may have "
                          f"{_LONGEST_DESCRIPTION} characters.")
        content = codedeploy_appspec.revision_content(request.get("revision"))
        codedeploy_appspec.parse(content)
        config = request.get("deploymentConfigName")
        if config:
            self.do_GetDeploymentConfig(scope, {"deploymentConfigName": config})
        check_alarms(request.get("overrideAlarmConfiguration"))
        check_rollback(request.get("autoRollbackConfiguration"))
        active = self.active(scope, key)
        if active:
            # https://github.com/CircleCI-Public/aws-ecs-orb/issues/181 has the words.
            raise Refused("DeploymentLimitExceededException", f"The Deployment Group '{group['deploymentGroupName']}' "
                          f"already has an active Deployment '{active['deploymentId']}'")
        taken = {k: request[k] for k in ("description", "deploymentConfigName", "autoRollbackConfiguration",
                                         "overrideAlarmConfiguration") if request.get(k)}
        record = record_of(request["applicationName"], group, content, **taken, _start=True)
        previous = self.last_successful(scope, key)
        if previous:
            record["previousRevision"] = previous["revision"]
        scope["deployments"][record["deploymentId"]] = record
        self._register(scope, request["applicationName"], content, group["deploymentGroupName"])
        return {"deploymentId": record["deploymentId"]}

    def start_pending(self, account: str, region: str) -> None:
        """Puts those deployments to work that were just created."""
        from .codedeploy_lifecycle import Deployment

        with self._lock:
            fresh = [r for r in self._scope(account, region)["deployments"].values() if r.pop("_start", False)]
        for record in fresh:
            work = Deployment(self, account, region, record["deploymentId"])
            threading.Thread(target=work.run, daemon=True, name=f"codedeploy-{record['deploymentId']}").start()

    def of_group(self, scope: dict, key: str) -> list[dict]:
        """The group's deployments, the newest first."""
        found = [r for r in scope["deployments"].values()
                 if f"{r['applicationName']}|{r['deploymentGroupName']}" == key]
        return sorted(found, key=lambda r: r["createTime"], reverse=True)

    def active(self, scope: dict, key: str) -> dict | None:
        """The deployment that holds the group."""
        return next((r for r in self.of_group(scope, key) if r["status"] not in ENDED), None)

    def last_successful(self, scope: dict, key: str) -> dict | None:
        """The group's newest deployment that succeeded."""
        return next((r for r in self.of_group(scope, key) if r["status"] == "Succeeded"), None)

    def latest(self, scope: dict, key: str) -> dict:
        """What GetDeploymentGroup tells of the group's deployments."""
        def brief(record):
            return {k: v for k, v in {
                "deploymentId": record["deploymentId"], "status": record["status"], "createTime": record["createTime"],
                "endTime": record.get("completeTime")}.items() if v is not None}

        listed, good = self.of_group(scope, key), self.last_successful(scope, key)
        return ({"lastAttemptedDeployment": brief(listed[0])} if listed else {}) | (
            {"lastSuccessfulDeployment": brief(good), "targetRevision": good["revision"]} if good else {})

    def _deployment(self, scope: dict, identity: str | None) -> dict:
        if not identity:
            raise Refused("DeploymentIdRequiredException", "At least one deployment ID must be specified.")
        if not re.fullmatch(r"d-[A-Z0-9]{9}", identity):
            raise Refused("InvalidDeploymentIdException", f"The deployment ID {identity} is in an invalid format.")
        if identity not in scope["deployments"]:
            raise Refused("DeploymentDoesNotExistException", f"The deployment {identity} could not be found.")
        return scope["deployments"][identity]

    def do_GetDeployment(self, scope, request):
        return {"deploymentInfo": shown(self._deployment(scope, request.get("deploymentId")))}

    def do_BatchGetDeployments(self, scope, request):
        wanted = request.get("deploymentIds") or []
        if not wanted:
            raise Refused("DeploymentIdRequiredException", "At least one deployment ID must be specified.")
        if len(wanted) > _BATCH:
            raise Refused("BatchLimitExceededException", f"The maximum number of names or IDs ({_BATCH}) was exceeded.")
        return {"deploymentsInfo": [shown(scope["deployments"][i]) for i in wanted if i in scope["deployments"]]}

    def do_ListDeployments(self, scope, request):
        statuses = request.get("includeOnlyStatuses") or []
        unknown = [s for s in statuses if s not in STATUSES]
        if unknown:
            raise Refused("InvalidDeploymentStatusException", f"There is no deployment status {unknown[0]}.")
        span = request.get("createTimeRange") or {}
        start, end = span.get("start"), span.get("end")
        if start and end and start > end:
            raise Refused("InvalidTimeRangeException", "The time range's start is after its end.")
        if request.get("applicationName"):
            found = self.of_group(scope, self._group(scope, request)[0])
        elif request.get("deploymentGroupName"):
            raise Refused("ApplicationNameRequiredException", "The minimum number of required application names was "
                          "not specified.")
        else:
            found = sorted(scope["deployments"].values(), key=lambda r: r["createTime"], reverse=True)
        return paged(request, "deployments", [
            r["deploymentId"] for r in found if (not statuses or r["status"] in statuses)
            and (not start or r["createTime"] >= start) and (not end or r["createTime"] <= end)])

    def do_StopDeployment(self, scope, request):
        record = self._deployment(scope, request.get("deploymentId"))
        if record["status"] in ENDED:
            raise Refused("DeploymentAlreadyCompletedException", "The deployment is already complete.")
        if record["creator"] == "codeDeployRollback":
            raise Refused("UnsupportedActionForDeploymentTypeException", "A rollback can't be stopped.")
        record["_stop"] = {"rollback": request.get("autoRollbackEnabled")}
        return {"status": "Pending", "statusMessage": "No more commands will be scheduled for execution in the "
                "deployment instances"}

    def do_ContinueDeployment(self, scope, request):
        record, kind = self._deployment(scope, request.get("deploymentId")), request.get("deploymentWaitType") or "READY_WAIT"
        if kind not in ("READY_WAIT", "TERMINATION_WAIT"):
            raise Refused("InvalidDeploymentWaitTypeException", f"The wait type {kind} is invalid.")
        if record["status"] in ENDED:
            raise Refused("DeploymentAlreadyCompletedException", "The deployment is already complete.")
        waiting = record["instanceTerminationWaitTimeStarted"] if kind == "TERMINATION_WAIT" else record["status"] == "Ready"
        if not waiting:
            raise Refused("DeploymentIsNotInReadyStateException", "The deployment does not have a status of Ready and "
                          "can't continue yet.")
        record["_continue"] = kind

    # Targets: an ECS deployment has one, the service.

    def _target(self, record: dict) -> dict:
        from .codedeploy_lifecycle import task_sets

        service = record["_group"]["ecsServices"][0]
        status = {"Created": "Pending", "Stopped": "Failed", "Ready": "Ready"}.get(record["status"], record["status"])
        return {"deploymentTargetType": "ECSTarget", "ecsTarget": {
            "deploymentId": record["deploymentId"], "targetId": target_id(record),
            "targetArn": record.get("_serviceArn", ""), "status": status,
            "lastUpdatedAt": record.get("_updated", record["createTime"]),
            "lifecycleEvents": [dict(e) for e in record["_events"]],
            "taskSetsInfo": record["_taskSets"] if record["status"] in ENDED else task_sets(service, record)}}

    def _started(self, scope: dict, request: dict) -> dict:
        record = self._deployment(scope, request.get("deploymentId"))
        if record["status"] == "Created":
            raise Refused("DeploymentNotStartedException", "The specified deployment has not started.")
        return record

    def do_ListDeploymentTargets(self, scope, request):
        return paged(request, "targetIds", [target_id(self._started(scope, request))])

    def do_BatchGetDeploymentTargets(self, scope, request):
        record, wanted = self._started(scope, request), request.get("targetIds") or []
        if not wanted:
            raise Refused("DeploymentTargetIdRequiredException", "A deployment target ID was not provided.")
        if len(wanted) > _BATCH:
            raise Refused("DeploymentTargetListSizeExceededException", f"The maximum number of targets is {_BATCH}.")
        for identity in wanted:
            if identity != target_id(record):
                raise Refused("DeploymentTargetDoesNotExistException", f"The deployment target {identity} does not "
                              "belong to the deployment.")
        return {"deploymentTargets": [self._target(record)]}

    def do_GetDeploymentTarget(self, scope, request):
        identity = required(request, "targetId", "DeploymentTargetIdRequiredException")
        found = self.do_BatchGetDeploymentTargets(scope, {**request, "targetIds": [identity]})
        return {"deploymentTarget": found["deploymentTargets"][0]}

    # Hooks

    def do_PutLifecycleEventHookExecutionStatus(self, scope, request):
        record = self._deployment(scope, request.get("deploymentId"))
        status, identity = request.get("status"), request.get("lifecycleEventHookExecutionId")
        if status not in ("Succeeded", "Failed"):
            raise Refused("InvalidLifecycleEventHookExecutionStatusException", "The result of a Lambda validation function "
                          "that verifies a lifecycle event is invalid. It should return Succeeded or Failed.")
        hook = record["_hooks"].get(identity or "")
        if not hook:
            raise Refused("InvalidLifecycleEventHookExecutionIdException", "A lifecycle event hook is invalid.")
        if hook.get("status") or record["status"] in ENDED:
            raise Refused("LifecycleEventAlreadyCompletedException", "An attempt to return the status of an already "
                          "completed lifecycle event occurred.")
        hook["status"] = status
        return {"lifecycleEventHookExecutionId": identity}

    # Revisions

    def _register(self, scope: dict, application: str, content: str, group: str | None = None, description: str = "") -> None:
        known = scope["revisions"].setdefault(f"{application}|{codedeploy_appspec.sha256(content)}", {
            "content": content, "registerTime": time.time(), "deploymentGroups": []})
        if description:
            known["description"] = description
        if group:
            known["lastUsedTime"] = time.time()
            known.setdefault("firstUsedTime", known["lastUsedTime"])
            known["deploymentGroups"] = sorted({*known["deploymentGroups"], group})

    def do_RegisterApplicationRevision(self, scope, request):
        application = self._application(scope, request)["applicationName"]
        content = codedeploy_appspec.revision_content(request.get("revision"))
        if len(request.get("description") or "") > _LONGEST_DESCRIPTION:
            raise Refused("DescriptionTooLongException", "The description is too long.")
        self._register(scope, application, content, description=request.get("description") or "")

    def do_GetApplicationRevision(self, scope, request):
        application, revision = self._application(scope, request)["applicationName"], request.get("revision")
        if not revision:
            raise Refused("RevisionRequiredException", "The revision ID was not specified.")
        named = revision.get("appSpecContent") or {}
        identity = named.get("sha256") or codedeploy_appspec.sha256(named.get("content") or "")
        known = scope["revisions"].get(f"{application}|{identity}")
        if not known:
            raise Refused("RevisionDoesNotExistException", "The named revision does not exist with the user or Amazon "
                          "Web Services account.")
        return {"applicationName": application,
                "revision": {"revisionType": "AppSpecContent", "appSpecContent": {"sha256": identity}},
                "revisionInfo": {k: v for k, v in known.items() if k != "content"}}


def target_id(record: dict) -> str:
    """The ID of an ECS deployment's one target."""
    service = record["_group"]["ecsServices"][0]
    return f"{service['clusterName'].rsplit('/', 1)[-1]}:{service['serviceName'].rsplit('/', 1)[-1]}"
