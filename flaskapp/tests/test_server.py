"""What only a real server process can show."""

import http.client
import http.server
import json
import runpy
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from slipway_app import VERSION
from slipway_app.healthcheck import check
from tests.conftest import COMMIT, ROOT
from tests.server import SECONDS, SLOW_SECONDS, Server, command, environment, running

TRACE = "Root=1-67891233-abcdef012345678912345678"

# AWS: the load balancer attribute idle_timeout.timeout_seconds defaults to 60 seconds, and a task
# definition's stopTimeout to 30.
LOAD_BALANCER_IDLE_SECONDS = 60
ECS_STOP_SECONDS = 30


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running(APP_MAX_REQUEST_BYTES="2048") as server:
        yield server


def access_line(server: Server, path: str) -> dict[str, Any]:
    return server.wait_for(
        lambda line: line["logger"] == "gunicorn.access" and line["path"] == path
    )


def test_it_answers(server: Server) -> None:
    assert server.get("/health")[:2] == (200, b'{"status":"ok"}\n')
    status, body, _ = server.get("/version")
    assert status == 200
    assert json.loads(body) == {
        "commit": COMMIT,
        "database_revision": None,
        "environment": "qa-fix-login",
        "expected_database_revision": "0001",
        "image_digest": None,
        "version": VERSION,
    }


def test_the_access_log_has_the_trace_id_and_no_query(server: Server) -> None:
    server.get(
        "/logged?token=hunter2",
        {
            "X-Amzn-Trace-Id": TRACE,
            "X-Forwarded-For": '"198.51.100.1, 203.0.113.9',
            "User-Agent": 'quote " and \\',
            "Referer": "https://example.com/?token=hunter2",
            "Cookie": "session=hunter2",
            "Authorization": "Bearer hunter2",
        },
    )
    line = access_line(server, "/logged")
    assert line["trace_id"] == TRACE
    assert line["status"] == 404
    assert line["method"] == "GET"
    assert line["remote_addr"] == "203.0.113.9"
    assert line["user_agent"] == 'quote " and \\'
    assert line["duration_ms"] >= 0
    assert line["bytes"] > 0
    assert "hunter2" not in json.dumps(line)


def test_an_error_in_the_log_has_the_trace_id_of_its_request(server: Server) -> None:
    status, body, _ = server.get("/fails", {"X-Amzn-Trace-Id": TRACE})
    assert status == 500
    assert b"ZeroDivisionError" not in body
    line = server.wait_for(lambda line: line["logger"] == "slipway_app.errors")
    assert line["trace_id"] == TRACE
    assert line["level"] == "error"
    assert "ZeroDivisionError" in line["exception"]


def test_good_health_checks_are_not_logged(server: Server) -> None:
    server.get("/health?checked")
    server.get("/after-the-check")
    access_line(server, "/after-the-check")
    assert not [line for line in server.lines if line.get("path") == "/health"]


def test_gunicorn_believes_no_header_that_would_move_the_application(server: Server) -> None:
    # gunicorn's defaults trust these from 127.0.0.1, where this test comes from.
    assert server.get("/version", {"SCRIPT_NAME": "/evil", "PATH_INFO": "/nothing"})[0] == 200


def test_an_idle_connection_is_kept(server: Server) -> None:
    connection = server.connect()
    connection.request("GET", "/version")
    connection.getresponse().read()
    socket_before = connection.sock
    # Longer than gunicorn's own default of 2 seconds.
    time.sleep(3)
    connection.request("GET", "/version")
    assert connection.getresponse().status == 200
    assert connection.sock is socket_before
    connection.close()


def test_a_chunked_body_is_taken_up_to_the_limit(server: Server) -> None:
    connection = server.connect()
    connection.request("POST", "/echo", body=iter([b"x" * 1024] * 2), encode_chunked=True)
    response = connection.getresponse()
    assert (response.status, response.read()) == (200, b"x" * 2048)
    connection.request("POST", "/echo", body=iter([b"x" * 1024] * 3), encode_chunked=True)
    assert connection.getresponse().status == 413
    connection.close()


def test_a_declared_body_over_the_limit_is_refused_with_an_answer(server: Server) -> None:
    connection = server.connect()
    connection.request("POST", "/echo", body=b"x" * 200_000)
    assert connection.getresponse().status == 413
    connection.close()


def test_the_containers_health_check_sees_it(server: Server) -> None:
    assert check(server.port) is None


def test_the_containers_health_check_sees_that_nothing_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert "ConnectionRefusedError" in (check(port) or "")


def test_the_containers_health_check_sees_a_bad_answer() -> None:
    class Sick(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(503)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Sick) as sick:
        thread = threading.Thread(target=sick.handle_request)
        thread.start()
        assert "status 503" in (check(sick.server_address[1]) or "")
        thread.join()


