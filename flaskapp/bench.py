"""Measures one gunicorn worker on the list of artifacts against a bare Flask "hello".

Both run on the same machine, one after the other, with the same threads and the same clients, on
127.0.0.1 only: `python3 bench.py` (make bench). The list comes from a real Postgres with TLS.
"""

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE / "src")]

from tests import services  # noqa: E402

THREADS = 8
CLIENTS = 8
ROWS = 50

HELLO = """
from flask import Flask
app = Flask(__name__)
@app.get("/")
def hello():
    return "hello"
"""


class Figures(NamedTuple):
    """What one run gave."""

    what: str
    requests: int
    per_second: float
    median_ms: float
    p99_ms: float
    errors: int


async def client(port: int, path: str, until: float, times: list[float]) -> int:
    """Ask again and again on one connection; return how many answers were not 200."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    errors = 0
    while time.perf_counter() < until:
        began = time.perf_counter()
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        await reader.readexactly(length)
        times.append(time.perf_counter() - began)
        errors += not head.startswith(b"HTTP/1.1 200 ")
    writer.close()
    await writer.wait_closed()
    return errors


async def load(port: int, path: str, seconds: float) -> tuple[list[float], int]:
    """Ask with all clients at once; return the time of each answer, and the errors."""
    times: list[float] = []
    until = time.perf_counter() + seconds
    errors = await asyncio.gather(*(client(port, path, until, times) for _ in range(CLIENTS)))
    return times, sum(errors)


def measure(what: str, port: int, path: str, seconds: float) -> Figures:
    """Warm the server up for a second, then measure it."""
    asyncio.run(load(port, path, 1.0))
    times, errors = asyncio.run(load(port, path, seconds))
    times.sort()
    return Figures(
        what,
        len(times),
        len(times) / seconds,
        1000 * times[len(times) // 2],
        1000 * times[int(len(times) * 0.99)],
        errors,
    )


@contextmanager
def server(folder: Path, environ: dict[str, str], *arguments: str) -> Iterator[int]:
    """Run one gunicorn worker for a while; give its port."""
    port = services.free_port()
    with (folder / "server.log").open("ab") as log:
        process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{port}", *arguments],
            cwd=folder,
            env={**os.environ, **environ},
            stdout=log,
            stderr=log,
        )
        try:
            services.wait_until_listening(port, process)
            yield port
        finally:
            process.terminate()
            process.wait()


def run(seconds: float) -> list[Figures]:
    """Measure both servers."""
    common = {"APP_WORKERS": "1", "APP_THREADS": str(THREADS)}
    path = os.pathsep.join([str(HERE / "src"), os.environ.get("PYTHONPATH", "")])
    figures = []
    with tempfile.TemporaryDirectory() as name, services.running("bench") as local:
        folder = Path(name)
        (folder / "hello.py").write_text(HELLO, encoding="utf-8")
        bare = ("--workers", "1", "--worker-class", "gthread", "--threads", str(THREADS))
        with server(folder, {}, *bare, "--keep-alive", "75", "hello:app") as port:
            figures.append(measure('bare Flask "hello"', port, "/", seconds))
        environ = {**local.environ, **common, "PYTHONPATH": path}
        subprocess.run(
            [sys.executable, "-m", "slipway_app.migrate"],
            env={**os.environ, **environ},
            check=True,
            stdout=subprocess.DEVNULL,
        )
        local.postgres.execute(
            "INSERT INTO artifacts (id, name, size, sha256) SELECT gen_random_uuid(), "  # noqa: S608
            f"'file-' || n, n, repeat('0', 64) FROM generate_series(1, {ROWS}) n",
            services.DATABASE,
        )
        with server(folder, environ, "--config", str(HERE / "gunicorn.conf.py")) as port:
            for what, asked in (
                ("/health", "/health"),
                (f"/artifacts, {ROWS} rows", "/artifacts"),
                (f"/api/artifacts, {ROWS} rows", "/api/artifacts"),
            ):
                figures.append(measure(what, port, asked, seconds))
    return figures


def main() -> int:
    """Print a table; 1 where a request failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0, help="for each row (default: 5)")
    figures = run(parser.parse_args().seconds)
    out = sys.stdout
    out.write(
        f"One gunicorn worker, {THREADS} threads, {CLIENTS} clients, {os.cpu_count()} CPUs\n\n"
    )
    out.write(f"{'':28}{'requests':>10}{'per second':>12}{'p50 ms':>9}{'p99 ms':>9}{'errors':>8}\n")
    for row in figures:
        out.write(
            f"{row.what:28}{row.requests:>10}{row.per_second:>12.0f}"
            f"{row.median_ms:>9.1f}{row.p99_ms:>9.1f}{row.errors:>8}\n"
        )
    return 1 if any(row.errors for row in figures) else 0


if __name__ == "__main__":
    sys.exit(main())
