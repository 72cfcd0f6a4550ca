"""Our layer while it is observed: what observation costs the client's processor."""

from typing import Any

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from sqlalchemy import Engine, event

from app.db.models import TaskRead
from app.db.telemetry.slow_log import slow_statement_log
from app.db.telemetry.spans import opentelemetry
from benchmarks.contenders.base import Place
from benchmarks.contenders.ours import Ours

_NEVER_SECONDS = 60.0


class Watched(Ours):
    """Measured in one operation, since the cost is the same for each."""

    operations = ("get",)
    pooled = False


class OursWithSlowLog(Watched):
    """The log of slow statements is on, and no statement is slow."""

    how = "the same with `DATABASE_SLOW_STATEMENT_SECONDS`"

    async def open(self, url: str, place: Place) -> None:
        await super().open(url, place)
        self._db.report_to(slow_statement_log(_NEVER_SECONDS))


class WithSpans(Watched):
    """Spans are made by OpenTelemetry's SDK, and end in memory."""

    async def open(self, url: str, place: Place) -> None:
        await super().open(url, place)
        self._exporter, self._provider = InMemorySpanExporter(), TracerProvider()
        self._provider.add_span_processor(BatchSpanProcessor(self._exporter))

    async def prepare(self) -> None:
        self._exporter.clear()


class OursWithSpans(WithSpans):
    """Each call creates a span."""

    how = "the same with OpenTelemetry's SDK: a batch processor, spans kept in memory"

    async def open(self, url: str, place: Place) -> None:
        await super().open(url, place)
        self._db.report_to(opentelemetry("benchmarks", "benchmarks", tracer_provider=self._provider))

    async def spans_of_gets(self, calls: int) -> tuple[ReadableSpan, ...]:
        """Return the span of each call."""
        for _ in range(calls):
            await self.get(self._place.task)
        self._provider.force_flush()
        return self._exporter.get_finished_spans()


class OursWithBareSpans(WithSpans):
    """The caller creates the same span itself, which shows what the SDK alone costs."""

    how = "the same, unobserved, with a span of as many attributes that its caller makes of each call"

    async def open(self, url: str, place: Place) -> None:
        await super().open(url, place)
        self._tracer = self._provider.get_tracer("benchmarks")
        layer = OursWithSpans()
        await layer.open(url, place)
        *_, self._like = await layer.spans_of_gets(2)  # the first one tells of the connecting, too
        await layer.close()

    async def get(self, task: int) -> TaskRead:
        span = self._tracer.start_span(self._like.name, kind=self._like.kind, attributes=self._like.attributes)
        try:
            return await super().get(task)
        finally:
            span.end()


class OursBesideAListener(Watched):
    """An APM agent listened to every engine of the process and was removed."""

    how = "the same after a listener was set on SQLAlchemy's class `Engine` and removed"

    async def open(self, url: str, place: Place) -> None:
        def hear(*_: Any) -> None:
            """Do nothing."""

        event.listen(Engine, "before_cursor_execute", hear)
        event.remove(Engine, "before_cursor_execute", hear)
        await super().open(url, place)
