"""CodeDeploy, which ministack lacks and of which moto has no working deployments: its state and its front door.

The parts: codedeploy_groups (what is configured), codedeploy_deployments (the operations on deployments),
codedeploy_lifecycle (a deployment at work), with codedeploy_appspec, codedeploy_weights and codedeploy_traffic below.
"""

from __future__ import annotations

import json
import os
import threading
from contextlib import contextmanager
from pathlib import Path

from .codedeploy_deployments import Deployments
from .codedeploy_groups import Groups
from .codedeploy_request import Refused

_COLLECTIONS = ("applications", "configs", "groups", "deployments", "revisions")

_READ_ONLY = ("Get", "List", "BatchGet")


class CodeDeploy(Groups, Deployments):
    """The service of one instance; every change is written to its file at once."""

    def __init__(self, path: Path):
        self._path = path
        self._lock = threading.RLock()
        try:
            self._state = json.loads(path.read_text())
        except FileNotFoundError:
            self._state = {}

    def call(self, account: str, region: str, operation: str, request: dict) -> dict:
        """Answers one operation; raises Refused with CodeDeploy's error code."""
        method = getattr(self, "do_" + operation, None)
        if method is None:
            raise Refused("InvalidOperationException", f"{operation} isn't emulated by the local CodeDeploy")
        with self._lock:
            answer = method(self._scope(account, region), request) or {}
            if not operation.startswith(_READ_ONLY):
                self._save()
            # The caller writes it down later; what is at work may change the record meanwhile.
            answer = json.loads(json.dumps(answer))
        self.start_pending(account, region)
        return answer

    def record(self, account: str, region: str, identity: str) -> dict:
        """A deployment's record as it is now, to be read."""
        with self._lock:
            return json.loads(json.dumps(self._scope(account, region)["deployments"][identity]))

    @contextmanager
    def edit(self, account: str, region: str):
        """The records of one account and region, to be read and changed; they are saved afterwards."""
        with self._lock:
            yield self._scope(account, region)
            self._save()

    def everything(self) -> list[tuple[str, str, dict]]:
        """The (account, region, records) of all of them."""
        with self._lock:
            return [(*key.split("/", 1), scope) for key, scope in self._state.items()]

    def _scope(self, account: str, region: str) -> dict:
        scope = self._state.setdefault(f"{account}/{region}", {})
        for name in _COLLECTIONS:
            scope.setdefault(name, {})
        return scope

    def _save(self) -> None:
        partial = self._path.with_suffix(".part")
        partial.write_text(json.dumps(self._state))
        partial.rename(self._path)


_service: CodeDeploy | None = None
_service_lock = threading.Lock()


def service() -> CodeDeploy:
    """This process's CodeDeploy."""
    global _service
    with _service_lock:
        if _service is None:
            _service = CodeDeploy(Path(os.environ["SLIPWAY_CODEDEPLOY"]))
        return _service


def answer(account: str, region: str, target: str, body: bytes) -> tuple[int, bytes]:
    """Answers one JSON request of this process's instance: (status, body)."""
    try:
        return 200, json.dumps(service().call(account, region, target.rpartition(".")[2],
                                              json.loads(body or b"{}"))).encode()
    except Refused as refused:
        return 400, json.dumps({"__type": refused.code, "message": str(refused)}).encode()


def start() -> None:
    """Ends, in the background, what was under way when the local AWS stopped; called once it is about to serve."""
    from . import codedeploy_recovery

    threading.Thread(target=codedeploy_recovery.run, args=(service(),), daemon=True, name="codedeploy-recovery").start()
