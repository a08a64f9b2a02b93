"""A CodeDeploy deployment to ECS at work: its lifecycle events, one after the other, on a thread of its own.

It follows https://docs.aws.amazon.com/codedeploy/latest/userguide/deployment-steps-ecs.html. What it changes goes through
the APIs (listeners, hooks, alarms) or into the service's task sets (tasksets.py). Each state is in CodeDeploy's file, so
that a restart can end what was under way (codedeploy_recovery.py).
"""

from __future__ import annotations

import json
import logging
import os
import time
import uuid

from . import codedeploy_appspec, codedeploy_rollback, codedeploy_traffic, tasksets, types_ecs
from .codedeploy_groups import routing_of
from .codedeploy_weights import steps
from .request_context import request_scope
from .types_base import client

logger = logging.getLogger("slipway.codedeploy")

MINUTE_SECONDS = float(os.environ.get("SLIPWAY_CODEDEPLOY_MINUTE_SECONDS", "1"))
"""How long a minute of a deployment configuration, of the termination wait and of the ready wait lasts here."""

HOOK_SECONDS = float(os.environ.get("SLIPWAY_CODEDEPLOY_HOOK_SECONDS", "3600"))
"""How long a hook may take to answer; an hour, as on AWS."""

_LOOK_SECONDS = 0.2

_ALARM_SECONDS = 1.0

GONE = "the local AWS is stopping"


class Halt(Exception):
    """The end of a deployment that doesn't succeed: its final status, and CodeDeploy's code and message."""

    def __init__(self, status: str, code: str, message: str, rollback_event: str = "DEPLOYMENT_FAILURE",
                 diagnostics: dict | None = None, rollback: bool | None = None):
        super().__init__(message)
        self.status, self.code, self.rollback_event = status, code, rollback_event
        self.diagnostics = diagnostics
        self.rollback = rollback
        """Whether to roll back; None leaves it to the automatic rollback configuration."""


