"""Exports operations as OpenTelemetry spans, as the OTEL_ variables say. Imported only with --tracing."""

import threading
import time
from collections.abc import Mapping

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from graph.telemetry.calls import Call

__all__ = ["Tracing"]

CLOSE_SECONDS = 1.0  # how long a server that stops waits for the collector; the exporter by itself retries for longer


class Tracing:
    """Exports each operation that ended as a span. Raises ValueError for an OTEL_ variable with a wrong value."""

    def __init__(self, close_seconds: float = CLOSE_SECONDS) -> None:
        self._close_seconds = close_seconds
        named = Resource.create({"service.name": "training-monitor"}).merge(OTELResourceDetector().detect())
        self._provider = TracerProvider(resource=named, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("training-monitor")
        self._propagator = TraceContextTextMapPropagator()

    def export(self, call: Call) -> None:
        """Export a call that has just ended, within the trace that its traceparent names."""
        ended = time.time_ns()
        carrier: Mapping[str, str] = {"traceparent": call.parent.decode("latin-1")} if call.parent else {}
        attributes = {
            "graphql.operation.type": call.kind,
            "graphql.operation.name": call.operation,
            "training_monitor.outcome": call.outcome,
            "training_monitor.request_id": call.id,
        }
        span = self._tracer.start_span(
            " ".join(filter(None, [call.kind, call.operation])) or "request",
            self._propagator.extract(carrier),
            SpanKind.SERVER,
            {name: value for name, value in attributes.items() if value},
            start_time=ended - int(call.seconds * 1e9),
        )
        if call.outcome in {"failed", "timeout"}:
            span.set_status(Status(StatusCode.ERROR))
        span.end(ended)

    def close(self) -> None:
        """Send the spans that are left, within `close_seconds`."""
        sending = threading.Thread(target=self._provider.shutdown, daemon=True)
        sending.start()
        sending.join(self._close_seconds)
