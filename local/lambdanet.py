"""Lets a Lambda reach the load balancers by the URLs that its settings name, such as a deployment hook the test listener.

The names of load balancers resolve nowhere but at the local AWS's own port. So for each listener that a function's
variables name in a URL a socket is opened on this machine's loopback address, with TLS where the listener has it, and the
function gets its URL with that socket. Requests go on to the listener, so that its rules and weights decide. The
certificate is for the names of the listener's own certificates, and comes from the instance's authority, which functions
trust (SSL_CERT_FILE).
"""

from __future__ import annotations

import http.client
import http.server
import logging
import os
import re
import ssl
import sys
import tempfile
import threading
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from . import loadbalancers
from .request_context import request_scope

logger = logging.getLogger("slipway.lambdanet")

_URL = re.compile(r"\b(https?)://([A-Za-z0-9](?:[A-Za-z0-9-]*\.)+[A-Za-z0-9-]*[A-Za-z0-9])(?::(\d{1,5}))?(?![\w.:-])")

_TIMEOUT_SECONDS = 300

_HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length", "host", "te", "upgrade"})


def readdressed(variables: dict[str, str], door: Callable[[str, str, int], int | None]) -> dict[str, str]:
    """A function's variables in which each URL that a load balancer answers leads to its socket.

    door: gives the local port for a scheme, name and port, or None where no load balancer answers.
    """
    def replace(found: re.Match) -> str:
        scheme, name, port = found.groups()
        local = door(scheme, name.lower(), int(port or {"http": 80, "https": 443}[scheme]))
        return f"{scheme}://127.0.0.1:{local}" if local else found.group(0)

    return {name: _URL.sub(replace, value) for name, value in variables.items()}


def apply() -> None:
    """Changes the environment in which ministack starts Go functions."""
    from ministack.services import lambda_svc

    environment = lambda_svc._provided_worker_env
    trusted = bundle(Path(os.environ["SLIPWAY_DATABASE_CA"]), os.environ.get("SSL_CERT_FILE"))

    def with_doors(config, code_dir, port):
        made = environment(config, code_dir, port)
        own = {k: v for k, v in ((config.get("Environment") or {}).get("Variables") or {}).items() if k in made}
        made |= readdressed({k: made[k] for k in own}, open_door)
        if "SSL_CERT_FILE" not in own:
            made["SSL_CERT_FILE"] = trusted
        return made

    lambda_svc._provided_worker_env = with_doors


def bundle(authority: Path, also: str | None) -> str:
    """A file with the instance's authority, and with those that this machine's own setting names; its path."""
    from . import databases

    databases.authority(authority)
    texts = [authority.read_text()]
    if also and Path(also).is_file():
        texts.append(Path(also).read_text())
    path = authority.with_name("function-authorities.pem")
    path.write_text("\n".join(texts))
    return str(path)


_lock = threading.Lock()
_doors: dict[tuple[str, int], int] = {}


def open_door(scheme: str, name: str, port: int) -> int | None:
    """The local port that leads to a load balancer's listener; None where no load balancer has the name or the port."""
    from ministack.services import alb

    address = loadbalancers.find(f"{name}:{port}", "/", "/")
    if not address:
        return None
    arn = address.balancer["LoadBalancerArn"]
    with request_scope(address.account, address.region):
        listener = next((x for x in alb._listeners.values()
                         if x["LoadBalancerArn"] == arn and int(x.get("Port", 80)) == port), None)
    if not listener or (listener["Protocol"] == "HTTPS") != (scheme == "https"):
        return None
    with _lock:
        key = (listener["ListenerArn"], port)
        if key not in _doors:
            _doors[key] = _serve(address, listener)
        return _doors[key]


class _Door(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        # Such as a client that doesn't trust the certificate: it knows why.
        logger.info("a connection ended early: %r", sys.exc_info()[1])


def _serve(address: loadbalancers.Address, listener: dict) -> int:
    door = _Door(("127.0.0.1", 0), _handler(address.balancer["LoadBalancerName"], int(listener["Port"])))
    if listener["Protocol"] == "HTTPS":
        def choose(connection, _asked, _context):
            # At each connection, since a certificate may be added or replaced.
            connection.context = _context_of(tuple(names_of(address, listener["ListenerArn"])))

        context = _context_of(tuple(names_of(address, listener["ListenerArn"])))
        context.sni_callback = choose
        # The handshake is the connection's own thread's work: one that hangs keeps nobody from the door.
        door.socket = context.wrap_socket(door.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=door.serve_forever, daemon=True, name=f"door-{door.server_port}").start()
    logger.info("listener %d of %s is at 127.0.0.1:%d", int(listener["Port"]), address.balancer["LoadBalancerName"], door.server_port)
    return door.server_port


def names_of(address: loadbalancers.Address, listener_arn: str) -> list[str]:
    """The names for which a listener has certificates, the default one's first."""
    from ministack.services import acm, alb

    found: list[str] = []
    with request_scope(address.account, address.region):
        listener = alb._listeners.get(listener_arn) or {}
        for arn in [*(listener.get("Certificates") or []), *(listener.get("_extra_certificates") or [])]:
            certificate = acm._certificates.get(arn) or {}
            found += [certificate.get("DomainName"), *(certificate.get("SubjectAlternativeNames") or [])]
    return list(dict.fromkeys(n for n in found if n)) or ["localhost"]


@lru_cache(maxsize=256)
def _context_of(names: tuple[str, ...]) -> ssl.SSLContext:
    from ministack.core.x509_utils import sign_leaf_certificate

    from .databases import authority

    certificate, key = authority(Path(os.environ["SLIPWAY_DATABASE_CA"]))
    # A common name has at most 64 characters; clients look at the alternative names.
    made, secret, _ = sign_leaf_certificate(certificate, key, names[0][:64], san_dns=list(names), key_type="ec256")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as both:
        both.write(made + secret)
        both.flush()
        context.load_cert_chain(both.name)
    return context


def _handler(balancer: str, port: int):
    """The request handler that passes requests on to a load balancer's listener."""
    gateway = int(os.environ["GATEWAY_PORT"])

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self):
            # Within it the handshake is done, for it comes with the first byte that is read.
            self.request.settimeout(_TIMEOUT_SECONDS)
            super().setup()

        def pass_on(self):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            fields = {k: v for k, v in self.headers.items() if k.lower() not in _HOP_BY_HOP}
            name = (self.headers.get("Host") or "localhost").rpartition(":")[0] or self.headers.get("Host") or "localhost"
            connection = http.client.HTTPConnection("127.0.0.1", gateway, timeout=_TIMEOUT_SECONDS)
            try:
                connection.request(self.command, f"/_alb/{balancer}{self.path}", body=body or None,
                                   headers={**fields, "Host": f"{name}:{port}"})
                answer = connection.getresponse()
                content = answer.read()
                self.send_response(answer.status)
                for field, value in answer.getheaders():
                    if field.lower() not in _HOP_BY_HOP:
                        self.send_header(field, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(content)
            except (OSError, http.client.HTTPException) as fault:
                logger.warning("pass a request on to %s: %s", balancer, fault)
                self.close_connection = True
            finally:
                connection.close()

        do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = pass_on

        def log_message(self, *_):
            pass

    return Handler
