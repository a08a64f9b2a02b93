"""Where run-time files live: everything is under .local/ in the checkout."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STATE = ROOT / ".local"
ENGINE = STATE / "engine"
CACHE = STATE / "cache"
DEFAULT_INSTANCE = STATE / "aws"

# sun_path holds 108 bytes, the terminating zero included (unix(7)).
_SOCKET_PATH_MAX = 107


def engine_socket() -> Path:
    """The socket of the project's own Podman service.

    A checkout deep in the file system would exceed the length of a socket's path, so it then moves to the
    user's runtime directory under a name derived from the checkout.
    """
    wanted = ENGINE / "podman.sock"
    if len(os.fsencode(wanted)) <= _SOCKET_PATH_MAX:
        return wanted
    digest = hashlib.sha256(os.fsencode(ROOT)).hexdigest()[:12]
    base = os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()
    return Path(base) / f"slipway-{os.getuid()}-{digest}" / "podman.sock"


@contextlib.contextmanager
def only_one(name: str):
    """Lets one process of this checkout at a time do something, such as starting the engine; others wait."""
    STATE.mkdir(exist_ok=True)
    with open(STATE / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
