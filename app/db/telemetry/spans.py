"""Statements as OpenTelemetry's spans and metrics, named by its semantic conventions for databases."""

from functools import lru_cache
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
    wait = meter.create_histogram("db.client.connection.wait_time", "s", "How long callers queue for a connection.")
    retries = meter.create_counter("db.client.retries", "{retry}", "How many executions were retries.")
    retries.add(0)  # so that it is there before the first one
    pool = {POOL_NAME: pool_name}

    def report(execution: Execution) -> None:
        attributes = _attributes(execution.name, execution.error)
        duration.record(execution.server_seconds, attributes)
        rows.record(execution.rows, attributes)
        wait.record(execution.queued_seconds, pool)
        if execution.retry:
            retries.add(1, attributes)
        span = tracer.start_span(
            execution.name,
            kind=SpanKind.CLIENT,
            attributes={**attributes, "db.response.returned_rows": execution.rows, **_unusual(execution)},
            start_time=execution.began_ns,
        )
        if execution.error:
            span.set_status(Status(StatusCode.ERROR))
        span.end(execution.began_ns + round(execution.server_seconds * _NANOSECONDS))

    return report


def _unusual(execution: Execution) -> dict[str, AttributeValue]:
    """Return what most statements have none of: each attribute costs the SDK time."""
    figures: dict[str, AttributeValue | None] = {
        "db.client.connection.wait_time": execution.queued_seconds,
        "db.client.connection.create_time": execution.connecting_seconds,
        "db.client.retry": execution.retry,
        "server.address": execution.replica,
    }
    return {name: figure for name, figure in figures.items() if figure}


@lru_cache(1000)
def _attributes(name: str, error: str | None) -> dict[str, AttributeValue]:
    return {"db.system.name": "postgresql", "db.query.summary": name, **({"error.type": error} if error else {})}
