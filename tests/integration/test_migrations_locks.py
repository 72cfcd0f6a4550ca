"""A migration that has to wait for a table does not make everybody else wait behind it."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

import pytest
from sqlalchemy import text

from app.db import Database, DatabaseSettings
from app.db.errors import TransientError
from app.db.migrations import current, upgrade
from app.db.models import TaskCreate
from app.repositories import TaskRepo
from tests.support.migrations import FIRST, HEAD, dump_schema

MakeDatabase = Callable[[], Awaitable[str]]
LOCK_TIMEOUT = 0.5


async def _traffic(db: Database, until: asyncio.Event) -> list[float]:
    """Write and read tasks until told to stop; returns how long each call took."""
    tasks, took = TaskRepo(db), []
    while not until.is_set():
        began = time.perf_counter()
        await tasks.create("ada", TaskCreate(title="x"))
        await tasks.list_page("ada")
        took.append(time.perf_counter() - began)
        await asyncio.sleep(0.01)
    return took


@pytest.mark.fault(
    row=26,
    name="a migration waits for a lock",
    read="served",
    write="served",
    keyed="see write",
    transaction="see write",
)
async def test_traffic_goes_on_while_a_migration_waits_for_a_long_transaction(
    make_database: MakeDatabase, caplog: pytest.LogCaptureFixture
) -> None:
    """It asks in slices of the lock timeout, lets the traffic pass in between, and gets through when it can."""
    url = await make_database()
    settings = DatabaseSettings(url=url, migration_lock_timeout_seconds=LOCK_TIMEOUT)
    await upgrade(settings, FIRST)
    async with Database(settings) as db:
        done = asyncio.Event()
        traffic = [asyncio.create_task(_traffic(db, done)) for _ in range(4)]
        async with db.engine.connect() as long_transaction:
            await long_transaction.execute(text("select count(*) from task"))
            with caplog.at_level(logging.WARNING, "app.db.driver.retry"):
                migration = asyncio.create_task(upgrade(settings))
                async with asyncio.timeout(20):
                    while caplog.text.count("lock timeout") < 3:  # noqa: ASYNC110 - three slices
                        await asyncio.sleep(0.05)
            assert not migration.done()
            assert await current(settings) == FIRST
        await asyncio.wait_for(migration, 20)
        done.set()
        took = sorted(seconds for calls in await asyncio.gather(*traffic) for seconds in calls)
    assert await current(settings) == HEAD
    assert took[-1] < 2 * LOCK_TIMEOUT + 0.5  # two statements, each behind one slice at most
    assert took[len(took) // 2] < LOCK_TIMEOUT / 2
    assert took[-1] > LOCK_TIMEOUT / 4  # else nobody queued, and the test shows nothing


async def test_a_lock_that_never_comes_free_ends_in_an_error(make_database: MakeDatabase) -> None:
    """After `migration_wait_seconds`, with nothing of the revision done."""
    url = await make_database()
    settings = DatabaseSettings(url=url, migration_lock_timeout_seconds=0.2, migration_wait_seconds=1.5)
    await upgrade(settings, FIRST)
    before = await asyncio.to_thread(dump_schema, url)
    async with Database(settings) as db, db.engine.connect() as long_transaction:
        await long_transaction.execute(text("select count(*) from message"))  # the last table that it alters
        began = time.perf_counter()
        with pytest.raises(TransientError) as refused:
            await upgrade(settings)
        assert time.perf_counter() - began < 5
        assert refused.value.sqlstate == "55P03"
        assert await asyncio.to_thread(dump_schema, url) == before
    await upgrade(settings)
    assert await current(settings) == HEAD
