"""How a client reaches a load balancer's listener on the one local port.

A browser's or curl's Host decides, as in DNS: a name with an alias record in a hosted zone, or the load
balancer's own DNS name, finds the load balancer; the port in Host finds the listener (80 without one). So
``curl -H 'Host: app.example.com:443' http://127.0.0.1:4566/`` is a request to the HTTPS listener.
"""

from __future__ import annotations

from ministack.services import alb, route53

_PREFIX = "/_alb/"

# What ministack itself answers on, never a name of somebody's application. A load balancer's own DNS name is among
# them: ministack finds that one by itself.
_OWN_NAMES = ("localhost", ".localhost", ".amazonaws.com")


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
    found: dict[str, str] = {}
    for _key, records in list(route53._records._data.items()):
        for record in list(records):
            target = record.get("AliasTarget") or {}
            dns_name = (target.get("DNSName") or "").rstrip(".").lower()
            if dns_name:
                name = record["Name"].rstrip(".").lower().replace("\\052", "*")
                found[name] = dns_name.removeprefix("dualstack.")
    return found


def find(name: str) -> dict | None:
    """The load balancer that a host name leads to by an alias record."""
    by_dns = {lb["DNSName"].lower(): lb for _, lb in list(alb._lbs._data.items())}
    aliases = _alias_targets()
    for candidate in candidates(name):
        if candidate in aliases:
            return by_dns.get(aliases[candidate])
    return None


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


def apply(gateway: int) -> None:
    """Makes ministack's data plane keep to the listener that was asked for; it would take any other instead."""
    from .patches import replace_everywhere

    original = alb.dispatch_request

    async def dispatch_request(lb, method, path, headers, body, query_params, port=80, *args, **kwargs):
        own = [x for x in alb._listeners.values() if x["LoadBalancerArn"] == lb["LoadBalancerArn"]]
        chosen = listener_port(own, port, gateway)
        if chosen is None:
            # On AWS the connection would be refused; a shared port can only say so.
            return 503, {"Content-Type": "text/plain"}, (
                f"the load balancer {lb['LoadBalancerName']} has no listener on port {port}\n".encode())
        return await original(lb, method, path, headers, body, query_params, chosen, *args, **kwargs)

    replace_everywhere(original, dispatch_request)


def readdress(scope: dict) -> dict:
    """The request with ministack's path for its load balancer, or unchanged when its Host isn't one's."""
    if scope["path"].startswith(_PREFIX):
        return scope
    host = next((v.decode("latin-1") for k, v in scope.get("headers", []) if k.lower() == b"host"), "")
    name, _ = split_host(host)
    if not name or name.replace(".", "").isdigit() or name.endswith(_OWN_NAMES):
        return scope
    balancer = find(name)
    if balancer is None:
        return scope
    prefix = f"{_PREFIX}{balancer['LoadBalancerName']}"
    raw = scope.get("raw_path") or scope["path"].encode()
    return {**scope, "path": prefix + scope["path"], "raw_path": prefix.encode() + raw}
