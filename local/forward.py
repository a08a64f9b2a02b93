"""Which requests go on to moto, and the small HTTP proxy that takes them there.

ministack answers what it has; the services named here are the ones it lacks and moto has. A request is known by
the service in its signature (SigV4's credential scope), so the table's keys are signing names.
"""

from __future__ import annotations

import http.client
import re

FORWARDED = {
    "guardduty": "GuardDuty",
    "securityhub": "Security Hub",
}
"""Signing name → the service's name in words. Everything else is ministack's."""

_SCOPE = re.compile(r"Credential=(?P<key>[^/,\s]+)/\d{8}/(?P<region>[^/,\s]+)/(?P<service>[^/,\s]+)/aws4_request")

# Fields about one connection, which a proxy must not pass on (RFC 9110, section 7.6.1).
_HOP_BY_HOP = frozenset({"connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer",
                         "transfer-encoding", "upgrade", "content-length", "expect"})

ACCOUNT = "000000000000"
"""The account of every access key that isn't itself twelve digits, as in ministack."""


def scope(authorization: str) -> tuple[str, str, str] | None:
    """The (access key, region, service) that a request is signed for, or None when it isn't signed."""
    match = _SCOPE.search(authorization)
    return (match["key"], match["region"], match["service"]) if match else None


def account_of(access_key: str) -> str:
    """The account an access key stands for: a twelve-digit key is the account itself."""
    return access_key if re.fullmatch(r"\d{12}", access_key) else ACCOUNT


def wanted(authorization: str) -> bool:
    """Whether a request with this Authorization field is moto's."""
    signed = scope(authorization)
    return signed is not None and signed[2] in FORWARDED


def send(port: int, method: str, target: str, headers: list[tuple[str, str]], body: bytes,
         timeout: float = 60.0) -> tuple[int, list[tuple[str, str]], bytes]:
    """Sends one request on to moto and returns (status, headers, body); blocks, so call it on a thread.

    The account goes along in moto's own field, since moto would otherwise use its default account. Raises
    OSError when moto doesn't answer.
    """
    outgoing = {name: value for name, value in headers if name.lower() not in _HOP_BY_HOP}
    signed = scope(next((v for n, v in headers if n.lower() == "authorization"), ""))
    if signed:
        outgoing["x-moto-account-id"] = account_of(signed[0])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request(method, target, body=body, headers=outgoing)
        response = connection.getresponse()
        content = response.read()
        kept = [(n, v) for n, v in response.getheaders() if n.lower() not in _HOP_BY_HOP]
        return response.status, kept, content
    except http.client.HTTPException as failed:
        raise OSError(f"moto on port {port} answered badly: {failed}") from failed
    finally:
        connection.close()
