"""Notices that a task's container has ended, by one question to the engine for all tasks together.

ministack asks twice for each container of each task, ten times a second and at every list of tasks; with a dozen tasks that
keeps a whole core busy, and every start of a container waits behind it.
"""

from __future__ import annotations

import logging
import threading
import time

logger = logging.getLogger("slipway.exits")

_LOOK_SECONDS = 0.2

_lock = threading.Lock()
_watched: dict[str, tuple] = {}
_started = False


class Ended:
    """The IDs of the containers that have ended, as the engine said a moment ago at most."""

    def __init__(self, lister, clock=time.monotonic):
        self._lister, self._clock = lister, clock
        self._lock, self._ids, self._asked = threading.Lock(), frozenset(), float("-inf")

    def ids(self) -> frozenset[str]:
        with self._lock:
            if self._clock() - self._asked >= _LOOK_SECONDS:
                try:
                    self._ids = frozenset(self._lister())
                except Exception as error:  # an engine that doesn't answer is no sign that anything has ended
                    logger.warning("the engine doesn't list its containers: %s", error)
                self._asked = self._clock()
            return self._ids


def apply() -> None:
    """Puts this watch in the place of ministack's."""
    from ministack.services import ecs

    def lister():
        client = ecs._get_docker()
        # Sparse: the list says enough; to ask for each one would be ministack's way again.
        return [c.id for c in client.containers.list(all=True, sparse=True, filters={"status": "exited"})] if client else []

    ended = Ended(lister)
    reflect = ecs._maybe_mark_stopped

    def reflect_if_ended(task, docker_client=None):
        if ended.ids().intersection(task.get("_docker_ids") or ()):
            reflect(task, docker_client)

    ecs._maybe_mark_stopped = reflect_if_ended
    ecs._watch_task_lifecycle = _watch


def _watch(task: dict, docker_client, account_id: str, region: str) -> None:
    """Follows a task until it has stopped. Its service learns at once that it runs."""
    from ministack.services import ecs

    global _started
    with _lock:
        _watched[task["taskArn"]] = (task, account_id, region)
        if not _started:
            threading.Thread(target=_loop, daemon=True, name="slipway-exits").start()
            _started = True
    cluster, group = ecs._cluster_name_from_arn(task.get("clusterArn", "")), task.get("group", "")
    if cluster and group.startswith("service:"):
        service = group.removeprefix("service:")
        ecs._schedule_service_deployment_completion(cluster, f"{cluster}/{service}", account_id, region, healthy_task=task)


def _loop() -> None:
    from ministack.services import ecs

    while True:
        time.sleep(_LOOK_SECONDS)
        with _lock:
            tasks = list(_watched.items())
        for arn, (task, account_id, region) in tasks:
            try:
                with ecs.request_scope(account_id, region):
                    if ecs._task_is_active(arn, task):
                        ecs._maybe_mark_stopped(task)
                        continue
            except Exception:  # the others are looked at all the same, and this one again next time
                logger.exception("cannot look at task %s", arn)
                continue
            with _lock:
                if _watched.get(arn, (None,))[0] is task:
                    del _watched[arn]
