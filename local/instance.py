"""One local AWS: its directory, its processes, and starting, stopping and asking them.

Several instances live side by side as long as each has its own directory and port: processes are known by pid
files in the directory, containers by a label made from the directory.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import asdict, dataclass
from pathlib import Path

from . import engine as engines
from . import paths
from .errors import EXIT_NOT_RUNNING, LocalError

REGION = "eu-west-1"
"""The region of requests that name none."""

ACCOUNT = "000000000000"

DATABASE_CA = "database-ca.pem"
"""The file, in an instance's directory, with the certificate of its databases' authority."""

_READY_SECONDS = 60
_STOP_SECONDS = 60


@dataclass
class Instance:
    """What ``up`` wrote down about a running local AWS (instance.json in its directory)."""

    port: int
    moto_port: int
    pid: int
    moto_pid: int
    engine: str | None
    """DOCKER_HOST of the engine, or None when tasks are records only."""

    @property
    def endpoint(self) -> str:
        """The URL that SDKs and the CDK CLI use."""
        return f"http://127.0.0.1:{self.port}"


def label(directory: Path) -> str:
    """The name by which the containers of the instance in this directory are known."""
    return f"slipway-{hashlib.sha256(os.fsencode(directory.resolve())).hexdigest()[:12]}"


def load(directory: Path) -> Instance | None:
    """The instance of a directory as last written, running or not; None when there never was one."""
    try:
        return Instance(**json.loads((directory / "instance.json").read_text()))
    except (OSError, ValueError, TypeError):
        return None


def _save(directory: Path, instance: Instance) -> None:
    partial = directory / "instance.json.part"
    partial.write_text(json.dumps(asdict(instance), indent=2) + "\n")
    partial.rename(directory / "instance.json")


def alive(pid: int, module: str) -> bool:
    """Whether this process runs and is ours: a reused pid has another command line."""
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, PermissionError):
        return False
    done = subprocess.run(["ps", "-o", "stat=,command=", "-p", str(pid)], capture_output=True, text=True)
    state, _, command = done.stdout.strip().partition(" ")
    return not state.startswith("Z") and module in command


def running(directory: Path) -> Instance | None:
    """The instance of a directory if it runs and answers."""
    instance = load(directory)
    if instance and alive(instance.pid, "local.server") and _ready(instance.endpoint):
        return instance
    return None


def require(directory: Path) -> Instance:
    """The running instance of a directory; raises LocalError with EXIT_NOT_RUNNING otherwise."""
    instance = running(directory)
    if not instance:
        raise LocalError(f"no local AWS runs for {directory}: start it with `python -m local up --dir {directory}`",
                         EXIT_NOT_RUNNING)
    return instance


def environment(directory: Path, endpoint: str) -> dict[str, str]:
    """The variables with which the AWS SDKs, the AWS CLI and the CDK CLI talk to this instance only."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
        # Nothing of the user's own AWS configuration may be read, and no real account be touched.
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        # The CDK CLI caches accounts by access key in its home.
        "CDK_HOME": str(directory.resolve() / "cdk"),
        "CDK_DEFAULT_ACCOUNT": ACCOUNT,
        "CDK_DEFAULT_REGION": REGION,
    }


