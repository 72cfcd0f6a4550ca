"""The design's budgets, each with its measurement."""

from collections.abc import Iterable

from benchmarks.bulk import COPY
from benchmarks.bulk import OURS as APPEND_MANY
from benchmarks.bursts import CALLERS, JUDGED
from benchmarks.contenders import (
    BARE_SPANS,
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
from benchmarks.contenders.base import POOL_SIZE
from benchmarks.judging import Budget, at_least, at_most, fact
from benchmarks.results import OPERATIONS, Results
from benchmarks.services import ANSWERED_WHOLE, PLAIN, Ask
from benchmarks.spread import Spread

SINGLE = tuple(operation for operation in OPERATIONS if operation != "turn")


def budgets(results: Results) -> list[Budget]:
    """Return every budget that a run can judge."""
    return [
        _round_trips(results),
        at_most(f"time per call, to {BASELINE}, each operation", 1.25, _ratios(results, 0, to=BASELINE)),
        at_most("the same, on average", 0.9, _mean(results)),
        at_most(f"time per call, to {SAME_MODELS}, each operation", 1.0, _ratios(results, 0, to=SAME_MODELS)),
        at_most(f"a chat turn with 1 ms of delay, to {NO_RESET}", 0.8, _turn(results, 1, to=NO_RESET)),
        at_most(f"a chat turn without delay, to {SAME_MODELS}", 1.0, _turn(results, 0, to=SAME_MODELS)),
        _processor(results, SLOW_LOG, 1.1, to=OURS),
        _processor(results, LISTENED, 1.1, to=OURS),
        _processor(results, SPANS, 1.1, to=BARE_SPANS),
        *(_session(results, name) for name in (SESSION_WITH_PING, TUNED_SESSION)),
        at_most(f"with 5 ms of delay, to {BASELINE}, each operation", 0.6, _ratios(results, 5, to=BASELINE)),
        _pages(results),
        _slowest(results),
        at_least("`append_many` of 10,000, rows per second, to COPY", 0.5, {"": _bulk(results)}),
        *_throughput(results),
        *(_service(results, ask) for ask in ANSWERED_WHOLE),
        _upgrade(results),
        at_most("import, processor time, to the libraries alone", 1.1, {"": Spread.of(results.import_ratios)}),
        *_deletion(results),
    ]


def _ratios(
    results: Results,
    delay_ms: float,
    *,
    to: str,
    operations: Iterable[str] = SINGLE,
    contender: str = OURS,
) -> dict[str, Spread]:
    found = {each: results.spread(contender, each, delay_ms, to=to) for each in operations}
    return {operation: spread for operation, spread in found.items() if spread is not None}


def _mean(results: Results) -> dict[str, Spread]:
    found = results.mean_spread(OURS, 0)
    return {"": found} if found else {}


def _turn(results: Results, delay_ms: float, *, to: str) -> dict[str, Spread]:
    return _ratios(results, delay_ms, to=to, operations=("turn",))


def _processor(results: Results, name: str, limit: float, *, to: str) -> Budget:
    return at_most(f"client's processor: {name}, to {to}", limit, {"": results.observed_processor(name, to=to)})


def _session(results: Results, name: str) -> Budget:
    faster = _ratios(results, 0, to=OURS, contender=name)
    return at_least(f"faster than a {name}, each operation", 3, faster)


def _round_trips(results: Results) -> Budget:
    trips = {name: results.round_trips[OURS][name] for name in SINGLE}
    worst = max(trips, key=lambda name: trips[name])
    return fact("round trips per warm call", "1", f"{trips[worst]:g} {worst}", held=set(trips.values()) == {1.0})


def _pages(results: Results) -> Budget:
    buffers = [page.buffers for page in results.growth if page.what == "messages"]
    text = f"{buffers[0]} buffers of the shortest, {buffers[-1]} of the longest"
    what = "page of 50, conversation of 100 to 1,000,000"
    return fact(what, "± 3 buffers", text, held=abs(buffers[-1] - buffers[0]) <= 3)


def _slowest(results: Results) -> Budget:
    worst = max(results.queries, key=lambda query: query.p99)
    text = f"{worst.p99 * 1000:.1f} ms {worst.method}"
    return fact("p99 at 10,000 rows of a user in 1,000,000", "< 5 ms", text, held=worst.p99 < 0.005)


def _bulk(results: Results) -> Spread:
    return Spread.of_ratios(results.bulk_rows_per_second[APPEND_MANY], results.bulk_rows_per_second[COPY])


def _service(results: Results, ask: Ask) -> Budget:
    ours, plain = (results.served_by(name, ask.name) for name in (OURS, PLAIN))
    what = f"`{ask.name}`, server's processor, to {PLAIN} with the same response model"
    return at_most(what, 0.8, {"": Spread.of_ratios(ours.cpu_rounds, plain.cpu_rounds)})


def _throughput(results: Results) -> list[Budget]:
    if not results.concurrency:
        return []
    bursts = {burst.contender: burst for burst in results.concurrency if burst.callers == JUDGED}
    found = Spread.of_ratios(bursts[OURS].calls_per_second, bursts[NO_RESET].calls_per_second)
    ours = [burst for burst in results.concurrency if burst.contender == OURS]
    errors, most = sum(burst.errors for burst in ours), max(burst.connections for burst in ours)
    return [
        at_least(f"{JUDGED:,} callers on 20 connections, calls per second, to {NO_RESET}", 0.9, {"": found}),
        fact(
            f"errors, and connections, of 1 to {max(CALLERS):,} callers",
            f"0, and {POOL_SIZE}",
            f"{errors}, and {most}",
            held=not errors and most <= POOL_SIZE,
        ),
    ]


def _upgrade(results: Results) -> Budget:
    seconds = results.upgrade_seconds
    return fact("`alembic upgrade head`, empty database", "< 5 s", f"{seconds:.1f} s", held=seconds < 5)


def _deletion(results: Results) -> list[Budget]:
    """Return the budget of a deletion; nothing for a quick run, which skips it."""
    seconds, what = results.deletion_seconds, "deleting a conversation of 1,000,000 messages, fsync on"
    return [] if results.quick else [fact(what, "succeeds", f"{seconds:.1f} s", held=seconds > 0)]
