"""gunicorn's settings for the container. gunicorn reads the names in lower case."""

import os
import signal
import socket
import sys
import tempfile
from typing import Any

from slipway_app.settings import Settings, SettingsError

# The application's settings are checked here, before the server starts: a worker that dies of
# them would bury the faults in a traceback.
try:
    _settings = Settings.from_environ(os.environ)
except SettingsError as error:
    # 78 is EX_CONFIG in BSD's sysexits.h: the task's exit code already says what kind it was.
    sys.stderr.write(f"{error}\n")
    sys.exit(78)

wsgi_app = "slipway_app.wsgi:app"
# The task's security group decides who may connect.
bind = "0.0.0.0:8080"

workers = _settings.workers
worker_class = "gthread"
threads = _settings.threads

# The load balancer keeps idle connections for 60 seconds (its default). Were the server to close
# one first, a request already on its way would get a 502.
keepalive = 75

# ECS kills a task 30 seconds after SIGTERM (stopTimeout's default). Running requests get 25 of
# them, and the rest is for the end of the processes.
graceful_timeout = 25

# A worker whose main loop hangs this long is replaced. It's no limit for a request.
timeout = 60

# The worker's heartbeat file must be on a writable file system, and memory is better: a slow disk
# once made healthy workers look dead. The root file system is read-only.
worker_tmp_dir = (
    "/dev/shm" if os.access("/dev/shm", os.W_OK) else tempfile.gettempdir()  # noqa: S108
)

# gunicorn's control socket would need a writable home, and nobody may use it in a container.
control_socket_disable = True

# front.py alone judges forwarded headers; two judges could disagree.
secure_scheme_headers: dict[str, str] = {}
forwarder_headers = ""

accesslog = "-"
errorlog = "-"
loglevel = _settings.log_level
logger_class = "slipway_app.server_log.JsonLogger"


# A worker inherits the master's SIGTERM handler and replaces it a moment later. One in between
# would be lost: the worker would go on, and the stop would take the whole graceful timeout. So the
# signal waits across the fork, and ends a worker that has not begun to serve.
_master = os.getpid()


def _hold_sigterm() -> None:
    if os.getpid() == _master:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})


def _release_sigterm() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})


os.register_at_fork(before=_hold_sigterm, after_in_parent=_release_sigterm)


def post_fork(_server: object, _worker: object) -> None:
    """Let a held SIGTERM end the new worker; it sets up its own handler next."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _release_sigterm()


def when_ready(server: Any) -> None:
    """Let the kernel keep connections until a request begins, where it can (Linux).

    gunicorn gives each new connection to a thread, which waits 5 seconds for the first byte: a few
    dozen silent connections would hold up everybody.
    """
    option = getattr(socket, "TCP_DEFER_ACCEPT", None)
    for listener in server.LISTENERS:
        if option is not None and listener.sock.family in {socket.AF_INET, socket.AF_INET6}:
            listener.sock.setsockopt(socket.IPPROTO_TCP, option, timeout)
