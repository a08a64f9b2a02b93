"""Task sets: how ECS keeps a service whose deployments CodeDeploy makes (deployment controller CODE_DEPLOY).

Such a service has a primary task set from its creation, and during a deployment a second one. Each has a revision, target
groups and tasks of its own; the service's desired count holds for each. ministack knows none of this: its scheduler has
one revision for a service. Here the service's tasks belong to a set by their startedBy, as on AWS.
https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_TaskSet.html
"""

from __future__ import annotations

import logging
import math
import threading
import time

from .patches import replace_everywhere

logger = logging.getLogger("slipway.tasksets")

CODE_DEPLOY = "CODE_DEPLOY"

# https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_UpdateService.html says which parameters such a service can
# change; AWS's words for the others are known from https://github.com/hashicorp/terraform-provider-aws/issues/8005,
# https://github.com/kayac/ecspresso/issues/393 and https://github.com/boto/boto3/issues/1936.
_REFUSED = (("taskDefinition", "update task definition"), ("networkConfiguration", "update network parameters"),
            ("loadBalancers", "update load balancers"), ("platformVersion", "update platform version"),
            ("capacityProviderStrategy", "update capacity provider strategy"),
            ("serviceRegistries", "update service registries"), ("forceNewDeployment", "force a new deployment"))

# What of the primary task set is also the service's.
_SHARED = ("taskDefinition", "loadBalancers", "networkConfiguration", "platformVersion", "launchType",
           "capacityProviderStrategy")

LONGEST_PAUSE = 15.0
"""Seconds before a task that keeps failing is started again."""

_locks: dict[tuple[str, str, str], threading.RLock] = {}
_locks_guard = threading.Lock()


def is_code_deploy(service: dict | None) -> bool:
    """Whether CodeDeploy makes the service's deployments."""
    return bool(service) and (service.get("deploymentController") or {}).get("type") == CODE_DEPLOY


def refusal(request: dict) -> str | None:
    """Why UpdateService refuses a request for such a service; None when it doesn't."""
    for field, what in _REFUSED:
        value = request.get(field)
        if value is not None and value is not False:
            return (f"Unable to {what} on services with a CODE_DEPLOY deployment controller. "
                    "Use AWS CodeDeploy to trigger a new deployment.")
    return creation_refusal(request, creating=False)


def creation_refusal(request: dict, creating: bool = True) -> str | None:
    """Why such a service can't be made (or changed) with these parameters; None when it can.

    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-type-bluegreen.html
    """
    configuration = request.get("deploymentConfiguration") or {}
    if (configuration.get("deploymentCircuitBreaker") or {}).get("enable"):
        return "Deployment circuit breaker can only be used with the ECS deployment controller."
    if (configuration.get("alarms") or {}).get("enable"):
        return "Deployment alarms can only be used with the ECS deployment controller."
    if creating and not request.get("loadBalancers"):
        return "A service with the CODE_DEPLOY deployment controller needs a load balancer."
    if creating and request.get("schedulingStrategy") == "DAEMON":
        return "The CODE_DEPLOY deployment controller is not supported with the DAEMON scheduling strategy."
    return None


def desired_of(task_set: dict, desired: int) -> int:
    """How many tasks a set wants: its share of the service's desired count, rounded up."""
    return math.ceil(desired * float(task_set["scale"]["value"]) / 100)


def pause_before_restart(failures: int) -> float:
    """Seconds to wait before a set's task is started anew after so many failures."""
    return min(0.5 * 2 ** max(failures - 1, 0), LONGEST_PAUSE)


def primary(service: dict) -> dict | None:
    """The set that serves production traffic."""
    return next((s for s in service.get("taskSets") or [] if s["status"] == "PRIMARY"), None)


def by_id(service: dict, identity: str) -> dict | None:
    """The service's set of this id."""
    return next((s for s in service.get("taskSets") or [] if s["id"] == identity), None)