class Deployment:
    """One deployment; run() does all of it."""

    def __init__(self, codedeploy, account: str, region: str, identity: str):
        self.codedeploy, self.account, self.region, self.identity = codedeploy, account, region, identity
        self._alarms_due = 0.0
        with self.edit() as record:
            record["_where"] = [account, region]
            self.group = record["_group"]
            self.spec = codedeploy_appspec.parse(record["_content"])
            self.override_alarms = record.get("overrideAlarmConfiguration")
            self.options = record.get("blueGreenDeploymentConfiguration") or {}
        with codedeploy.edit(account, region) as scope:
            self.steps = steps(routing_of(scope, scope["deployments"][identity]["deploymentConfigName"]))
        named = self.group["ecsServices"][0]
        self.cluster = named["clusterName"].rsplit("/", 1)[-1]
        self.service_name = named["serviceName"].rsplit("/", 1)[-1]
        pair = self.group["loadBalancerInfo"]["targetGroupPairInfoList"][0]
        self.production = pair["prodTrafficRoute"]["listenerArns"]
        self.test = (pair.get("testTrafficRoute") or {}).get("listenerArns") or []
        self.pair_names = [g["name"] for g in pair["targetGroups"]]
        self.blue_group = self.green_group = ""

    def edit(self):
        """The deployment's record, to be changed under CodeDeploy's lock and saved."""
        return _Record(self)

    def client(self, service: str):
        """A client of this instance."""
        return client(service, self.account, self.region)

    def service(self) -> dict:
        """The ECS service, which must be there."""
        found = tasksets.find(self.cluster, self.service_name)
        if not found or found.get("status") != "ACTIVE" or not tasksets.is_code_deploy(found):
            raise Halt("Failed", "INVALID_ECS_SERVICE", f"The ECS service {self.service_name} of cluster {self.cluster} "
                       "doesn't exist, or its deployment controller isn't CODE_DEPLOY.")
        return found

    def run(self) -> None:
        """Does the deployment from its beginning to its end, whatever that is; raises nothing."""
        with request_scope(self.account, self.region):
            try:
                self._deploy()
            except Halt as halt:
                codedeploy_rollback.end(self, halt)
            except Exception as fault:
                if is_gone(fault):
                    logger.warning("deployment %s: %s (%s); the next start ends it", self.identity, GONE, fault)
                    return
                logger.exception("deployment %s", self.identity)
                codedeploy_rollback.end(self, Halt("Failed", "INTERNAL_ERROR", f"the local CodeDeploy failed: {fault}"))

    def _deploy(self) -> None:
        with self.edit() as record:
            record |= {"status": "InProgress", "startTime": time.time()}
            record["deploymentOverview"] |= {"Pending": 0, "InProgress": 1}
        self.notify("START")
        self._check_request()
        self._hook("BeforeInstall")
        self._install()
        self._hook("AfterInstall")
        if self.test:
            self._begin("AllowTestTraffic")
            self.route(self.test, 100)
            self._finish("AllowTestTraffic")
            self._hook("AfterAllowTestTraffic")
        self._wait_ready()
        self._hook("BeforeAllowTraffic")
        self._allow_traffic()
        self._hook("AfterAllowTraffic")
        self._terminate()
        with self.edit() as record:
            record |= {"status": "Succeeded", "completeTime": time.time(), "_taskSets": task_sets(self.group["ecsServices"][0], record)}
            record["deploymentOverview"] |= {"InProgress": 0, "Succeeded": 1}
        self.notify("SUCCESS")

    # The steps

    def _check_request(self) -> None:
        from ministack.services import ecs

        service = self.service()
        with self.edit() as record:
            record["_serviceArn"] = service["serviceArn"]
        definition = ecs._task_defs.get(ecs._resolve_td_key(self.spec.task_definition))
        if not definition or definition.get("status") != "ACTIVE":
            raise Halt("Failed", "INVALID_REVISION", f"The task definition {self.spec.task_definition} of the AppSpec doesn't "
                       "exist or isn't active.")
        ports = {c["name"]: [m.get("containerPort") for m in c.get("portMappings") or []]
                 for c in definition["containerDefinitions"]}
        if self.spec.port not in ports.get(self.spec.container, []):
            raise Halt("Failed", "INVALID_REVISION", f"The task definition has no container {self.spec.container} with the "
                       f"port {self.spec.port}, as the AppSpec says.")
        self.find_groups(service)
        if not codedeploy_traffic.leads_to(self.client("elbv2"), self.production[0], self.blue_group):
            raise Halt("Failed", "ELASTIC_LOAD_BALANCING_INVALID", "The ELB could not be updated due to the following error: "
                       f"Primary taskset target group must be behind listener {self.production[0]}")

    def find_groups(self, service: dict) -> None:
        """Finds which group of the pair serves the primary task set (blue), and which is free (green)."""
        described = self.client("elbv2").describe_target_groups(Names=self.pair_names)["TargetGroups"]
        arns = [g["TargetGroupArn"] for g in described]
        serving = {b.get("targetGroupArn") for b in (tasksets.primary(service) or {}).get("loadBalancers") or []}
        blue = [a for a in arns if a in serving]
        if len(arns) != 2 or len(blue) != 1:
            raise Halt("Failed", "ELASTIC_LOAD_BALANCING_INVALID", f"The target groups {', '.join(self.pair_names)} don't "
                       "have exactly one that serves the service's primary task set.")
        self.blue_group, self.green_group = blue[0], next(a for a in arns if a != blue[0])

    def _install(self) -> None:
        self._begin("Install")
        service = self.service()
        for left_over in [s for s in service["taskSets"] if s["status"] != "PRIMARY"]:
            tasksets.remove(service, left_over)
        blue = tasksets.primary(service)
        balancers = [{"targetGroupArn": self.green_group, "containerName": self.spec.container, "containerPort": self.spec.port}]
        green = tasksets.make(service, "ACTIVE", self.identity, taskDefinition=self.spec.task_definition,
                              loadBalancers=balancers, **self.spec.changes)
        with self.edit() as record:
            record |= {"_blue": blue["id"], "_green": green["id"]}
        tasksets.reconcile(self.cluster, self.service_name)
        deadline = time.monotonic() + types_ecs.STABLE_SECONDS
        while not self._is_steady(green):
            if time.monotonic() > deadline:
                raise Halt("Failed", "TIMEOUT", "The deployment timed out while waiting for the replacement task set to become "
                           f"healthy. This time out period is {types_ecs.STABLE_SECONDS} seconds.")
            self.pause(_LOOK_SECONDS)
        self._finish("Install")

    def _is_steady(self, task_set: dict) -> bool:
        from . import targets

        wanted = tasksets.desired_of(task_set, self.service().get("desiredCount", 0))
        if task_set["runningCount"] != wanted or task_set["pendingCount"]:
            return False
        # Without a container engine tasks have no addresses, and nothing is waited for.
        return all(targets.state_of(self.green_group, {"Id": ip, "Port": self.spec.port}, self.spec.port).state == "healthy"
                   for ip in tasksets.addresses(self.service(), task_set))

    def _wait_ready(self) -> None:
        ready = self.options.get("deploymentReadyOption") or {}
        if ready.get("actionOnTimeout") != "STOP_DEPLOYMENT":
            return
        with self.edit() as record:
            record["status"] = "Ready"
        self.notify("READY")
        if not self._waited("READY_WAIT", float(ready.get("waitTimeInMinutes") or 0)):
            raise Halt("Stopped", "TIMEOUT", "Nobody continued the deployment within its wait time.")
        with self.edit() as record:
            record["status"] = "InProgress"

    def _waited(self, kind: str, minutes: float) -> bool:
        """Waits for ContinueDeployment, at most for these minutes; says whether it came."""
        deadline = time.monotonic() + minutes * MINUTE_SECONDS
        while time.monotonic() < deadline:
            if self.record().get("_continue") == kind:
                with self.edit() as record:
                    del record["_continue"]
                return True
            self.pause(min(_LOOK_SECONDS, max(deadline - time.monotonic(), 0)))
        return False

    def _allow_traffic(self) -> None:
        self._begin("AllowTraffic")
        for share, minutes in self.steps:
            self.check()
            self.route(self.production, share)
            self.pause(minutes * MINUTE_SECONDS)
        service = self.service()
        green = tasksets.by_id(service, self.record()["_green"])
        tasksets.promote(service, green)
        self._finish("AllowTraffic")

    def route(self, listeners: list[str], share: int) -> None:
        """Sends this share of the listeners' traffic to green."""
        if not codedeploy_traffic.route(self.client("elbv2"), listeners, self.blue_group, self.green_group, share):
            raise Halt("Failed", "ELASTIC_LOAD_BALANCING_INVALID", "The ELB could not be updated due to the following error: "
                       f"no action of listener {listeners[0]} forwards to the deployment group's target groups")

    def _terminate(self) -> None:
        option = self.options.get("terminateBlueInstancesOnDeploymentSuccess") or {}
        with self.edit() as record:
            record["instanceTerminationWaitTimeStarted"] = True
        self._waited("TERMINATION_WAIT", float(option.get("terminationWaitTimeInMinutes") or 0))
        self.check()
        if option.get("action", "TERMINATE") == "TERMINATE":
            service = self.service()
            blue = tasksets.by_id(service, self.record()["_blue"])
            if blue:
                tasksets.remove(service, blue)
            tasksets.reconcile(self.cluster, self.service_name)

    # Hooks

    def _hook(self, event: str) -> None:
        function = self.spec.hooks.get(event)
        self._begin(event)
        if not function:
            self._finish(event)
            return
        execution = f"{self.identity}-{uuid.uuid4()}"
        with self.edit() as record:
            record["_hooks"][execution] = {"event": event}
        try:
            self.client("lambda").invoke(FunctionName=function, InvocationType="Event", Payload=json.dumps(
                {"DeploymentId": self.identity, "LifecycleEventHookExecutionId": execution}).encode())
        except self.client("lambda").exceptions.ClientError as fault:
            self._fail_hook(event, function, "ScriptMissing", f"the function can't be invoked: {fault}")
        deadline = time.monotonic() + HOOK_SECONDS
        while not (status := self.record()["_hooks"][execution].get("status")):
            if time.monotonic() > deadline:
                self._fail_hook(event, function, "ScriptTimedOut", f"the function didn't report within {HOOK_SECONDS:g} seconds")
            self.pause(_LOOK_SECONDS)
        if status == "Failed":
            self._fail_hook(event, function, "ScriptFailed", "the function reported Failed")
        self._finish(event)

    def _fail_hook(self, event: str, function: str, code: str, message: str) -> None:
        raise Halt("Failed", "HOOK_EXECUTION_FAILURE", "The deployment failed because one of the lifecycle event validation "
                   f"functions failed: {event}, {message}.", diagnostics={"errorCode": code, "scriptName": function, "message": message})

    # What runs along

    def record(self) -> dict:
        """The deployment's record as it is now, to be read."""
        return self.codedeploy.record(self.account, self.region, self.identity)

    def pause(self, seconds: float) -> None:
        """Waits, and halts the deployment when somebody stops it or one of its alarms is on."""
        deadline = time.monotonic() + seconds
        while True:
            self.check()
            left = deadline - time.monotonic()
            if left <= 0:
                return
            time.sleep(min(left, _LOOK_SECONDS))

    def check(self) -> None:
        """Halts the deployment when somebody has stopped it or one of its alarms is on."""
        stop = self.record().get("_stop")
        if stop:
            raise Halt("Stopped", "MANUAL_STOP", "The deployment was stopped by a user.", "DEPLOYMENT_STOP_ON_REQUEST",
                       rollback=stop["rollback"])
        if time.monotonic() < self._alarms_due:
            return
        self._alarms_due = time.monotonic() + _ALARM_SECONDS
        active = self._active_alarms()
        if active:
            raise Halt("Stopped", "ALARM_ACTIVE", "One or more alarms have been activated according to the Amazon CloudWatch "
                       f"metrics you selected, and the affected deployments have been stopped. Activated alarms: {', '.join(active)}",
                       "DEPLOYMENT_STOP_ON_ALARM")

    def _active_alarms(self) -> list[str]:
        configuration = self.override_alarms or self.group.get("alarmConfiguration") or {}
        names = [a["name"] for a in configuration.get("alarms") or []]
        if not configuration.get("enabled") or not names:
            return []
        found = self.client("cloudwatch").describe_alarms(AlarmNames=names, AlarmTypes=["MetricAlarm", "CompositeAlarm"])
        return sorted(a["AlarmName"] for a in found["MetricAlarms"] + found["CompositeAlarms"] if a["StateValue"] == "ALARM")

    def notify(self, state: str) -> None:
        """Puts the notification of a new state on the default bus."""
        codedeploy_rollback.notify(self.account, self.region, self.record(), state)

    def _begin(self, event: str) -> None:
        self.check()
        self._mark(event, status="InProgress", startTime=time.time())

    def _finish(self, event: str) -> None:
        self._mark(event, status="Succeeded", endTime=time.time())

    def _mark(self, event: str, **changes) -> None:
        with self.edit() as record:
            for known in record["_events"]:
                if known["lifecycleEventName"] == event:
                    known |= changes


