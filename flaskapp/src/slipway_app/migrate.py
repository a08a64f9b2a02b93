"""Brings the database to the newest schema: `python3 -m slipway_app.migrate`.

The deployment runs it as a task of its own with the new image, before traffic. It's safe to run
again, and in two tasks at once: the second waits for the first and then finds nothing to do.
Migrations must keep the release that still runs working (add first, remove a release later).
"""

import logging
import os
import sys
import time
from importlib import resources
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, text

from slipway_app import aws, logs, schema, services
from slipway_app.credentials import SecretError
from slipway_app.database import UNAVAILABLE, Database
from slipway_app.settings import Settings, SettingsError

# Exit codes, from BSD's sysexits.h.
OK: Final = 0
UNREACHABLE: Final = 69
"""The database, or the secret with its login, can't be reached."""
FAILED: Final = 70
"""A migration failed; the database is as it was before that migration."""
BUSY: Final = 75
"""Another task held the lock for too long; try again."""
MISCONFIGURED: Final = 78
"""The environment isn't usable, or names no database."""

# Any number will do, as long as nothing else in the database locks the same one: this is
# "slipway" in ASCII.
LOCK: Final = int.from_bytes(b"slipway", "big")

LOCK_SECONDS: Final = 240.0
_RETRY_SECONDS: Final = 0.5

# A migration that waits for a lock on a table makes all others wait behind it. Better to fail.
_TABLE_LOCK_SECONDS: Final = 20

_log = logging.getLogger("slipway_app.migrate")


class BusyError(Exception):
    """Another task has held the lock for the whole time that this one was ready to wait."""


def upgrade(database: Database, lock_seconds: float = LOCK_SECONDS) -> tuple[str | None, str]:
    """Bring the database to the newest revision; return the revision before and after."""
    with database.engine.connect() as connection:
        _lock(connection, lock_seconds)
        try:
            connection.execute(text("SET statement_timeout = 0"))
            connection.execute(text(f"SET lock_timeout = '{_TABLE_LOCK_SECONDS}s'"))
            connection.execute(text("SET idle_in_transaction_session_timeout = 0"))
            connection.commit()
            before = _revision(connection)
            config = Config()
            config.set_main_option("script_location", str(resources.files(schema.MIGRATIONS)))
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            connection.commit()
            after = _revision(connection)
            if after is None:
                raise RuntimeError("the database has no revision after the migrations")
            return before, after
        finally:
            # The lock belongs to the connection, and the settings too; neither may outlive this.
            connection.invalidate()


def _lock(connection: Connection, seconds: float) -> None:
    """Take the lock that only one task can hold.

    Asking now and then instead of waiting in the database leaves the statement timeout in force.
    """
    deadline = time.monotonic() + seconds
    while True:
        taken = connection.execute(
            text("SELECT pg_try_advisory_lock(:lock)"), {"lock": LOCK}
        ).scalar_one()
        connection.commit()
        if taken:
            return
        if time.monotonic() >= deadline:
            raise BusyError
        time.sleep(_RETRY_SECONDS)


def _revision(connection: Connection) -> str | None:
    revision = MigrationContext.configure(connection).get_current_revision()
    connection.commit()
    return revision


def main() -> int:
    """Migrate the database that the environment names, and return the exit code."""
    try:
        settings = Settings.from_environ(os.environ)
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return MISCONFIGURED
    logs.configure(settings.log_level)
    database = services.database(settings, size=1)
    if database is None:
        _log.error("migrate: DATABASE_SECRET_ARN is not set; set it in the task definition")
        return MISCONFIGURED
    try:
        before, after = upgrade(database)
    except BusyError:
        _log.error("migrate: another task is still migrating; run this one again when it's done")
        return BUSY
    except (SecretError, *aws.ERRORS):
        _log.exception("migrate: read the database's secret; check the secret and the task role")
        return UNREACHABLE
    except UNAVAILABLE as error:
        if getattr(error, "statement", None) is None:
            _log.exception("migrate: connect to the database; check its address and the login")
            return UNREACHABLE
        _log.exception("migrate: a migration failed; correct it and deploy again")
        return FAILED
    except Exception:  # noqa: BLE001 (a migration may raise anything, and the code must say so)
        _log.exception("migrate: a migration failed; correct it and deploy again")
        return FAILED
    _log.info("migrated", extra={"revision": after, "previous_revision": before})
    return OK


if __name__ == "__main__":
    sys.exit(main())
