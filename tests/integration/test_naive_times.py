"""A time without a time zone never reaches a timestamptz: asyncpg would read it as the machine's local time."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Column, DateTime, MetaData, Table, bindparam, cast, insert, literal, select, text, update
from sqlalchemy.exc import StatementError
from sqlmodel import SQLModel

from app.db import Database
from app.db.errors import InvalidInputError
from app.db.models import Task, TaskCreate, TaskUpdate, metadata
from app.db.query import Query, WhenLost
from app.repositories import TaskRepo

NAIVE = datetime(2026, 1, 1, 12)  # noqa: DTZ001 - the point of these tests
ZONED_COLUMNS = {
    f"{table.name}.{column.name}": column
    for table in metadata.sorted_tables
    for column in table.columns
    if getattr(column.type, "timezone", False) or getattr(getattr(column.type, "impl", None), "timezone", False)
}


async def _insert(db: Database, column: "Column[Any]") -> None:
    await db.execute(insert(column.table).values({column.name: NAIVE}))


async def _update(db: Database, column: "Column[Any]") -> None:
    await db.execute(update(column.table).values({column.name: NAIVE}))


async def _compare(db: Database, column: "Column[Any]") -> None:
    await db.execute(select(column).where(column > NAIVE))


async def _parameter(db: Database, column: "Column[Any]") -> None:
    await db.execute(insert(column.table), {column.name: NAIVE})


async def _parameters(db: Database, column: "Column[Any]") -> None:
    await db.execute(insert(column.table), [{column.name: datetime.now(UTC)}, {column.name: NAIVE}])


async def _in_a_transaction(db: Database, column: "Column[Any]") -> None:
    async with db.transaction() as session:
        await session.execute(select(column).where(column == NAIVE))


@pytest.mark.parametrize("send", [_insert, _update, _compare, _parameter, _parameters, _in_a_transaction])
@pytest.mark.parametrize("column", ZONED_COLUMNS.values(), ids=ZONED_COLUMNS)
async def test_a_naive_time_is_refused(
    db: Database, column: "Column[Any]", send: Callable[[Database, "Column[Any]"], Awaitable[None]]
) -> None:
    """Every time column refuses it, in every kind of statement, and the error says what to write."""
    with pytest.raises(InvalidInputError, match="must have timezone information"):
        await send(db, column)


@pytest.mark.parametrize("column", ZONED_COLUMNS.values(), ids=ZONED_COLUMNS)
async def test_a_naive_time_is_refused_in_a_session(db: Database, user_id: str, column: "Column[Any]") -> None:
    """`datetime.utcnow()` on a new row is refused in a transaction of the layer and in a plain SQLAlchemy session."""
    (model,) = (each.class_ for each in SQLModel._sa_registry.mappers if each.local_table is column.table)
    with pytest.raises(InvalidInputError, match="must have timezone information"):
        async with db.transaction() as session:
            session.add(model(user_id=user_id, **{column.name: NAIVE}))
    with pytest.raises(StatementError, match="must have timezone information"):
        async with db.sessionmaker.begin() as session:
            session.add(model(user_id=user_id, **{column.name: NAIVE}))


async def test_a_naive_time_is_refused_by_a_repository(db: Database, user_id: str) -> None:
    """Every method that takes a time refuses it."""
    tasks = TaskRepo(db)
    task = await tasks.create(user_id, TaskCreate(title="x"))
    with pytest.raises(InvalidInputError, match="time zone"):
        await tasks.update(user_id, task.id, TaskUpdate(), expected_updated_at=NAIVE)


async def test_a_time_of_another_zone_is_the_same_moment(db: Database, user_id: str) -> None:
    """It comes back in UTC."""
    there = datetime.fromisoformat("2026-01-01T12:00:00+05:00")
    async with db.transaction() as session:
        session.add(Task(user_id=user_id, title="x", created_at=there))
    (task,) = (await TaskRepo(db).list_page(user_id)).items
    assert task.created_at == there
    assert task.created_at.utcoffset() == UTC.utcoffset(None)


NOTES = Table("notes", MetaData(), Column("due", DateTime(timezone=True)), Column("day", DateTime()))
FOLLOWING: Query[datetime] = Query(
    "tests.naive_times",
    select(cast(bindparam("p_time", type_=DateTime(timezone=True)), DateTime(timezone=True))),
    datetime,
    WhenLost.NOT_DONE,
)


async def test_a_naive_time_is_refused_by_a_column_of_the_users_own(db: Database) -> None:
    """The column is declared as in SQLAlchemy's manual; a column without time zone accepts it."""
    async with db.transaction() as session:
        await session.execute(text("create temp table notes (due timestamptz, day timestamp) on commit drop"))
        for statement in (
            select(literal(NAIVE, DateTime(timezone=True))),
            select(NOTES.c.day).where(NOTES.c.due > NAIVE),
            insert(NOTES).values(due=NAIVE),
            insert(NOTES).values(due=NAIVE.date()),
        ):
            with pytest.raises(InvalidInputError, match="must have timezone information"):
                async with session.begin_nested():
                    await session.execute(statement)
        await session.execute(insert(NOTES).values(day=NAIVE))
        assert (await session.execute(select(NOTES.c.day))).scalar_one() == NAIVE


async def test_a_naive_time_is_refused_by_a_query(db: Database) -> None:
    """No SQLAlchemy type converts the value there."""
    with pytest.raises(InvalidInputError, match="must have timezone information"):
        await db.fetch(FOLLOWING, {"p_time": NAIVE})
    now = datetime.now(UTC)
    assert await db.fetch(FOLLOWING, {"p_time": now}) == [now]
