"""Many callers at once are measured one by one, and hold no more than the pool's connections."""

import json
from collections.abc import AsyncIterator
from dataclasses import asdict

import pytest

from benchmarks.bursts import burst, merged
from benchmarks.contenders import OURS, Place, load
from benchmarks.contenders.base import POOL_SIZE
from benchmarks.server import create_database, furnish, server
from benchmarks.worker import Worker


@pytest.fixture(scope="module")
async def worker() -> AsyncIterator[Worker]:
    """Give this layer's worker, connected."""
    with server() as postgres:
        url = await create_database(postgres.port, "bench")
        place: Place = (await furnish(url))[OURS]
        made = Worker(load(OURS)(), place, url)
        await made.open(url)
        yield made
        await made.close()


async def test_a_burst_measures_each_caller(worker: Worker) -> None:
    """Its times are those of single calls, which the whole burst is longer than."""
    found = await worker.burst(callers=200, calls=4)
    assert found["calls"] == 800
    assert (found["errors"], found["first_error"]) == (0, None)
    assert 0 < found["p50"] <= found["p99"] <= found["seconds"]
    assert found["slowest_to_fastest"] >= 1
    assert json.dumps(found)  # it is sent as a line of JSON


async def test_callers_share_the_connections_of_the_pool(worker: Worker) -> None:
    """A thousand of them hold no more than twenty."""
    few = await worker.burst(callers=POOL_SIZE, calls=4)
    many = await worker.burst(callers=1_000, calls=4)
    assert 0 < few["connections"] <= POOL_SIZE
    assert 0 < many["connections"] <= POOL_SIZE


async def test_the_rounds_of_a_burst_become_one_result(worker: Worker) -> None:
    """Throughput is kept for each round; errors are those of all, and what is held is the most."""
    rounds = [await worker.burst(callers=5, calls=4) for _ in range(3)]
    rounds[1] |= {"errors": 2, "first_error": "Gone()", "memory_bytes": 10**12}
    found = burst(OURS, 5, rounds)
    assert found.calls_per_second == [each["calls"] / each["seconds"] for each in rounds]
    assert (found.errors, found.first_error, found.memory_bytes) == (2, "Gone()", 10**12)
    assert asdict(found)["callers"] == 5


async def test_the_turns_of_a_round_become_one(worker: Worker) -> None:
    """Calls, times and errors add up; no error of a turn is lost."""
    turns = [await worker.burst(callers=5, calls=4) for _ in range(2)]
    turns[1] |= {"errors": 2, "first_error": "Gone()"}
    found = merged(turns)
    assert (found["calls"], found["errors"], found["first_error"]) == (40, 2, "Gone()")
    assert found["seconds"] == turns[0]["seconds"] + turns[1]["seconds"]
    assert found.keys() == turns[0].keys()
