"""WSGI middleware for life behind one load balancer."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from werkzeug.middleware.proxy_fix import ProxyFix

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_FORWARDED: Final = ("HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_PROTO")


def behind_load_balancer(application: "WSGIApplication") -> "LastHop":
    """Wrap the application for exactly one load balancer in front of it.

    An Application Load Balancer appends the client's address to X-Forwarded-For and overwrites
    X-Forwarded-Proto, so the last hop is the only one to believe. X-Forwarded-Host and -Prefix it
    passes through as the client sent them, so they are not believed at all.
    """
    proxied = ProxyFix(AnyHost(application), x_for=1, x_proto=1, x_host=0, x_port=0, x_prefix=0)
    return LastHop(proxied)


class LastHop:
    """Cuts the forwarded headers to what the load balancer wrote: the text after the last comma.

    ProxyFix reads them as lists with quoted strings. A client that sends a single quotation mark
    would swallow the load balancer's comma, and with it its own address.
    """

    def __init__(self, application: "WSGIApplication") -> None:
        self._application = application

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Answer the request with the cut headers."""
        for name in _FORWARDED:
            if name in environ:
                environ[name] = environ[name].rpartition(",")[2].strip()
        return self._application(environ, start_response)


class AnyHost:
    """Lets /health answer whatever the Host header says.

    Flask refuses a host that can't be a name with 400, which is right for pages. The load
    balancer's check would then fail for a header that says nothing about the process.
    """

    def __init__(self, application: "WSGIApplication") -> None:
        self._application = application

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Answer the request, a health check with a host that is always good."""
        if environ.get("PATH_INFO") == "/health":
            environ = {**environ, "HTTP_HOST": "localhost"}
        return self._application(environ, start_response)
