import re
from collections.abc import Callable

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from flask import Flask
from flask.testing import FlaskClient

from slipway_app import create_app
from slipway_app.credentials import SecretError
from slipway_app.sessions import KeptKeys
from slipway_app.settings import Settings

SECRET = "s" * 32


class Versions:
    """A secret in Secrets Manager: its versions by stage, and a clock that stands still."""

    def __init__(self, current: str, previous: str | None = None) -> None:
        self.stages = {"AWSCURRENT": current, "AWSPREVIOUS": previous}
        self.down = False
        self.now = 50.0

    def read(self, stage: str) -> str:
        if self.down:
            raise EndpointConnectionError(endpoint_url="https://example.com")
        value = self.stages[stage]
        if value is None:
            raise ClientError(
                {"Error": {"Code": "ResourceNotFoundException", "Message": "no version"}},
                "GetSecretValue",
            )
        return value

    def keys(self) -> KeptKeys:
        return KeptKeys(self.read, lambda: self.now)


def test_the_current_version_signs_and_the_previous_one_is_still_taken() -> None:
    assert Versions("n" * 32, "o" * 32).keys().keys() == ["o" * 32, "n" * 32]


def test_a_secret_that_never_changed_has_one_key() -> None:
    assert Versions("n" * 32).keys().keys() == ["n" * 32]


def test_a_changed_secret_is_noticed() -> None:
    versions = Versions("n" * 32)
    kept = versions.keys()
    kept.keys()
    versions.stages = {"AWSCURRENT": "m" * 32, "AWSPREVIOUS": "n" * 32}
    assert kept.keys() == ["n" * 32]
    versions.now += 301
    assert kept.keys() == ["n" * 32, "m" * 32]


def test_a_known_secret_outlives_an_outage_of_secrets_manager() -> None:
    versions = Versions("n" * 32)
    kept = versions.keys()
    kept.keys()
    versions.down = True
    versions.now += 301
    assert kept.keys() == ["n" * 32]


def test_a_short_secret_is_refused_without_showing_it() -> None:
    with pytest.raises(SecretError) as caught:
        Versions("hunter2").keys().keys()
    assert "hunter2" not in str(caught.value)


def app_that_counts(settings: Settings) -> Flask:
    from flask import session

    app = create_app(settings)

    @app.get("/artifacts/count")
    def count() -> str:
        session["count"] = session.get("count", 0) + 1
        return str(session["count"])

    return app


def client(secret: str = SECRET) -> FlaskClient:
    return app_that_counts(Settings(environment="dev", session_secret=secret)).test_client()


def test_a_session_is_kept_in_a_cookie_that_scripts_and_other_sites_do_not_get() -> None:
    response = client().get("/artifacts/count", headers={"X-Forwarded-Proto": "https"})
    [cookie] = response.headers.getlist("Set-Cookie")
    assert {"Secure", "HttpOnly", "SameSite=Strict", "Path=/artifacts"} <= set(cookie.split("; "))


def test_on_plain_http_the_cookie_is_not_kept_to_https() -> None:
    [cookie] = client().get("/artifacts/count").headers.getlist("Set-Cookie")
    assert "Secure" not in cookie


def forged(cookie: str) -> str:
    body, rest = cookie.split(".", 1)
    return ("A" if body[0] != "A" else "B") + body[1:] + "." + rest


FORGERIES: dict[str, Callable[[str], str]] = {
    "another content": forged,
    "no signature": lambda cookie: cookie.split(".")[0],
    "nonsense": lambda _: "....",
    "an empty one": lambda _: "",
}


@pytest.mark.parametrize("sentence", FORGERIES)
def test_a_forged_cookie_is_no_session(sentence: str) -> None:
    visitor = client()
    visitor.get("/artifacts/count")
    assert visitor.get("/artifacts/count").text == "2"
    cookie = visitor.get_cookie("slipway", path="/artifacts")
    assert cookie is not None
    visitor.set_cookie("slipway", FORGERIES[sentence](cookie.value), path="/artifacts")
    assert visitor.get("/artifacts/count").text == "1"


def test_a_cookie_signed_with_another_secret_is_no_session() -> None:
    visitor, other = client(), client("t" * 32)
    visitor.get("/artifacts/count")
    cookie = visitor.get_cookie("slipway", path="/artifacts")
    assert cookie is not None
    other.set_cookie("slipway", cookie.value, path="/artifacts")
    assert other.get("/artifacts/count").text == "1"


@pytest.mark.parametrize("path", ["/", "/health", "/ready", "/version", "/nothing", "/artifactsx"])
def test_other_paths_need_no_secret(path: str) -> None:
    # This secret can't be read: there's no such region to ask.
    settings = Settings(
        environment="dev",
        aws_region="eu-west-1",
        aws_endpoint_url="http://127.0.0.1:1",
        session_secret_arn="arn:aws:secretsmanager:eu-west-1:000000000000:secret:x",
    )
    response = create_app(settings).test_client().get(path)
    assert response.status_code == {"/ready": 503, "/nothing": 404, "/artifactsx": 404}.get(
        path, 200
    )
    assert "Set-Cookie" not in response.headers
    assert not re.search("cookie", response.headers.get("Vary", ""), re.IGNORECASE)
