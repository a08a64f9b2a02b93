"""Lets the CDK CLI see a finished stack at its first look, since it looks only every five seconds.

ExecuteChangeSet and DeleteStack answer the CDK CLI a little later than AWS would: when the stack is done, or after a
few seconds. Other callers (the cleanup Lambda above all) get the answer at once.
"""

from __future__ import annotations

import asyncio
import time
from urllib.parse import parse_qs

LONGEST_SECONDS = 20

_ACTIONS = ("ExecuteChangeSet", "DeleteStack")


def wanted(headers: dict, fields: dict) -> bool:
    """Whether this request is one of the CDK CLI's that start work on a stack."""
    return "aws-cdk" in headers.get("user-agent", "").lower() and fields.get("Action", [""])[0] in _ACTIONS


def apply() -> None:
    """Wraps ministack's CloudFormation."""
    import ministack.app

    original = ministack.app.SERVICE_HANDLERS["cloudformation"]

    async def handle(method, path, headers, body, query_params):
        fields = {**query_params}
        if method == "POST" and body and len(body) < 10_000:
            fields |= parse_qs(body.decode("utf-8", errors="replace") if isinstance(body, bytes) else body)
        if not wanted(headers, fields):
            return await original(method, path, headers, body, query_params)
        stack = _stack(fields)
        answer = await original(method, path, headers, body, query_params)
        deadline = time.monotonic() + LONGEST_SECONDS
        while stack and stack.get("StackStatus", "").endswith("IN_PROGRESS") and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
            stack = _stack(fields) or stack
        return answer

    ministack.app.SERVICE_HANDLERS["cloudformation"] = handle


def _stack(fields: dict) -> dict | None:
    from ministack.services.cloudformation import _stacks

    name = fields.get("StackName", [""])[0]
    if name.startswith("arn:"):
        return next((s for s in _stacks.values() if s.get("StackId") == name), None)
    return _stacks.get(name)