def up(directory: Path, port: int, log=print) -> Instance:
    """Starts the instance, or returns the running one; raises LocalError when it can't be started.

    Port 0 means any: the running instance's, the last one's if it is still free, or a free one.
    """
    directory.mkdir(parents=True, exist_ok=True)
    instance = running(directory)
    if instance:
        if port not in (0, instance.port):
            raise LocalError(f"the local AWS of {directory} runs on port {instance.port}, not {port}: "
                             f"stop it first (`python -m local down --dir {directory}`), or use that port")
        return instance
    left_over = load(directory)
    if left_over:
        _stop(left_over)
    if port == 0:
        # State holds URLs of the last port, such as those of queues, so it is taken again if it can be.
        port = left_over.port if left_over and _free(left_over.port) else free_port()
    if not _free(port):
        raise LocalError(f"port {port} is taken by another program: choose another with --port, "
                         "or LOCAL_AWS_PORT for make")
    try:
        engine = engines.ensure(log)
    except LocalError as failed:
        log(f"WITHOUT CONTAINERS: {failed}")
        log("WITHOUT CONTAINERS: ECS tasks and databases are records only, and load balancers have no targets")
        engine = None

    moto_port = free_port()
    env = _server_environment(directory, port, moto_port, engine)
    moto = _spawn("local.motoserver", env, directory / "moto.log")
    server = _spawn("local.server", env, directory / "ministack.log")
    instance = Instance(port, moto_port, server.pid, moto.pid, engine.host if engine else None)
    _save(directory, instance)
    deadline = time.monotonic() + _READY_SECONDS
    while time.monotonic() < deadline:
        for process, name in ((server, "ministack.log"), (moto, "moto.log")):
            if process.poll() is not None:
                _stop(instance)
                raise LocalError(f"the local AWS ended at its start (exit code {process.returncode}): "
                                 f"read {directory / name}\n{_tail(directory / name)}")
        if _ready(instance.endpoint) and not _free(moto_port):
            if left_over and engine:
                _await_databases(instance.endpoint, deadline)
            return instance
        time.sleep(0.05)
    _stop(instance)
    raise LocalError(f"the local AWS wasn't ready after {_READY_SECONDS} s: read {directory / 'ministack.log'}")


def _await_databases(endpoint: str, deadline: float) -> None:
    """Waits for the databases of the last time; one that can't start has the status "failed", and is in the log."""
    asked = urllib.request.Request(f"{endpoint}/", data=b"Action=DescribeDBInstances&Version=2014-10-31", headers={
        "Authorization": f"AWS4-HMAC-SHA256 Credential=test/20260101/{REGION}/rds/aws4_request, SignedHeaders=host, "
                         "Signature=0", "Content-Type": "application/x-www-form-urlencoded"})
    while time.monotonic() < deadline:
        with urllib.request.urlopen(asked, timeout=10) as answer:
            if b"<DBInstanceStatus>creating<" not in answer.read():
                return
        time.sleep(0.1)


def _server_environment(directory: Path, port: int, moto_port: int, engine: engines.Engine | None) -> dict[str, str]:
    base = directory.resolve()
    endpoint = f"http://127.0.0.1:{port}"
    temporary = base / "tmp"
    temporary.mkdir(exist_ok=True)
    env = {**os.environ, **environment(directory, endpoint)}
    for unwanted in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "HOSTNAME", "DOCKER_NETWORK"):
        env.pop(unwanted, None)
    env |= {
        "GATEWAY_PORT": str(port),
        "BIND_HOST": "127.0.0.1",
        # An address, not a name: SDKs then put the bucket into the path, which needs no name resolution.
        "MINISTACK_HOST": "127.0.0.1",
        "MINISTACK_HOSTNAME": label(directory),
        "MINISTACK_REGION": REGION,
        "MINISTACK_ACCOUNT_ID": ACCOUNT,
        "PERSIST_STATE": "1",
        "STATE_DIR": str(base / "state"),
        "S3_PERSIST": "1",
        "S3_DATA_DIR": str(base / "s3"),
        "TMPDIR": str(temporary),
        "SFTP_ENABLED": "0",
        "IOT_MTLS_ENABLED": "0",
        # Each instance publishes databases in a range of its own.
        "RDS_BASE_PORT": str(20000 + (port * 37) % 20000),
        # Image pulls and starts on a busy machine take longer than ministack's ten seconds.
        "MINISTACK_DOCKER_TIMEOUT": "60",
        "PYTHONPATH": str(paths.ROOT),
        "PYTHONUNBUFFERED": "1",
        # Lambdas of CDK's own in Node want the SDK; it is found even where the directory is outside the checkout.
        "NODE_PATH": str(paths.ROOT / "node_modules"),
        "SLIPWAY_ENDPOINT": endpoint,
        "SLIPWAY_MOTO_PORT": str(moto_port),
        "SLIPWAY_MOTO_RECORDING": str(base / "moto-requests.jsonl"),
        "SLIPWAY_RECORDS": str(base / "records.json"),
        "SLIPWAY_CODEDEPLOY": str(base / "codedeploy.json"),
        "SLIPWAY_SCALING": str(base / "scaling.json"),
        "SLIPWAY_DATABASE_CA": str(base / DATABASE_CA),
        # Lambdas are started with this environment.
        "DATABASE_CA_FILE": str(base / DATABASE_CA),
    }
    # A socket that doesn't exist keeps the SDK from finding an engine by itself.
    env["DOCKER_HOST"] = engine.host if engine else f"unix://{base}/no-engine.sock"
    return env


