"""Artifacts: their metadata in the database together with their content in the bucket."""

import logging
import os
import time
import unicodedata
import uuid
from collections.abc import Iterator
from typing import IO, Final, NamedTuple

from sqlalchemy import delete, select

from slipway_app import aws
from slipway_app.database import Database
from slipway_app.models import NAME_LENGTH, Artifact
from slipway_app.storage import Store

PAGE: Final = 50
"""Artifacts on a page unless asked otherwise."""

MOST: Final = 200
"""The most artifacts on a page."""

_log = logging.getLogger(__name__)


class NameFault(ValueError):  # noqa: N818
    """A name that can't be an artifact's; the text says why, to whoever sent it."""


class Page(NamedTuple):
    """Some artifacts, newest first, and where the next page begins."""

    artifacts: list[Artifact]
    before: uuid.UUID | None
    """The last artifact's id where older ones follow, else None."""


def clean_name(sent: str | None) -> str:
    """Return the name of an uploaded file as it is kept; raises NameFault.

    Some clients send a path; only its last part counts.
    """
    name = unicodedata.normalize("NFC", (sent or "").replace("\\", "/").rpartition("/")[2]).strip()
    if not name or name in {".", ".."}:
        raise NameFault("A file with a name is needed.")
    if len(name) > NAME_LENGTH:
        raise NameFault(f"The file's name is longer than {NAME_LENGTH} characters.")
    # Control and format characters (the reversal of writing is one), and halves of surrogate pairs.
    if any(unicodedata.category(letter) in {"Cc", "Cf", "Cs", "Zl", "Zp"} for letter in name):
        raise NameFault("The file's name has characters that can't be shown.")
    return name


def new_id() -> uuid.UUID:
    """Return a UUID of version 7 (RFC 9562): 48 bits of Unix milliseconds, then chance."""
    milliseconds = time.time_ns() // 1_000_000
    value = milliseconds << 80 | int.from_bytes(os.urandom(10), "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return uuid.UUID(int=value)


class Catalog:
    """What can be done with artifacts."""

    def __init__(self, database: Database, store: Store) -> None:
        self._database = database
        self._store = store

    def page(self, before: uuid.UUID | None = None, limit: int = PAGE) -> Page:
        """Return the newest artifacts, or the newest that are older than `before`."""
        query = select(Artifact).order_by(Artifact.id.desc()).limit(limit + 1)
        if before is not None:
            query = query.where(Artifact.id < before)
        with self._database.session() as session:
            found = list(session.scalars(query))
        shown = found[:limit]
        return Page(shown, shown[-1].id if len(found) > limit else None)

    def find(self, artifact_id: uuid.UUID) -> Artifact | None:
        """Return the artifact, or None where there is none of this id."""
        with self._database.session() as session:
            return session.get(Artifact, artifact_id)

    def add(self, name: str, stream: IO[bytes]) -> Artifact:
        """Keep a file under a clean name.

        The object comes first: an artifact that is listed can be downloaded. Where the row can't
        be written, the object goes again.
        """
        artifact_id = new_id()
        stored = self._store.put(artifact_id, stream)
        artifact = Artifact(id=artifact_id, name=name, size=stored.size, sha256=stored.sha256)
        try:
            with self._database.session() as session, session.begin():
                session.add(artifact)
        except BaseException:
            self._forget(artifact_id)
            raise
        return artifact

    def content(self, artifact_id: uuid.UUID) -> Iterator[bytes] | None:
        """Return the artifact's content in pieces, or None where it has gone."""
        return self._store.open(artifact_id)

    def remove(self, artifact_id: uuid.UUID) -> bool:
        """Delete an artifact; False where there is none of this id.

        The object goes first: were the row to fail, asking again deletes it, and nothing is left
        in the bucket that no list shows.
        """
        if self.find(artifact_id) is None:
            return False
        self._store.delete(artifact_id)
        with self._database.session() as session, session.begin():
            session.execute(delete(Artifact).where(Artifact.id == artifact_id))
        return True

    def _forget(self, artifact_id: uuid.UUID) -> None:
        try:
            self._store.delete(artifact_id)
        except aws.ERRORS:
            # What made us delete it is the error to raise.
            _log.warning("delete the object of a failed upload", extra={"artifact": artifact_id})
