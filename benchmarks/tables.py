"""The report as rows of text, for both the terminal and the document."""

import statistics
from collections.abc import Callable, Collection
from dataclasses import dataclass

from benchmarks.budgets import budgets
from benchmarks.bulk import COPY
from benchmarks.bulk import OURS as APPEND_MANY
from benchmarks.contenders import (
    BARE_SPANS,
    BASELINE,
    CONTENDERS,
    CORE,
    NO_RESET,
    OURS,
    SAME_MODELS,
    SESSION_WITH_PING,
    WATCHED,
)
from benchmarks.judging import FEWEST_ROUNDS
from benchmarks.results import OPERATIONS, Results
from benchmarks.services import PLAIN
from benchmarks.spread import Spread

_TIMED = [name for name in CONTENDERS if name not in WATCHED]

_JUDGED = f"""The run fails when one is over. A ratio is taken in each round, between what two contenders measured in
it; shown are the median over the rounds and, in parentheses, the quartiles. A budget is held if the quartile nearer
to its limit is within it, so that the same code gets the same verdict; fewer than {FEWEST_ROUNDS} rounds give none.
Why, and where the chat turn is judged: [decision 21](decisions/0021-how-budgets-are-judged.md); what observation is
compared with: [decision 25](decisions/0025-what-observation-may-cost.md)."""

_QUEUE = """Reads and writes by turns, four or more calls of each caller, all at once. A call's time includes the wait
in the queue, so that it grows with the callers; the slowest caller's time for all its calls is divided by the
fastest's. Memory is the process's right after the burst, each caller's task still in it. Nothing grows
but the queue."""

_OBSERVED = """A `get`; the five take many short turns in each round. Milliseconds; processor: the client's, in
microseconds, and its ratios."""

_SERVED = f"""One process each, with uvloop and h11, which verifies the token and logs the request; 16 connections send
at once. {PLAIN}: the same statements and response models, written by hand. With a SQLModel session: as its tutorial has
it. A constant answer: FastAPI, the token, and the bytes of this layer's answer, the floor of the framework."""


@dataclass(frozen=True, slots=True)
class Table:
    """A heading, an explanation and the cells."""

    title: str
    note: str
    columns: list[str]
    rows: list[list[str]]


def tables(results: Results) -> list[Table]:
    """Return every table of a report that has rows, ratios first."""
    found = [
        _budgets(results),
        *(_ratios(results, delay_ms) for delay_ms in results.delays()),
        *(_by_round(results, delay_ms) for delay_ms in results.delays()),
        _session_ratios(results),
        _round_trips(results),
        _throughput(results),
        _concurrency(results),
        _observed(results),
        _variants(results),
        _services(results),
        *(_times(results, delay_ms) for delay_ms in results.delays()),
        _cpu(results),
        _growth(results),
        _slowest(results),
        _bulk(results),
    ]
    return [table for table in found if table.rows]


def _budgets(results: Results) -> Table:
    rows = [[b.what, b.limit, b.measured, b.verdict] for b in budgets(results)]
    return Table("Budgets", _JUDGED, ["what", "budget", "measured", ""], rows)


def _ratios(results: Results, delay_ms: float) -> Table:
    def cell(name: str, operation: str) -> str:
        return _shown(results.ratio(name, operation, delay_ms), ".2f")

    note = f"Time per call relative to {BASELINE} with its defaults: 0.50 is half its time; - is not supported."
    return Table(f"Ratios at {delay_ms:g} ms of delay", note, *_by_operation(cell))


def _by_round(results: Results, delay_ms: float) -> Table:
    def cells(to: str, *, of_processor: bool) -> list[str]:
        found = [results.spread(OURS, each, delay_ms, to=to, of_processor=of_processor) for each in OPERATIONS]
        return [spread.shown() if spread else "-" for spread in found]

    rows = [
        [f"{name}, {kind}", *cells(name, of_processor=kind == "processor")]
        for name in (BASELINE, NO_RESET, SAME_MODELS, CORE)
        for kind in ("time", "processor")
    ]
    note = (
        "What this layer takes of the other's time, and of its client's processor time: the median and the quartiles."
    )
    return Table(f"This layer beside asyncpg and Core at {delay_ms:g} ms of delay", note, ["", *OPERATIONS], rows)


def _session_ratios(results: Results) -> Table:
    def cell(name: str, operation: str) -> str:
        return _shown(results.ratio(name, operation, 0, to=SESSION_WITH_PING), ".2f")

    return Table(f"Ratios to {SESSION_WITH_PING}, no delay", "As above.", *_by_operation(cell))


def _round_trips(results: Results) -> Table:
    def cell(name: str, operation: str) -> str:
        return _shown(results.round_trips.get(name, {}).get(operation), "g")

    note = "Counted by a relay between client and server, on a warm connection."
    return Table("Round trips per call", note, *_by_operation(cell, CONTENDERS))


def _times(results: Results, delay_ms: float) -> Table:
    def cell(name: str, operation: str) -> str:
        found = results.timing(name, operation, delay_ms)
        return f"{_ms(found.median)} ({_ms(found.quarter)}-{_ms(found.three_quarters)})" if found else "-"

    note = "Milliseconds: the median, and the quartiles around it."
    return Table(f"Time per call at {delay_ms:g} ms of delay", note, *_by_operation(cell))


