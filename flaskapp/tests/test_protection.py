import io

import pytest
from flask import Flask, request
from flask.testing import FlaskClient
from flask.typing import ResponseReturnValue
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.test import TestResponse

from slipway_app import create_app
from slipway_app.protection import BoundedInput
from slipway_app.settings import Settings

# One way to each kind of answer: (method, path, status).
ANSWERS: dict[str, tuple[str, str, int]] = {
    "a page": ("GET", "/", 200),
    "JSON": ("GET", "/version", 200),
    "the health check": ("GET", "/health", 200),
    "a static file": ("GET", "/static/style.css", 200),
    "a missing page": ("GET", "/nothing", 404),
    "a missing static file": ("GET", "/static/nothing.css", 404),
    "a path out of the static folder": ("GET", "/static/../factory.py", 404),
    "a wrong method": ("POST", "/", 405),
    "an unexpected error": ("GET", "/fails", 500),
}


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    @app.get("/fails")
    def fails() -> ResponseReturnValue:
        raise ZeroDivisionError

    return app.test_client()


@pytest.mark.parametrize("sentence", ANSWERS)
def test_every_answer_carries_the_security_headers(client: FlaskClient, sentence: str) -> None:
    method, path, status = ANSWERS[sentence]
    response = client.open(path, method=method, buffered=True)
    assert response.status_code == status
    policy = dict(
        directive.split(" ", 1)
        for directive in response.headers["Content-Security-Policy"].split("; ")
    )
    assert policy["default-src"] == "'none'"
    assert policy["frame-ancestors"] == "'none'"
    assert policy["base-uri"] == "'none'"
    assert policy["form-action"] == "'self'"
    assert "script-src" not in policy
    assert "unsafe" not in response.headers["Content-Security-Policy"]
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["X-Frame-Options"] == "DENY"
    assert response.headers["Referrer-Policy"] == "no-referrer"
    assert response.headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert "camera=()" in response.headers["Permissions-Policy"]


@pytest.mark.parametrize("sentence", ANSWERS)
def test_only_good_static_files_are_cached(client: FlaskClient, sentence: str) -> None:
    method, path, status = ANSWERS[sentence]
    cached = client.open(path, method=method, buffered=True).headers["Cache-Control"] != "no-store"
    assert cached == (path.startswith("/static/") and status == 200)


def test_https_is_pinned_on_https_only(client: FlaskClient) -> None:
    secure = client.get("/", headers={"X-Forwarded-Proto": "https"})
    assert secure.headers["Strict-Transport-Security"] == "max-age=63072000"
    assert "Strict-Transport-Security" not in client.get("/").headers


@pytest.fixture
def small_client() -> FlaskClient:
    app = create_app(Settings(environment="dev", max_request_bytes=1024))

    @app.post("/echo")
    def echo() -> ResponseReturnValue:
        return request.get_data()

    return app.test_client()


def test_a_body_at_the_limit_is_taken(small_client: FlaskClient) -> None:
    response = small_client.post("/echo", data=b"x" * 1024)
    assert response.status_code == 200
    assert response.data == b"x" * 1024


@pytest.mark.parametrize("path", ["/echo", "/", "/nothing", "/health"])
def test_a_larger_body_is_refused_on_every_path(small_client: FlaskClient, path: str) -> None:
    response = small_client.post(path, data=b"x" * 1025, headers={"Accept": "application/json"})
    assert response.status_code == 413
    assert response.content_type == "application/problem+json"


def post_chunked(client: FlaskClient, size: int) -> TestResponse:
    return client.post(
        "/echo",
        input_stream=io.BytesIO(b"x" * size),
        # gunicorn marks a body whose end it knows in this way.
        environ_overrides={"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"},
    )


@pytest.mark.parametrize("size", [0, 1, 1023, 1024])
def test_a_body_of_undeclared_length_is_taken_up_to_the_limit(
    small_client: FlaskClient, size: int
) -> None:
    response = post_chunked(small_client, size)
    assert response.status_code == 200
    assert response.data == b"x" * size


@pytest.mark.parametrize("size", [1025, 1026, 100_000])
def test_a_larger_body_of_undeclared_length_is_refused(
    small_client: FlaskClient, size: int
) -> None:
    assert post_chunked(small_client, size).status_code == 413


@given(
    body=st.binary(max_size=200),
    limit=st.integers(0, 200),
    reads=st.lists(st.integers(0, 64), max_size=20),
)
def test_a_bounded_input_gives_the_whole_body_or_refuses(
    body: bytes, limit: int, reads: list[int]
) -> None:
    bounded = BoundedInput(io.BytesIO(body), limit)
    got = b""
    try:
        for size in reads:
            got += bounded.read(size) or b""
        got += bounded.readall() or b""
    except RequestEntityTooLarge:
        assert len(body) > limit
    else:
        assert got == body
        assert len(body) <= limit
    assert len(got) <= limit
