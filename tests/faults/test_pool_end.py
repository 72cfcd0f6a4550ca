"""A Database that is closed while in use."""

import asyncio
from collections.abc import Awaitable, Callable
from uuid import uuid4

import pytest
from sqlalchemy import text

from app.db import Database, DatabaseSettings
from app.repositories import TaskRepo
from tests.support.waiting import until_gone, until_locked


async def _transaction(db: Database) -> None:
    async with db.transaction() as session:
        await TaskRepo(session).count("nobody")


async def _more_than_there_are_connections(db: Database) -> None:
    await asyncio.gather(*(TaskRepo(db).count("nobody") for _ in range(4)))


async def _beside_a_connection_that_runs_nothing(db: Database) -> None:
    async with db.engine.connect() as other:
        await other.execute(text("select 1"))
        await TaskRepo(db).count("nobody")
        await other.execute(text("select 1"))


@pytest.mark.parametrize(
    "use", [_transaction, _more_than_there_are_connections, _beside_a_connection_that_runs_nothing]
)
async def test_what_is_in_use_when_it_is_closed_ends_with_its_call(
    migrated_url: str, db: Database, use: Callable[[Database], Awaitable[None]]
) -> None:
    """Running and queued calls are still served; afterwards the server has no connection of the Database."""
    name = f"end-{uuid4().hex[:8]}"
    closed = Database(DatabaseSettings(url=migrated_url, application_name=name, pool_size=2))
    async with db.transaction() as holder:
        await holder.execute(text("lock table task in access exclusive mode"))
        under_way = asyncio.ensure_future(use(closed))
        await until_locked(db, application=name, count=2 if use is _more_than_there_are_connections else 1)
        await closed.close()
        assert not under_way.done()
    await under_way
    await until_gone(db, name)