def find(cluster: str, name: str) -> dict | None:
    """The service as ministack keeps it, in the request's account and region."""
    from ministack.services import ecs

    return ecs._services.get(f"{cluster}/{name}")


def make(service: dict, status: str, deployment: str | None = None, **changes) -> dict:
    """A new set of the service; changes replace what it would take over from the service."""
    from ministack.core.responses import now_iso

    # AWS's ids count down from 2**63 in nanoseconds.
    number = 2**63 - 1 - time.time_ns()
    taken = {field: service.get(field) for field in _SHARED} | changes
    made = {
        "id": f"ecs-svc/{number}",
        "taskSetArn": service["serviceArn"].replace(":service/", ":task-set/") + f"/ecs-svc/{number}",
        "serviceArn": service["serviceArn"], "clusterArn": service["clusterArn"], "status": status, **taken,
        "serviceRegistries": list(service.get("serviceRegistries") or []),
        "computedDesiredCount": 0, "pendingCount": 0, "runningCount": 0, "createdAt": now_iso(), "updatedAt": now_iso(),
        "scale": {"value": 100.0, "unit": "PERCENT"}, "stabilityStatus": "STABILIZING", "stabilityStatusAt": int(time.time()),
        "tags": [],
    }
    if deployment:
        made |= {"startedBy": CODE_DEPLOY, "externalId": deployment}
    service.setdefault("taskSets", []).append(made)
    return made


def promote(service: dict, task_set: dict) -> None:
    """Makes a set the primary one; what it has is then the service's.

    https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_UpdateServicePrimaryTaskSet.html
    """
    from ministack.core.responses import now_iso

    for other in service["taskSets"]:
        if other is not task_set and other["status"] == "PRIMARY":
            other["status"] = "ACTIVE"
    task_set |= {"status": "PRIMARY", "updatedAt": now_iso()}
    service |= {field: task_set.get(field) for field in _SHARED}


def remove(service: dict, task_set: dict) -> None:
    """Takes a set from its service; the next reconciliation stops its tasks."""
    service["taskSets"] = [s for s in service["taskSets"] if s is not task_set]


def tasks_of(service: dict, statuses: tuple[str, ...]) -> list[dict]:
    """The service's tasks in these statuses."""
    from ministack.services import ecs

    return [t for t in ecs._tasks.values()
            if t.get("group") == f"service:{service['serviceName']}" and t.get("clusterArn") == service["clusterArn"]
            and t.get("lastStatus") in statuses]


def addresses(service: dict, task_set: dict) -> list[str]:
    """Where the set's running tasks listen."""
    from ministack.services import ecs

    return [ip for t in tasks_of(service, ("RUNNING",)) if t.get("startedBy") == task_set["id"] and (ip := ecs._task_ip(t))]


def reconcile(cluster: str, name: str) -> None:
    """Starts and stops tasks until each set has what it wants and no set's tasks are left over."""
    from ministack.core.responses import get_account_id, get_region
    from ministack.services import ecs

    service = find(cluster, name)
    if not service or service.get("status") != "ACTIVE":
        return
    key = (get_account_id(), get_region(), f"{cluster}/{name}")
    with _locks_guard:
        lock = _locks.setdefault(key, threading.RLock())
    with lock:  # two at once would start too many; stopping calls the engine, so it comes after
        superfluous = _start_missing(ecs, cluster, service)
    for task, reason in superfluous:
        ecs._stop_task({"task": task["taskArn"], "cluster": cluster, "reason": reason})
    ecs._refresh_service_state(cluster, f"service:{name}")
    ecs._recount_cluster(cluster)


