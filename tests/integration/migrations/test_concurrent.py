"""Several deploys at once: one migrates, the others log that they wait and then find nothing to do."""

import asyncio
import logging
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import text

from app.db import Database, DatabaseSettings
from app.db.errors import TransientError
from app.db.migrations import MIGRATION_LOCK_KEY, check, current, downgrade, upgrade
from tests.support.databases import MakeDatabase
from tests.support.migrations import BEHIND_AT_FIRST, FIRST, HEAD, start_alembic
from tests.support.proxy import FaultProxy
from tests.support.waiting import LIMIT_SECONDS, until_true
from tests.support.waiting import until as waiting_until
from tests.support.wire import WireCounter

MIGRATES = "application_name like '% migrate' and datname = current_database()"
WAITING = "from pg_stat_activity where wait_event = 'relation' and query like 'ALTER%' and datname = current_database()"


@asynccontextmanager
async def holding_the_lock(db: Database) -> AsyncIterator[None]:
    """Hold the lock as another migration does between two revisions."""
    async with db.engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        await connection.execute(text(f"select pg_advisory_lock({MIGRATION_LOCK_KEY})"))
        yield
        await connection.execute(text(f"select pg_advisory_unlock({MIGRATION_LOCK_KEY})"))


@pytest.mark.parametrize("begin_at", [None, FIRST], ids=["empty", "behind"])
@pytest.mark.fault(
    row=26,
    name="ten migrations at once",
    read="see below",
    write="see below",
    keyed="see below",
    transaction="one applies it, the others wait and find nothing to do",
)
async def test_ten_processes_at_once_all_succeed_and_apply_it_once(
    make_database: MakeDatabase, begin_at: str | None
) -> None:
    """Ten replicas run ``alembic upgrade head`` when they start; all ten wait before the first begins."""
    url = await make_database()
    settings = DatabaseSettings(url=url)
    if begin_at:
        await upgrade(settings, begin_at)
    async with Database(settings) as db, holding_the_lock(db):
        processes = [start_alembic("upgrade", "head", url=url) for _ in range(10)]
        await until_true(db, f"select count(*) = 10 from pg_stat_activity where {MIGRATES}")
    ended = [await asyncio.to_thread(process.communicate) for process in processes]
    logs = "\n".join(errors for _, errors in ended)
    assert [process.returncode for process in processes] == [0] * 10, logs
    applied = re.findall(r"Running upgrade \S* -> (\w+)", logs)
    assert len(applied) == len(set(applied)) == BEHIND_AT_FIRST + (not begin_at)
    await check(settings)


async def test_twenty_upgrades_in_one_process(make_database: MakeDatabase) -> None:
    """Only one command at a time uses Alembic's globals; databases do not mix."""
    urls = [await make_database(), await make_database()]
    await asyncio.gather(*(upgrade(DatabaseSettings(url=url)) for url in urls * 10))
    for url in urls:
        await check(DatabaseSettings(url=url))


async def test_at_head_it_takes_no_lock_and_one_look(migrated_url: str) -> None:
    """So each replica may upgrade when it starts: it costs one SELECT, also while another migration holds the lock."""
    async with FaultProxy(migrated_url).running() as proxy:
        wire = WireCounter(proxy)
        await upgrade(DatabaseSettings(url=proxy.url()))
        sent = [statement for statement in wire.statements if statement not in {"BEGIN;", "COMMIT;"}]
    assert [statement.split()[0] for statement in sent] == ["select"]


async def test_a_waiting_migration_names_the_holder_and_gives_up_in_time(
    make_database: MakeDatabase, caplog: pytest.LogCaptureFixture
) -> None:
    """The log and the error name the holder's process and application; nothing is changed."""
    url = await make_database()
    waiting = DatabaseSettings(url=url, migration_wait_seconds=1.2)
    async with Database(DatabaseSettings(url=url, application_name="the other deploy")) as db:
        async with holding_the_lock(db):
            with caplog.at_level(logging.WARNING), pytest.raises(TransientError, match="another migration") as refused:
                await upgrade(waiting)
        assert re.search(r"pid \d+ \(the other deploy, connected since 20", str(refused.value))
        assert "waiting for another migration" in caplog.text
        assert await current(waiting) is None
        await upgrade(waiting)


async def test_a_waiting_migration_goes_on_when_the_lock_comes_free(
    make_database: MakeDatabase, caplog: pytest.LogCaptureFixture
) -> None:
    """It reads the revision again and does not repeat the other's work."""
    url = await make_database()
    settings = DatabaseSettings(url=url)
    async with Database(settings) as db:
        async with holding_the_lock(db):
            with caplog.at_level(logging.WARNING):
                waiting = asyncio.create_task(upgrade(settings))
                await waiting_until(lambda: "waiting for another migration" in caplog.text)
            assert not waiting.done()
        await asyncio.wait_for(waiting, LIMIT_SECONDS)
    assert await current(settings) == HEAD


async def test_the_lock_is_free_afterwards(make_database: MakeDatabase) -> None:
    """The same holds after a failure."""
    url = await make_database()
    settings = DatabaseSettings(url=url)
    await upgrade(settings)
    async with Database(settings) as db:
        await db.execute(text("create view in_the_way as select idempotency_key from task"))
        with pytest.raises(Exception, match="depend"):
            await downgrade(settings, FIRST)
        held = text("select count(*) from pg_locks where locktype = 'advisory' and database = :oid")
        oid = (await db.execute(text("select oid from pg_database where datname = current_database()"))).scalar_one()
        assert (await db.execute(held, {"oid": oid})).scalar_one() == 0


async def test_a_migration_that_is_killed_frees_the_lock(make_database: MakeDatabase) -> None:
    """The server notices that its client is gone while a statement waits."""
    url = await make_database()
    settings = DatabaseSettings(url=url, migration_wait_seconds=15)
    await upgrade(settings, FIRST)
    async with Database(settings) as db:
        async with db.engine.begin() as blocker:
            await blocker.execute(text("lock table task in access share mode"))
            process = start_alembic("upgrade", "head", url=url, migration_lock_timeout_seconds="60")
            await until_true(db, f"select count(*) = 1 {WAITING}")
            process.kill()
            await asyncio.to_thread(process.communicate)
            await until_true(db, f"select count(*) = 0 {WAITING}")
            await until_true(db, f"select pg_try_advisory_xact_lock({MIGRATION_LOCK_KEY})")
        await upgrade(settings)
    await check(settings)
