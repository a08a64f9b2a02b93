"""How a client reaches a load balancer's listener on the one local port.

A browser's or curl's Host decides, as in DNS: a name with an alias record in a hosted zone, or the load
balancer's own DNS name, finds the load balancer; the port in Host finds the listener (80 without one). So
``curl -H 'Host: app.example.com:443' http://127.0.0.1:4566/`` is a request to the HTTPS listener.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qs

_PREFIX = "/_alb/"


def split_host(host: str) -> tuple[str, int]:
    """The name and the port of a Host field; a name without a port means port 80."""
    name, separator, port = host.rpartition(":")
    if separator and port.isdigit():
        return name.lower(), int(port)
    return host.lower(), 80


def candidates(name: str) -> list[str]:
    """The record names that answer for a host name, best first: itself, then wildcards.

    A wildcard replaces the leftmost label only where no closer name exists (RFC 4592); the caller asks in this
    order and stops at the first record found.
    """
    labels = name.rstrip(".").split(".")
    return [".".join(labels)] + ["*." + ".".join(labels[i:]) for i in range(1, len(labels))]


def _alias_targets() -> dict[str, str]:
    """Record name → load balancer DNS name, for the alias records of all hosted zones."""
    from ministack.services import route53

    found: dict[str, str] = {}
    for _key, records in list(route53._records._data.items()):
        for record in list(records):
            target = record.get("AliasTarget") or {}
            dns_name = (target.get("DNSName") or "").rstrip(".").lower()
            if dns_name:
                name = record["Name"].rstrip(".").lower().replace("\\052", "*")
                found[name] = dns_name.removeprefix("dualstack.")
    return found


@dataclass(frozen=True)
class Address:
    """Where a request goes: the load balancer with its account and region, and the path it gets to see."""

    balancer: dict
    account: str
    region: str
    path: str
    raw_path: str


def find(host: str, path: str, raw_path: str) -> Address | None:
    """The load balancer that a request is for, by /_alb/<name>/ in its path or by its Host; None for AWS's own."""
    from ministack.services import alb

    known = [(account, region, lb) for (account, region, _), lb in list(alb._lbs._data.items())]
    if path.startswith(_PREFIX):
        wanted, _, rest = path.removeprefix(_PREFIX).partition("/")
        raw_rest = raw_path.removeprefix(_PREFIX).partition("/")[2]
        for account, region, lb in known:
            if lb["LoadBalancerName"].lower() == wanted.lower():
                return Address(lb, account, region, "/" + rest, "/" + raw_rest)
        return None
    name, _ = split_host(host)
    if "." not in name or name.replace(".", "").isdigit():
        return None
    by_dns = {lb["DNSName"].lower(): (account, region, lb) for account, region, lb in known}
    target = name if name in by_dns else None
    if target is None and by_dns:
        aliases = _alias_targets()
        target = next((aliases[c] for c in candidates(name) if c in aliases), None)
    if target not in by_dns:
        return None
    account, region, lb = by_dns[target]
    return Address(lb, account, region, path, raw_path)


def listener_port(listeners: list[dict], asked: int, gateway: int) -> int | None:
    """The listener's port for a request, or None when there is no such listener.

    The gateway's own port in Host comes from a browser that was sent there directly; it gets the plain listener.
    """
    ports = {int(listener.get("Port", 80)) for listener in listeners}
    if asked in ports:
        return asked
    if asked == gateway and ports:
        return 80 if 80 in ports else min(ports)
    return None


async def serve(address: Address, scope: dict, receive, send, body: bytes, gateway: int) -> None:
    """Lets ministack's data plane answer a request at the listener that it is for."""
    import ministack.app
    from ministack.services import alb

    from .request_context import request_scope

    headers: dict[str, str] = {}
    for key, value in scope["headers"]:
        name, text = key.decode("latin-1").lower(), value.decode("latin-1")
        headers[name] = f"{headers[name]}{'; ' if name == 'cookie' else ', '}{text}" if name in headers else text
    query = scope.get("query_string", b"").decode("latin-1")
    _, asked = split_host(headers.get("host", ""))
    with request_scope(address.account, address.region):
        own = [x for x in alb._listeners.values() if x["LoadBalancerArn"] == address.balancer["LoadBalancerArn"]]
        port = listener_port(own, asked, gateway)
        if port is None:
            # On AWS the connection would be refused; a shared port can only say so.
            response = 503, {"Content-Type": "text/plain"}, (
                f"the load balancer {address.balancer['LoadBalancerName']} has no listener on port {asked}\n".encode())
        else:
            client = (scope.get("client") or ("127.0.0.1",))[0]
            response = await alb.dispatch_request(
                address.balancer, scope["method"], address.path, headers, body,
                parse_qs(query, keep_blank_values=True), port, client_ip=client, raw_query_string=query,
                raw_path=address.raw_path)
        await ministack.app._send_if_handled(send, response, receive, head=scope["method"] == "HEAD")
