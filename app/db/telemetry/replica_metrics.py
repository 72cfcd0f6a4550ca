"""Replicas as OpenTelemetry's metrics."""

from collections.abc import Iterable, Iterator
from typing import Final
from weakref import WeakKeyDictionary

from opentelemetry.metrics import CallbackOptions, MeterProvider, Observation, get_meter

from app.db.telemetry.replicas import Replicas
from app.db.telemetry.spans import POOL_NAME

_ADDRESS: Final = "server.address"
_OUTCOME: Final = "db.client.replica.outcome"
_OUTCOMES: Final = ("served", "behind", "not_ready", "late", "failed")
# Of the whole process: of two callbacks for one metric OpenTelemetry takes the first and drops the other.
_names: WeakKeyDictionary[Replicas, str] = WeakKeyDictionary()


def measure_replicas(
    scope: str, pool_name: str, replicas: Replicas, *, meter_provider: MeterProvider | None = None
) -> None:
    """Have the replicas measured whenever metrics are read, in whatever thread, as long as their database lives."""
    _names[replicas] = pool_name
    meter = get_meter(scope, meter_provider=meter_provider)
    meter.create_observable_counter("db.client.replica.reads", [_reads], "{read}", "What became of reads on replicas.")
    meter.create_observable_counter(
        "db.client.primary.reads", [_fallbacks], "{read}", "Reads that no replica answered."
    )
    meter.create_observable_gauge(
        "db.client.replica.lag", [_lags], "s", "How far a replica was behind when it answered."
    )


def _reads(_: CallbackOptions) -> Iterable[Observation]:
    for name, replicas in _measured():
        for each in replicas.status():
            for outcome in _OUTCOMES:
                attributes = {POOL_NAME: name, _ADDRESS: each.place, _OUTCOME: outcome}
                yield Observation(getattr(each, outcome), attributes)


def _fallbacks(_: CallbackOptions) -> Iterable[Observation]:
    for name, replicas in _measured():
        yield Observation(replicas.reads_on_primary, {POOL_NAME: name})


def _lags(_: CallbackOptions) -> Iterable[Observation]:
    for name, replicas in _measured():
        for each in replicas.status():
            yield Observation(each.lag_seconds, {POOL_NAME: name, _ADDRESS: each.place})


def _measured() -> Iterator[tuple[str, Replicas]]:
    for reference in _names.keyrefs():
        replicas = reference()
        if replicas is not None:
            yield _names[replicas], replicas
