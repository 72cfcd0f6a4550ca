"""Which reports the settings and the process ask for."""

import sys
from typing import TYPE_CHECKING

from app.db.pool.pool import Pool
from app.db.target.settings import DatabaseSettings
from app.db.telemetry.execution import Report

if TYPE_CHECKING:
    from app.db.telemetry.replicas import Replicas

_SCOPE = "app.db"
_PLACEHOLDERS = ("opentelemetry.trace", "opentelemetry.metrics")


def configured_reports(settings: DatabaseSettings, pool: Pool) -> list[Report]:
    """Return the slow-statement log if it is on, and OpenTelemetry's report if the process has a provider.

    With a provider the pool is measured too. Without, nothing of OpenTelemetry is imported.
    """
    reports: list[Report] = []
    if settings.slow_statement_seconds is not None:
        from app.db.telemetry.slow_log import slow_statement_log  # noqa: PLC0415 - few ask for it

        reports.append(slow_statement_log(settings.slow_statement_seconds))
    if _has_provider():
        from app.db.telemetry.pool_metrics import measure_pool  # noqa: PLC0415 - it need not be installed
        from app.db.telemetry.spans import opentelemetry  # noqa: PLC0415 - likewise

        reports.append(opentelemetry(_SCOPE, settings.application_name))
        measure_pool(_SCOPE, settings.application_name, pool)
    return reports


def measure_configured_replicas(settings: DatabaseSettings, replicas: "Replicas") -> None:
    """Have the replicas measured if the process has a provider of OpenTelemetry."""
    if _has_provider():
        from app.db.telemetry.replica_metrics import measure_replicas  # noqa: PLC0415 - it need not be installed

        measure_replicas(_SCOPE, settings.application_name, replicas)


def _has_provider() -> bool:
    """Return whether a provider is set; to set one OpenTelemetry is imported already, so that we need not."""
    trace, metrics = (sys.modules.get(name) for name in _PLACEHOLDERS)
    providers = [trace.get_tracer_provider()] if trace else []
    providers += [metrics.get_meter_provider()] if metrics else []
    return any(not type(provider).__module__.startswith(_PLACEHOLDERS) for provider in providers)
