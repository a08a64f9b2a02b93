"""Puts findings of GuardDuty on the bus. ministack, like AWS, lets nobody else send events of the source aws.guardduty."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from pathlib import Path

from .errors import LocalError

PATH = "/_slipway/finding"
"""Where the server takes an event. No AWS service has such a path, and signed requests never get here."""


def send(endpoint: str, file: Path) -> str:
    """Sends the event in a file to the running local AWS and returns the ID that the bus gave it."""
    request = urllib.request.Request(endpoint + PATH, data=file.read_bytes(), method="POST")
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return json.load(response)["EventId"]
    except urllib.error.HTTPError as refused:
        raise LocalError(f"the finding was refused: {refused.read().decode(errors='replace')}") from refused


def accept(account: str, region: str, body: bytes) -> tuple[int, bytes]:
    """Takes an event as EventBridge would deliver it, and lets ministack's rules do the rest."""
    from ministack.services import eventbridge

    from .request_context import request_scope

    try:
        event = json.loads(body)
        entry = {"Source": event["source"], "DetailType": event["detail-type"], "Detail": json.dumps(event["detail"]),
                 "Resources": event.get("resources", [])}
    except (ValueError, KeyError, TypeError) as wrong:
        return 400, json.dumps({"message": f"no event of EventBridge: {wrong!r}"}).encode()
    if (entry["Source"], entry["DetailType"]) != ("aws.guardduty", "GuardDuty Finding"):
        return 400, json.dumps({"message": "only findings of GuardDuty are taken here"}).encode()
    with request_scope(account, region):
        _, _, content = eventbridge._put_events({"Entries": [entry]}, allow_aws_source=True)
    result = json.loads(content)["Entries"][0]
    return (200, json.dumps(result).encode()) if "EventId" in result else (400, json.dumps(result).encode())
