"""Every failure, by every way to run a query, raises an error of `app.db.errors` that says what is true."""

import struct
from contextlib import suppress
from typing import Any

import pytest
from sqlalchemy import BindParameter, bindparam, func, select, text

from app.db import Database, DatabaseSettings
from app.db.errors import DataAccessError, InvalidInputError
from app.db.models import Task, TaskCreate
from app.db.models.base import table_of
from app.repositories import TaskRepo

_SECRET = "Schnurrbert"


async def test_an_error_while_rows_are_streamed(db: Database) -> None:
    """A server-side cursor fails in the middle; SQLAlchemy does not translate asyncpg's error."""
    with pytest.raises(InvalidInputError) as failed:
        async with db.transaction() as session:
            numbers = text("select cast('Schnurrbert' || number as integer) from generate_series(1, 2) number")
            async for _ in await session.stream(numbers):
                pass
    assert failed.value.sqlstate == "22P02"
    assert _SECRET not in f"{failed.value}{failed.value.__cause__}"


async def test_a_flush_whose_error_was_caught(db: Database, user_id: str) -> None:
    """Nothing is stored, and a caller that goes on gets the reason."""
    with pytest.raises(DataAccessError, match="a flush in it failed"):
        async with db.transaction() as session:
            await TaskRepo(session).create(user_id, TaskCreate(title="x"))
            session.add(Task(user_id=user_id, title=" "))
            with suppress(InvalidInputError):
                await TaskRepo(session).count(user_id)
    assert await TaskRepo(db).count(user_id) == 0


async def test_more_parameters_than_a_statement_can_have(db: Database) -> None:
    """The client refuses to send it, so the outcome is known."""
    ids: BindParameter[Any] = bindparam("ids", expanding=True)
    statement = select(func.count()).select_from(table_of(Task)).where(table_of(Task).c.id.in_(ids))
    with pytest.raises(DataAccessError, match="32767") as failed:
        await db.execute(statement, {"ids": list(range(40_000))})
    assert type(failed.value) is DataAccessError


async def test_a_value_that_python_cannot_hold(db: Database, user_id: str) -> None:
    """Python has no times before year 1; the next call works."""
    insert = text(f"insert into task (user_id, title, created_at) values ('{user_id}', 'x', '0044-03-15 BC')")
    await db.execute(insert)
    with pytest.raises(DataAccessError, match="OverflowError"):
        await TaskRepo(db).list_page(user_id)
    assert await TaskRepo(db).count(user_id) == 1


async def test_prepared_statements_that_are_gone(migrated_url: str, user_id: str) -> None:
    """DISCARD ALL removes them from a connection; its next caller prepares them again, also in a transaction."""
    async with Database(DatabaseSettings(url=migrated_url, pool_size=1, retry_seconds=2)) as db:
        for _ in range(2):
            assert await TaskRepo(db).count(user_id) == 0
            assert await db.run_in_transaction(lambda session: TaskRepo(session).count(user_id)) == 0
            await db.execute(text("discard all"))


@pytest.mark.parametrize("way", ["repository", "execute"])
async def test_a_session_whose_end_is_heard_before_it_is_seen(migrated_url: str, user_id: str, way: str) -> None:
    """The server's last message has arrived, the end of the stream has not: asyncpg sends nothing, nothing is lost."""
    async with Database(DatabaseSettings(url=migrated_url, pool_size=1)) as db:
        async with db.engine.connect() as connection:
            driver: Any = (await connection.get_raw_connection()).driver_connection
        last_word = b"SFATAL\0VFATAL\0C57P01\0Mterminating connection due to administrator command\0\0"
        driver._transport.get_protocol().data_received(b"E" + struct.pack("!i", len(last_word) + 4) + last_word)
        assert not driver.is_closed()
        if way == "repository":
            await TaskRepo(db).create(user_id, TaskCreate(title="x"))
        else:
            await db.execute(text(f"insert into task (user_id, title) values ('{user_id}', 'x')"))
        assert await TaskRepo(db).count(user_id) == 1
