"""A migration that waits for a table does not block other callers behind it."""

import asyncio
import logging
import time

import pytest
from sqlalchemy import text

from app.db import Database, DatabaseSettings
from app.db.errors import TransientError
from app.db.migrations import current, upgrade
from app.db.models import TaskCreate
from app.repositories import TaskRepo
from tests.support.databases import MakeDatabase
from tests.support.migrations import FIRST, HEAD, dump_schema
from tests.support.waiting import LIMIT_SECONDS

LOCK_TIMEOUT = 0.5


class _Traffic:
    """Writes and reads tasks, and counts the calls that were served."""

    def __init__(self, db: Database) -> None:
        self._tasks = TaskRepo(db)
        self.ended = False
        self.served = 0
        self.longest_seconds = 0.0

    async def run(self) -> None:
        """Call until `ended`."""
        while not self.ended:
            began = time.perf_counter()
            await self._tasks.create("ada", TaskCreate(title="x"))
            await self._tasks.list_page("ada")
            self.longest_seconds = max(self.longest_seconds, time.perf_counter() - began)
            self.served += 1
            await asyncio.sleep(0.01)


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
    """It requests the lock for one lock timeout at a time, lets traffic pass in between, and then succeeds."""
    url = await make_database()
    settings = DatabaseSettings(url=url, migration_lock_timeout_seconds=LOCK_TIMEOUT)
    await upgrade(settings, FIRST)
    async with Database(settings) as db:
        traffic = _Traffic(db)
        clients = [asyncio.create_task(traffic.run()) for _ in range(4)]
        async with db.engine.connect() as long_transaction:
            await long_transaction.execute(text("select count(*) from task"))
            with caplog.at_level(logging.WARNING, "app.db.driver.retry"):
                migration = asyncio.create_task(upgrade(settings))
                served = []
                async with asyncio.timeout(LIMIT_SECONDS):
                    for slices in (1, 2, 3):
                        while caplog.text.count("lock timeout") < slices:  # noqa: ASYNC110 - a log cannot be awaited
                            await asyncio.sleep(0.01)
                        served.append(traffic.served)
            assert not migration.done()
            assert await current(settings) == FIRST
        await asyncio.wait_for(migration, LIMIT_SECONDS)
        traffic.ended = True
        await asyncio.gather(*clients)
    assert await current(settings) == HEAD
    assert served[0] < served[1] < served[2]  # calls are served between the attempts
    assert traffic.longest_seconds > LOCK_TIMEOUT / 4  # otherwise none queued, and the test shows nothing


async def test_a_lock_that_never_comes_free_ends_in_an_error(make_database: MakeDatabase) -> None:
    """The error comes after `migration_wait_seconds`, and nothing of the revision is done."""
    url = await make_database()
    settings = DatabaseSettings(url=url, migration_lock_timeout_seconds=0.2, migration_wait_seconds=1.5)
    await upgrade(settings, FIRST)
    before = await asyncio.to_thread(dump_schema, url)
    async with Database(settings) as db, db.engine.connect() as long_transaction:
        await long_transaction.execute(text("select count(*) from message"))  # the last table that it alters
        with pytest.raises(TransientError) as refused:
            await upgrade(settings)
        assert refused.value.sqlstate == "55P03"
        assert await asyncio.to_thread(dump_schema, url) == before
    await upgrade(settings)
    assert await current(settings) == HEAD
