"""Traces and metrics of real requests, statements and calls; in a process of their own.

OpenTelemetry's providers can be set only once in a process.
"""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests import services as local
from tests.conftest import ROOT
from tests.server import SECONDS, environment, running

LOAD_BALANCER = "Root=1-67891233-abcdef012345678912345678"

# The example of the W3C's Trace Context, section 3.2.
CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

PROGRAM = """
import json, logging, os, sys
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from slipway_app import create_app, logs, telemetry
from slipway_app.settings import Settings

settings = Settings.from_environ(os.environ)
logs.configure("info")
app = create_app(settings)
spans, reader = InMemorySpanExporter(), InMemoryMetricReader()
telemetry.install(app, settings, SimpleSpanProcessor(spans), [reader])

@app.get("/logs")
def log():
    app.logger.warning("in a span")
    return ""

client = app.test_client()
client.post("/api/artifacts?name=a", data=b"hunter2", content_type="application/octet-stream")
client.get("/api/artifacts", headers={"X-Amzn-Trace-Id": sys.argv[1]})
client.get("/logs", headers={"traceparent": sys.argv[2]})
client.get("/health")
found = [
    {
        "name": span.name,
        "trace": format(span.context.trace_id, "032x"),
        "kind": span.kind.name,
        "attributes": {k: str(v) for k, v in span.attributes.items()},
        "resource": dict(span.resource.attributes),
    }
    for span in spans.get_finished_spans()
]
metrics = [
    metric.name
    for resource in reader.get_metrics_data().resource_metrics
    for scope in resource.scope_metrics
    for metric in scope.metrics
]
print(json.dumps({"spans": found, "metrics": metrics}))
"""


@pytest.fixture(scope="module")
def seen(services: local.Services) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What was exported, and what was logged."""
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", PROGRAM, LOAD_BALANCER, CALLER],
        cwd=ROOT,
        env=environment(services.environ),
        capture_output=True,
        text=True,
        timeout=SECONDS * 3,
        check=True,
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return lines[-1], lines[:-1]


def test_a_request_is_a_trace_of_its_statements_and_calls(seen: Any) -> None:
    spans = seen[0]["spans"]
    [upload] = [span for span in spans if span["name"] == "POST /api/artifacts"]
    children = [span for span in spans if span["trace"] == upload["trace"] and span is not upload]
    assert {"INSERT", "S3.PutObject"} <= {span["name"].split()[0] for span in children}
    assert upload["kind"] == "SERVER"
    assert upload["resource"]["service.name"] == "simple-flask-app"
    assert upload["resource"]["deployment.environment.name"] == "qa-fix-login"


def test_the_load_balancers_id_is_on_the_span(seen: Any) -> None:
    [listing] = [span for span in seen[0]["spans"] if span["name"] == "GET /api/artifacts"]
    assert listing["attributes"]["aws.load_balancer.trace_id"] == LOAD_BALANCER


def test_a_log_line_carries_the_ids_of_the_callers_trace(seen: Any) -> None:
    [line] = [line for line in seen[1] if line["message"] == "in a span"]
    assert line["otel_trace_id"] == "0af7651916cd43dd8448eb211c80319c"
    assert len(line["otel_span_id"]) == 16


def test_health_checks_are_not_traced(seen: Any) -> None:
    assert not [span for span in seen[0]["spans"] if "health" in span["name"]]


def test_requests_are_measured(seen: Any) -> None:
    assert "http.server.duration" in seen[0]["metrics"]


def test_no_value_and_no_secret_is_in_a_span(seen: Any, services: local.Services) -> None:
    text = json.dumps(seen[0], ensure_ascii=False)
    assert "hunter2" not in text
    assert services.password not in text
    assert json.dumps(services.password)[1:-1] not in text


def test_a_collector_that_is_down_harms_nothing(services: local.Services) -> None:
    with running(
        **services.environ, APP_WORKERS="1", OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:1"
    ) as server:
        assert server.get("/artifacts")[0] == 200
        server.terminate()
        assert server.process.wait(SECONDS) == 0


@contextmanager
def collector() -> Iterator[tuple[str, list[str]]]:
    """An OpenTelemetry collector that only notes which signals it gets."""
    paths: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            paths.append(self.path)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", paths
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(
    ("variables", "signals"),
    [
        pytest.param({}, {"/v1/traces", "/v1/metrics"}, id="both unless told otherwise"),
        pytest.param({"OTEL_METRICS_EXPORTER": "none"}, {"/v1/traces"}, id="traces alone"),
        pytest.param(
            {
                "OTEL_METRICS_EXPORTER": "none",
                "OTEL_TRACES_SAMPLER": "traceidratio",
                "OTEL_TRACES_SAMPLER_ARG": "0",
            },
            set(),
            id="no caller can ask for a trace",
        ),
    ],
)
def test_the_collector_gets_what_the_settings_say(
    services: local.Services, variables: dict[str, str], signals: set[str]
) -> None:
    with collector() as (address, paths):
        settings = {"APP_WORKERS": "1", "OTEL_EXPORTER_OTLP_ENDPOINT": address, **variables}
        with running(**services.environ, **settings) as server:
            assert server.get("/artifacts", {"traceparent": CALLER})[0] == 200
            server.terminate()
            assert server.process.wait(SECONDS) == 0
    assert set(paths) == signals