def _start_missing(ecs, cluster: str, service: dict) -> list[tuple[dict, str]]:
    if not service.get("taskSets"):
        # The service is new; with a task set there are no deployments of ECS's own.
        make(service, "PRIMARY")
        service["deployments"] = []
    stop: list[tuple[dict, str]] = []
    live = tasks_of(service, ecs._PRE_STOP_STATUSES)
    known = {s["id"] for s in service["taskSets"]}
    stop += [(t, "Task set deleted") for t in live if t.get("startedBy") not in known]
    for task_set in service["taskSets"]:
        task_set["computedDesiredCount"] = wanted = desired_of(task_set, service.get("desiredCount", 0))
        own = sorted((t for t in live if t.get("startedBy") == task_set["id"]), key=lambda t: t.get("createdAt", ""))
        stop += [(t, "Service scaling down") for t in own[wanted:]]
        if wanted > len(own):
            ecs._run_task({
                "cluster": cluster, "taskDefinition": task_set["taskDefinition"], "count": wanted - len(own),
                "group": f"service:{service['serviceName']}", "startedBy": task_set["id"],
                "launchType": task_set.get("launchType"),
                "capacityProviderStrategy": task_set.get("capacityProviderStrategy"),
                "platformVersion": task_set.get("platformVersion") or "",
                "networkConfiguration": task_set.get("networkConfiguration") or {},
                "enableExecuteCommand": service.get("enableExecuteCommand", False),
            })
    return stop


def count(service: dict) -> None:
    """Writes into each set how many of its tasks run or start, and whether it has what it wants."""
    tasks = tasks_of(service, ("PROVISIONING", "PENDING", "ACTIVATING", "RUNNING"))
    for task_set in list(service.get("taskSets") or []):
        own = [t["lastStatus"] for t in tasks if t.get("startedBy") == task_set["id"]]
        task_set["runningCount"] = own.count("RUNNING")
        task_set["pendingCount"] = len(own) - own.count("RUNNING")
        steady = task_set["runningCount"] == task_set["computedDesiredCount"] and not task_set["pendingCount"]
        if steady != (task_set["stabilityStatus"] == "STEADY_STATE"):
            task_set["stabilityStatus"] = "STEADY_STATE" if steady else "STABILIZING"
            task_set["stabilityStatusAt"] = int(time.time())
    service["pendingCount"] = sum(s["pendingCount"] for s in service.get("taskSets") or [])


def publish(service: dict) -> None:
    """Registers each set's running tasks in the set's own target groups, and takes out what was there before."""
    from ministack.core.concurrency import resource_lock
    from ministack.services import alb

    wanted: dict[str, list[tuple[str, int]]] = {}
    for task_set in list(service.get("taskSets") or []) if service.get("status") == "ACTIVE" else []:
        for balancer in task_set.get("loadBalancers") or []:
            targets = wanted.setdefault(balancer["targetGroupArn"], [])
            targets += [(ip, balancer.get("containerPort", 80)) for ip in addresses(service, task_set)]
    ledger = service.setdefault("_published_targets", {})
    for group in {*wanted, *ledger}:
        with resource_lock("elbv2-targets", group):
            targets = wanted.get(group, [])
            alb.set_targets_for_group(group, targets, ledger.get(group, ()))
            ledger[group] = [ip for ip, _ in targets]


