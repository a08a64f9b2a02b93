"""Records of things that no API of the local AWS has; ``status`` lists them, so that nothing is ignored silently.

They are in a JSON file, rewritten at each change, since there are few and none is written often.
"""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

_lock = threading.Lock()


def path() -> Path:
    """The file of the records of the running instance."""
    return Path(os.environ["SLIPWAY_RECORDS"])


def read(path: Path) -> list[dict]:
    """All records of a file: account, region, type, id and properties of each."""
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        return []


def _write(path: Path, records: list[dict]) -> None:
    partial = path.with_suffix(".part")
    partial.write_text(json.dumps(records, indent=1))
    partial.rename(path)


def _others(records: list[dict], account: str, region: str, kind: str, identity: str) -> list[dict]:
    key = (account, region, kind, identity)
    return [r for r in records if (r["account"], r["region"], r["type"], r["id"]) != key]


def put(account: str, region: str, kind: str, identity: str, properties: dict) -> None:
    """Adds or replaces the record of one thing."""
    with _lock:
        kept = _others(read(path()), account, region, kind, identity)
        kept.append({"account": account, "region": region, "type": kind, "id": identity, "properties": properties})
        _write(path(), kept)


def remove(account: str, region: str, kind: str, identity: str) -> None:
    """Removes the record of one thing, if there is one."""
    with _lock:
        _write(path(), _others(read(path()), account, region, kind, identity))
