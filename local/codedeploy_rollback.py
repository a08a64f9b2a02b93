"""How a deployment ends that doesn't succeed: its status, and the rollback that CodeDeploy makes of it.

A rollback is a deployment of its own, started by CodeDeploy; each of the two names the other.
https://docs.aws.amazon.com/codedeploy/latest/userguide/deployments-rollback-and-redeploy.html
"""

from __future__ import annotations

import json
import logging
import time

from . import codedeploy_appspec, codedeploy_traffic, tasksets
from .codedeploy_deployments import record_of

logger = logging.getLogger("slipway.codedeploy")


def wanted(halt, configuration: dict | None) -> bool:
    """Whether a deployment that halts so is rolled back: as the stop said, else as the configuration does."""
    if halt.rollback is not None:
        return halt.rollback
    configuration = configuration or {}
    return bool(configuration.get("enabled")) and halt.rollback_event in (configuration.get("events") or [])


def end(deployment, halt) -> None:
    """Ends a deployment; the group is never free between it and its rollback."""
    from .codedeploy_lifecycle import task_sets

    back = None
    with deployment.codedeploy.edit(deployment.account, deployment.region) as scope:
        record = scope["deployments"][deployment.identity]
        close(record, halt.status, halt.code, str(halt), halt.diagnostics)
        record["_taskSets"] = task_sets(deployment.group["ecsServices"][0], record)
        # Before the new task set there is nothing to take back.
        if record.get("_green") and wanted(halt, record.get("autoRollbackConfiguration")):
            back = begin(scope, record)
        failed = json.loads(json.dumps(record))
    logger.warning("deployment %s: %s: %s", deployment.identity, halt.status, halt)
    notify(deployment.account, deployment.region, failed, "STOP" if halt.status == "Stopped" else "FAILURE")
    if back:
        undo(deployment.codedeploy, deployment.account, deployment.region, back)


def close(record: dict, status: str, code: str, message: str, diagnostics: dict | None = None) -> None:
    """Writes an unsuccessful end into a record: the event at work has failed, those after it are skipped."""
    now = time.time()
    record |= {"status": status, "completeTime": now, "errorInformation": {"code": code, "message": message}}
    record["deploymentOverview"] |= {"Pending": 0, "InProgress": 0, "Ready": 0, "Failed": 1}
    for event in record["_events"]:
        if event["status"] == "InProgress":
            event |= {"status": "Failed", "endTime": now, "diagnostics": diagnostics or {
                "errorCode": "UnknownError", "message": message}}
        elif event["status"] == "Pending":
            event["status"] = "Skipped"


def begin(scope: dict, failed: dict) -> str:
    """Makes the record of the rollback of a failed deployment, and returns its ID."""
    group, key = failed["_group"], f"{failed['applicationName']}|{failed['deploymentGroupName']}"
    good = next((r for r in sorted(scope["deployments"].values(), key=lambda r: r["createTime"], reverse=True)
                 if r["status"] == "Succeeded" and f"{r['applicationName']}|{r['deploymentGroupName']}" == key), None)
    identity = failed["deploymentId"]
    # The last good revision, unless the original task set came otherwise, such as with the service itself.
    original = _original(failed)
    content = good["_content"] if good and codedeploy_appspec.parse(good["_content"]).task_definition == (
        codedeploy_appspec.parse(original).task_definition) else original
    back = record_of(failed["applicationName"], group, content, creator="codeDeployRollback", status="InProgress",
                     startTime=time.time(), deploymentConfigName=failed["deploymentConfigName"],
                     description=f"Rollback of {identity}", _blue=failed["_blue"], _green=failed["_green"],
                     _where=failed["_where"], _serviceArn=failed.get("_serviceArn", ""))
    back["deploymentOverview"] |= {"Pending": 0, "InProgress": 1}
    back["rollbackInfo"] = {"rollbackTriggeringDeploymentId": identity,
                            "rollbackMessage": f"The deployment {identity} is rolled back."}
    failed["rollbackInfo"] = {"rollbackDeploymentId": back["deploymentId"],
                              "rollbackMessage": f"The deployment was rolled back with deployment {back['deploymentId']}."}
    scope["deployments"][back["deploymentId"]] = back
    return back["deploymentId"]


