"""Reads, writes, databases and loops that end before their time."""

import asyncio
import os
import signal
import subprocess
import sys

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.db import Database
from app.db.errors import OutcomeUnknownError, TransientError
from app.db.models import TaskCreate
from app.db.replicas.tokens import read
from app.repositories import TaskRepo
from tests.replicas.clients import processes_of
from tests.replicas.conftest import Open, Pair
from tests.replicas.reading import is_served, served, status, until_ready
from tests.support.embedded import ROOT, psql
from tests.support.proxy import FaultProxy
from tests.support.waiting import until, until_active, until_true


async def test_a_cancelled_read_leaves_nothing_behind(pair: Pair, routed: Database) -> None:
    """Its connection is closed in the background, and the next read is answered."""
    processes = processes_of(pair.replica)
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
        *_, doubt = read(db.causal_token(user_id))
        assert doubt is not None
        assert 30 < doubt <= 60


_TWO_LOOPS_AND_A_FORK = """
import asyncio, os, sys
from app.db import Database, DatabaseSettings
from tests.replicas.clients import processes_of
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


_SLOW_COMMIT = """
create table slow_commit ();
create function sleep_a_second() returns trigger language plpgsql as
  $$ begin perform pg_sleep(1); return null; end $$;
create constraint trigger sleep after insert on slow_commit deferrable initially deferred
  for each row execute function sleep_a_second()"""


async def test_a_commit_whose_answer_is_lost_keeps_its_users_on_the_primary(pair: Pair, user_id: str) -> None:
    """It is committed a second later, when nobody waits for it any more."""
    psql(pair.primary.url(), _SLOW_COMMIT)
    async with (
        FaultProxy(pair.primary.tcp_url()).running() as proxy,
        Database(pair.settings(url=proxy.url())) as db,
        Database(pair.settings()) as watching,
    ):
        await until_ready(db)
        with pytest.raises(OutcomeUnknownError):
            async with db.transaction() as session:
                await TaskRepo(session).create(user_id, TaskCreate(title="lost"))
                await session.execute(text("insert into slow_commit default values"))
                losing = asyncio.create_task(_reset_during(watching, proxy, "COMMIT%"))
        await losing
        before = status(db)
        await until_true(watching, "select count(*) = 1 from task where user_id = :user_id", user_id=user_id)
        assert await TaskRepo(db).count(user_id) == 1
        assert status(db).served == before.served


async def _reset_during(watching: Database, proxy: FaultProxy, statement: str) -> None:
    await until_active(watching, statement)
    proxy.reset()


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


async def test_a_query_that_is_being_prepared_gives_its_connection_back(pair: Pair) -> None:
    """The database is closed before the preparing has begun."""
    db = Database(pair.settings())
    await until_ready(db)
    before = status(db).not_ready
    reading = asyncio.create_task(TaskRepo(db).get_or_none("nobody", 1))
    while status(db).not_ready == before:  # noqa: ASYNC110 - each step of the loop is looked at
        await asyncio.sleep(0)
    await db.close()
    await asyncio.gather(reading, return_exceptions=True)
    assert status(db).in_use == 0


async def test_closing_leaves_no_task(open_database: Open) -> None:
    """Also while a connection is being opened."""
    before = asyncio.all_tasks()
    async with open_database() as db:
        reads = [TaskRepo(db).count("nobody") for _ in range(20)]
        await asyncio.gather(*reads)
    await until(lambda: asyncio.all_tasks() <= before)
