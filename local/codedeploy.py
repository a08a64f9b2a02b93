"""CodeDeploy, which ministack lacks and of which moto has no working deployments: its state and its front door.

The parts: codedeploy_groups (what is configured), codedeploy_deployments (the operations on deployments),
codedeploy_lifecycle (a deployment at work), with codedeploy_appspec, codedeploy_weights and codedeploy_traffic below.
"""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

from .codedeploy_deployments import Deployments
from .codedeploy_groups import Groups
from .json_service import JsonService


class CodeDeploy(Groups, Deployments, JsonService):
    """The service of one instance; every change is written to its file at once."""

    title = "CodeDeploy"
    collections = ("applications", "configs", "groups", "deployments", "revisions")
    read_only = ("Get", "List", "BatchGet")
    unknown = "InvalidOperationException"

    def call(self, account: str, region: str, operation: str, request: dict) -> dict:
        """Answers one operation, and lets the deployments that it made begin."""
        answer = super().call(account, region, operation, request)
        self.start_pending(account, region)
        return answer

    def record(self, account: str, region: str, identity: str) -> dict:
        """A deployment's record as it is now, to be read."""
        with self._lock:
            return json.loads(json.dumps(self._scope(account, region)["deployments"][identity]))


_service: CodeDeploy | None = None
_service_lock = threading.Lock()


def service() -> CodeDeploy:
    """This process's CodeDeploy."""
    global _service
    with _service_lock:
        if _service is None:
            _service = CodeDeploy(Path(os.environ["SLIPWAY_CODEDEPLOY"]))
        return _service


def start() -> None:
    """Ends, in the background, what was under way when the local AWS stopped; called once it is about to serve."""
    from . import codedeploy_recovery

    threading.Thread(target=codedeploy_recovery.run, args=(service(),), daemon=True, name="codedeploy-recovery").start()
