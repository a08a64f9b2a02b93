"""What only a real Postgres can show: TLS, rotation, failover and migrations."""

import json
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import trustme
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, OperationalError

from slipway_app import migrate
from slipway_app.credentials import Login, SecretLogins
from slipway_app.database import READ_ONLY, Database, connect_parameters, sqlstate
from slipway_app.models import Base
from tests import services as local
from tests.conftest import ROOT
from tests.server import environment

SECONDS = 60.0

MIGRATE = [sys.executable, "-m", "slipway_app.migrate"]


class Fixed:
    """Logins that never change."""

    def __init__(self, login: Login) -> None:
        self.login = login

    def current(self) -> Login:
        return self.login

    def renewed(self, refused: Login) -> Login | None:
        assert refused == self.login
        return None


@pytest.fixture
def login(services: local.Services) -> Login:
    return Login("localhost", services.postgres.port, local.DATABASE, local.USER, services.password)


@pytest.fixture
def open_database(services: local.Services) -> Iterator[Callable[..., Database]]:
    """Make databases that are closed at the end."""
    made: list[Database] = []

    def make(logins: Any, ca_file: Path | None = None, size: int = 3) -> Database:
        made.append(Database(logins, str(ca_file or services.postgres.ca_file), size))
        return made[-1]

    yield make
    for database in made:
        database.close()


def select_one(database: Database) -> int:
    with database.engine.connect() as connection:
        return int(connection.execute(text("SELECT 1")).scalar_one())


def test_the_connection_is_encrypted(open_database: Any, login: Login) -> None:
    database = open_database(Fixed(login))
    with database.engine.connect() as connection:
        ssl, version = connection.execute(
            text("SELECT ssl, version FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
        ).one()
    assert ssl is True
    assert version in {"TLSv1.2", "TLSv1.3"}


def test_the_server_of_the_tests_refuses_plain_text(services: local.Services, login: Login) -> None:
    parameters = {**connect_parameters(login, str(services.postgres.ca_file)), "sslmode": "disable"}
    with pytest.raises(psycopg.OperationalError, match=r"no pg_hba\.conf entry"):
        psycopg.connect(**parameters)


def test_a_certificate_of_another_authority_is_refused(
    open_database: Any, login: Login, tmp_path: Path
) -> None:
    trustme.CA().cert_pem.write_to_path(tmp_path / "other.pem")
    with pytest.raises(OperationalError, match="certificate verify failed"):
        select_one(open_database(Fixed(login), tmp_path / "other.pem"))


def test_a_certificate_for_another_host_is_refused(open_database: Any, login: Login) -> None:
    by_address = Login("127.0.0.1", login.port, login.dbname, login.username, login.password)
    with pytest.raises(OperationalError, match="does not match host name"):
        select_one(open_database(Fixed(by_address)))


def test_a_connection_that_was_killed_is_replaced(
    services: local.Services, open_database: Any, login: Login
) -> None:
    database = open_database(Fixed(login))
    assert select_one(database) == 1
    assert services.postgres.kill_connections(local.DATABASE) >= 1
    assert select_one(database) == 1


def test_a_restart_of_the_server_is_outlived(
    services: local.Services, open_database: Any, login: Login
) -> None:
    database = open_database(Fixed(login))
    assert select_one(database) == 1
    services.postgres.stop()
    with pytest.raises(OperationalError):
        select_one(database)
    services.postgres.start()
    assert select_one(database) == 1


def write(database: Database) -> None:
    with database.engine.begin() as connection:
        connection.execute(text("CREATE TABLE written (x int)"))
        connection.execute(text("DROP TABLE written"))


def test_a_connection_that_became_read_only_is_discarded(
    services: local.Services, open_database: Any, login: Login
) -> None:
    database = open_database(Fixed(login))
    write(database)
    services.postgres.set_read_only(local.DATABASE, read_only=True)
    try:
        with pytest.raises(DBAPIError) as caught:
            write(database)
        assert sqlstate(caught.value) == READ_ONLY
        assert caught.value.connection_invalidated
        # A new connection isn't made to a database that can't be written.
        with pytest.raises(OperationalError, match="read-only"):
            select_one(database)
    finally:
        services.postgres.set_read_only(local.DATABASE, read_only=False)
    write(database)


def test_a_rotated_password_is_read_again(
    services: local.Services, open_database: Any, caplog: pytest.LogCaptureFixture
) -> None:
    secret = {"password": services.password}

    def read(_stage: str) -> str:
        return local.login(services.postgres, secret["password"])

    database = open_database(SecretLogins(read))
    assert select_one(database) == 1
    new = local.random_password()
    services.postgres.change_password(local.USER, new)
    secret["password"] = new
    services.put_login(new)
    services.postgres.kill_connections(local.DATABASE)
    time.sleep(1.0)
    with caplog.at_level(logging.DEBUG):
        assert select_one(database) == 1
    assert new not in caplog.text


def test_a_wrong_password_is_an_error_that_does_not_show_it(
    open_database: Any, login: Login
) -> None:
    wrong = Login(login.host, login.port, login.dbname, login.username, "hunter2")
    with pytest.raises(OperationalError) as caught:
        select_one(open_database(Fixed(wrong)))
    assert "password authentication failed" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_the_values_of_a_statement_stay_out_of_its_error(open_database: Any, login: Login) -> None:
    with (
        pytest.raises(DBAPIError) as caught,
        open_database(Fixed(login)).engine.connect() as connection,
    ):
        connection.execute(
            text("SELECT 1 / (CASE WHEN :x = 'hunter2' THEN 0 END)"), {"x": "hunter2"}
        )
    assert "hunter2" not in str(caught.value).split("[SQL")[0]
    assert "[parameters" not in str(caught.value)


def test_a_statement_does_not_run_for_ever(open_database: Any, login: Login) -> None:
    with open_database(Fixed(login)).engine.connect() as connection:
        assert connection.execute(text("SHOW statement_timeout")).scalar_one() == "10s"


def test_there_are_never_more_connections_than_threads(
    services: local.Services, open_database: Any, login: Login
) -> None:
    database = open_database(Fixed(login), size=3)
    counts: list[int] = []

    def use() -> None:
        with database.engine.connect() as connection:
            connection.execute(text("SELECT pg_sleep(0.1)"))
            counts.append(
                connection.execute(
                    text(
                        "SELECT count(*) FROM pg_stat_activity "
                        "WHERE application_name = 'slipway-app'"
                    )
                ).scalar_one()
            )

    services.postgres.kill_connections(local.DATABASE)
    threads = [threading.Thread(target=use) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)
    assert len(counts) == 12
    assert max(counts) == 3


def test_the_tables_are_what_the_models_say(open_database: Any, login: Login) -> None:
    with open_database(Fixed(login)).engine.connect() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, Base.metadata) == []


