"""What is believed of the headers that a load balancer sets and a client may forge."""

import pytest
from flask import Flask, jsonify, request
from flask.typing import ResponseReturnValue
from hypothesis import given
from hypothesis import strategies as st

from slipway_app import create_app
from slipway_app.settings import Settings

LOAD_BALANCER = "10.0.49.10"


def app_that_tells_what_it_believes() -> Flask:
    app = create_app(Settings(environment="dev"))

    @app.get("/believes")
    def believes() -> ResponseReturnValue:
        return jsonify(
            address=request.remote_addr,
            scheme=request.scheme,
            host=request.host,
            root=request.root_path,
        )

    return app


# Each row: the case -> (headers as they arrive from the load balancer, what to believe).
CASES: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "one hop is the client": (
        {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https"},
        {"address": "203.0.113.9", "scheme": "https"},
    ),
    "a hop that the client made up is ignored": (
        {"X-Forwarded-For": "198.51.100.1, 203.0.113.9"},
        {"address": "203.0.113.9"},
    ),
    "so are many made-up hops": (
        {"X-Forwarded-For": "127.0.0.1, 10.0.0.1, 169.254.169.254, 203.0.113.9"},
        {"address": "203.0.113.9"},
    ),
    "a made-up scheme before the real one is ignored": (
        {"X-Forwarded-Proto": "https, http"},
        {"scheme": "http"},
    ),
    "without a load balancer the peer is the client": (
        {},
        {"address": LOAD_BALANCER, "scheme": "http"},
    ),
    "a forwarded host is the client's invention": (
        {"X-Forwarded-Host": "evil.example.net"},
        {"host": "app.example.com"},
    ),
    "a forwarded port is not used": ({"X-Forwarded-Port": "666"}, {"host": "app.example.com"}),
    "a forwarded prefix is the client's invention": ({"X-Forwarded-Prefix": "/evil"}, {"root": ""}),
    "the standard Forwarded header is not one of ours": (
        {"Forwarded": "for=198.51.100.1;proto=https;host=evil.example.net"},
        {"address": LOAD_BALANCER, "scheme": "http", "host": "app.example.com"},
    ),
}


@pytest.mark.parametrize("sentence", CASES)
def test_believes_exactly_one_hop(sentence: str) -> None:
    headers, expected = CASES[sentence]
    response = (
        app_that_tells_what_it_believes()
        .test_client()
        .get(
            "/believes",
            headers={"Host": "app.example.com", **headers},
            environ_base={"REMOTE_ADDR": LOAD_BALANCER},
        )
    )
    assert response.json is not None
    assert {name: response.json[name] for name in expected} == expected


BELIEVING = app_that_tells_what_it_believes()


@given(
    forged=st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=200),
    client=st.ip_addresses().map(str),
)
def test_no_forged_header_hides_the_client(forged: str, client: str) -> None:
    # The load balancer appends the address that it sees to whatever the client sent.
    response = BELIEVING.test_client().get(
        "/believes", headers={"X-Forwarded-For": f"{forged},{client}"}
    )
    assert response.json is not None
    assert response.json["address"] == client
