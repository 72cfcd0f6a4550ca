"""From a loop, from a thread, from a script, with settings or an engine, through a pooler's URL: one code path."""

import asyncio
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.util import CommandError
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import StaticPool

from app.db import Database, DatabaseSettings
from app.db.errors import ConfigurationError, DataAccessError
from app.db.migrations import check, current, downgrade, upgrade
from tests.support.databases import MakeDatabase
from tests.support.migrations import FIRST, HEAD, ROOT
from tests.support.waiting import LIMIT_SECONDS, until_locked


async def test_inside_a_running_loop(make_database: MakeDatabase) -> None:
    """An application that migrates when it starts goes on with its other tasks meanwhile."""
    settings = DatabaseSettings(url=await make_database())
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0.001)

    ticking = asyncio.create_task(tick())
    await upgrade(settings)
    ticking.cancel()
    assert ticks > 10
    assert await current(settings) == HEAD


async def test_from_a_thread(make_database: MakeDatabase) -> None:
    """The thread gets its own loop."""
    settings = DatabaseSettings(url=await make_database())
    await asyncio.to_thread(asyncio.run, upgrade(settings))
    await asyncio.to_thread(asyncio.run, check(settings))


def test_without_a_loop(make_database: MakeDatabase, migrated_url: str) -> None:
    """A script or a synchronous test has none."""
    settings = DatabaseSettings(url=migrated_url)
    asyncio.run(upgrade(settings))
    assert asyncio.run(current(settings)) == HEAD


async def test_on_an_engine(make_database: MakeDatabase) -> None:
    """A `Database` engine gives only the target: the migration opens its own connection, not one of the pool."""
    settings = DatabaseSettings(url=await make_database(), pool_size=1)
    async with Database(settings) as db, db.engine.connect():
        await upgrade(db.engine, FIRST)
        await upgrade(db.engine)
        await downgrade(db.engine, "-1")
        assert await current(db.engine) not in {FIRST, HEAD}


async def test_on_an_engine_of_the_callers(make_database: MakeDatabase) -> None:
    """Any other engine is used as it is."""
    url = make_url(await make_database()).set(drivername="postgresql+asyncpg")
    engine = create_async_engine(url, poolclass=StaticPool)
    await upgrade(engine)
    await check(engine)
    assert await current(engine) == HEAD
    await engine.dispose()


async def test_a_pooled_url_is_migrated_on_the_direct_host(migrated_url: str, make_database: MakeDatabase) -> None:
    """Session locks do not work through a pooler: it uses `DATABASE_DIRECT_URL`, or refuses."""
    direct = await make_database()
    pooled = DatabaseSettings(url=migrated_url, pooler="transaction", direct_url=direct)
    await upgrade(pooled)
    assert await current(DatabaseSettings(url=direct)) == HEAD
    nowhere = DatabaseSettings(url="postgresql://ada@pooler.invalid/db", pooler="transaction")
    with pytest.raises(ConfigurationError, match="DATABASE_DIRECT_URL"):
        await upgrade(nowhere)


async def test_a_slow_statement_is_not_cut_by_the_clients_timeout(make_database: MakeDatabase) -> None:
    """`command_timeout_seconds` applies only to the application's calls."""
    url = await make_database()
    settings = DatabaseSettings(url=url, command_timeout_seconds=0.5, migration_lock_timeout_seconds=30)
    await upgrade(settings, FIRST)
    async with Database(DatabaseSettings(url=url)) as db:
        async with db.engine.begin() as blocker:
            await blocker.execute(text("lock table task in access share mode"))
            migration = asyncio.create_task(upgrade(settings))
            await until_locked(db, seconds=1)  # twice the timeout
            assert not migration.done()
        await migration
    assert await current(settings) == HEAD


async def test_a_revision_that_does_not_exist_is_a_command_error(migrated_url: str) -> None:
    """A mistyped revision is not a database that is ahead."""
    with pytest.raises(CommandError, match="nonsense"):
        await upgrade(DatabaseSettings(url=migrated_url), "nonsense")


async def test_what_the_database_refuses_is_one_of_our_errors(make_database: MakeDatabase) -> None:
    """Callers catch `DataAccessError`, as everywhere."""
    settings = DatabaseSettings(url=await make_database())
    async with Database(settings) as db:
        await db.execute(text("create table task (id int)"))
        with pytest.raises(DataAccessError, match="already exists"):
            await upgrade(settings)
    assert await current(settings) is None


async def test_cancelled_it_stops_and_leaves_no_lock(make_database: MakeDatabase) -> None:
    """An application may be told to exit while it migrates."""
    url = await make_database()
    settings = DatabaseSettings(url=url)
    await upgrade(settings, FIRST)
    async with Database(settings) as db:
        async with db.engine.begin() as blocker:
            await blocker.execute(text("lock table task in access share mode"))
            migration = asyncio.create_task(upgrade(settings))
            await until_locked(db)
            migration.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asyncio.wait_for(migration, LIMIT_SECONDS)
        await upgrade(settings)
    assert await current(settings) == HEAD


def test_without_the_revisions_it_says_where_they_should_be(tmp_path: Path) -> None:
    """No connection is needed to find that they are missing."""
    shutil.copytree(ROOT / "app", tmp_path / "app", ignore=shutil.ignore_patterns("__pycache__"))
    ran = subprocess.run(
        [sys.executable, "-m", "app", "migrate"],
        cwd=tmp_path,
        env={**os.environ, "DATABASE_URL": "postgresql://ada@nowhere.invalid/db"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, "no revisions" in ran.stderr) == (2, True), ran.stdout + ran.stderr
