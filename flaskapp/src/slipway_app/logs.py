"""JSON log lines on standard output, one object a line, with their request's trace ids."""

import json
import logging
import sys
import time
from typing import Any, Final

from flask import has_request_context, request
from opentelemetry import trace

TRACE_HEADER: Final = "X-Amzn-Trace-Id"
"""Set by the Application Load Balancer on each request."""

# The trace header's documented forms are shorter; a client may send anything, and we log it.
_TRACE_LENGTH: Final = 256

# What every record carries; anything else on a record was given by the caller as `extra`.
_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {
    "message",
    "asctime",
    "color_message",
}


def trace_id(header: str | None) -> str | None:
    """Return the trace header's value as it may be logged, or None where there is none."""
    return header[:_TRACE_LENGTH] if header else None


# Libraries whose talk would fill the log, and whose debugging output shows secrets: botocore
# prints the answers of Secrets Manager in it.
_QUIET: Final = ("alembic.runtime.plugins", "boto3", "botocore", "s3transfer", "urllib3")


class JsonFormatter(logging.Formatter):
    """Formats a record as one JSON object; `extra` values become its fields."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without its line end."""
        line: dict[str, Any] = {
            "time": _timestamp(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if has_request_context():
            line["trace_id"] = trace_id(request.headers.get(TRACE_HEADER))
        span = trace.get_current_span().get_span_context()
        if span.is_valid:
            line["otel_trace_id"] = trace.format_trace_id(span.trace_id)
            line["otel_span_id"] = trace.format_span_id(span.span_id)
        line.update((k, v) for k, v in vars(record).items() if k not in _STANDARD)
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps({k: v for k, v in line.items() if v is not None}, default=str)


def configure(level: str) -> None:
    """Send all logs of this process to standard output as JSON, from `level` up.

    Safe to call again: the handler of an earlier call is replaced.
    """
    root = logging.getLogger()
    for handler in root.handlers[:]:
        if isinstance(handler.formatter, JsonFormatter):
            root.removeHandler(handler)
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter())
    root.addHandler(handler)
    root.setLevel(level.upper())
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))


def _timestamp(created: float) -> str:
    milliseconds = int(created * 1000) % 1000
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(created)) + f".{milliseconds:03d}Z"