def _cpu(results: Results) -> Table:
    def cell(name: str, operation: str) -> str:
        found = results.timing(name, operation, 0)
        return f"{found.cpu * 1e6:.0f}" if found else "-"

    return Table("Client's processor per call", "Microseconds, no delay.", *_by_operation(cell))


def _throughput(results: Results) -> Table:
    rows = [
        [
            burst.contender,
            Spread.of(burst.calls_per_second).shown(",.0f"),
            f"{burst.cpu_per_call * 1e6:.0f}",
            str(burst.errors),
            f"{burst.memory_bytes / 1e6:.0f}",
        ]
        for burst in sorted(results.bursts, key=lambda burst: -statistics.median(burst.calls_per_second))
    ]
    note = "Reads and writes by turns. Memory is the process's at the end, its libraries included."
    columns = ["", "calls per second", "processor per call, µs", "errors", "memory, MB"]
    return Table("1,000 callers on 20 connections", note, columns, rows)


def _concurrency(results: Results) -> Table:
    rows = [
        [
            f"{burst.callers:,}, {burst.contender}",
            Spread.of(burst.calls_per_second).shown(",.0f"),
            _ms(burst.p50),
            _ms(burst.p99),
            f"{burst.slowest_to_fastest:.2f}",
            f"{burst.memory_bytes / 1e6:.0f}",
            str(burst.connections),
        ]
        for burst in sorted(results.concurrency, key=lambda burst: (burst.callers, burst.contender != OURS))
    ]
    columns = ["callers", "calls per second", "p50, ms", "p99, ms", "slowest to fastest", "memory, MB", "connections"]
    return Table("From 1 to 10,000 callers on 20 connections", _QUEUE, columns, rows)


def _observed(results: Results) -> Table:
    def ratio(name: str, to: str) -> str:
        return results.observed_processor(name, to=to).shown()

    rows = [
        [
            each.contender,
            _ms(each.median),
            f"{each.cpu * 1e6:.0f}",
            *(ratio(each.contender, to) for to in (OURS, BARE_SPANS)),
        ]
        for each in results.observed
    ]
    return Table("What observation costs", _OBSERVED, ["", "time", "processor", f"to {OURS}", f"to {BARE_SPANS}"], rows)


def _variants(results: Results) -> Table:
    rows = []
    for name, timings in results.variants.items():
        for contender in dict.fromkeys(timing.contender for timing in timings):
            mine = [timing for timing in timings if timing.contender == contender]
            times = [f"{_ms(each.median)} ({_ms(each.quarter)}-{_ms(each.three_quarters)})" for each in mine]
            rows.append([f"{name}: {contender}", *times, *(f"{each.cpu * 1e6:.0f}" for each in mine)])
    note = "Milliseconds; processor: the client's, in microseconds. With and without TLS: PostgreSQL 17."
    columns = ["", "get", "page", "get, processor", "page, processor"]
    return Table("Event loops, and TLS", note, columns, rows)


def _services(results: Results) -> Table:
    rows = []
    for found in results.served:
        plain = results.served_by(PLAIN, found.request)
        rows.append(
            [
                f"{found.request}: {found.service}",
                Spread.of(seconds * 1e6 for seconds in found.cpu_rounds).shown(".0f"),
                Spread.of_ratios(found.cpu_rounds, plain.cpu_rounds).shown(),
                Spread.of(found.per_second).shown(",.0f") if found.per_second else "-",
            ]
        )
    columns = ["", "server's processor per request, µs", f"to {PLAIN}", "requests per second"]
    return Table("The service", _SERVED, columns, rows)


def _growth(results: Results) -> Table:
    rows = [[g.what, f"{g.rows:,}", str(g.buffers), str(g.rows_read), _ms(g.median)] for g in results.growth]
    note = "A page of 50: the last messages of a conversation, the newest tasks of a user in a table of 1,000,000."
    return Table("Growth", note, ["page of", "rows", "buffers", "rows read", "median, ms"], rows)


def _slowest(results: Results) -> Table:
    rows = [[q.method, _ms(q.median), _ms(q.p99)] for q in sorted(results.queries, key=lambda query: -query.p99)]
    note = "A user of 10,000 tasks, another of 10,000 messages, in tables of 1,000,000; one caller at a time."
    return Table("The slowest of many calls", note, ["method", "median, ms", "p99, ms"], rows)


def _bulk(results: Results) -> Table:
    rows = [[name, Spread.of(results.bulk_rows_per_second[name]).shown(",.0f")] for name in (APPEND_MANY, COPY)]
    rows.append(["alembic upgrade head", f"{results.upgrade_seconds:.1f} s"])
    note = "10,000 messages: `append_many` gives them back as models with id and time; COPY gives nothing back."
    return Table("Bulk, rows per second; and an empty database", note, ["", ""], rows)


def _by_operation(
    cell: Callable[[str, str], str], names: Collection[str] = _TIMED
) -> tuple[list[str], list[list[str]]]:
    return ["", *OPERATIONS], [[name, *(cell(name, operation) for operation in OPERATIONS)] for name in names]


def _shown(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.2f}"
