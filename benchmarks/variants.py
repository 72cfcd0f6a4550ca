"""The default event loop beside uvloop, and TLS beside none."""

import random
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from benchmarks.contenders import NO_RESET, OURS, SAME_MODELS, Place
from benchmarks.processes import Process, start_worker
from benchmarks.results import Timing
from benchmarks.rounds import Progress, Rounds, labelled, timing
from benchmarks.server import create_database, furnish, has_openssl, tls_server, url_of

MEASURED: Final = (OURS, SAME_MODELS, NO_RESET)
READS: Final = ("get", "page")


@dataclass(frozen=True, slots=True)
class Variant:
    """Where and how to run the contenders."""

    name: str
    url: str
    places: dict[str, Place]
    loop: str = "uvloop"


async def variants(url: str, places: dict[str, Place], plan: Rounds, progress: Progress) -> dict[str, list[Timing]]:
    """Measure reads in each variant; those with and without TLS only where a PostgreSQL with OpenSSL is installed."""
    progress("event loops and TLS: starting")
    chosen = [Variant("uvloop", url, places), Variant("asyncio's event loop", url, places, loop="asyncio")]
    if not has_openssl():
        return await _measured(chosen, plan, progress)
    with tls_server() as server:
        await create_database(server.port, "bench")
        plain, secure = (url_of(server.port, "bench", sslmode=mode) for mode in ("disable", "require"))
        there = await furnish(plain)
        chosen += [Variant("without TLS", plain, there), Variant("with TLS", secure, there)]
        return await _measured(chosen, plan, progress)


async def _measured(chosen: Sequence[Variant], plan: Rounds, progress: Progress) -> dict[str, list[Timing]]:
    found: dict[tuple[str, str, str], list[dict[str, Any]]] = defaultdict(list)
    async with _workers(chosen) as workers:
        for number in range(-1, plan.rounds):
            progress(f"event loops and TLS: {labelled(number, plan.rounds)}")
            for operation in READS:
                for key in random.sample(list(workers), len(workers)):
                    measured = await workers[key].ask(do="run", operation=operation, calls=plan.calls)
                    if number >= 0:
                        found[*key, operation].append(measured)
    return {
        variant.name: [
            timing(name, operation, plan.delay_ms, found[variant.name, name, operation])
            for name in MEASURED
            for operation in READS
        ]
        for variant in chosen
    }


@asynccontextmanager
async def _workers(chosen: Sequence[Variant]) -> AsyncIterator[dict[tuple[str, str], Process]]:
    async with AsyncExitStack() as stack:
        workers = {}
        for variant in chosen:
            for name in MEASURED:
                worker = await start_worker(name, variant.url, variant.places[name], loop=variant.loop)
                stack.push_async_callback(worker.end)
                workers[variant.name, name] = worker
        for variant in chosen:
            for name in MEASURED:
                await workers[variant.name, name].ask(do="open", url=variant.url)
        yield workers
