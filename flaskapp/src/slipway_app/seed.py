"""Puts a few artifacts into an empty application: `python3 -m slipway_app.seed`.

A QA environment begins with a database and a prefix of its own, so that whoever tries it would see
nothing. The deployment runs this after the migrations, before traffic. It's safe to run again, and
in two tasks at once: where there's any artifact, it leaves everything as it is.
"""

import io
import logging
import os
import sys
from typing import Final

from sqlalchemy import text

from slipway_app import aws, logs, migrate, services
from slipway_app.catalog import Catalog
from slipway_app.credentials import SecretError
from slipway_app.database import UNAVAILABLE, Database
from slipway_app.settings import Settings, SettingsError

# "seeds" in ASCII; migrate has a lock of its own.
LOCK: Final = int.from_bytes(b"seeds", "big")

# More than another task needs for the samples.
_LOCK_SECONDS: Final = 60

SAMPLES: Final = {
    "Welcome to this environment.txt": (
        b"Each QA environment has its own database and its own files. Both go when it ends.\n"
    ),
    "Größe & Maß - 日本語.csv": "name,größe\nübung,1\n日本,2\n".encode(),
    "picture.svg": (
        b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 10 10">'
        b'<circle cx="5" cy="5" r="4" fill="teal"/></svg>\n'
    ),
    "empty.txt": b"",
}
"""What is put there: names and contents that show what the pages can do."""

_log = logging.getLogger("slipway_app.seed")


def seed(database: Database, catalog: Catalog) -> int:
    """Add the samples where there is no artifact; return how many were added.

    The lock belongs to a connection of its own, so the pool needs two.
    """
    with database.engine.connect() as connection:
        connection.execute(text(f"SET statement_timeout = '{_LOCK_SECONDS}s'"))
        connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": LOCK})
        connection.commit()
        try:
            if catalog.page(limit=1).artifacts:
                return 0
            # The newest is shown first.
            for name, content in reversed(SAMPLES.items()):
                catalog.add(name, io.BytesIO(content))
            return len(SAMPLES)
        finally:
            connection.invalidate()


def main() -> int:
    """Seed what the environment names, and return an exit code as migrate does."""
    try:
        settings = Settings.from_environ(os.environ)
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return migrate.MISCONFIGURED
    logs.configure(settings.log_level)
    database, store = services.database(settings, size=2), services.connect(settings).store
    if database is None or store is None:
        _log.error("seed: DATABASE_SECRET_ARN or ARTIFACTS_BUCKET is not set; set both")
        return migrate.MISCONFIGURED
    try:
        added = seed(database, Catalog(database, store))
    except (SecretError, *aws.ERRORS, *UNAVAILABLE):
        _log.exception("seed: reach the database and the bucket; check them and the task role")
        return migrate.UNREACHABLE
    _log.info("seeded", extra={"added": added})
    return migrate.OK


if __name__ == "__main__":
    sys.exit(main())
