"""Replicas that are slow, dead, promoted or rebuilt: no caller gets an error or a stale row."""

import asyncio
import math
import os
import signal
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

import pytest
from sqlalchemy import String, bindparam, case, cast, func, select

from app.db import Database
from app.db.models import TaskCreate
from app.db.query import Query
from app.repositories import TaskRepo
from tests.replicas.clients import Run, busy, processes_of
from tests.replicas.conftest import Pair
from tests.replicas.reading import served, status, until_ready
from tests.support.proxy import FaultProxy
from tests.support.waiting import LIMIT_SECONDS, until

_ROUND_TRIP_SECONDS: Final = 0.03
"""So long that what the machine does beside is short against it."""
_STICKY_SECONDS: Final = 0.04
_MAY_BE_SLOW: Final = 0.02
_LONGEST_PATIENCE_SECONDS: Final = 1.0


async def _crashed(pair: Pair) -> None:
    await asyncio.to_thread(pair.replica.kill)


async def _promoted(pair: Pair) -> None:
    await asyncio.to_thread(pair.replica.promote)


@pytest.fixture
async def far(pair: Pair) -> AsyncIterator[tuple[Database, Database]]:
    """Open a database with the replica and one without, both a long round trip from their servers."""
    async with (
        FaultProxy(pair.primary.tcp_url()).running() as primary,
        FaultProxy(pair.replica.server.tcp_url()).running() as replica,
        Database(pair.settings(url=primary.url(), replica_url=None)) as alone,
        Database(
            pair.settings(url=primary.url(), replica_url=replica.url(), replica_sticky_seconds=_STICKY_SECONDS)
        ) as routed,
    ):
        await until_ready(routed)
        primary.delay_seconds = replica.delay_seconds = _ROUND_TRIP_SECONDS / 2
        yield routed, alone


@asynccontextmanager
async def compared(far: tuple[Database, Database]) -> AsyncIterator[Run]:
    """Keep both databases busy; at the end hardly a read took longer than two that the primary alone answers slowly.

    That is its p99 and a round trip, which here may take as long as any other. A read that was late has waited
    for its replica first, for a second at most.
    """
    routed, alone = far
    before = status(routed).late
    async with busy(alone) as beside, busy(routed) as run:
        yield run
    slow = run.slower_than(2 * statistics.quantiles(beside.seconds, n=100)[98])
    assert slow <= _MAY_BE_SLOW * len(run.seconds) + status(routed).late - before
    assert max(run.seconds) < 2 * max(beside.seconds) + _LONGEST_PATIENCE_SECONDS


@pytest.mark.parametrize("harm", [_crashed, _promoted], ids=["killed", "promoted"])
async def test_it_is_done_without_and_used_again_when_it_is_rebuilt(
    pair: Pair, far: tuple[Database, Database], harm: Callable[[Pair], Awaitable[None]]
) -> None:
    """While it is gone it is asked about once a second, by nobody who waits."""
    routed, _ = far
    async with compared(far) as run:
        await run.reads_on()
        await served(routed, lambda: TaskRepo(routed).count("nobody"))
        try:
            await harm(pair)
            before = status(routed).failed
            await until(lambda: status(routed).failed > before)
            at_first = status(routed).served
            await run.reads_on(200)
            assert status(routed).served == at_first
        finally:
            await asyncio.to_thread(pair.replica.rebuild)
        await served(routed, lambda: TaskRepo(routed).count("nobody"))
        await run.reads_on()


async def test_one_that_hangs_is_waited_for_once(pair: Pair, far: tuple[Database, Database]) -> None:
    """Only the reads that are under way when it stops wait, as long as an answer usually takes."""
    routed, _ = far
    async with compared(far) as run:
        await run.reads_on()
        await served(routed, lambda: TaskRepo(routed).count("nobody"))
        before = status(routed)
        processes = await asyncio.to_thread(processes_of, pair.replica)
        for each in processes:
            os.kill(each, signal.SIGSTOP)
        try:
            await until(lambda: status(routed).late > before.late)
            began = time.monotonic()
            await run.reads_on(500)
            checks = math.ceil(time.monotonic() - began)
            assert status(routed).late - before.late <= 3 + checks  # the clients that were waiting, and one a second
        finally:
            for each in processes:
                os.kill(each, signal.SIGCONT)
        await served(routed, lambda: TaskRepo(routed).count("nobody"))