class _Record:
    """A context manager around CodeDeploy's edit, for one deployment's record."""

    def __init__(self, deployment: Deployment):
        self._deployment = deployment

    def __enter__(self) -> dict:
        d = self._deployment
        self._edit = d.codedeploy.edit(d.account, d.region)
        record = self._edit.__enter__()["deployments"][d.identity]
        record["_updated"] = time.time()
        return record

    def __exit__(self, *fault):
        return self._edit.__exit__(*fault)


def is_gone(fault: Exception) -> bool:
    """Whether the instance itself no longer answers."""
    from botocore.exceptions import ConnectionClosedError, EndpointConnectionError

    return isinstance(fault, (ConnectionClosedError, EndpointConnectionError))


def task_sets(named: dict, record: dict) -> list[dict]:
    """What GetDeploymentTarget tells of the service's task sets, blue first.

    https://docs.aws.amazon.com/codedeploy/latest/APIReference/API_ECSTaskSet.html (whose identifer is spelled so)
    """
    if not record.get("_where"):
        return []
    pair = record["_group"]["loadBalancerInfo"]["targetGroupPairInfoList"][0]
    listener = pair["prodTrafficRoute"]["listenerArns"][0]
    told = []
    with request_scope(*record["_where"]):
        service = tasksets.find(named["clusterName"].rsplit("/", 1)[-1], named["serviceName"].rsplit("/", 1)[-1]) or {}
        for task_set in list(service.get("taskSets") or []):
            group = next((b["targetGroupArn"] for b in task_set.get("loadBalancers") or []), "")
            label = "Green" if task_set["id"] == record.get("_green") else "Blue"
            told.append({
                "identifer": task_set["id"], "desiredCount": task_set["computedDesiredCount"],
                "pendingCount": task_set["pendingCount"], "runningCount": task_set["runningCount"],
                "status": task_set["status"], "trafficWeight": codedeploy_traffic.share_of(listener, group),
                "targetGroup": {"name": group.split("/")[-2] if group.count("/") > 1 else group}, "taskSetLabel": label})
    return sorted(told, key=lambda t: t["taskSetLabel"])
