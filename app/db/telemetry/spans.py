"""Statements as OpenTelemetry's spans and metrics, named by its semantic conventions for databases."""

from typing import Final

from opentelemetry.metrics import MeterProvider, get_meter
from opentelemetry.trace import SpanKind, Status, StatusCode, TracerProvider, get_tracer
from opentelemetry.util.types import AttributeValue

from app.db.telemetry.execution import Execution, Report

POOL_NAME: Final = "db.client.connection.pool.name"
_NANOSECONDS: Final = 1_000_000_000


def opentelemetry(
    scope: str,
    pool_name: str,
    *,
    tracer_provider: TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
) -> Report:
    """Return a report that makes a span of each statement and measures it; without providers for the global ones."""
    tracer = get_tracer(scope, tracer_provider=tracer_provider)
    meter = get_meter(scope, meter_provider=meter_provider)
    duration = meter.create_histogram("db.client.operation.duration", "s", "How long statements take.")
    rows = meter.create_histogram("db.client.response.returned_rows", "{row}", "How many rows they return.")
    wait = meter.create_histogram("db.client.connection.wait_time", "s", "How long a free connection is waited for.")
    retries = meter.create_counter("db.client.retries", "{retry}", "How many executions were repetitions.")

    def report(execution: Execution) -> None:
        attributes = _attributes(execution)
        duration.record(execution.server_seconds, attributes)
        rows.record(execution.rows, attributes)
        wait.record(execution.queued_seconds, {POOL_NAME: pool_name})
        retries.add(1 if execution.retry else 0, attributes)
        figures = {
            "db.response.returned_rows": execution.rows,
            "db.client.connection.wait_time": execution.queued_seconds,
            "db.client.retry": execution.retry,
        }
        span = tracer.start_span(
            execution.name, kind=SpanKind.CLIENT, attributes={**attributes, **figures}, start_time=execution.began_ns
        )
        if execution.error:
            span.set_status(Status(StatusCode.ERROR))
        span.end(execution.began_ns + round(execution.server_seconds * _NANOSECONDS))

    return report


def _attributes(execution: Execution) -> dict[str, AttributeValue]:
    attributes: dict[str, AttributeValue] = {"db.system.name": "postgresql", "db.query.summary": execution.name}
    if execution.error:
        attributes["error.type"] = execution.error
    return attributes
