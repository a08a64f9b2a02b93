"""The JSON API does what its OpenAPI description says, and nothing else."""

import dataclasses
import hashlib
import io
import json
import uuid
from collections.abc import Iterator
from importlib import resources
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate
from werkzeug.test import TestResponse

from slipway_app.settings import Settings
from tests import services as local
from tests.conftest import open_app

DESCRIPTION = json.loads(
    resources.files("slipway_app").joinpath("openapi.json").read_text(encoding="utf-8")
)

BYTES = "application/octet-stream"


def resolve(part: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in part:
        found: Any = DESCRIPTION
        for name in part["$ref"].removeprefix("#/").split("/"):
            found = found[name]
        part = found
    return part


def check(response: TestResponse, template: str) -> TestResponse:
    """Assert that the description has this answer of this operation, and that it's as it says."""
    method = response.request.method.lower()
    described = resolve(
        DESCRIPTION["paths"][template][method]["responses"][str(response.status_code)]
    )
    if "content" not in described:
        assert response.data == b""
        return response
    [(content_type, content)] = described["content"].items()
    assert response.content_type == content_type
    if "json" in content_type:
        schema = {**content["schema"], "components": DESCRIPTION["components"]}
        Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(
            response.json
        )
    return response


def upload(client: FlaskClient, name: str = "a.txt", content: bytes = b"x") -> dict[str, Any]:
    response = check(
        client.post(
            "/api/artifacts", query_string={"name": name}, data=content, content_type=BYTES
        ),
        "/api/artifacts",
    )
    assert response.status_code == 201
    assert response.json is not None
    assert response.location == f"/api/artifacts/{response.json['id']}"
    return dict(response.json)


def test_the_description_is_valid_and_served(client: FlaskClient) -> None:
    validate(DESCRIPTION)
    assert client.get("/api/openapi.json").json == DESCRIPTION


def test_every_route_is_described_and_the_other_way_round(app: Flask) -> None:
    routes = {
        (method.lower(), rule.rule.replace("<uuid:", "{").replace(">", "}"))
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if rule.endpoint.startswith(("api.", "health.")) and rule.endpoint != "api.description"
    }
    described = {
        (method, path)
        for path, operations in DESCRIPTION["paths"].items()
        for method in operations
        if method != "parameters"
    }
    assert routes == described


def test_an_artifact_goes_its_whole_way(live: FlaskClient, services: local.Services) -> None:
    content = b"\0\xff" * 5000
    made = upload(live, "report.bin", content)
    assert made["size"] == 10_000
    assert made["sha256"] == hashlib.sha256(content).hexdigest()
    path = f"/api/artifacts/{made['id']}"
    assert check(live.get(path), "/api/artifacts/{artifact_id}").json == made
    listed = check(live.get("/api/artifacts"), "/api/artifacts").json
    assert listed == {"artifacts": [made], "before": None}
    download = check(live.get(made["content"]), "/api/artifacts/{artifact_id}/content")
    assert download.data == content
    deleted = check(live.delete(path), "/api/artifacts/{artifact_id}")
    assert deleted.status_code == 204
    assert services.keys() == []
    for method, template in (
        ("GET", "/api/artifacts/{artifact_id}"),
        ("DELETE", "/api/artifacts/{artifact_id}"),
        ("GET", "/api/artifacts/{artifact_id}/content"),
    ):
        suffix = template.removeprefix("/api/artifacts/{artifact_id}")
        assert check(live.open(path + suffix, method=method), template).status_code == 404


def test_pages_hold_every_artifact_once_newest_first(live: FlaskClient) -> None:
    made = [upload(live, str(number))["id"] for number in range(7)]
    seen: list[str] = []
    before = None
    while True:
        query = {"limit": "3", **({"before": before} if before else {})}
        answer = check(live.get("/api/artifacts", query_string=query), "/api/artifacts").json
        assert answer is not None
        seen += [artifact["id"] for artifact in answer["artifacts"]]
        before = answer["before"]
        if before is None:
            break
    assert sorted(seen) == sorted(made)
    assert seen == sorted(seen, reverse=True)


# Each row: what is wrong with an upload -> (query, content type, status).
BAD_UPLOADS: dict[str, tuple[str, str | None, int]] = {
    "no name": ("", BYTES, 422),
    "a name with a line end": ("?name=a%0Ab", BYTES, 422),
    "a form's content": ("?name=a", "application/x-www-form-urlencoded", 415),
    "JSON": ("?name=a", "application/json", 415),
    "no content type": ("?name=a", None, 415),
}


@pytest.mark.parametrize("sentence", BAD_UPLOADS)
def test_a_wrong_upload_is_refused(
    live: FlaskClient, services: local.Services, sentence: str
) -> None:
    query, content_type, status = BAD_UPLOADS[sentence]
    response = live.post("/api/artifacts" + query, data=b"x", content_type=content_type)
    assert check(response, "/api/artifacts").status_code == status
    assert services.keys() == []


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=201", "limit=-1", "limit=x", "limit=1.0", "limit=٣", "before=x"]
)
def test_a_wrong_query_is_refused(live: FlaskClient, query: str) -> None:
    assert check(live.get(f"/api/artifacts?{query}"), "/api/artifacts").status_code == 400


