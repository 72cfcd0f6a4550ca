"""What operators see: OpenTelemetry's spans and metrics of statements and pool, and a log of slow statements.

A statement is known by its name, the execution option ``name`` (``tasks.get``), or else by its first word; its text,
its parameters and its rows are private. Where nobody wants to know, nothing is imported and nothing listens.
"""

import logging
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Engine, event

from app.db.driver.retry import queued_seconds, retry_number
from app.db.driver.sqlstates import sqlstate_of
from app.db.target.settings import DatabaseSettings

_slow = logging.getLogger("app.db.slow")
_SCOPE = "app.db"
_PLACEHOLDERS = ("opentelemetry.trace", "opentelemetry.metrics")


@dataclass(slots=True)
class Execution:
    """One statement, executed once; `pool_wait_seconds` is how long its connection was waited for."""

    name: str
    pool_wait_seconds: float
    retry: int
    began_ns: int = field(default_factory=time.time_ns)
    seconds: float = 0.0
    rows: int = 0
    error: str | None = None
    """The server's code, or the class of an error without one."""


Report = Callable[[Execution], None]


def observe(engine: Engine, settings: DatabaseSettings) -> None:
    """Have `engine` reported: statements and pool to OpenTelemetry if it is configured, slow statements to the log."""
    reports = []
    if settings.slow_statement_seconds is not None:
        reports.append(slow_statement_log(settings.slow_statement_seconds))
    if _is_configured():
        from app.db.telemetry.pool_metrics import measure_pool  # noqa: PLC0415 - likewise
        from app.db.telemetry.spans import opentelemetry  # noqa: PLC0415 - it need not be installed

        reports.append(opentelemetry(_SCOPE, settings.application_name))
        measure_pool(_SCOPE, settings.application_name, engine)
    if reports:
        report_to(engine, *reports)


def report_to(engine: Engine, *reports: Report) -> None:
    """Call the `reports` after each statement of `engine`, also after one that failed or was cancelled."""
    # The dialect's events and not the engine's: a listener on the engine costs each call 40 µs.
    for method in ("do_execute", "do_executemany"):
        event.listen(engine, method, _reporting(method, reports))


def _reporting(method: str, reports: tuple[Report, ...]) -> Callable[[Any, str, Any, Any], bool]:
    def execute(cursor: Any, statement: str, parameters: Any, context: Any) -> bool:
        execution = _begin(statement, context)
        began = time.perf_counter()
        try:
            getattr(context.dialect, method)(cursor, statement, parameters, context)
            execution.rows = max(cursor.rowcount, 0)
        except BaseException as error:
            execution.error = sqlstate_of(error) or type(error).__name__
            raise
        finally:
            execution.seconds = time.perf_counter() - began
            for report in reports:
                report(execution)
        return True  # it has been executed

    return execute


def slow_statement_log(limit_seconds: float) -> Report:
    """Return a report that logs what took longer than the limit, its figures as fields of the record."""

    def report(execution: Execution) -> None:
        if execution.seconds < limit_seconds:
            return
        figures = {
            name: getattr(execution, name) for name in ("seconds", "rows", "pool_wait_seconds", "retry", "error")
        }
        _slow.warning(
            "%s took %.3f s", execution.name, execution.seconds, extra={"statement": execution.name, **figures}
        )

    return report


def _begin(statement: str, context: Any) -> Execution:
    name = context.execution_options.get("name") or statement.split(maxsplit=1)[0].lower()
    waited = queued_seconds.get()
    queued_seconds.set(0.0)  # it is the wait of the transaction's first statement only
    return Execution(name, waited, retry_number.get())


def _is_configured() -> bool:
    """Tell whether there is a provider; who configured one has imported OpenTelemetry, so that we need not."""
    trace, metrics = (sys.modules.get(name) for name in _PLACEHOLDERS)
    providers = [trace.get_tracer_provider()] if trace else []
    providers += [metrics.get_meter_provider()] if metrics else []
    return any(not type(provider).__module__.startswith(_PLACEHOLDERS) for provider in providers)
