import http.server
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from slipway_app.container import image_digest

DIGEST = "sha256:" + "0a" * 32

# Each row: what ECS answers -> (the answer, the digest).
ANSWERS: dict[str, tuple[bytes, str | None]] = {
    "the image's digest": (b'{"DockerId": "x", "ImageID": "%s"}' % DIGEST.encode(), DIGEST),
    "an id that is no digest": (b'{"ImageID": "latest"}', None),
    "markup for a digest": (b'{"ImageID": "<b>"}', None),
    "a number for a digest": (b'{"ImageID": 1}', None),
    "no id": (b"{}", None),
    "a list": (b"[]", None),
    "no JSON": (b"<html>", None),
}


@contextmanager
def metadata(answer: bytes) -> Iterator[tuple[str, Callable[[], int]]]:
    """Answer as the task metadata endpoint does; give its address and a count of the questions."""
    asked = []

    class Metadata(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Metadata) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v4/0a1b", lambda: len(asked)
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("sentence", ANSWERS)
def test_the_digest_is_what_ecs_says(sentence: str) -> None:
    answer, digest = ANSWERS[sentence]
    with metadata(answer) as (address, asked):
        assert [image_digest(address) for _ in range(3)] == [digest] * 3
        assert asked() == 1


def test_outside_of_ecs_there_is_no_digest() -> None:
    assert image_digest(None) is None


def test_an_endpoint_that_is_down_is_no_error() -> None:
    assert image_digest("http://127.0.0.1:1/v4/x") is None
