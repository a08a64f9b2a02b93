import json
import logging

import pytest
from flask import Flask, redirect
from flask.testing import FlaskClient
from flask.typing import ResponseReturnValue
from hypothesis import given
from hypothesis import strategies as st

from slipway_app import create_app
from slipway_app.settings import Settings

HTML = "text/html; charset=utf-8"
JSON = "application/problem+json"

CHROME = (
    "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,"
    "*/*;q=0.8,application/signed-exchange;v=b3;q=0.7"
)

# Each row: who asks -> (path, headers, the type of the 404 or 405 that fits).
CLIENTS: dict[str, tuple[str, dict[str, str], str]] = {
    "a browser": ("/nothing", {"Accept": CHROME}, HTML),
    "a client that says nothing": ("/nothing", {}, HTML),
    "curl": ("/nothing", {"Accept": "*/*"}, HTML),
    "a JSON client": ("/nothing", {"Accept": "application/json"}, JSON),
    "a client of problem details": ("/nothing", {"Accept": "application/problem+json"}, JSON),
    "a client that likes JSON better": (
        "/nothing",
        {"Accept": "text/html;q=0.5,application/json"},
        JSON,
    ),
    "a client that likes pages better": (
        "/nothing",
        {"Accept": "text/html,application/json;q=0.5"},
        HTML,
    ),
    "a client that sends JSON and takes anything": (
        "/nothing",
        {"Accept": "*/*", "Content-Type": "application/json"},
        JSON,
    ),
    "a client that takes pictures only": ("/nothing", {"Accept": "image/png"}, HTML),
    "a broken Accept header": ("/nothing", {"Accept": ";;q=,/"}, HTML),
    "anyone who posts to a JSON path": ("/version", {"Accept": CHROME}, JSON),
}


@pytest.mark.parametrize("sentence", CLIENTS)
def test_an_error_has_the_form_that_the_client_wants(client: FlaskClient, sentence: str) -> None:
    path, headers, content_type = CLIENTS[sentence]
    response = client.post(path, headers=headers)
    assert response.status_code == (405 if path == "/version" else 404)
    assert response.content_type == content_type
    assert response.headers["Vary"] == "Accept"
    if content_type == JSON:
        problem = json.loads(response.data)
        assert problem["status"] == response.status_code
        assert problem["type"] == "about:blank"
        assert problem["title"]
        assert problem["detail"]
    else:
        assert f"Status {response.status_code}" in response.text


def test_a_wrong_method_says_which_are_right(client: FlaskClient) -> None:
    response = client.delete("/version")
    assert response.status_code == 405
    assert {"GET", "HEAD", "OPTIONS"} == set(response.headers["Allow"].split(", "))


def test_an_error_answers_head_without_a_body(client: FlaskClient) -> None:
    response = client.head("/nothing")
    assert response.status_code == 404
    assert response.data == b""


@pytest.fixture
def failing_client(app: Flask) -> FlaskClient:
    @app.get("/fails")
    def fails() -> ResponseReturnValue:
        raise RuntimeError("password=hunter2")

    return app.test_client()


@pytest.mark.parametrize("accept", ["text/html", "application/json"])
def test_an_unexpected_error_is_logged_and_not_shown(
    failing_client: FlaskClient, caplog: pytest.LogCaptureFixture, accept: str
) -> None:
    with caplog.at_level(logging.ERROR):
        response = failing_client.get("/fails", headers={"Accept": accept})
    assert response.status_code == 500
    assert "hunter2" not in response.text
    assert "Traceback" not in response.text
    [record] = caplog.records
    assert record.getMessage() == "answer GET /fails: unexpected error"
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], RuntimeError)


def test_a_redirect_is_no_error(app: Flask) -> None:
    @app.get("/folder/")
    def folder() -> ResponseReturnValue:
        return redirect("/", code=303)

    client = app.test_client()
    assert client.get("/folder/").status_code == 303
    # Flask answers a missing final slash with an exception that is a redirect.
    response = client.get("/folder", headers={"Accept": "application/json"})
    assert response.status_code == 308
    assert response.content_type != JSON


PLAIN = create_app(Settings(environment="dev"))


@given(
    accept=st.one_of(
        st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_categories=["Cc"])),
        st.lists(
            st.sampled_from(
                ["text/html", "application/json", "*/*", "text/*", "q=0", "q=1.5", ";", "a/b"]
            )
        ).map(",".join),
    ),
    path=st.text(st.characters(exclude_categories=["Cs"]), max_size=50),
)
def test_any_path_and_accept_header_get_an_answer(accept: str, path: str) -> None:
    response = PLAIN.test_client().post(
        "/nothing/",
        headers={"Accept": "*/*"},
        environ_overrides={
            "PATH_INFO": "/nothing/" + path.encode().decode("latin-1"),
            "HTTP_ACCEPT": accept,
        },
    )
    assert response.status_code == 404
    assert response.content_type in {HTML, JSON}
    if response.content_type == JSON:
        assert json.loads(response.data)["status"] == 404
