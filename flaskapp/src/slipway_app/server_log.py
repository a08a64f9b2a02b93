"""gunicorn's log in the same JSON form as the application's, and its access log."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from gunicorn.glogging import Logger

from slipway_app.logs import TRACE_HEADER, JsonFormatter, trace_id

_TRACE_VARIABLE: Final = "HTTP_" + TRACE_HEADER.upper().replace("-", "_")

# A path or user agent is cut here: the longest that a client may send are some 4 and 8 KB.
_TEXT_LENGTH: Final = 512


class JsonLogger(Logger):
    """Writes gunicorn's own messages and one line for each request as JSON.

    The query string, the referrer, cookies and all other headers stay out of the access log:
    they are where tokens and signed addresses travel.
    """

    def setup(self, cfg: Any) -> None:
        """Set gunicorn's handlers up, then give them the JSON form."""
        super().setup(cfg)
        for log in (self.error_log, self.access_log):
            for handler in log.handlers:
                handler.setFormatter(JsonFormatter())

    def access(
        self, resp: Any, _req: Any, environ: Mapping[str, Any], request_time: timedelta
    ) -> None:
        """Log one answered request, but not the load balancer's successful health checks.

        Each target is checked by each load balancer node every few seconds, so those lines
        would be most of the log. A failing check is logged like any request.
        """
        status = _status_code(resp.status)
        if environ.get("PATH_INFO") == "/health" and status < 400:
            return
        self.access_log.info("request", extra=_access_fields(resp, environ, status, request_time))


def _access_fields(
    resp: Any, environ: Mapping[str, Any], status: int, request_time: timedelta
) -> dict[str, Any]:
    return {
        "method": environ.get("REQUEST_METHOD"),
        "path": _cut(environ.get("PATH_INFO")),
        "status": status,
        "bytes": getattr(resp, "sent", None),
        "duration_ms": round(request_time / timedelta(milliseconds=1), 1),
        # ProxyFix has put the client's address here by the time the request is answered.
        "remote_addr": environ.get("REMOTE_ADDR"),
        "host": _cut(environ.get("HTTP_HOST")),
        "user_agent": _cut(environ.get("HTTP_USER_AGENT")),
        "trace_id": trace_id(environ.get(_TRACE_VARIABLE)),
    }


def _status_code(status: str | bytes | int) -> int:
    """Return the number of a status such as "404 NOT FOUND"; 500 where there is none."""
    text = status.decode("latin-1") if isinstance(status, bytes) else str(status)
    number = text.split(None, 1)[0] if text.strip() else ""
    return int(number) if number.isdecimal() else 500


def _cut(text: str | None) -> str | None:
    return text[:_TEXT_LENGTH] if text else None
