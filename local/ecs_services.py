"""ECS where ministack differs from AWS: repeated creation, pages, families, active revisions, answers while tasks start."""

from __future__ import annotations

import json
import time

NOT_IDEMPOTENT = "Creation of service was not idempotent."


def apply() -> None:
    """Changes ministack's ECS; called once, before the server starts."""
    from ministack.services import ecs

    from .patches import replace_everywhere

    create, update, state = ecs._create_service, ecs._update_service, ecs.get_state

    def create_once(data):
        return created_once(ecs, create, data)

    def update_service(data):
        service = _found(ecs, data.get("cluster", "default"), data.get("service", ""))
        if service:
            # A creation that comes again no longer describes the service.
            service.pop("_created_by", None)
        return update(data)

    lists, deletes, names = ecs._list_services, ecs._delete_task_definitions, ecs._list_task_definition_families
    for original, replacement in ((create, create_once), (update, update_service), (ecs._sanitize, sanitized),
                                  (lists, lambda data: paged(lists, data)), (deletes, lambda data: deleted(ecs, deletes, data)),
                                  (names, lambda data: list_families(ecs, data))):
        replace_everywhere(original, replacement)
        for action, handler in ecs._ACTION_MAP.items():
            if handler is original:
                ecs._ACTION_MAP[action] = replacement
    ecs.get_state = lambda: undisturbed(state)
    restore = ecs._restore_state

    def restore_state(data):
        restore(data)
        for task in ecs._tasks.all_values():
            end_restored(task)

    ecs._restore_state = restore_state


def created_once(ecs, create, data: dict):
    """CreateService, where the same request for a service that is there returns it, as a client's retry needs.

    https://docs.aws.amazon.com/AmazonECS/latest/APIReference/ECS_Idempotency.html
    """
    from ministack.core.concurrency import resource_lock
    from ministack.core.responses import error_response_json, get_account_id, get_region, json_response

    cluster, name = data.get("cluster", "default"), data.get("serviceName", "")
    asked = {k: v for k, v in data.items() if k != "clientToken" and v is not None}
    # A retry may come while the first request is still at work.
    with resource_lock("slipway-create-service", f"{get_account_id()}/{get_region()}/{cluster}/{name}"):
        service = _found(ecs, cluster, name)
        if service and service.get("status") == "ACTIVE":
            if service.get("_created_by") == asked:
                return json_response({"service": ecs._sanitize(service)})
            return error_response_json("ClientException", NOT_IDEMPOTENT, 400)
        answer = create(data)
        service = _found(ecs, cluster, name)
        if service and answer[0] == 200:
            service["_created_by"] = asked
        return answer


PAGE, LARGEST_PAGE = 10, 100


def paged(list_services, data: dict):
    """ListServices in pages, which ministack answers all at once.

    https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ListServices.html
    """
    from ministack.core.responses import error_response_json

    size, token = data.get("maxResults") or PAGE, data.get("nextToken") or ""
    if not 1 <= size <= LARGEST_PAGE:
        return error_response_json("InvalidParameterException", f"maxResults must be between 1 and {LARGEST_PAGE}", 400)
    status, headers, body = list_services({k: v for k, v in data.items() if k not in ("maxResults", "nextToken")})
    if status != 200:
        return status, headers, body
    # The token is the last name that was shown, so that deletions between two pages lose nothing.
    rest = sorted(arn for arn in json.loads(body)["serviceArns"] if arn > token)
    answer = {"serviceArns": rest[:size]} | ({"nextToken": rest[size - 1]} if len(rest) > size else {})
    return status, headers, json.dumps(answer).encode()


def list_families(ecs, data: dict):
    """ListTaskDefinitionFamilies, which ministack has without pages, and without the status that names both kinds."""
    from ministack.core.responses import error_response_json, json_response

    size, token = data.get("maxResults") or LARGEST_PAGE, data.get("nextToken") or ""
    if not 1 <= size <= LARGEST_PAGE:
        return error_response_json("InvalidParameterException", f"maxResults must be between 1 and {LARGEST_PAGE}", 400)
    found = families(ecs._task_defs.values(), data.get("familyPrefix", ""), data.get("status", "ALL"))
    rest = [name for name in found if name > token]
    return json_response({"families": rest[:size]} | ({"nextToken": rest[size - 1]} if len(rest) > size else {}))


def families(definitions, prefix: str, status: str) -> list[str]:
    """The names of task definitions; ACTIVE are those with an active revision, INACTIVE those without, ALL are both.

    https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ListTaskDefinitionFamilies.html
    """
    everything = {d["family"] for d in definitions if d["family"].startswith(prefix)}
    active = {d["family"] for d in definitions if d["status"] == "ACTIVE"} & everything
    return sorted({"ALL": everything, "ACTIVE": active, "INACTIVE": everything - active}[status])


def deleted(ecs, delete, data: dict):
    """DeleteTaskDefinitions, refused for more than ten, and for revisions that are still active; ministack deletes these too.

    https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DeleteTaskDefinitions.html
    """
    from ministack.core.responses import error_response_json

    wanted = data.get("taskDefinitions") or []
    if not 1 <= len(wanted) <= 10:
        return error_response_json("InvalidParameterException", f"{len(wanted)} task definitions; 1 to 10 can be deleted", 400)
    for arn in wanted:
        if (ecs._task_defs.get(ecs._resolve_td_delete_key(arn)) or {}).get("status") == "ACTIVE":
            return error_response_json("InvalidParameterException", f"Task definition {arn} is ACTIVE: deregister it first", 400)
    return delete(data)


def _found(ecs, cluster: str, reference: str) -> dict | None:
    cluster = ecs._resolve_cluster_name(cluster)
    resolved = ecs._resolve_service_ref(reference)
    return ecs._services.get(f"{cluster}/{resolved[0]}") if cluster and resolved else None


def sanitized(value):
    """What of a record an answer shows: no private field, nothing without a value.

    ministack's own walks the record itself. Where a task that starts adds a field meanwhile, that ends in "dictionary
    changed size during iteration": the service is there, and its creation is answered with a fault. This one walks a copy.
    """
    if isinstance(value, dict):
        return {k: sanitized(v) for k, v in list(value.items()) if not k.startswith("_") and v is not None}
    if isinstance(value, list):
        return [sanitized(v) for v in list(value)]
    return value


def end_restored(task: dict) -> None:
    """Finishes what ministack does to the tasks of the last run: stopped, but still wanted and listed as running."""
    if task.get("lastStatus") == "STOPPED" and task.get("desiredStatus") != "STOPPED":
        task |= {"desiredStatus": "STOPPED", "stopCode": "TerminationNotice", "stoppedReason": "The local AWS was stopped",
                 "stoppedAt": task.get("stoppedAt") or task.get("startedAt") or task["createdAt"]}
        for container in task.get("containers") or []:
            container["lastStatus"] = "STOPPED"


def undisturbed(copy, attempts: int = 50):
    """A copy of the stores that no task changed meanwhile; without it a stop at a bad moment would save nothing of ECS."""
    for _ in range(attempts - 1):
        try:
            return copy()
        except RuntimeError:
            time.sleep(0.01)
    return copy()