def _spawn(module: str, env: dict[str, str], log_path: Path) -> subprocess.Popen:
    with open(log_path, "ab") as out:
        return subprocess.Popen([sys.executable, "-m", module], cwd=paths.ROOT, env=env, stdin=subprocess.DEVNULL,
                                stdout=out, stderr=out, start_new_session=True)


def down(directory: Path, purge: bool = False) -> bool:
    """Stops the instance and saves its state; with purge, everything in it goes too.

    Returns whether it ran. The containers of tasks go either way: ``up`` starts new ones for its services. The data
    of databases is in volumes, which purge removes.
    """
    instance = load(directory)
    ran = bool(instance and alive(instance.pid, "local.server"))
    if instance:
        _stop(instance)
    # The service scheduler may have started one more while the others were stopped; none of them has an owner now.
    _remove_containers(directory, instance)
    if purge:
        for child in ("state", "s3", "tmp", "cdk"):
            shutil.rmtree(directory / child, ignore_errors=True)
        _remove_volumes(directory, instance)
        for child in (DATABASE_CA, DATABASE_CA.replace(".pem", ".key"), "function-authorities.pem", "instance.json",
                      "records.json", "codedeploy.json", "scaling.json", "moto-requests.jsonl", "ministack.log", "moto.log"):
            (directory / child).unlink(missing_ok=True)
        try:
            directory.rmdir()
        except OSError:
            pass  # the user's own files, or the directory never was
    return ran


def _stop(instance: Instance) -> None:
    for pid, module in ((instance.pid, "local.server"), (instance.moto_pid, "local.motoserver")):
        if not alive(pid, module):
            continue
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + _STOP_SECONDS
        while alive(pid, module):
            _reap(pid)
            if time.monotonic() > deadline:
                os.kill(pid, signal.SIGKILL)
            time.sleep(0.05)


def _reap(pid: int) -> None:
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        pass  # started by an earlier command


def containers(directory: Path, host: str | None) -> list:
    """The containers (docker.models) of the instance in this directory, in any state."""
    if not host or not engines.ping(host):
        return []
    import docker

    client = docker.DockerClient(base_url=host, timeout=60)
    wanted = f"{label(directory)}:"
    return [c for c in client.containers.list(all=True, sparse=True, filters={"label": "ministack.instance"})
            if (c.attrs.get("Labels") or {}).get("ministack.instance", "").startswith(wanted)]


def _host(instance: Instance | None) -> str | None:
    host = instance.engine if instance else None
    if instance is None:
        # Its description is lost; containers of it may be in the engine that answers now, if one does.
        try:
            engine = engines.find()
        except LocalError:
            engine = None
        host = engine.host if engine else None
    return host


def _remove_containers(directory: Path, instance: Instance | None) -> None:
    for container in containers(directory, _host(instance)):
        if (container.attrs.get("Labels") or {}).get("ministack") == "rds":
            # A database that is ended so needn't recover at its next start.
            container.stop(timeout=10)
        container.remove(force=True, v=True)


def _remove_volumes(directory: Path, instance: Instance | None) -> None:
    host = _host(instance)
    if not host or not engines.ping(host):
        return
    import docker

    client = docker.DockerClient(base_url=host, timeout=60)
    for volume in client.volumes.list(filters={"label": f"slipway.instance={label(directory)}"}):
        volume.remove(force=True)


def _ready(endpoint: str) -> bool:
    try:
        with urllib.request.urlopen(f"{endpoint}/_ministack/health", timeout=2) as answer:
            return answer.status == 200
    except OSError:
        return False


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """A TCP port on the loopback address that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _tail(path: Path, lines: int = 12) -> str:
    try:
        return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])
    except OSError:
        return ""
