"""The order of a task's containers: ``dependsOn`` with SUCCESS or COMPLETE, which ministack doesn't know.

A container that another one waits for, such as a migration, runs to its end before the task's other containers start.
On Fargate it shares the task's network; here it has one of its own, which ends with it. Conditions START and HEALTHY
are refused: nothing of the platform uses them.
"""

from __future__ import annotations

import logging
import os

from . import tasknet

logger = logging.getLogger("slipway.dependencies")

_WAIT_SECONDS = 900


class DependencyFailed(Exception):
    """A container that others wait for ended with an error; the text is the task's stopped reason."""


def split(td: dict) -> tuple[list[dict], dict]:
    """The containers that run first, in order, and the task definition without them.

    Raises ValueError for a condition that isn't emulated.
    """
    by_name = {c["name"]: c for c in td.get("containerDefinitions", [])}
    wanted: list[str] = []

    def visit(container: dict) -> None:
        for dependency in container.get("dependsOn") or []:
            if dependency["condition"] not in ("SUCCESS", "COMPLETE"):
                raise ValueError(f"container {container['name']} depends on {dependency['condition']} of "
                                 f"{dependency['containerName']}, which the local AWS doesn't emulate")
            name = dependency["containerName"]
            if name not in wanted:
                visit(by_name[name])
                wanted.append(name)

    for container in by_name.values():
        visit(container)
    rest = [c for c in by_name.values() if c["name"] not in wanted]
    return [by_name[n] for n in wanted], {**td, "containerDefinitions": rest}


def apply() -> None:
    """Wraps ministack's start of a task."""
    from ministack.services import ecs

    start = ecs._start_task_worker

    def start_in_order(task, td, container_overrides, docker_client):
        first, rest = split(td)
        for cdef in first:
            must_succeed = any(d["containerName"] == cdef["name"] and d["condition"] == "SUCCESS"
                               for c in td["containerDefinitions"] for d in c.get("dependsOn") or [])
            code = _run(ecs, task, td, cdef, docker_client)
            for container in task.get("containers", []):
                if container["name"] == cdef["name"]:
                    container |= {"lastStatus": "STOPPED", "exitCode": code}
            if code != 0 and must_succeed:
                raise DependencyFailed(f"container {cdef['name']} ended with exit code {code}; its log says why")
        start(task, rest, container_overrides, docker_client)

    ecs._start_task_worker = start_in_order


def _run(ecs, task: dict, td: dict, cdef: dict, docker_client) -> int:
    """Runs one container to its end and returns its exit code."""
    arn, cluster = task["taskArn"], task["clusterArn"]
    task_id = arn.rsplit("/", 1)[-1]
    environment = {e["name"]: e["value"] for e in cdef.get("environment", [])}
    environment |= ecs._resolve_container_secrets(cdef)
    alone = {**td, "containerDefinitions": [cdef]}
    token = ecs._register_metadata(arn, cluster, alone, cdef, task.get("launchType", "FARGATE"), environment, False, None)
    arguments = ecs._build_run_kwargs(cdef, alone, environment, {}, None, False, task_id, arn, None, cluster)
    container = docker_client.containers.run(cdef["image"], **arguments)
    try:
        gateway = int(os.environ["GATEWAY_PORT"])
        if tasknet.possible(os.environ.get("DOCKER_HOST", "")):
            container.reload()
            pid = (container.attrs.get("State") or {}).get("Pid")
            if pid:
                tasknet.expose(pid, gateway)
        ecs._start_awslogs_forwarder(container, cdef, task_id)
        code = container.wait(timeout=_WAIT_SECONDS)["StatusCode"]
        logger.info("container %s of task %s ended with exit code %s", cdef["name"], task_id, code)
        if code:
            logger.warning("%s", container.logs(tail=20).decode(errors="replace"))
        return code
    finally:
        ecs.ecs_metadata.unregister_token(token)
        container.remove(force=True)
