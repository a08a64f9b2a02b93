"""What our own services of AWS's JSON protocol share: a state in a file, refusals, the answer to a request."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from pathlib import Path


class Refused(Exception):
    """An error answer: the service's code and a message."""

    def __init__(self, code: str, message: str):
        super().__init__(message)
        self.code = code


class JsonService:
    """A service of one instance, whose operations are methods called do_<Operation>(scope, request).

    A scope holds the records of one account and region, a map for each of the collections; every change is written to
    the service's file at once.
    """

    title = ""
    collections: tuple[str, ...] = ()
    read_only: tuple[str, ...] = ()
    """How the names of operations begin that change nothing."""
    unknown = ""
    """The error code for an operation that isn't there."""

    def __init__(self, path: Path):
        self._path = path
        self._lock = threading.RLock()
        try:
            self._state = json.loads(path.read_text())
        except FileNotFoundError:
            self._state = {}

    def call(self, account: str, region: str, operation: str, request: dict) -> dict:
        """Answers one operation; raises Refused with the service's error code."""
        method = getattr(self, "do_" + operation, None)
        if method is None:
            raise Refused(self.unknown, f"{operation} isn't emulated by the local {self.title}")
        with self._lock:
            answer = method(self._scope(account, region), request) or {}
            if not operation.startswith(self.read_only):
                self._save()
            # The caller writes it down later; what is at work may change the record meanwhile.
            return json.loads(json.dumps(answer))

    def answer(self, account: str, region: str, target: str, body: bytes) -> tuple[int, bytes]:
        """Answers one request, whose X-Amz-Target ends with the operation: (status, body)."""
        try:
            return 200, json.dumps(self.call(account, region, target.rpartition(".")[2],
                                             json.loads(body or b"{}"))).encode()
        except Refused as refused:
            return 400, json.dumps({"__type": refused.code, "message": str(refused)}).encode()

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
        for name in self.collections:
            scope.setdefault(name, {})
        return scope

    def _save(self) -> None:
        partial = self._path.with_suffix(".part")
        partial.write_text(json.dumps(self._state))
        partial.rename(self._path)
