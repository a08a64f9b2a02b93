"""Which image a database runs: the official one, or the stand-in where no registry can be reached."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from . import standin, standin_postgres
from .images import registry_answers

_REGISTRY = "registry-1.docker.io"
_lock = threading.Lock()


@dataclass(frozen=True)
class Image:
    """An image in the engine, with its major version."""

    name: str
    major: str
    stand_in: bool

    @property
    def data_path(self) -> str:
        """Where its volume belongs; the official images moved it with 18."""
        return "/var/lib/postgresql" if self.major.isdigit() and int(self.major) >= 18 else "/var/lib/postgresql/data"


def find(client, major: str, prefixed, log) -> Image:
    """Makes the image of a major version available in the engine (a docker.DockerClient).

    prefixed: gives an official image's name the prefix of MINISTACK_IMAGE_PREFIX. Where the stand-in serves for
    another major version, the log says so.
    """
    from docker.errors import APIError, ImageNotFound

    major = major or standin_postgres.MAJOR
    short = f"postgres:{major}-alpine"
    official = prefixed(short)
    if official == short:
        # Podman doesn't guess the registry of a short name.
        official = f"docker.io/library/{short}"
    with _lock:
        for name in (official, short):
            try:
                client.images.get(name)
                return Image(name, major, False)
            except (ImageNotFound, APIError):
                continue
        recipe = standin_postgres.recipe()
        try:
            client.images.get(recipe.reference())
            known = True
        except ImageNotFound:
            known = False
        if not (known and major == standin_postgres.MAJOR) and registry_answers(_REGISTRY):
            try:
                log(f"pulling {official}")
                client.images.pull(official)
                return Image(official, major, False)
            except (APIError, ImageNotFound) as failed:
                log(f"pulling {official}: {failed}")
        if not known:
            log(f"STAND-IN POSTGRES: {official} can't be pulled, so databases run Debian's PostgreSQL "
                f"{standin_postgres.MAJOR}, made here. It is for this machine only.")
        name = standin.ensure(client, log, recipe)
    if major != standin_postgres.MAJOR:
        log(f"STAND-IN POSTGRES: PostgreSQL {major} is asked for, but {standin_postgres.MAJOR} runs")
    return Image(name, standin_postgres.MAJOR, True)
