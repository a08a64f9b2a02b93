"""Finds or sets up a container engine that answers the Docker API.

Looked for in this order: DOCKER_HOST, the usual Docker socket, the project's own Podman service. Where
Podman is missing, Debian and Ubuntu as root get it from their package archive; elsewhere the user is told the
one command to run. Doing it again changes nothing.
"""

from __future__ import annotations

import http.client
import os
import shutil
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from . import paths
from .errors import EXIT_NO_ENGINE, LocalError

DOCKER_SOCKET = Path("/var/run/docker.sock")


def _docker_sockets() -> list[Path]:
    """Where Docker listens: the machine's, a rootless user's, Docker Desktop's and Colima's."""
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    return [DOCKER_SOCKET, *([Path(runtime) / "docker.sock"] if runtime else []),
            Path.home() / ".docker/run/docker.sock", Path.home() / ".colima/default/docker.sock"]


# netavark and aardvark-dns give Podman its bridge network; Debian only recommends them.
PODMAN_PACKAGES = ("podman", "runc", "iptables", "netavark", "aardvark-dns")

# runc because crun refuses a machine with hybrid cgroups; cgroupfs and a file of events because neither systemd
# nor journald runs in most development containers; the ulimits because a container inside a container may not
# raise them to Podman's own defaults.
CONTAINERS_CONF = """\
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]

[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"

[network]
network_backend = "netavark"
"""

_START_SECONDS = 20


@dataclass(frozen=True)
class Engine:
    """An engine that has answered a ping: its kind and the value for DOCKER_HOST."""

    kind: str
    """``docker`` or ``podman``."""
    host: str
    """What DOCKER_HOST must be set to."""
    own: bool
    """Whether it is the project's own Podman service."""

    def environment(self) -> dict[str, str]:
        """The variables that the engine's command-line tools and the Docker SDK need."""
        env = {"DOCKER_HOST": self.host}
        if self.own:
            env["CONTAINERS_CONF"] = str(containers_conf())
        return env


def ping(host: str, timeout: float = 3.0) -> str | None:
    """Asks ``GET /_ping`` at a Docker host; returns ``docker`` or ``podman``, or None without an answer."""
    try:
        connection = _connect(host, timeout)
    except (OSError, ValueError):
        return None
    try:
        connection.request("GET", "/_ping", headers={"Host": "engine"})
        response = connection.getresponse()
        body = response.read(64)
        if response.status != 200 or body.strip() != b"OK":
            return None
        return "podman" if response.getheader("Libpod-API-Version") else "docker"
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def _connect(host: str, timeout: float) -> http.client.HTTPConnection:
    scheme, _, rest = host.partition("://")
    if scheme == "unix":
        connection = http.client.HTTPConnection("engine", timeout=timeout)
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.settimeout(timeout)
        try:
            sock.connect(rest)
        except OSError:
            sock.close()
            raise
        connection.sock = sock
        return connection
    if scheme in ("tcp", "http"):
        name, _, port = rest.rstrip("/").partition(":")
        connection = http.client.HTTPConnection(name, int(port or 2375), timeout=timeout)
        connection.connect()
        return connection
    raise ValueError(f"unsupported DOCKER_HOST {host!r}")


def containers_conf() -> Path:
    """Writes the project's containers.conf when it differs, and returns its path."""
    path = paths.ENGINE / "containers.conf"
    if not path.exists() or path.read_text() != CONTAINERS_CONF:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(CONTAINERS_CONF)
    return path


def find() -> Engine | None:
    """The first engine that answers now, without starting or installing anything."""
    configured = os.environ.get("DOCKER_HOST", "")
    own_socket = f"unix://{paths.engine_socket()}"
    if configured:
        kind = ping(configured)
        if kind:
            return Engine(kind, configured, own=configured == own_socket)
        if configured != own_socket:
            raise LocalError(
                f"DOCKER_HOST is {configured}, but no container engine answers there: start it, "
                "or unset DOCKER_HOST to let the project find one", EXIT_NO_ENGINE)
    for host in (*(f"unix://{path}" for path in _docker_sockets() if path.exists()), own_socket):
        kind = ping(host)
        if kind:
            return Engine(kind, host, own=host == own_socket)
    return None


