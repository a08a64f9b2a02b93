"""What ``status`` shows: processes, engine, containers, and the things kept as records only."""

from __future__ import annotations

from pathlib import Path

from . import instance, records
from .errors import EXIT_NOT_RUNNING


def show(directory: Path) -> int:
    """Prints the state of the instance in a directory; returns 0 when it runs."""
    known = instance.load(directory)
    running = instance.running(directory)
    if not running:
        print(f"local AWS in {directory}: not running" + ("" if known else " (never started)"))
        return EXIT_NOT_RUNNING
    print(f"local AWS in {directory}: {running.endpoint}, process {running.pid}, moto on port {running.moto_port}")
    print(f"container engine: {running.engine or 'none, ECS tasks are records only'}")
    for container in instance.containers(directory, running.engine):
        labels = container.attrs.get("Labels") or {}
        family = labels.get("com.amazonaws.ecs.task-definition-family") or labels.get("db_id", "")
        print(f"  container {container.id[:12]} {container.attrs.get('State', '')} {family} "
              f"{labels.get('slipway.image', container.attrs.get('Image', ''))}")
    for record in records.read(directory / "records.json"):
        reason = (record.get("properties") or {}).get("reason")
        print(f"  record only: {record['type']} {record['id']}" + (f" ({reason})" if reason else ""))
    return 0
