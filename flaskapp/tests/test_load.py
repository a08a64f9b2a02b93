"""Real server processes with a real database under load, and what happens to them."""

import http.client
import json
import re
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import services as local
from tests.server import SECONDS, Server, running

CLIENTS = 8
TOTAL = 10_000

# What a worker may grow by over 10,000 requests. The first thousand fill caches.
MOST_GROWTH_KIB = 25_000

PAGES = ("/artifacts", "/api/artifacts", "/version", "/ready", "/", "/health")


@pytest.fixture
def server(services: local.Services) -> Iterator[Server]:
    services.postgres.execute("TRUNCATE artifacts", local.DATABASE)
    with running(**services.environ, APP_WORKERS="2", APP_THREADS="4") as server:
        assert server.get("/ready")[0] == 200
        yield server


def upload(connection: http.client.HTTPConnection, name: str, content: bytes) -> int:
    connection.request(
        "POST",
        f"/api/artifacts?name={name}",
        body=content,
        headers={"Content-Type": "application/octet-stream"},
    )
    response = connection.getresponse()
    response.read()
    return response.status


def in_threads(target: "list[threading.Thread]") -> None:
    for thread in target:
        thread.start()
    for thread in target:
        thread.join(SECONDS * 6)
        assert not thread.is_alive()


def workers(server: Server) -> list[int]:
    children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children")
    return [int(pid) for pid in children.read_text(encoding="utf-8").split()]


def resident_kib(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1])


def ask_many(server: Server, count: int) -> Counter[int]:
    """Ask for pages in turn from several clients that keep their connections."""
    answers: Counter[int] = Counter()
    lock = threading.Lock()

    def ask() -> None:
        mine: Counter[int] = Counter()
        connection = server.connect()
        for number in range(count // CLIENTS):
            connection.request("GET", PAGES[number % len(PAGES)])
            response = connection.getresponse()
            response.read()
            mine[response.status] += 1
        connection.close()
        with lock:
            answers.update(mine)

    in_threads([threading.Thread(target=ask) for _ in range(CLIENTS)])
    return answers


def test_ten_thousand_requests_have_no_error_and_bounded_memory(server: Server) -> None:
    connection = server.connect()
    for number in range(20):
        assert upload(connection, f"file-{number}", b"x" * 1000) == 201
    connection.close()
    assert ask_many(server, 1_000) == {200: 1_000}
    before = {pid: resident_kib(pid) for pid in workers(server)}
    assert len(before) == 2
    assert ask_many(server, TOTAL) == {200: TOTAL}
    # The same processes: none has died and been replaced.
    assert set(workers(server)) == set(before)
    for pid, size in before.items():
        assert resident_kib(pid) - size < MOST_GROWTH_KIB


def test_sigterm_under_load_loses_no_request(services: local.Services, server: Server) -> None:
    """Each upload that was begun before the stop is answered, and what was answered is kept.

    The clients do as the load balancer does, which takes a stopping task out first: those who
    have been answered send nothing more after the signal.
    """
    stop = threading.Event()
    kept: list[str] = []
    failed: list[object] = []

    def work(client: int) -> None:
        number = 0
        connection = server.connect()
        try:
            while not stop.is_set():
                name = f"{client}-{number}"
                status = upload(connection, name, b"x" * 200_000)
                (kept if status == 201 else failed).append(name)
                number += 1
        except (OSError, http.client.HTTPException) as error:
            failed.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(client,)) for client in range(CLIENTS)]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + SECONDS
    while len(kept) < 4 * CLIENTS and time.monotonic() < deadline:
        time.sleep(0.01)
    stop.set()
    server.terminate()
    for thread in threads:
        thread.join(SECONDS)
    assert server.process.wait(SECONDS) == 0
    assert failed == []
    assert len(kept) >= 4 * CLIENTS
    names = {row[0] for row in services.postgres.execute("SELECT name FROM artifacts", "slipway")}
    assert names == set(kept)


def test_a_new_connection_is_served_by_the_next_process_during_a_stop(server: Server) -> None:
    """A download that runs when the stop comes is sent to its end."""
    connection = server.connect()
    content = b"0123456789abcdef" * 500_000
    assert upload(connection, "large", content) == 201
    listed = json.loads(server.get("/api/artifacts")[1])
    connection.request("GET", listed["artifacts"][0]["content"])
    response = connection.getresponse()
    begin = response.read(1000)
    server.terminate()
    assert begin + response.read() == content
    connection.close()
    assert server.process.wait(SECONDS) == 0


