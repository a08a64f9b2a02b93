"""The ASGI application in front of ministack: moto's requests go on to moto, host names find their load balancer."""

from __future__ import annotations

import asyncio
import json

from . import account_settings, codedeploy, forward, guardduty, loadbalancers, scaling
from .instance import REGION

_OURS = {"codedeploy": codedeploy.service, "application-autoscaling": scaling.service}
"""Signing name → the service of ours that answers."""


def wrap(inner, moto_port: int, gateway: int):
    """ministack's application with the project's routes before it."""

    async def application(scope, receive, send):
        if scope["type"] != "http":
            await inner(scope, receive, send)
            return
        authorization = _field(scope, b"authorization")
        if forward.wanted(authorization):
            await _to_moto(scope, receive, send, moto_port)
            return
        signed = forward.scope(authorization)
        if signed and signed[2] in _OURS:
            # Aside, since Application Auto Scaling itself asks this server for ECS services.
            status, content = await asyncio.to_thread(
                _OURS[signed[2]]().answer, forward.account_of(signed[0]), signed[1],
                _field(scope, b"x-amz-target"), await _body(receive))
            await _answer(send, status, [("Content-Type", "application/x-amz-json-1.1")], content)
            return
        if signed and account_settings.wanted(signed[2], scope["path"]):
            status, kind, content = account_settings.answer(
                forward.account_of(signed[0]), signed[1], signed[2], scope["method"], scope["path"],
                scope.get("query_string", b"").decode("latin-1"), await _body(receive))
            await _answer(send, status, [("Content-Type", kind)], content)
            return
        if not signed and scope["method"] == "POST" and scope["path"] == guardduty.PATH:
            status, content = guardduty.accept(forward.ACCOUNT, REGION, await _body(receive))
            await _answer(send, status, [("Content-Type", "application/json")], content)
            return
        if not signed:
            raw_path = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1")
            address = loadbalancers.find(_field(scope, b"host"), scope["path"], raw_path)
            if address:
                await loadbalancers.serve(address, scope, receive, send, await _body(receive), gateway)
                return
        await inner(scope, receive, send)

    return application


def _field(scope, name: bytes) -> str:
    for key, value in scope.get("headers", []):
        if key.lower() == name:
            return value.decode("latin-1")
    return ""


async def _body(receive) -> bytes:
    parts = []
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return b"".join(parts)
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


async def _to_moto(scope, receive, send, port: int) -> None:
    body = await _body(receive)
    target = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1")
    if scope.get("query_string"):
        target += "?" + scope["query_string"].decode("latin-1")
    headers = [(k.decode("latin-1"), v.decode("latin-1")) for k, v in scope["headers"]]
    try:
        status, fields, content = await asyncio.to_thread(
            forward.send, port, scope["method"], target, headers, body)
    except OSError as failed:
        status, fields = 503, [("Content-Type", "application/json")]
        content = json.dumps({"__type": "ServiceUnavailable", "message": f"moto doesn't answer: {failed}"}).encode()
    await _answer(send, status, fields, content)


async def _answer(send, status: int, fields: list[tuple[str, str]], content: bytes) -> None:
    await send({"type": "http.response.start", "status": status,
                "headers": [(k.encode("latin-1"), v.encode("latin-1")) for k, v in fields]
                + [(b"content-length", str(len(content)).encode())]})
    await send({"type": "http.response.body", "body": content})
