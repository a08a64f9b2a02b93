"""Runs the application in real gunicorn processes, with the configuration that the image has."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.conftest import COMMIT, ROOT

SECONDS = 20.0
"""How long to wait for anything; far more than it takes, for a busy machine."""

SLOW_SECONDS = 2.0
"""How long the test application's slow request takes."""


@dataclass
class Server:
    """A running gunicorn and what it has logged."""

    process: "subprocess.Popen[str]"
    port: int
    lines: list[dict[str, Any]] = field(default_factory=list)
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=SECONDS)

    def get(
        self, path: str, headers: Mapping[str, str] | None = None
    ) -> tuple[int, bytes, http.client.HTTPMessage]:
        connection = self.connect()
        try:
            connection.request("GET", path, headers=dict(headers or {}))
            response = connection.getresponse()
            return response.status, response.read(), response.msg
        finally:
            connection.close()

    def wait_for(self, what: Callable[[dict[str, Any]], bool], count: int = 1) -> dict[str, Any]:
        """Wait until `count` logged lines are what is looked for, and return the last of them."""
        deadline = time.monotonic() + SECONDS
        with self._changed:
            while True:
                found = [line for line in self.lines if what(line)]
                if len(found) >= count:
                    return found[-1]
                if not self._changed.wait(deadline - time.monotonic()):
                    raise AssertionError(f"no such line in the server's log: {self.lines}")

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def read_log(self) -> None:
        assert self.process.stdout is not None
        for text in self.process.stdout:
            # Everything that the server and the application print is one JSON object a line.
            line = json.loads(text)
            with self._changed:
                self.lines.append(line)
                self._changed.notify_all()


def environment(changes: Mapping[str, str]) -> dict[str, str]:
    """Return a task's environment: what tests need to start Python, and the app's variables."""
    ours = ("APP_", "ARTIFACTS_", "AWS_", "DATABASE_", "ECS_", "OTEL_", "SESSION_")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(ours)}
    path = os.pathsep.join(filter(None, [str(ROOT / "src"), kept.get("PYTHONPATH")]))
    return {
        **kept,
        "PYTHONPATH": path,
        "PYTHONUNBUFFERED": "1",
        "APP_ENVIRONMENT": "qa-fix-login",
        "APP_COMMIT": COMMIT,
        **changes,
    }


def command(*arguments: str) -> list[str]:
    return [
        sys.executable,
        "-m",
        "gunicorn",
        "--config",
        str(ROOT / "gunicorn.conf.py"),
        *arguments,
        "tests.server_app:app",
    ]


@contextmanager
def running(*arguments: str, **changes: str) -> Iterator[Server]:
    """Start a server on a free port; afterwards it is gone, whatever happened."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        # gunicorn inherits the open socket, so nobody can take the port in between.
        process = subprocess.Popen(  # noqa: S603
            command("--bind", f"fd://{listener.fileno()}", *arguments),
            cwd=ROOT,
            env=environment(changes),
            pass_fds=[listener.fileno()],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        server = Server(process, listener.getsockname()[1])
    reader = threading.Thread(target=server.read_log)
    reader.start()
    try:
        server.wait_for(lambda line: "Booting worker" in line["message"])
        yield server
    finally:
        process.terminate()
        try:
            process.wait(SECONDS * 2)
        finally:
            process.kill()
            process.wait()
            reader.join()
            if process.stdout is not None:
                process.stdout.close()
