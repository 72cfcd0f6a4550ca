"""Measure, report, and fail when a budget is over: `python -m benchmarks [--quick]`."""

import argparse
import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import uvloop

from benchmarks.budgets import budgets
from benchmarks.bulk import bulk, upgrade_seconds
from benchmarks.bursts import concurrency, throughput
from benchmarks.clock import Clock
from benchmarks.contenders import CONTENDERS, OURS, WATCHED, Place, load
from benchmarks.deletion import deletion_seconds
from benchmarks.document import headline, write_document
from benchmarks.growth import grow, pages, slowest
from benchmarks.imports import import_ratios
from benchmarks.judging import Verdict
from benchmarks.processes import Process, start_worker
from benchmarks.results import Results
from benchmarks.rounds import Field, Progress, Rounds, count_round_trips, time_calls
from benchmarks.server import create_database, furnish, machine, server, versions
from benchmarks.services import Rounds as Turns
from benchmarks.services import served
from benchmarks.tables import tables
from benchmarks.terminal import show, telling
from benchmarks.variants import variants
from benchmarks.volume.kept import MESSAGES, Kept
from benchmarks.volume.measuring import measure as measure_volume
from benchmarks.volume.section import write_figures

_RESULTS = Path(__file__).with_name("results.json")
_ROOT = Path(__file__).parents[1]
_FULL = (Rounds(0, rounds=20, calls=15, turns=4), Rounds(1, rounds=8, calls=5), Rounds(5, rounds=6, calls=3))
_OBSERVED, _OBSERVED_QUICK = Rounds(0, rounds=12, calls=100, turns=5), Rounds(0, rounds=5, calls=50, turns=2)
_VARIANTS, _VARIANTS_QUICK = Rounds(0, rounds=20, calls=40), Rounds(0, rounds=5, calls=10)
_SERVED, _SERVED_QUICK = Turns(rounds=8, turns=3), Turns(rounds=5, turns=1)
_QUICK = (Rounds(0, rounds=5, calls=10, turns=2), Rounds(1, rounds=5, calls=1), Rounds(5, rounds=1, calls=1))


async def measure(results: Results, port: int, progress: Progress) -> None:
    """Fill in `results`."""
    quick = results.quick
    url = await create_database(port, "bench")
    results.machine |= await machine(url)
    places = await furnish(url)
    async with _workers(url, places) as workers:
        results.round_trips = await count_round_trips(Field(workers, port, "bench"), progress)
        field = Field({name: worker for name, worker in workers.items() if name not in WATCHED}, port, "bench")
        for plan in _QUICK if quick else _FULL:
            results.timings += await time_calls(field, plan, progress)
        watched = Field({name: workers[name] for name in (OURS, *WATCHED)}, port, "bench", operations=("get",))
        plan = _OBSERVED_QUICK if quick else _OBSERVED
        results.observed = await time_calls(watched, plan, progress, chapter="what observation costs")
        # First: the memory of 10,000 callers would still be held.
        results.bursts = await throughput(field, calls=2, rounds=1 if quick else 3, progress=progress)
        results.concurrency = await concurrency(field, calls=2_000, rounds=5 if quick else 9, progress=progress)
    results.variants = await variants(url, places, _VARIANTS_QUICK if quick else _VARIANTS, progress)
    progress("10,000 messages against COPY")
    results.bulk_rows_per_second = await bulk(await create_database(port, "bulk"), rounds=5 if quick else 9)
    progress("alembic upgrade head")
    results.upgrade_seconds = await upgrade_seconds(await create_database(port, "empty", migrated=False))
    results.served = await served(url, _SERVED_QUICK if quick else _SERVED, progress)
    if not quick:
        progress("deleting a conversation of 1,000,000 messages")
        results.deletion_seconds = await deletion_seconds(messages=1_000_000)
    progress("growing to 1,000,000 tasks and messages")
    grown = await create_database(port, "grown")
    await grow(grown, largest_exponent=6)
    progress("pages of what has grown")
    results.growth = await pages(grown, largest_exponent=6)
    results.queries = await slowest(grown, calls=200 if quick else 2000)


@asynccontextmanager
async def _workers(url: str, places: Mapping[str, Place]) -> AsyncIterator[dict[str, Process]]:
    workers: dict[str, Process] = {}
    try:
        for name, place in places.items():
            workers[name] = await start_worker(name, url, place)
        yield workers
    finally:
        await asyncio.gather(*(worker.end() for worker in workers.values()))


def main() -> int:
    """Run everything; return the number of budgets exceeded."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few rounds, a few minutes; no report is written")
    parser.add_argument("--report", action="store_true", help="measure nothing; write the last run's report again")
    parser.add_argument("--no-volume", action="store_true", help=f"without the table of {MESSAGES:,} messages")
    options = parser.parse_args()
    results = Results.load(_RESULTS) if options.report else _run(quick=options.quick, volume=not options.no_volume)
    if not results.quick:
        results.save(_RESULTS)
        write_document(results, _ROOT)
    show(tables(results), headline(results))
    return sum(budget.verdict is Verdict.OVER for budget in budgets(results))


def _run(*, quick: bool, volume: bool) -> Results:
    kept = Kept() if volume and not quick else None
    made_seconds = uvloop.run(kept.make()) if kept else 0.0
    hows = {name: load(name).how for name in CONTENDERS}
    results = Results(machine={}, versions=versions(), hows=hows, quick=quick)
    clock = Clock({} if quick else Results.load(_RESULTS).chapter_seconds)
    with telling(clock) as teller:
        teller("import")  # first: no server writes its tables to disk beside it
        results.import_ratios = import_ratios(rounds=5 if quick else 31)
        with server() as postgres:
            uvloop.run(measure(results, postgres.port, teller))
        if kept:
            found = uvloop.run(measure_volume(kept, made_seconds=made_seconds, progress=teller))
            write_figures(found, _ROOT)
    results.took_seconds, results.chapter_seconds = clock.seconds, clock.chapters()
    return results


if __name__ == "__main__":
    raise SystemExit(main())
