import pytest
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st

from slipway_app import VERSION, create_app
from slipway_app.settings import Settings
from tests.conftest import COMMIT

# Host values that load balancers, scanners and mistakes send.
HOSTS = {
    "the load balancer checks by address": "10.0.17.4:8080",
    "an IPv6 address": "[fd00::1]:8080",
    "a name of another site": "example.org",
    "no Host at all": "",
    "a port that is none": "example.com:http",
    "blanks": "  ",
    "markup": "<script>",
    "two names": "a.example.com,b.example.com",
    "an underscore": "my_host",
    "a trailing dot": "example.com.",
}


@pytest.mark.parametrize("sentence", HOSTS)
def test_health_answers_any_host_without_redirect(client: FlaskClient, sentence: str) -> None:
    response = client.get("/health", headers={"Host": HOSTS[sentence]})
    assert response.status_code == 200
    assert response.json == {"status": "ok"}


# What gunicorn lets through as a header's value: no control characters, decoded as Latin-1.
HEADER_VALUES = st.text(
    st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_categories=["Cc"]), max_size=300
)


@given(host=HEADER_VALUES, forwarded=HEADER_VALUES, proto=HEADER_VALUES, trace=HEADER_VALUES)
def test_health_answers_whatever_the_headers_say(
    host: str, forwarded: str, proto: str, trace: str
) -> None:
    client = create_app(Settings(environment="dev")).test_client()
    response = client.get(
        "/health",
        environ_overrides={
            "HTTP_HOST": host,
            "HTTP_X_FORWARDED_FOR": forwarded,
            "HTTP_X_FORWARDED_PROTO": proto,
            "HTTP_X_AMZN_TRACE_ID": trace,
            "HTTP_ACCEPT": trace,
        },
    )
    assert response.status_code == 200


def test_health_answers_head(client: FlaskClient) -> None:
    response = client.head("/health")
    assert response.status_code == 200
    assert response.data == b""


def test_version_tells_commit_environment_and_version(client: FlaskClient) -> None:
    response = client.get("/version")
    assert response.status_code == 200
    assert response.content_type == "application/json"
    assert response.json == {
        "commit": COMMIT,
        "database_revision": None,
        "environment": "qa-fix-login",
        "expected_database_revision": "0001",
        "image_digest": None,
        "version": VERSION,
    }


def test_health_and_version_are_never_cached(client: FlaskClient) -> None:
    for path in ("/health", "/version"):
        assert client.get(path).headers["Cache-Control"] == "no-store"