# What gunicorn's master does when it starts a worker, with a SIGTERM at the worst moment: after the
# fork, and before the new process has a handler of its own.
FORK = """
import os, runpy, signal, sys
signal.signal(signal.SIGTERM, lambda *_: None)
configuration = runpy.run_path(sys.argv[1])
wait, go = os.pipe()
worker = os.fork()
if worker == 0:
    os.read(wait, 1)
    configuration["post_fork"](None, None)
    os._exit(0)
os.kill(worker, signal.SIGTERM)
os.write(go, b"x")
_, status = os.waitpid(worker, 0)
held = signal.SIGTERM in signal.pthread_sigmask(signal.SIG_BLOCK, [])
print("held" if held else "free", os.WTERMSIG(status) if os.WIFSIGNALED(status) else "lost")
"""


def test_sigterm_between_the_fork_and_the_workers_handler_is_not_lost() -> None:
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", FORK, str(ROOT / "gunicorn.conf.py")],
        cwd=ROOT,
        env=environment({}),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=True,
    )
    assert done.stdout == f"free {signal.SIGTERM.value}\n"


def test_sigterm_lets_running_requests_finish() -> None:
    requests = 4
    answers: list[tuple[int, bytes]] = []
    with running(APP_WORKERS="2", APP_THREADS="4") as server:
        threads = [
            threading.Thread(target=lambda: answers.append(server.get("/slow")[:2]))
            for _ in range(requests)
        ]
        for thread in threads:
            thread.start()
        server.wait_for(lambda line: line["message"] == "slow request started", requests)
        terminated = time.monotonic()
        server.terminate()
        for thread in threads:
            thread.join(SECONDS)
        assert answers == [(200, b"finished")] * requests
        assert server.process.wait(SECONDS) == 0
        # It stopped when the requests were done, and not by the graceful timeout.
        assert time.monotonic() - terminated < SLOW_SECONDS + 10
        with pytest.raises(ConnectionRefusedError):
            server.get("/health")


def test_a_request_that_goes_on_does_not_hold_the_stop() -> None:
    with running("--graceful-timeout", "1", APP_WORKERS="1") as server:
        connection = server.connect()
        connection.request("GET", "/slow")
        server.wait_for(lambda line: line["message"] == "slow request started")
        terminated = time.monotonic()
        server.terminate()
        assert server.process.wait(SECONDS) == 0
        assert time.monotonic() - terminated < SLOW_SECONDS
        with pytest.raises((ConnectionResetError, http.client.RemoteDisconnected)):
            connection.getresponse()
        connection.close()


# Each row: what is wrong with a request -> (its bytes, the status that answers it).
MALFORMED: dict[str, tuple[bytes, int]] = {
    "no HTTP": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
    "an unknown version": (b"GET / HTTP/9.9\r\nHost: a\r\n\r\n", 400),
    "two lengths": (b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx", 400),
    "a length and chunks, as in request smuggling": (
        b"POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    "a header without a colon": (b"GET / HTTP/1.1\r\nHost: a\r\nnonsense\r\n\r\n", 400),
}


@pytest.mark.parametrize("sentence", MALFORMED)
def test_a_malformed_request_is_refused(server: Server, sentence: str) -> None:
    sent, status = MALFORMED[sentence]
    with socket.create_connection(("127.0.0.1", server.port), SECONDS) as connection:
        connection.sendall(sent)
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        assert answer.status == status
        answer.close()
    assert server.get("/health")[0] == 200


def test_a_bad_environment_stops_the_server_before_it_starts() -> None:
    bad = {"APP_ENVIRONMENT": "", "APP_WORKERS": "many", "AWS_REGION": "nowhere"}
    done = subprocess.run(  # noqa: S603
        command("--bind", "127.0.0.1:0"),
        cwd=ROOT,
        env=environment(bad),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 78
    for variable in bad:
        assert f"\n  {variable}: " in done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture
def configuration(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setenv("APP_ENVIRONMENT", "prod")
    monkeypatch.setenv("APP_WORKERS", "3")
    monkeypatch.setenv("APP_THREADS", "5")
    return runpy.run_path(str(ROOT / "gunicorn.conf.py"))


def test_the_configuration_fits_the_load_balancer_and_ecs(configuration: dict[str, Any]) -> None:
    assert configuration["keepalive"] > LOAD_BALANCER_IDLE_SECONDS
    assert configuration["graceful_timeout"] < ECS_STOP_SECONDS
    assert configuration["bind"] == "0.0.0.0:8080"
    assert configuration["worker_class"] == "gthread"
    assert (configuration["workers"], configuration["threads"]) == (3, 5)


def test_the_configuration_needs_no_writable_root(configuration: dict[str, Any]) -> None:
    assert configuration["worker_tmp_dir"] in {"/dev/shm", "/tmp"}  # noqa: S108
    assert Path(configuration["worker_tmp_dir"]).is_dir()
    assert configuration["control_socket_disable"] is True
    assert "pidfile" not in configuration
