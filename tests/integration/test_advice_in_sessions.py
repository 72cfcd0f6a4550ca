"""A plain session raises SQLAlchemy's errors; they show what removes the cause of a refusal."""

import re
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, ProgrammingError

from app.db import Database
from app.db.errors import ConfigurationError
from app.db.models import Task
from tests.integration.test_missing_rights import place
from tests.support.databases import MakeDatabase


async def _in_a_session(db: Database) -> None:
    async with db.sessionmaker.begin() as session:
        session.add(Task(user_id="ada", title="x"))


async def _on_the_engine(db: Database) -> None:
    async with db.engine.begin() as connection:
        await connection.execute(text("update task set title = 'y' where user_id = 'ada'"))


async def _streamed(db: Database) -> None:
    async with db.sessionmaker() as session:
        async for _ in await session.stream(text("select id from task")):
            pass


@pytest.mark.parametrize("use", [_in_a_session, _on_the_engine, _streamed])
async def test_a_plain_session_shows_the_statement_and_it_helps(
    make_database: MakeDatabase, use: Callable[[Database], Awaitable[Any]]
) -> None:
    """It is the statement that `db.execute` shows."""
    async with place(await make_database(), "public") as where, Database(where.application) as db:
        await use(db)
        await where.run(f"revoke all on task from {where.name}_app")
        with pytest.raises(ProgrammingError) as refused:
            await use(db)
        said = re.search(r"The role \S+ may not .*: (grant .*;)\)$", str(refused.value), re.MULTILINE)
        assert said, str(refused.value)
        with pytest.raises(ConfigurationError, match=re.escape(said[1])):
            await db.execute(text("select from task"))
        await where.run(said[1])
        await use(db)


async def test_an_error_of_a_value_shows_nothing_more(db: Database) -> None:
    """The advice is for the operator."""
    async with db.sessionmaker() as session:
        with pytest.raises(IntegrityError) as refused:
            await session.execute(text("insert into task (user_id, title) values ('', 'x')"))
        assert "may not" not in str(refused.value)
