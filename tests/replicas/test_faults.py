"""Replicas that are slow, dead, promoted or rebuilt: no caller gets an error or a stale row."""

import asyncio
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import uuid4

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from app.db import Database
from app.db.errors import OutcomeUnknownError, TransientError
from app.db.models import TaskCreate, TaskUpdate
from app.db.replicas.tokens import read
from app.repositories import TaskRepo
from tests.replicas.conftest import Open, Pair
from tests.replicas.reading import is_served, served, status, until_ready
from tests.support.embedded import ROOT
from tests.support.proxy import FaultProxy
from tests.support.waiting import until


@dataclass
class Run:
    """A client that writes and reads until it is stopped."""

    db: Database
    reads: int = 0
    stale: int = 0
    errors: list[BaseException] = field(default_factory=list)
    stopped: bool = False

    async def go(self) -> None:
        """Write, and read three times, again and again."""
        tasks, user_id = TaskRepo(self.db), f"user-{uuid4().hex}"
        task = await tasks.create(user_id, TaskCreate(title="0"))
        number = 0
        while not self.stopped:
            number += 1
            try:
                await tasks.update(user_id, task.id, TaskUpdate(title=str(number)))
                for _ in range(3):
                    self.stale += (await tasks.get(user_id, task.id)).title != str(number)
                    self.reads += 1
                    await asyncio.sleep(0.003)
            except Exception as error:  # noqa: BLE001 - each is a failure of the test
                self.errors.append(error)

    async def reads_on(self, count: int = 50) -> None:
        """Wait until so many more reads were answered."""
        wanted = self.reads + count
        await until(lambda: self.reads >= wanted or bool(self.errors))


@asynccontextmanager
async def busy(db: Database) -> AsyncIterator[Run]:
    """Keep three clients busy during the block; then there was no error and no stale read."""
    run = Run(db)
    clients = [asyncio.create_task(run.go()) for _ in range(3)]
    try:
        yield run
    finally:
        run.stopped = True
        await asyncio.gather(*clients)
    assert (run.errors, run.stale) == ([], 0)
    await until(lambda: status(db).in_use == 0)


async def _crashed(pair: Pair) -> None:
    await asyncio.to_thread(pair.replica.kill)


async def _promoted(pair: Pair) -> None:
    await asyncio.to_thread(pair.replica.promote)


@pytest.mark.parametrize("harm", [_crashed, _promoted], ids=["killed", "promoted"])
async def test_it_is_done_without_and_used_again_when_it_is_rebuilt(
    pair: Pair, routed: Database, harm: Callable[[Pair], Awaitable[None]]
) -> None:
    """While it is gone it is asked about once a second, by nobody who waits."""
    async with busy(routed) as run:
        await served(routed, lambda: TaskRepo(routed).count("nobody"))
        try:
            await harm(pair)
            before = status(routed).failed
            await until(lambda: status(routed).failed > before)
            at_first = status(routed).served
            await run.reads_on()
            assert status(routed).served == at_first
        finally:
            await asyncio.to_thread(pair.replica.rebuild)
        await served(routed, lambda: TaskRepo(routed).count("nobody"))


async def test_one_that_hangs_is_waited_for_once(pair: Pair, routed: Database) -> None:
    """Only the reads that are under way when it stops wait, as long as an answer usually takes."""
    async with busy(routed) as run:
        await served(routed, lambda: TaskRepo(routed).count("nobody"))
        before = status(routed)
        processes = await asyncio.to_thread(_processes, pair)
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


def _processes(pair: Pair) -> list[int]:
    backends = pair.replica.run("select pid from pg_stat_activity where pid <> pg_backend_pid()").split()
    return [int(pid) for pid in backends]


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


async def test_reads_are_spread_over_the_replicas_that_work(pair: Pair) -> None:
    """The one that does not is left alone."""
    nowhere = "postgresql://postgres@127.0.0.1:1/postgres?sslmode=disable"
    urls = f"{pair.replica.url()},{nowhere},{pair.replica.url()}"
    async with Database(pair.settings(replica_url=urls)) as db:
        one, none, other = db.pool_status().replicas
        while min(one.served, other.served) < 20:
            await TaskRepo(db).count("nobody")
            one, none, other = db.pool_status().replicas
        assert none.served == 0
        assert abs(one.served - other.served) < max(one.served, other.served)


