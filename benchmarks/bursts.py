"""Many callers at once on 20 connections."""

import statistics
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

from benchmarks.contenders import NO_RESET, OURS, load
from benchmarks.results import Burst
from benchmarks.rounds import Field, Progress, labelled

CALLERS: Final = (1, 10, 100, 1_000, 10_000)
JUDGED: Final = 1_000  # callers, whose throughput has a budget and so takes more rounds
_TURNS: Final = 3  # of each contender in a round that is judged, so that a disturbance meets both
_FEWEST_CALLS: Final = 4  # each caller queues several times: one that is passed over falls behind


@dataclass(frozen=True, slots=True)
class Bursts:
    """How many callers, each of so many calls, how often, and in how many turns each time."""

    chapter: str
    callers: int
    calls: int
    rounds: int
    turns: int = 1


async def throughput(field: Field, *, calls: int, rounds: int, progress: Progress) -> list[Burst]:
    """Measure 1,000 callers of every contender that has a pool."""
    pooled = [name for name in field.able("create") if load(name).pooled]
    await field.open(field.port)
    plan = Bursts("throughput of all contenders", callers=JUDGED, calls=calls, rounds=rounds)
    found = await _bursts(field, pooled, plan, progress)
    await field.close()
    return found


async def concurrency(field: Field, *, calls: int, rounds: int, progress: Progress) -> list[Burst]:
    """Measure from one caller to 10,000, of this layer and the floor; of few callers, `calls` in all."""
    await field.open(field.port)
    found = []
    for callers in CALLERS:
        each = max(_FEWEST_CALLS, calls // callers)
        times, turns = (rounds, _TURNS) if callers == JUDGED else (rounds // 2, 1)
        plan = Bursts(f"{callers:,} callers", callers=callers, calls=each, rounds=times, turns=turns)
        found += await _bursts(field, (OURS, NO_RESET), plan, progress)
    await field.close()
    return found


async def _bursts(field: Field, names: Collection[str], plan: Bursts, progress: Progress) -> list[Burst]:
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for number in range(-1, plan.rounds):
        progress(f"{plan.chapter}: {labelled(number, plan.rounds)}")
        turns: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for name in (each for _ in range(plan.turns) for each in field.able("create") if each in names):
            turns[name].append(await field.workers[name].ask(do="burst", callers=plan.callers, calls=plan.calls))
        if number >= 0:
            for name, results in turns.items():
                found[name].append(merged(results))
    return [burst(name, plan.callers, results) for name, results in found.items()]


def merged(turns: list[dict[str, Any]]) -> dict[str, Any]:
    """Return one contender's turns of a round as one: sums of what adds up, else the median, and the most held."""
    sums = {name: sum(turn[name] for turn in turns) for name in ("calls", "seconds", "cpu_seconds", "errors")}
    medians = {name: statistics.median(turn[name] for turn in turns) for name in ("p50", "p99", "slowest_to_fastest")}
    most = {name: max(turn[name] for turn in turns) for name in ("memory_bytes", "connections")}
    first_error = next((turn["first_error"] for turn in turns if turn["first_error"]), None)
    return {**sums, **medians, **most, "first_error": first_error}


def burst(name: str, callers: int, rounds: list[dict[str, Any]]) -> Burst:
    """Return one contender's bursts as one result: medians, and of what is held the most."""

    def median(of: str) -> float:
        return float(statistics.median(found[of] for found in rounds))

    return Burst(
        contender=name,
        callers=callers,
        calls_per_second=[found["calls"] / found["seconds"] for found in rounds],
        cpu_per_call=statistics.median(found["cpu_seconds"] / found["calls"] for found in rounds),
        p50=median("p50"),
        p99=median("p99"),
        slowest_to_fastest=median("slowest_to_fastest"),
        memory_bytes=max(found["memory_bytes"] for found in rounds),
        connections=max(found["connections"] for found in rounds),
        errors=sum(found["errors"] for found in rounds),
        first_error=next((found["first_error"] for found in rounds if found["first_error"]), None),
    )
