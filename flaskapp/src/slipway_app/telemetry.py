"""Traces and metrics for an OpenTelemetry collector, where the settings name one."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import metrics, propagate, trace
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.botocore import BotocoreInstrumentor
from opentelemetry.instrumentation.flask import FlaskInstrumentor
from opentelemetry.instrumentation.psycopg import PsycopgInstrumentor
from opentelemetry.propagators.aws import AwsXRayPropagator
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from slipway_app.logs import TRACE_HEADER, trace_id
from slipway_app.version import VERSION

if TYPE_CHECKING:
    from flask import Flask

    from slipway_app.settings import Settings

# The load balancer asks for it every few seconds, and it does nothing.
_LEFT_OUT: Final = "/health$"

# With retries. When a process ends it waits for its last traces, and ECS doesn't wait for ever.
_EXPORT_SECONDS: Final = 2


def register(app: "Flask", settings: "Settings") -> None:
    """Send traces and metrics of the application to the collector; do nothing without one."""
    if settings.otlp_endpoint is None:
        return
    base = settings.otlp_endpoint.rstrip("/")
    readers: list[MetricReader] = []
    if settings.otlp_metrics:
        readers.append(
            PeriodicExportingMetricReader(
                OTLPMetricExporter(endpoint=base + "/v1/metrics", timeout=_EXPORT_SECONDS)
            )
        )
    install(
        app,
        settings,
        BatchSpanProcessor(OTLPSpanExporter(endpoint=base + "/v1/traces", timeout=_EXPORT_SECONDS)),
        readers,
    )


def install(
    app: "Flask", settings: "Settings", spans: SpanProcessor, readers: Sequence[MetricReader]
) -> tuple[TracerProvider, MeterProvider]:
    """Trace and measure the application, its statements and its calls to AWS.

    The libraries' own variables (OTEL_TRACES_SAMPLER and its kind) apply. Statements are recorded
    without their values. Both providers send what is left when the process ends.
    """
    resource = Resource.create(
        {
            "service.name": "simple-flask-app",
            "service.version": VERSION,
            "deployment.environment.name": settings.environment,
            "vcs.ref.head.revision": settings.commit,
        }
    )
    tracers = TracerProvider(resource=resource)
    tracers.add_span_processor(spans)
    meters = MeterProvider(resource=resource, metric_readers=readers)
    trace.set_tracer_provider(tracers)
    metrics.set_meter_provider(meters)
    # X-Ray's header comes from AWS services that take part in the trace. Where both are sent, the
    # one that is read later counts, and that is the W3C's.
    propagate.set_global_textmap(
        CompositePropagator(
            [AwsXRayPropagator(), TraceContextTextMapPropagator(), W3CBaggagePropagator()]
        )
    )
    FlaskInstrumentor().instrument_app(  # type: ignore[no-untyped-call]
        app,
        tracer_provider=tracers,
        meter_provider=meters,
        excluded_urls=_LEFT_OUT,
        request_hook=_name_load_balancers_trace,
    )
    _once(PsycopgInstrumentor(), tracer_provider=tracers)
    _once(BotocoreInstrumentor(), tracer_provider=tracers)  # type: ignore[no-untyped-call]
    return tracers, meters


def _once(instrumentor: Any, **options: Any) -> None:
    if not instrumentor.is_instrumented_by_opentelemetry:
        instrumentor.instrument(**options)


def _name_load_balancers_trace(span: trace.Span, environ: dict[str, Any]) -> None:
    """Note the load balancer's trace id, by which its log and ours are found.

    The load balancer begins no X-Ray segment, so its id is no parent of the span.
    """
    header = trace_id(environ.get("HTTP_" + TRACE_HEADER.upper().replace("-", "_")))
    if header is not None and span.is_recording():
        span.set_attribute("aws.load_balancer.trace_id", header)
