"""What ECS tells a container about itself."""

import http.client
import json
import logging
import re
import threading
from typing import Final
from urllib.parse import urlsplit

_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")
_SECONDS: Final = 1.0
_MOST_BYTES: Final = 65_536

_log = logging.getLogger(__name__)
_lock = threading.Lock()
_known: dict[str, str | None] = {}


def image_digest(address: str | None) -> str | None:
    """Return the digest of the image that runs, or None where ECS doesn't tell.

    The task metadata endpoint, version 4, gives it as ImageID. It never changes, so ECS is asked
    once.
    """
    if address is None:
        return None
    with _lock:
        if address not in _known:
            _known[address] = _ask(address)
        return _known[address]


def _ask(address: str) -> str | None:
    where = urlsplit(address)
    connection = http.client.HTTPConnection(where.netloc, timeout=_SECONDS)
    try:
        connection.request("GET", where.path)
        answer = json.loads(connection.getresponse().read(_MOST_BYTES))
    except (OSError, http.client.HTTPException, ValueError):
        _log.warning("ask ECS which image runs", exc_info=True)
        return None
    finally:
        connection.close()
    digest = answer.get("ImageID") if isinstance(answer, dict) else None
    return digest if isinstance(digest, str) and _DIGEST.fullmatch(digest) else None
