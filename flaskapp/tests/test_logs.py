import io
import json
import logging
import sys
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask
from gunicorn.config import Config
from hypothesis import given
from hypothesis import strategies as st

from slipway_app.logs import JsonFormatter, trace_id
from slipway_app.server_log import JsonLogger

ANY_TEXT = st.text(max_size=300)


def record(message: str, **extra: object) -> logging.LogRecord:
    made = logging.makeLogRecord({"name": "app", "levelname": "INFO", "msg": message})
    vars(made).update(extra)
    return made


@given(message=ANY_TEXT, value=ANY_TEXT)
def test_any_record_is_one_line_of_json(message: str, value: str) -> None:
    line = JsonFormatter().format(record(message, path=value))
    # No text can end the line and begin a forged one.
    assert len(line.splitlines()) == 1
    assert json.loads(line)["message"] == message
    assert json.loads(line)["path"] == value


def test_the_time_is_utc_with_milliseconds() -> None:
    made = record("x")
    made.created = datetime(2026, 3, 1, 12, 30, 15, 42_000, tzinfo=UTC).timestamp()
    assert json.loads(JsonFormatter().format(made))["time"] == "2026-03-01T12:30:15.042Z"


def test_an_exception_is_part_of_the_line() -> None:
    try:
        raise KeyError("lost")
    except KeyError:
        made = record("failed", exc_info=sys.exc_info())
    assert "KeyError: 'lost'" in json.loads(JsonFormatter().format(made))["exception"]


def test_a_line_logged_in_a_request_has_its_trace_id(app: Flask) -> None:
    with app.test_request_context(headers={"X-Amzn-Trace-Id": "Root=1-5-a"}):
        assert json.loads(JsonFormatter().format(record("x")))["trace_id"] == "Root=1-5-a"
    with app.test_request_context():
        assert "trace_id" not in json.loads(JsonFormatter().format(record("x")))
    assert "trace_id" not in json.loads(JsonFormatter().format(record("x")))


@pytest.mark.parametrize(
    ("header", "logged"), [(None, None), ("", None), ("Root=1", "Root=1"), ("x" * 9000, "x" * 256)]
)
def test_a_trace_id_is_logged_up_to_a_length(header: str | None, logged: str | None) -> None:
    assert trace_id(header) == logged


def access(environ: dict[str, Any], status: object = "200 OK") -> list[dict[str, Any]]:
    """Return what the access log has after one request."""
    logger = JsonLogger(Config())
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    logger.access_log.handlers = [handler]
    response = SimpleNamespace(status=status, sent=17, headers=[])
    logger.access(response, SimpleNamespace(headers=[]), environ, timedelta(milliseconds=12.34))
    return [json.loads(line) for line in stream.getvalue().splitlines()]


GET = {"REQUEST_METHOD": "GET", "PATH_INFO": "/a", "REMOTE_ADDR": "203.0.113.9"}


def test_a_request_is_logged_with_what_happened() -> None:
    [line] = access({**GET, "HTTP_X_AMZN_TRACE_ID": "Root=1"})
    assert {k: line[k] for k in line if k != "time"} == {
        "level": "info",
        "logger": "gunicorn.access",
        "message": "request",
        "method": "GET",
        "path": "/a",
        "status": 200,
        "bytes": 17,
        "duration_ms": 12.3,
        "remote_addr": "203.0.113.9",
        "trace_id": "Root=1",
    }


# Each row: the status as gunicorn may hold it -> the number that is logged.
STATUSES: dict[str, tuple[object, int]] = {
    "text": ("404 NOT FOUND", 404),
    "bytes": (b"302 Found", 302),
    "a number": (204, 204),
    "no status, since the application failed first": (None, 500),
    "an empty status": ("", 500),
}


@pytest.mark.parametrize("sentence", STATUSES)
def test_a_status_of_any_form_is_logged_as_a_number(sentence: str) -> None:
    status, number = STATUSES[sentence]
    [line] = access(GET, status)
    assert line["status"] == number


@pytest.mark.parametrize(
    ("path", "status", "lines"),
    [("/health", "200 OK", 0), ("/health", "503 DOWN", 1), ("/healthy", "200 OK", 1)],
)
def test_only_good_health_checks_are_left_out(path: str, status: str, lines: int) -> None:
    assert len(access({**GET, "PATH_INFO": path}, status)) == lines


@given(path=ANY_TEXT, agent=ANY_TEXT, host=ANY_TEXT, trace=ANY_TEXT)
def test_no_header_can_forge_a_line(path: str, agent: str, host: str, trace: str) -> None:
    environ = {
        **GET,
        "PATH_INFO": "/a" + path,
        "HTTP_USER_AGENT": agent,
        "HTTP_HOST": host,
        "HTTP_X_AMZN_TRACE_ID": trace,
        "QUERY_STRING": "token=hunter2",
    }
    [line] = access(environ)
    assert line["path"] == "/a" + path
    assert line["status"] == 200
    assert "query" not in line