def apply() -> None:
    """Puts task sets into ministack's scheduler; after ecs_services.apply, which it builds on."""
    from ministack.core.concurrency import spawn_background
    from ministack.core.responses import error_response_json
    from ministack.services import ecs

    create, update, stop = ecs._create_service, ecs._update_service, ecs._ACTION_MAP["StopTask"]
    scheduler, refresh, sync = ecs._reconcile_service_tasks, ecs._refresh_service_state, ecs._sync_service_targets
    failed, delete = ecs._record_service_task_failure, ecs._delete_service

    def service_of(data: dict) -> dict | None:
        cluster, reference = ecs._resolve_cluster_name(data.get("cluster", "default")), data.get("service") or ""
        resolved = ecs._resolve_service_ref(reference)
        return find(cluster, resolved[0]) if cluster and resolved else None

    def create_service(data):
        why = creation_refusal(data) if is_code_deploy(data) else None
        return error_response_json("InvalidParameterException", why, 400) if why else create(data)

    def update_service(data):
        why = refusal(data) if is_code_deploy(service_of(data)) else None
        return error_response_json("InvalidParameterException", why, 400) if why else update(data)

    def delete_service(data):
        service, answer = service_of(data), delete(data)
        if is_code_deploy(service) and service.get("status") == "INACTIVE":
            service["taskSets"] = []
        return answer

    def reconcile_service(cluster, key):
        if is_code_deploy(ecs._services.get(key)):
            reconcile(cluster, key.split("/", 1)[1])
        else:
            scheduler(cluster, key)

    def refresh_state(cluster, group):
        refresh(cluster, group)
        service = find(cluster, group.split(":", 1)[1]) if (group or "").startswith("service:") else None
        if is_code_deploy(service):
            count(service)

    def sync_targets(cluster, service):
        if is_code_deploy(service):
            publish(service)
        else:
            sync(cluster, service)

    def record_failure(task, *args, **kwargs):
        failed(task, *args, **kwargs)
        cluster, name = _service_of_task(task)
        service = find(cluster, name) if name else None
        if is_code_deploy(service):
            failures = sum(1 for t in tasks_of(service, ("STOPPED",)) if t.get("startedBy") == task.get("startedBy")
                           and t.get("stopCode") in ("EssentialContainerExited", "TaskFailedToStart"))
            spawn_background(_later, pause_before_restart(failures), cluster, name, thread_name="slipway-task-set")

    def stop_task(data):
        # AWS's scheduler replaces a stopped task of any service; ministack's only one that ended by itself.
        cluster = ecs._resolve_cluster_name(data.get("cluster", "default"))
        task = ecs._resolve_task(data.get("task", ""), cluster)
        answer = stop(data)
        cluster, name = _service_of_task(task) if task else ("", "")
        if name and answer[0] == 200:
            spawn_background(ecs._reconcile_service_tasks, cluster, f"{cluster}/{name}", thread_name="slipway-stop-task")
        return answer

    for original, replacement in ((create, create_service), (update, update_service), (delete, delete_service),
                                  (scheduler, reconcile_service), (refresh, refresh_state), (sync, sync_targets),
                                  (failed, record_failure)):
        replace_everywhere(original, replacement)
        for action, handler in ecs._ACTION_MAP.items():
            if handler is original:
                ecs._ACTION_MAP[action] = replacement
    ecs._ACTION_MAP |= {"StopTask": stop_task, "DescribeTaskSets": lambda data: _describe(ecs, service_of(data), data)}


def _service_of_task(task: dict) -> tuple[str, str]:
    """The cluster and service name of a task, empty for a task of its own."""
    kind, _, name = (task.get("group") or "").partition(":")
    return task.get("clusterArn", "").rsplit("/", 1)[-1], name if kind == "service" else ""


def _later(seconds: float, cluster: str, name: str) -> None:
    time.sleep(seconds)
    reconcile(cluster, name)


def _describe(ecs, service: dict | None, data: dict):
    """DescribeTaskSets: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DescribeTaskSets.html"""
    from ministack.core.responses import error_response_json, json_response

    if not service:
        return error_response_json("ServiceNotFoundException", "Service not found.", 400)
    if not is_code_deploy(service):
        return error_response_json("InvalidParameterException", "Task sets cannot be described for a service with the "
                                   "ECS deployment controller.", 400)
    wanted = data.get("taskSets") or [s["taskSetArn"] for s in service["taskSets"]]
    found = [s for s in service["taskSets"] if s["taskSetArn"] in wanted or s["id"] in wanted]
    known = {s["taskSetArn"] for s in found} | {s["id"] for s in found}
    return json_response({"taskSets": ecs._sanitize(found),
                          "failures": [{"arn": a, "reason": "MISSING"} for a in wanted if a not in known]})
