"""Pools as OpenTelemetry's metrics, named by its semantic conventions for databases."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final
from weakref import WeakKeyDictionary

from opentelemetry.metrics import CallbackOptions, MeterProvider, Observation, get_meter

from app.db.pool.pool import Pool
from app.db.telemetry.spans import POOL_NAME

Callback = Callable[[CallbackOptions], Iterable[Observation]]
# Of the whole process: of two callbacks for one metric OpenTelemetry takes the first and drops the other.
_names: WeakKeyDictionary[Pool, str] = WeakKeyDictionary()


def measure_pool(scope: str, pool_name: str, pool: Pool, *, meter_provider: MeterProvider | None = None) -> None:
    """Have `pool` measured whenever metrics are read, in whatever thread, as long as the pool lives."""
    _names[pool] = pool_name
    meter = get_meter(scope, meter_provider=meter_provider)
    for name, unit, callbacks in (
        ("count", "{connection}", [_USED, _IDLE]),
        ("max", "{connection}", [_SIZE]),
        ("pending_requests", "{request}", [_WAITING]),
    ):
        meter.create_observable_up_down_counter(f"db.client.connection.{name}", callbacks, unit)
    meter.create_observable_counter("db.client.connection.timeouts", [_TIMEOUTS], "{timeout}")


def _callback(figure: Callable[[Pool], int], *, state: str | None = None) -> Callback:
    more = {"db.client.connection.state": state} if state else {}

    def observe(_: CallbackOptions) -> Iterable[Observation]:
        return [Observation(sum(map(figure, pools)), {POOL_NAME: name, **more}) for name, pools in _pools().items()]

    return observe


def _pools() -> Mapping[str, Sequence[Pool]]:
    """Return the pools by name; those of one name are one in the metrics."""
    pools = defaultdict(list)
    for reference in _names.keyrefs():
        pool = reference()
        if pool is not None:
            pools[_names[pool]].append(pool)
    return pools


_USED: Final = _callback(lambda pool: pool.status().in_use, state="used")
_IDLE: Final = _callback(lambda pool: pool.status().idle, state="idle")
_SIZE: Final = _callback(lambda pool: pool.status().size)
_WAITING: Final = _callback(lambda pool: pool.status().waiting + pool.status().connecting)
_TIMEOUTS: Final = _callback(lambda pool: pool.timeouts)
