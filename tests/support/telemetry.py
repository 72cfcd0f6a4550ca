"""A database whose statements and pool are reported."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from app.db import Database, DatabaseSettings
from app.db.telemetry.pool_metrics import measure_pool
from app.db.telemetry.slow_log import slow_statement_log
from app.db.telemetry.spans import POOL_NAME, opentelemetry


class Telemetry:
    """A database that reports to OpenTelemetry, and logs all of its statements as slow."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self._exporter = InMemorySpanExporter()
        self._reader = InMemoryMetricReader()
        tracer_provider = TracerProvider()
        tracer_provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracer = tracer_provider.get_tracer("test")
        self._meter_provider = MeterProvider([self._reader])
        name = db.settings.application_name
        report = opentelemetry("test", name, tracer_provider=tracer_provider, meter_provider=self._meter_provider)
        db.report_to(slow_statement_log(0.0))
        db.report_to(report)
        self.measure(db)

    def measure(self, db: Database) -> None:
        """Start measuring the pool of a database."""
        measure_pool("test", db.settings.application_name, db.pool, meter_provider=self._meter_provider)

    def spans(self) -> list[Any]:
        """Return the spans so far, as `Any` because each attribute is optional to a type checker."""
        return list(self._exporter.get_finished_spans())

    def metrics(self) -> dict[str, list[Any]]:
        """Return the data points of each metric."""
        data = self._reader.get_metrics_data()
        assert data is not None
        return {
            metric.name: list(metric.data.data_points)
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }

    def pool(self, name: str | None = None) -> dict[str, int]:
        """Return the metrics of the pool of this name, or of the fixture's."""
        name = name or self.db.settings.application_name
        return {
            point.attributes.get("db.client.connection.state")
            or metric.removeprefix("db.client.connection."): point.value
            for metric, points in self.metrics().items()
            for point in points
            if point.attributes.get(POOL_NAME) == name and hasattr(point, "value")
        }

    def close(self) -> None:
        """Shut down the metric reader."""
        self._meter_provider.shutdown()


@asynccontextmanager
async def observed(url: str) -> AsyncIterator[Telemetry]:
    """Open a database of two connections that is reported."""
    settings = DatabaseSettings(
        url=url, pool_size=2, pool_timeout_seconds=1, retry_seconds=2, application_name=f"app {uuid4()}"
    )
    async with Database(settings) as db:
        telemetry = Telemetry(db)
        yield telemetry
        telemetry.close()