@pytest.mark.parametrize("chunked", [False, True])
def test_an_upload_over_the_limit_is_refused_and_leaves_nothing(
    services: local.Services,
    configured: Settings,
    chunked: bool,
) -> None:
    before = services.keys()
    overrides = {"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}
    with open_app(dataclasses.replace(configured, max_upload_bytes=6_000_000)) as app:
        for size, status in ((6_000_000, 201), (6_000_001, 413), (20_000_000, 413)):
            body: dict[str, Any] = {"data": b"x" * size}
            if chunked:
                body = {"input_stream": io.BytesIO(b"x" * size), "environ_overrides": overrides}
            response = app.test_client().post("/api/artifacts?name=a", content_type=BYTES, **body)
            assert check(response, "/api/artifacts").status_code == status
    assert len(services.keys()) == len(before) + 1
    assert "Uploads" not in services.aws.s3.list_multipart_uploads(Bucket=local.BUCKET)


def test_other_paths_keep_the_smaller_limit(live: FlaskClient) -> None:
    assert live.post("/version", data=b"x" * 1_048_577).status_code == 413


@pytest.fixture(scope="module")
def shared(configured: Settings) -> Iterator[FlaskClient]:
    with open_app(configured) as app:
        yield app.test_client()


@settings(max_examples=60)
@given(
    name=st.text(st.characters(exclude_categories=["Cs"]), max_size=300),
    content=st.binary(max_size=3000),
)
def test_any_upload_is_kept_whole_or_refused_as_described(
    shared: FlaskClient, name: str, content: bytes
) -> None:
    response = check(
        shared.post(
            "/api/artifacts", query_string={"name": name}, data=content, content_type=BYTES
        ),
        "/api/artifacts",
    )
    assert response.status_code in {201, 422}
    if response.status_code == 201:
        assert response.json is not None
        download = shared.get(response.json["content"])
        assert download.data == content
        assert "\n" not in download.headers["Content-Disposition"]
        assert shared.delete(response.headers["Location"]).status_code == 204


@settings(max_examples=80)
@given(
    method=st.sampled_from(["get", "delete"]),
    template=st.sampled_from(sorted(DESCRIPTION["paths"])),
    artifact=st.uuids(),
    limit=st.one_of(st.integers(-5, 300).map(str), st.text(max_size=5)),
    before=st.one_of(st.uuids().map(str), st.text(max_size=40)),
)
def test_any_request_gets_a_described_answer(
    shared: FlaskClient, method: str, template: str, artifact: uuid.UUID, limit: str, before: str
) -> None:
    path = template.replace("{artifact_id}", str(artifact))
    response = shared.open(
        path, method=method.upper(), query_string={"limit": limit, "before": before}
    )
    if method in DESCRIPTION["paths"][template]:
        assert check(response, template).status_code < 500
    else:
        assert response.status_code == 405


READY: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "all is there": ({}, {"database": "ok", "artifacts": "ok"}),
    "no bucket of this name": (
        {"artifacts_bucket": "no-such-bucket"},
        {"database": "ok", "artifacts": "unreachable"},
    ),
    "no database of this name": (
        {"database_name": "nowhere"},
        {"database": "unreachable", "artifacts": "ok"},
    ),
    "a database without tables": (
        {"database_name": "bare"},
        {"database": "not migrated", "artifacts": "ok"},
    ),
    "nothing configured": (
        {"database_secret_arn": None, "artifacts_bucket": None},
        {"database": "not configured", "artifacts": "not configured"},
    ),
}


@pytest.mark.parametrize("sentence", READY)
def test_readiness_names_the_failing_part(
    services: local.Services, configured: Settings, sentence: str
) -> None:
    changes, parts = READY[sentence]
    if changes.get("database_name") == "bare":
        services.postgres.make_database("bare", local.USER)
    with open_app(dataclasses.replace(configured, **changes)) as app:
        client = app.test_client()
        response = check(client.get("/ready"), "/ready")
        good = set(parts.values()) == {"ok"}
        assert response.status_code == (200 if good else 503)
        assert response.json == {"status": "ready" if good else "unavailable", "parts": parts}
        # The load balancer's check knows nothing of it.
        assert client.get("/health").status_code == 200


def test_the_version_tells_the_schema(live: FlaskClient) -> None:
    answer = check(live.get("/version"), "/version").json
    assert answer is not None
    assert answer["database_revision"] == answer["expected_database_revision"] == "0001"