async def test_a_cancelled_read_leaves_nothing_behind(pair: Pair, routed: Database) -> None:
    """Its connection is closed in the background, and the next read is answered."""
    processes = _processes(pair)
    for each in processes:
        os.kill(each, signal.SIGSTOP)
    try:
        reads = [asyncio.create_task(TaskRepo(routed).count("nobody")) for _ in range(5)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        for read in reads:
            read.cancel()
        await asyncio.gather(*reads, return_exceptions=True)
    finally:
        for each in processes:
            os.kill(each, signal.SIGCONT)
    await until(lambda: status(routed).in_use == 0)
    await served(routed, lambda: TaskRepo(routed).count("nobody"))


async def test_a_write_whose_answer_is_lost_keeps_its_user_on_the_primary(pair: Pair, user_id: str) -> None:
    """It may still be committed later; other users are not concerned."""
    async with (
        FaultProxy(pair.primary.tcp_url()).running() as proxy,
        Database(pair.settings(url=proxy.url(), retry_seconds=1)) as db,
    ):
        await until_ready(db)
        tasks = TaskRepo(db)
        await tasks.create(user_id, TaskCreate(title="first"))
        await served(db, lambda: tasks.count(user_id))
        proxy.holding_replies = True
        writing = asyncio.create_task(tasks.create(user_id, TaskCreate(title="lost")))
        await until(lambda: db.pool_status().in_use == 1)
        await asyncio.sleep(0.1)  # it is on its way to the server
        proxy.reset()
        proxy.holding_replies = False
        with pytest.raises(OutcomeUnknownError):
            await writing
        for _ in range(100):
            assert not await is_served(db, tasks.count(user_id))
        await served(db, lambda: tasks.count("nobody"))
        _, doubt = read(db.causal_token(user_id))
        assert doubt is not None
        assert 30 < doubt <= 60


_TWO_LOOPS_AND_A_FORK = """
import asyncio, os, sys
from app.db import Database, DatabaseSettings
from tests.replicas.reading import until_ready

db = Database(DatabaseSettings())
for _ in range(2):
    asyncio.run(until_ready(db))
loop = asyncio.new_event_loop()
loop.run_until_complete(until_ready(db))
child = os.fork()
if child == 0:
    asyncio.set_event_loop(None)
    asyncio.run(until_ready(db))
    os._exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
loop.run_until_complete(until_ready(db))
loop.run_until_complete(db.close())
loop.close()
"""


def test_a_database_serves_a_second_loop_and_a_fork(pair: Pair) -> None:
    """As where each request has a loop of its own, and as below a server that forks."""
    settings = pair.settings()
    urls = {"DATABASE_URL": settings.url.get_secret_value(), "DATABASE_REPLICA_URL": pair.replica.url()}
    done = subprocess.run(
        [sys.executable, "-c", _TWO_LOOPS_AND_A_FORK],
        env={**os.environ, **urls, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr


async def test_a_transaction_that_is_lost_before_commit_was_not_done(pair: Pair, user_id: str) -> None:
    """The question for its id is the first to notice, and nothing was committed yet: it is run again."""
    async with (
        FaultProxy(pair.primary.tcp_url()).running() as proxy,
        Database(pair.settings(url=proxy.url())) as db,
    ):
        with pytest.raises(TransientError):
            async with db.transaction() as session:
                await TaskRepo(session).create(user_id, TaskCreate(title="lost"))
                async with proxy.ending():
                    proxy.reset()
        attempts = 0

        async def write(session: AsyncSession) -> None:
            nonlocal attempts
            attempts += 1
            await TaskRepo(session).create(user_id, TaskCreate(title="kept"))
            if attempts == 1:
                async with proxy.ending():
                    proxy.reset()

        await db.run_in_transaction(write)
        assert (attempts, await TaskRepo(db).count(user_id)) == (2, 1)


async def test_reads_under_way_when_it_is_closed_are_answered(pair: Pair) -> None:
    """None is cancelled by it."""
    db = Database(pair.settings())
    await until_ready(db)
    reads = [asyncio.create_task(TaskRepo(db).count("nobody")) for _ in range(5)]
    await asyncio.sleep(0)
    await db.close()
    assert await asyncio.gather(*reads) == [0] * 5


async def test_closing_leaves_no_task(open_database: Open) -> None:
    """Also while a connection is being opened."""
    before = asyncio.all_tasks()
    async with open_database() as db:
        reads = [TaskRepo(db).count("nobody") for _ in range(20)]
        await asyncio.gather(*reads)
    await until(lambda: asyncio.all_tasks() <= before)
