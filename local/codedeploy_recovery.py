"""Ends the deployments that were under way when the local AWS stopped: they can't go on without their thread."""

from __future__ import annotations

import logging
import os
import time
import urllib.request

from . import codedeploy_rollback
from .codedeploy_deployments import ENDED
from .request_context import request_scope

logger = logging.getLogger("slipway.codedeploy")

STOPPED = "The local AWS was stopped during the deployment, which doesn't go on after a restart."

_WAIT_SECONDS = 120


def run(codedeploy) -> None:
    """Waits until the server serves, its state restored, and ends what is under way; a rollback is done again."""
    from .codedeploy_lifecycle import Deployment, Halt

    left = [(account, region, record["deploymentId"], record["creator"]) for account, region, scope in codedeploy.everything()
            for record in scope.get("deployments", {}).values() if record["status"] not in ENDED]
    if not left:
        return
    _await_server(os.environ["SLIPWAY_ENDPOINT"])
    for account, region, identity, creator in left:
        try:
            with request_scope(account, region):
                if creator == "codeDeployRollback":
                    codedeploy_rollback.undo(codedeploy, account, region, identity)
                else:
                    codedeploy_rollback.end(Deployment(codedeploy, account, region, identity),
                                            Halt("Failed", "INTERNAL_ERROR", STOPPED))
        except Exception:
            logger.exception("end deployment %s after a restart", identity)


def _await_server(endpoint: str) -> None:
    deadline = time.monotonic() + _WAIT_SECONDS
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"{endpoint}/_ministack/health", timeout=5):
                return
        except OSError:
            time.sleep(0.1)