@pytest.fixture
def empty(services: local.Services) -> Iterator[dict[str, str]]:
    """The environment of a task whose database is empty."""
    services.postgres.make_database("empty", local.USER)
    yield environment({**services.environ, "DATABASE_NAME": "empty"})
    services.postgres.execute("DROP DATABASE empty WITH (FORCE)")


def run_migrate(environ: dict[str, str]) -> "subprocess.Popen[str]":
    return subprocess.Popen(  # noqa: S603
        MIGRATE, cwd=ROOT, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def result(process: "subprocess.Popen[str]") -> tuple[int, list[dict[str, Any]]]:
    output, _ = process.communicate(timeout=SECONDS)
    return process.returncode, [json.loads(line) for line in output.splitlines()]


def test_migrations_are_safe_to_run_twice(empty: dict[str, str]) -> None:
    code, lines = result(run_migrate(empty))
    assert code == migrate.OK
    assert lines[-1]["message"] == "migrated"
    assert lines[-1]["revision"] == "0001"
    assert "previous_revision" not in lines[-1]
    code, lines = result(run_migrate(empty))
    assert code == migrate.OK
    assert lines[-1]["previous_revision"] == lines[-1]["revision"] == "0001"


def test_migrations_are_safe_in_two_tasks_at_once(empty: dict[str, str]) -> None:
    results = [result(process) for process in [run_migrate(empty) for _ in range(3)]]
    assert [code for code, _ in results] == [migrate.OK] * 3
    assert {lines[-1]["revision"] for _, lines in results} == {"0001"}
    # Exactly one of them had something to do.
    assert [("previous_revision" in lines[-1]) for _, lines in results].count(False) == 1


def test_a_migration_waits_only_so_long_for_another_task(
    services: local.Services, open_database: Any, login: Login
) -> None:
    with psycopg.connect(
        **connect_parameters(login, str(services.postgres.ca_file)), autocommit=True
    ) as other:
        other.execute("SELECT pg_advisory_lock(%s)", [migrate.LOCK])
        with pytest.raises(migrate.BusyError):
            migrate.upgrade(open_database(Fixed(login), size=1), lock_seconds=0.2)
    assert migrate.upgrade(open_database(Fixed(login), size=1)) == ("0001", "0001")


# Each row: what is wrong with a migration task's environment -> (the difference, the exit code).
BAD_TASKS: dict[str, tuple[dict[str, str], int]] = {
    "a variable that is no good": ({"APP_ENVIRONMENT": "Dev"}, migrate.MISCONFIGURED),
    "no secret": ({"DATABASE_SECRET_ARN": ""}, migrate.MISCONFIGURED),
    "a secret that isn't there": (
        {"DATABASE_SECRET_ARN": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:none-abcdef"},
        migrate.UNREACHABLE,
    ),
    "no such database": ({"DATABASE_NAME": "nowhere"}, migrate.UNREACHABLE),
}


@pytest.mark.parametrize("sentence", BAD_TASKS)
def test_a_task_that_cannot_migrate_says_why(services: local.Services, sentence: str) -> None:
    difference, expected = BAD_TASKS[sentence]
    environ = environment({**services.environ, **difference})
    output, _ = (process := run_migrate(environ)).communicate(timeout=SECONDS)
    assert process.returncode == expected
    assert output
    assert services.password not in output
    assert os.fsdecode(json.dumps(services.password)[1:-1]) not in output
