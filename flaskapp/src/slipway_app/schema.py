"""Which revision of the database's schema this build works with."""

import functools
from importlib import resources
from typing import Final

from alembic.script import ScriptDirectory

MIGRATIONS: Final = "slipway_app.migrations"


@functools.cache
def revisions() -> tuple[str, ...]:
    """Return all revisions of this build, the newest first."""
    directory = ScriptDirectory(str(resources.files(MIGRATIONS)))
    return tuple(script.revision for script in directory.walk_revisions())


def expected(actual: str | None) -> str:
    """Return the revision that the database must have.

    That is this build's newest; or what the database has, if this build doesn't know it. A newer
    release made it then, and its migrations keep this one working, so that going back is possible.
    """
    known = revisions()
    return known[0] if actual is None or actual in known else actual