def ensure(log=print) -> Engine:
    """Finds an engine, or starts Podman, or installs and starts it; raises LocalError with EXIT_NO_ENGINE."""
    engine = find()
    if engine:
        return engine
    with paths.only_one("engine"):
        return find() or _set_up(log)


def _set_up(log) -> Engine:
    if not shutil.which("podman"):
        _install(log)
    return _start_podman(log)


def debian_like(os_release: str) -> bool:
    """Whether the text of /etc/os-release describes Debian, Ubuntu or a derivative of them."""
    ids: set[str] = set()
    for line in os_release.splitlines():
        key, _, value = line.partition("=")
        if key in ("ID", "ID_LIKE"):
            ids.update(value.strip().strip('"').split())
    return bool(ids & {"debian", "ubuntu"})


def _is_debian() -> bool:
    try:
        return debian_like(Path("/etc/os-release").read_text())
    except OSError:
        return False


def install_hint() -> str:
    """The one command that gives this machine an engine."""
    if _is_debian():
        return "sudo apt-get install " + " ".join(PODMAN_PACKAGES)
    if shutil.which("brew"):
        return "brew install podman && podman machine init && podman machine start"
    if shutil.which("dnf"):
        return "sudo dnf install podman"
    return "install Docker (https://docs.docker.com/engine/install/) and start it"


def apt_install(packages: tuple[str, ...], log) -> None:
    """Installs Debian packages without recommendations; raises LocalError when that isn't possible here."""
    if not (_is_debian() and os.geteuid() == 0 and shutil.which("apt-get")):
        raise LocalError(f"missing {', '.join(packages)}: run: {install_hint()}", EXIT_NO_ENGINE)
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    log(f"installing {' '.join(packages)} (apt-get)")
    for command in (["apt-get", "update", "-q"],
                    ["apt-get", "install", "-y", "-q", "--no-install-recommends", *packages]):
        done = subprocess.run(command, env=env, capture_output=True, text=True)
        if done.returncode:
            tail = "\n".join((done.stdout + done.stderr).strip().splitlines()[-5:])
            raise LocalError(f"`{' '.join(command)}` failed:\n{tail}", EXIT_NO_ENGINE)


def _install(log) -> None:
    if not (_is_debian() and os.geteuid() == 0):
        raise LocalError(
            f"no container engine answers the Docker API: run `{install_hint()}`, then this command again",
            EXIT_NO_ENGINE)
    apt_install(PODMAN_PACKAGES, log)


def _start_podman(log) -> Engine:
    sock = paths.engine_socket()
    sock.parent.mkdir(parents=True, exist_ok=True)
    sock.parent.chmod(0o700)
    sock.unlink(missing_ok=True)
    host = f"unix://{sock}"
    log_path = paths.ENGINE / "podman.log"
    paths.ENGINE.mkdir(parents=True, exist_ok=True)
    env = {**os.environ, "CONTAINERS_CONF": str(containers_conf())}
    env.pop("DOCKER_HOST", None)
    with open(log_path, "ab") as out:
        process = subprocess.Popen(
            ["podman", "system", "service", "--time=0", host],
            stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=env, start_new_session=True)
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        kind = ping(host)
        if kind:
            (paths.ENGINE / "podman.pid").write_text(f"{process.pid}\n")
            log(f"started Podman on {host}")
            return Engine(kind, host, own=True)
        if process.poll() is not None:
            break
        time.sleep(0.1)
    if process.poll() is None:
        process.terminate()
    raise LocalError(
        f"`podman system service` doesn't answer on {host}: read {log_path}, or run: {install_hint()}",
        EXIT_NO_ENGINE)


def stop_own() -> bool:
    """Stops the project's own Podman service; containers that run keep running. Returns whether it ran."""
    pid_file = paths.ENGINE / "podman.pid"
    try:
        pid = int(pid_file.read_text())
    except (OSError, ValueError):
        return False
    if not ping(f"unix://{paths.engine_socket()}"):
        pid_file.unlink(missing_ok=True)
        return False
    try:
        os.kill(pid, signal.SIGTERM)
    except ProcessLookupError:
        return False
    finally:
        pid_file.unlink(missing_ok=True)
    return True
