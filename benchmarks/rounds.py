"""The rounds: every contender runs the same calls, in a new random order each time."""

import random
import statistics
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from benchmarks.contenders import BASELINE, NO_RESET, OURS, SAME_MODELS, WATCHED, load
from benchmarks.processes import Process, relay
from benchmarks.results import OPERATIONS, Timing
from benchmarks.server import url_of
from benchmarks.spread import Spread

Progress = Callable[[str], None]
CLOSE: Final = frozenset({OURS, BASELINE, NO_RESET, SAME_MODELS, *WATCHED})
"""The contenders whose ratios are near the limit of a budget."""


@dataclass(frozen=True, slots=True)
class Rounds:
    """How much to measure at one delay: in each of the rounds, `calls` in a row.

    The contenders that are `CLOSE` take several `turns` in each round, so that a disturbance meets all of them: the
    processor of one slice of 20 calls differs from the next one's by half.
    """

    delay_ms: float
    rounds: int
    calls: int
    turns: int = 1


@dataclass(frozen=True, slots=True)
class Field:
    """The contenders' processes and their database."""

    workers: Mapping[str, Process]
    port: int
    database: str
    operations: tuple[str, ...] = OPERATIONS

    async def open(self, port: int) -> None:
        """Connect all contenders, through `port`."""
        for worker in self.workers.values():
            await worker.ask(do="open", url=url_of(port, self.database))

    async def close(self) -> None:
        """Disconnect all contenders."""
        for worker in self.workers.values():
            await worker.ask(do="close")

    def able(self, operation: str) -> list[str]:
        """Return the contenders that can do an operation, in random order."""
        names = [name for name in self.workers if operation in load(name).operations]
        random.shuffle(names)
        return names


async def time_calls(field: Field, plan: Rounds, progress: Progress, *, chapter: str = "") -> list[Timing]:
    """Measure every operation at one delay; without a delay, not through the relay."""
    chapter = chapter or f"{plan.delay_ms:g} ms of delay"
    if not plan.delay_ms:
        return await _time_calls(field, plan, field.port, progress, chapter)
    async with relay(field.port, delay_seconds=plan.delay_ms / 1000) as (_, port):
        return await _time_calls(field, plan, port, progress, chapter)


async def _time_calls(field: Field, plan: Rounds, port: int, progress: Progress, chapter: str) -> list[Timing]:
    await field.open(port)
    found: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for number in range(-1, plan.rounds):
        progress(f"{chapter}: {labelled(number, plan.rounds)}")
        for operation in field.operations:
            for name, measured in (await _round(field, operation, plan)).items():
                if number >= 0:
                    found[name, operation].append(measured)
    await field.close()
    return [timing(name, operation, plan.delay_ms, rounds) for (name, operation), rounds in found.items()]


async def _round(field: Field, operation: str, plan: Rounds) -> dict[str, dict[str, Any]]:
    """Return what each contender measured in all its turns of one round."""
    found: dict[str, dict[str, Any]] = {}
    for turn in range(plan.turns):
        for name in field.able(operation):
            if turn and name not in CLOSE:
                continue
            measured = await field.workers[name].ask(do="run", operation=operation, calls=plan.calls)
            before = found.setdefault(name, {"seconds": [], "cpu_seconds": 0.0})
            before["seconds"] += measured["seconds"]
            before["cpu_seconds"] += measured["cpu_seconds"]
    return found


def labelled(number: int, rounds: int) -> str:
    """Return what the progress says of a round; the one before the first warms up."""
    return f"round {number + 1} of {rounds}" if number >= 0 else "warming up"


def timing(name: str, operation: str, delay_ms: float, rounds: list[dict[str, Any]]) -> Timing:
    """Return one operation of one contender as its rounds measured it."""
    calls = Spread.of(seconds for measured in rounds for seconds in measured["seconds"])
    cpu_rounds = [measured["cpu_seconds"] / len(measured["seconds"]) for measured in rounds]
    return Timing(
        contender=name,
        operation=operation,
        delay_ms=delay_ms,
        median=calls.median,
        quarter=calls.quarter,
        three_quarters=calls.three_quarters,
        cpu=statistics.mean(cpu_rounds),
        rounds=[statistics.median(measured["seconds"]) for measured in rounds],
        cpu_rounds=cpu_rounds,
    )


async def count_round_trips(field: Field, progress: Progress) -> dict[str, dict[str, float]]:
    """Count round trips; one call is subtracted from six, so that what happens only once does not count."""
    counts: dict[str, dict[str, float]] = defaultdict(dict)
    async with relay(field.port, delay_seconds=0) as (process, port):
        await field.open(port)
        for name in field.workers:
            progress(f"round trips: {name}")
            for operation in OPERATIONS:
                if operation not in load(name).operations:
                    continue
                trips = [await _trips(process, field.workers[name], operation, calls) for calls in (8, 1, 6)]
                # The first calls warm up: psycopg prepares at the fifth.
                counts[name][operation] = (trips[2] - trips[1]) / 5
        await field.close()
    return dict(counts)


async def _trips(process: Process, worker: Process, operation: str, calls: int) -> int:
    before = (await process.ask())["round_trips"]
    await worker.ask(do="run", operation=operation, calls=calls)
    return int((await process.ask())["round_trips"] - before)
