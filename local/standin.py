"""Stand-in images, for machines that reach no image registry: a minimal Debian with what a recipe adds.

PYTHON offers what the Dockerfile expects of the official python image: ``python``, ``python3`` and ``pip`` in
/usr/local/bin, and pip free to install. Stand-ins are for local work only and carry a label that says so.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from . import paths
from .engine import apt_install
from .errors import LocalError

SUITE = "trixie"
"""Debian 13, whose Python is 3.13."""

LABEL = "slipway.base"
"""The label that every image built on the stand-in base carries, with the value ``stand-in``."""

# What a container never reads; the archive shrinks by a third.
_DROP = ("var/cache/apt/archives", "var/lib/apt/lists", "usr/share/doc", "usr/share/man", "usr/share/locale",
         "var/log")


@dataclass(frozen=True)
class Recipe:
    """What makes one stand-in out of a minimal Debian."""

    name: str
    """The image is called localhost/slipway/<name>."""
    version: str
    """Changes whenever anything but the packages does, so that a stale image or archive is never used."""
    packages: tuple[str, ...]
    finish: Callable[[Path], None]
    """Changes the file system's tree before it is packed."""
    settings: tuple[str, ...]
    """The image's configuration, as instructions of a Dockerfile."""
    archive: str = SUITE
    """What the archive's name begins with."""

    def reference(self) -> str:
        """The stand-in's name in the engine."""
        recipe = "\n".join((self.version, SUITE, *self.packages, *_DROP))
        return f"localhost/slipway/{self.name}:{SUITE}-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}"

    def path(self) -> Path:
        """Where the packed file system is kept."""
        return paths.CACHE / f"{self.archive}-{self.reference().rsplit('-', 1)[1]}.tar"


def ensure(client, log=print, recipe: Recipe | None = None) -> str:
    """Makes a stand-in (PYTHON unless told) available in the engine (a docker.DockerClient); returns its reference."""
    from docker.errors import ImageNotFound

    recipe = recipe or PYTHON
    name, archive = recipe.reference(), recipe.path()
    try:
        client.images.get(name)
        return name
    except ImageNotFound:
        pass
    with paths.only_one("standin"):
        if not archive.exists():
            _bootstrap(recipe, archive, log)
    # The whole file with its length, and the name given afterwards: Podman's API refuses the SDK's chunked upload
    # of a stream and ignores the tag.
    answer = client.api.import_image_from_file(str(archive), changes=[f"LABEL {LABEL}=stand-in", *recipe.settings])
    identity = json.loads(answer.strip().splitlines()[-1]).get("status", "")
    if not identity.startswith("sha256:"):
        raise LocalError(f"the engine didn't import the stand-in {archive}: {answer.strip()[:300]}")
    repository, tag = name.rsplit(":", 1)
    image = client.images.get(identity)
    image.tag(repository, tag=tag)
    log(f"stand-in {name}: {image.attrs.get('Size', 0) / 1e6:.0f} MB")
    return name


def _bootstrap(recipe: Recipe, archive: Path, log) -> None:
    if not shutil.which("debootstrap"):
        apt_install(("debootstrap",), log)
    if os.geteuid() != 0:
        raise LocalError("no image registry can be reached, and building a stand-in with debootstrap needs root: run "
                         "this as root, or where a registry can be reached")
    log(f"building {recipe.name} with debootstrap ({SUITE}; about a minute, once)")
    archive.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="standin-", dir=archive.parent) as work:
        tree = Path(work) / "root"
        log_path = paths.CACHE / "debootstrap.log"
        command = ["debootstrap", "--variant=minbase", "--merged-usr", f"--include={','.join(recipe.packages)}",
                   SUITE, str(tree)]
        if os.environ.get("DEBIAN_MIRROR"):
            command.append(os.environ["DEBIAN_MIRROR"])
        with open(log_path, "wb") as out:
            if subprocess.run(command, stdout=out, stderr=out, stdin=subprocess.DEVNULL).returncode:
                raise LocalError(f"debootstrap failed: read {log_path}; DEBIAN_MIRROR names another mirror")
        _drop(tree)
        recipe.finish(tree)
        partial = archive.with_suffix(".part")
        with tarfile.open(partial, "w") as tar:
            # /dev holds nodes that the engine makes itself.
            tar.add(tree, arcname=".", filter=lambda m: None if m.isdev() or m.name.startswith("./dev/") else m)
        partial.rename(archive)


def _drop(tree: Path) -> None:
    for relative in _DROP:
        shutil.rmtree(tree / relative, ignore_errors=True)
    for empty in ("var/lib/apt/lists/partial", "var/cache/apt/archives/partial", "var/log"):
        (tree / empty).mkdir(parents=True, exist_ok=True)


def _finish_python(tree: Path) -> None:
    # Debian marks its Python as managed by apt; in an image of one application pip may install.
    for marker in tree.glob("usr/lib/python3*/EXTERNALLY-MANAGED"):
        marker.unlink()
    for name, target in (("python", "/usr/bin/python3"), ("python3", "/usr/bin/python3"), ("pip", "/usr/bin/pip3"),
                         ("pip3", "/usr/bin/pip3")):
        link = tree / "usr/local/bin" / name
        link.unlink(missing_ok=True)
        link.symlink_to(target)


PYTHON = Recipe(
    name="standin-python", version="3", packages=("ca-certificates", "python3", "python3-pip", "python3-venv"),
    finish=_finish_python,
    settings=("ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "ENV LANG=C.UTF-8",
              'CMD ["python3"]'))
"""Debian's Python, in place of the Dockerfile's base."""
