"""The stand-in for the official Postgres image, made of Debian's packages, with an entry point of the same contract."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from . import standin

MAJOR = "17"
"""The one major version that Debian trixie has."""

_ENTRYPOINT = Path(__file__).with_name("postgres-entrypoint.sh")

# The official images bring this small tool; here it is the one of util-linux with its arguments.
_GOSU = """\
#!/bin/sh
user="$1"
shift
exec setpriv --reuid="$user" --regid="$user" --init-groups -- env HOME=/var/lib/postgresql "$@"
"""


def _finish(tree: Path) -> None:
    # Debian's own cluster and its wrappers' settings would be in the way of PGDATA.
    for unwanted in ("var/lib/postgresql", "etc/postgresql"):
        shutil.rmtree(tree / unwanted, ignore_errors=True)
    sample = tree / f"usr/share/postgresql/{MAJOR}/postgresql.conf.sample"
    text = sample.read_text()
    changed = text.replace("#listen_addresses = 'localhost'", "listen_addresses = '*'")
    if changed == text:
        raise ValueError(f"{sample}: no line for listen_addresses")
    sample.write_text(changed)
    binaries = tree / "usr/local/bin"
    shutil.copyfile(_ENTRYPOINT, binaries / "docker-entrypoint.sh")
    (binaries / "gosu").write_text(_GOSU)
    for name in ("docker-entrypoint.sh", "gosu"):
        (binaries / name).chmod(0o755)
    (tree / "docker-entrypoint-initdb.d").mkdir(exist_ok=True)
    uid, gid = _postgres_user(tree)
    for folder in ("var/lib/postgresql", "var/lib/postgresql/data", "run/postgresql"):
        (tree / folder).mkdir(parents=True, exist_ok=True)
        os.chown(tree / folder, uid, gid)


def _postgres_user(tree: Path) -> tuple[int, int]:
    for line in (tree / "etc/passwd").read_text().splitlines():
        name, _, uid, gid, *_ = line.split(":")
        if name == "postgres":
            return int(uid), int(gid)
    raise ValueError("Debian's packages made no user postgres")


def recipe() -> standin.Recipe:
    """The stand-in's recipe; another entry point makes it another image."""
    return standin.Recipe(
        name="standin-postgres", version=f"1 {_ENTRYPOINT.read_text()}{_GOSU}", packages=(f"postgresql-{MAJOR}",),
        finish=_finish, archive=f"postgres-{MAJOR}",
        settings=(f"ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/lib/postgresql/{MAJOR}/bin",
                  "ENV LANG=C.UTF-8", f"ENV PG_MAJOR={MAJOR}", "ENV PGDATA=/var/lib/postgresql/data",
                  "STOPSIGNAL SIGINT", "EXPOSE 5432", 'ENTRYPOINT ["docker-entrypoint.sh"]', 'CMD ["postgres"]'))