def test_killed_connections_are_replaced_without_an_error(
    services: local.Services, server: Server
) -> None:
    assert ask_many(server, 200) == {200: 200}
    assert services.postgres.kill_connections(local.DATABASE) >= 2
    assert ask_many(server, 200) == {200: 200}


def test_a_rotated_password_needs_no_restart(services: local.Services, server: Server) -> None:
    assert ask_many(server, 80) == {200: 80}
    time.sleep(1.1)
    new = local.random_password()
    services.postgres.change_password(local.USER, new)
    services.put_login(new)
    services.postgres.kill_connections(local.DATABASE)
    assert ask_many(server, 200) == {200: 200}
    server.wait_for(lambda line: "the login was refused" in line["message"])
    assert new not in json.dumps(server.lines, ensure_ascii=False)


def test_a_failover_is_over_when_the_database_can_be_written_again(
    services: local.Services, server: Server
) -> None:
    connection = server.connect()
    assert upload(connection, "before", b"x") == 201
    keys = len(services.keys())
    services.postgres.set_read_only(local.DATABASE, read_only=True)
    try:
        # Whichever process answers, also one that hasn't tried to write yet.
        for _ in range(20):
            status, body, _ = server.get("/ready")
            assert status == 503
            assert json.loads(body)["parts"] == {"database": "unreachable", "artifacts": "ok"}
        assert upload(connection, "during", b"x") == 503
        assert server.get("/health")[0] == 200
    finally:
        services.postgres.set_read_only(local.DATABASE, read_only=False)
    assert upload(connection, "after", b"x") == 201
    connection.close()
    # The failed upload has left nothing in the bucket.
    assert len(services.keys()) == keys + 1


def test_slow_clients_do_not_hold_up_the_others(server: Server) -> None:
    """Idle connections take no thread at all; a slow upload takes one of its worker's."""
    address = ("127.0.0.1", server.port)
    idle = [socket.create_connection(address, SECONDS) for _ in range(50)]
    slow = [socket.create_connection(address, SECONDS) for _ in range(3)]
    head = (
        b"POST /api/artifacts?name=slow HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n"
        b"Content-Type: application/octet-stream\r\n\r\n"
    )
    try:
        for connection in slow:
            connection.sendall(head + b"x")
        began = time.monotonic()
        for _ in range(40):
            assert server.get("/health")[0] == 200
        assert time.monotonic() - began < 10
        for connection in slow:
            connection.sendall(b"x" * 99)
            answer = http.client.HTTPResponse(connection)
            answer.begin()
            assert answer.status == 201
            answer.close()
    finally:
        for connection in idle + slow:
            connection.close()


def test_an_upload_that_breaks_off_leaves_nothing(services: local.Services, server: Server) -> None:
    keys = services.keys()
    with socket.create_connection(("127.0.0.1", server.port), SECONDS) as connection:
        connection.sendall(
            b"POST /api/artifacts?name=broken HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n"
            b"Content-Type: application/octet-stream\r\n\r\n" + b"x" * 1000
        )
    server.wait_for(
        lambda line: line["logger"] == "gunicorn.access" and line["path"] == "/api/artifacts"
    )
    assert services.keys() == keys
    assert json.loads(server.get("/api/artifacts")[1])["artifacts"] == []


@pytest.mark.parametrize("level", ["info", "debug"])
def test_nothing_secret_is_logged(services: local.Services, level: str) -> None:
    with running(**services.environ, APP_WORKERS="1", APP_LOG_LEVEL=level) as server:
        connection = server.connect()
        assert upload(connection, "a", b"content of the file") == 201
        status, page, headers = server.get("/artifacts")
        assert status == 200
        connection.close()
        server.terminate()
        server.process.wait(SECONDS)
    logged = json.dumps(server.lines, ensure_ascii=False)
    session = services.aws.secrets.get_secret_value(SecretId="session")["SecretString"]
    [token] = re.findall(rb'name="csrf_token" value="([^"]+)"', page)
    cookie = (headers["Set-Cookie"] or "").partition("=")[2].partition(";")[0]
    assert cookie
    for secret in (services.password, session, token.decode(), cookie, "content of the file"):
        assert secret not in logged
        assert json.dumps(secret)[1:-1] not in logged