def _original(failed: dict) -> str:
    """The AppSpec of the task set that serves again."""
    named = failed["_group"]["ecsServices"][0]
    service = tasksets.find(named["clusterName"].rsplit("/", 1)[-1], named["serviceName"].rsplit("/", 1)[-1]) or {}
    blue = tasksets.by_id(service, failed["_blue"])
    if not blue:
        return failed["_content"]
    balancer = blue["loadBalancers"][0]
    return codedeploy_appspec.write(blue["taskDefinition"], balancer["containerName"], balancer["containerPort"])


def undo(codedeploy, account: str, region: str, identity: str) -> None:
    """Does a rollback: all traffic to the original task set, which still runs, and the replacement's tasks stopped."""
    from .codedeploy_lifecycle import Deployment, Halt, is_gone, task_sets

    work = Deployment(codedeploy, account, region, identity)
    notify(account, region, work.record(), "START")
    try:
        _return_traffic(work)
    except Exception as fault:
        if is_gone(fault):
            return
        if not isinstance(fault, Halt):
            logger.exception("rollback %s", identity)
        with work.edit() as record:
            close(record, "Failed", getattr(fault, "code", "INTERNAL_ERROR"), str(fault))
        notify(account, region, work.record(), "FAILURE")
        return
    with work.edit() as record:
        now = time.time()
        for event in record["_events"]:
            event |= {"status": "Succeeded", "startTime": record["startTime"], "endTime": now} if (
                event["lifecycleEventName"] == "AllowTraffic") else {"status": "Skipped"}
        record |= {"status": "Succeeded", "completeTime": now, "_taskSets": task_sets(work.group["ecsServices"][0], record)}
        record["deploymentOverview"] |= {"InProgress": 0, "Succeeded": 1}
    notify(account, region, work.record(), "SUCCESS")


def _return_traffic(work) -> None:
    from .codedeploy_lifecycle import Halt

    service, record = work.service(), work.record()
    blue, green = (tasksets.by_id(service, record[side]) for side in ("_blue", "_green"))
    if not blue:
        raise Halt("Failed", "ECS_UPDATE_ERROR", "The original task set no longer exists.")
    if blue["status"] != "PRIMARY":
        tasksets.promote(service, blue)
    work.find_groups(service)
    for listeners in (work.production, work.test):
        codedeploy_traffic.route(work.client("elbv2"), listeners, work.green_group, work.blue_group, 100)
    if green:
        tasksets.remove(service, green)
    tasksets.reconcile(work.cluster, work.service_name)


def notify(account: str, region: str, record: dict, state: str) -> None:
    """Puts a deployment's notification on the default bus, as AWS does; PutEvents itself refuses its source.

    https://docs.aws.amazon.com/codedeploy/latest/userguide/monitoring-cloudwatch-events.html
    """
    from ministack.core.concurrency import spawn_background
    from ministack.services import eventbridge

    from .request_context import request_scope

    application, group = record["applicationName"], record["deploymentGroupName"]
    arn = f"arn:aws:codedeploy:{region}:{account}"
    detail = {"region": region, "deploymentId": record["deploymentId"], "instanceGroupId": record["_group"]["deploymentGroupId"],
              "deploymentGroup": group, "state": state, "application": application}
    entry = {"Source": "aws.codedeploy", "DetailType": "CodeDeploy Deployment State-change Notification",
             "Detail": json.dumps(detail),
             "Resources": [f"{arn}:application:{application}", f"{arn}:deploymentgroup:{application}/{group}"]}

    def put():
        # A target may take as long as a Lambda does.
        with request_scope(account, region):
            eventbridge._put_events({"Entries": [entry]}, allow_aws_source=True)

    spawn_background(put, thread_name="codedeploy-notification")

