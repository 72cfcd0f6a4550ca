"""The design's budgets, each with its measurement."""

import statistics
from dataclasses import dataclass

from benchmarks.bulk import COPY
from benchmarks.bulk import OURS as APPEND_MANY
from benchmarks.contenders import (
    BASELINE,
    LISTENED,
    NO_RESET,
    OURS,
    SAME_MODELS,
    SESSION_WITH_PING,
    SLOW_LOG,
    SPANS,
    TUNED_SESSION,
)
from benchmarks.results import OPERATIONS, Results
from benchmarks.service import PLAIN

SINGLE = tuple(operation for operation in OPERATIONS if operation != "turn")


@dataclass(frozen=True, slots=True)
class Budget:
    """One promise as a number."""

    what: str
    limit: str
    measured: str
    held: bool


def budgets(results: Results) -> list[Budget]:
    """Return every budget that a run can judge."""
    return [
        _round_trips(results),
        _time_worst(results),
        _time_mean(results),
        _same_models(results),
        _turn(results),
        *(_processor(results, name, limit) for name, limit in ((SLOW_LOG, 1.1), (SPANS, 1.6), (LISTENED, 1.1))),
        *(_session(results, name) for name in (SESSION_WITH_PING, TUNED_SESSION)),
        _delayed(results),
        _pages(results),
        _slowest(results),
        _bulk(results),
        _throughput(results),
        _service(results),
        Budget(
            "`alembic upgrade head`, empty database",
            "< 5 s",
            f"{results.upgrade_seconds:.1f} s",
            results.upgrade_seconds < 5,
        ),
        Budget(
            "import, processor time, to the libraries alone",
            "≤ 1.1x",
            f"{results.import_ratio:.2f}x",
            0 < results.import_ratio <= 1.1,
        ),
        *_deletion(results),
    ]


def _deletion(results: Results) -> list[Budget]:
    """Return the budget of a deletion; nothing for a quick run, which skips it."""
    seconds, what = results.deletion_seconds, "deleting a conversation of 1,000,000 messages, fsync on"
    return [] if results.quick else [Budget(what, "succeeds", f"{seconds:.1f} s", seconds > 0)]


def _round_trips(results: Results) -> Budget:
    trips = {name: results.round_trips[OURS][name] for name in SINGLE}
    worst = max(trips, key=lambda name: trips[name])
    return Budget("round trips per warm call", "1", f"{trips[worst]:g} ({worst})", set(trips.values()) == {1.0})


def _ratios(results: Results, delay_ms: float, *, to: str = BASELINE) -> dict[str, float]:
    found = {name: results.ratio(OURS, name, delay_ms, to=to) for name in SINGLE}
    return {name: ratio for name, ratio in found.items() if ratio is not None}


def _time_worst(results: Results) -> Budget:
    ratios = _ratios(results, 0)
    worst = max(ratios, key=lambda name: ratios[name])
    text = f"{ratios[worst]:.2f}x ({worst})"
    return Budget("time per call, to asyncpg's pool, each operation", "≤ 1.25x", text, ratios[worst] <= 1.25)


def _time_mean(results: Results) -> Budget:
    mean = statistics.geometric_mean(_ratios(results, 0).values())
    return Budget("the same, on average", "≤ 0.9x", f"{mean:.2f}x", mean <= 0.9)


def _same_models(results: Results) -> Budget:
    ratios = _ratios(results, 0, to=SAME_MODELS)
    worst = max(ratios, key=lambda name: ratios[name])
    text = f"{ratios[worst]:.2f}x ({worst})"
    return Budget("to asyncpg's pool without reset that builds the same models", "≤ 1.0x", text, ratios[worst] <= 1.0)


def _turn(results: Results) -> Budget:
    ratio = results.ratio(OURS, "turn", 0, to=NO_RESET) or 0.0
    what = "a chat turn, to asyncpg's pool without reset"
    return Budget(what, "≤ 0.8x", f"{ratio:.2f}x", 0 < ratio <= 0.8)


def _processor(results: Results, name: str, limit: float) -> Budget:
    plain, watched = results.timing(OURS, "get", 0), results.timing(name, "get", 0)
    ratio = watched.cpu / plain.cpu if plain and watched else 0.0
    what = f"client's processor for a get: {name}, to without"
    return Budget(what, f"≤ {limit}x", f"{ratio:.2f}x", 0 < ratio <= limit)


def _session(results: Results, name: str) -> Budget:
    faster = {operation: 1 / ratio for operation, ratio in _ratios(results, 0, to=name).items()}
    worst = min(faster, key=lambda name: faster[name])
    text = f"{faster[worst]:.1f}x ({worst})"
    return Budget(f"faster than a {name}, each operation", "≥ 3x", text, faster[worst] >= 3)


def _delayed(results: Results) -> Budget:
    ratios = _ratios(results, 5)
    worst = max(ratios, key=lambda name: ratios[name])
    text = f"{ratios[worst]:.2f}x ({worst})"
    return Budget("with 5 ms of delay, to asyncpg's pool", "≤ 0.6x", text, ratios[worst] <= 0.6)


def _pages(results: Results) -> Budget:
    buffers = [page.buffers for page in results.growth if page.what == "messages"]
    text = f"{buffers[0]} buffers of the shortest, {buffers[-1]} of the longest"
    return Budget(
        "page of 50, conversation of 100 to 1,000,000", "± 3 buffers", text, abs(buffers[-1] - buffers[0]) <= 3
    )


def _slowest(results: Results) -> Budget:
    worst = max(results.queries, key=lambda query: query.p99)
    text = f"{worst.p99 * 1000:.1f} ms ({worst.method})"
    return Budget("p99 at 10,000 rows of a user in 1,000,000", "< 5 ms", text, worst.p99 < 0.005)


def _bulk(results: Results) -> Budget:
    ratio = results.bulk_rows_per_second[APPEND_MANY] / results.bulk_rows_per_second[COPY]
    return Budget("`append_many` of 10,000, rows per second, to COPY", "≥ 0.5x", f"{ratio:.2f}x", ratio >= 0.5)


def _service(results: Results) -> Budget:
    ratio = results.service_seconds[OURS] / results.service_seconds[PLAIN]
    what = f"`GET /tasks?limit=50`, server's processor, to {PLAIN} with the same response model"
    return Budget(what, "≤ 0.8x", f"{ratio:.2f}x", ratio <= 0.8)


def _throughput(results: Results) -> Budget:
    bursts = {burst.contender: burst for burst in results.bursts}
    ratio = bursts[OURS].calls_per_second / bursts[NO_RESET].calls_per_second
    text = f"{ratio:.2f}x, {bursts[OURS].errors} errors"
    held = ratio >= 0.9 and not bursts[OURS].errors
    what = "1,000 callers on 20 connections, calls per second, to asyncpg's pool without reset"
    return Budget(what, "≥ 0.9x", text, held)