@pytest.fixture
async def proxied(pair: Pair) -> AsyncIterator[tuple[Database, FaultProxy]]:
    """Open a database whose replica is behind a proxy."""
    async with (
        FaultProxy(pair.replica.server.tcp_url()).running() as proxy,
        Database(pair.settings(replica_url=proxy.url(), connect_timeout_seconds=1)) as db,
    ):
        await until_ready(db)
        yield db, proxy


async def test_connections_that_end_or_are_refused_cost_nobody_anything(proxied: tuple[Database, FaultProxy]) -> None:
    """Reset, closed, half open, refused, or accepted and never answered."""
    db, proxy = proxied
    count = lambda: TaskRepo(db).count("nobody")  # noqa: E731 - read many times
    async with busy(db) as run:
        for harm in (proxy.reset, proxy.close, proxy.swallow):
            harm()
            await run.reads_on()
            await served(db, count)
        for name in ("refusing", "black_hole"):
            setattr(proxy, name, True)
            proxy.reset()
            await run.reads_on()  # the answers of some are here already
            at_first = status(db).served
            await run.reads_on()
            assert status(db).served == at_first
            setattr(proxy, name, False)
            proxy.reset()
            await served(db, count)


async def test_a_replica_that_never_was_there_is_no_error(pair: Pair, user_id: str) -> None:
    """The reads are the primary's, and the status says why."""
    nowhere = "postgresql://postgres@127.0.0.1:1/postgres?sslmode=disable"
    async with Database(pair.settings(replica_url=nowhere)) as db:
        tasks = TaskRepo(db)
        await tasks.create(user_id, TaskCreate(title="Buy milk"))
        while status(db).failed == 0:
            assert await tasks.count(user_id) == 1
            await asyncio.sleep(0.001)
        assert "cannot be reached" in str(status(db).last_error)
        assert status(db).left_alone


async def test_users_are_spread_over_the_replicas_that_work(pair: Pair) -> None:
    """Each has one of its own, and another in place of one that does not work."""
    nowhere = "postgresql://postgres@127.0.0.1:1/postgres?sslmode=disable"
    urls = f"{pair.replica.url()},{nowhere},{pair.replica.url()}"
    async with Database(pair.settings(replica_url=urls)) as db:
        served_by: dict[str, set[int]] = {f"user-{number}": set() for number in range(12)}
        async with asyncio.timeout(LIMIT_SECONDS):
            while not all(served_by.values()) or len(set().union(*served_by.values())) < 2:
                for user_id, places in served_by.items():
                    before = [replica.served for replica in db.pool_status().replicas]
                    await TaskRepo(db).count(user_id)
                    after = [replica.served for replica in db.pool_status().replicas]
                    places.update(place for place in range(3) if after[place] > before[place])
        assert {place for places in served_by.values() for place in places} == {0, 2}


async def test_a_query_that_is_always_too_slow_is_the_primarys(pair: Pair, routed: Database) -> None:
    """It is tried three times; the others are answered by the replica again."""
    slow = Query(
        "replicas.slow",
        select(cast(func.pg_sleep(case((func.pg_is_in_recovery(), 3), else_=0)), String).label("slept")).where(
            bindparam("p_user_id", type_=String()) != ""
        ),
        str,
        pinned=True,
    )
    before = status(routed).late
    async with asyncio.timeout(LIMIT_SECONDS):
        while status(routed).late < before + 3:
            assert await routed.fetch(slow, {"p_user_id": "nobody"}) == [""]
            await asyncio.sleep(0.01)
    await served(routed, lambda: TaskRepo(routed).count("nobody"))
    tried = status(routed).late  # on a busy machine a count may be late, too
    for _ in range(20):
        await routed.fetch(slow, {"p_user_id": "nobody"})
    assert status(routed).late == tried
