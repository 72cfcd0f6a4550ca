"""A Database that is closed while in use."""

import asyncio
from collections.abc import Awaitable, Callable
from uuid import uuid4

import pytest
from sqlalchemy import text

from app.db import Database, DatabaseSettings
from app.repositories import TaskRepo

_SLOW = text("select pg_sleep(0.2)")


async def _transaction(db: Database) -> None:
    async with db.transaction() as session:
        await session.execute(_SLOW)


async def _one_after_the_other(db: Database) -> None:
    await asyncio.gather(*(db.execute(_SLOW) for _ in range(4)))


async def _repository(db: Database) -> None:
    async with db.engine.connect() as other:
        await other.execute(text("lock table task in access exclusive mode"))
        waiting = asyncio.ensure_future(TaskRepo(db).count("nobody"))
        await asyncio.sleep(0.2)
    await waiting


@pytest.mark.parametrize("use", [_transaction, _one_after_the_other, _repository])
async def test_what_is_in_use_when_it_is_closed_ends_with_its_call(
    migrated_url: str, db: Database, use: Callable[[Database], Awaitable[None]]
) -> None:
    """Running and queued calls are still served; afterwards the server has no connection of the Database."""
    name = f"end-{uuid4().hex[:8]}"
    closed = Database(DatabaseSettings(url=migrated_url, application_name=name, pool_size=2))
    under_way = asyncio.ensure_future(use(closed))
    await asyncio.sleep(0.1)
    await closed.close()
    await under_way
    sessions = text("select count(*) from pg_stat_activity where application_name = :name")
    async with asyncio.timeout(60):
        while (await db.execute(sessions, {"name": name})).scalar_one():  # noqa: ASYNC110 - the server changes it
            await asyncio.sleep(0.02)
