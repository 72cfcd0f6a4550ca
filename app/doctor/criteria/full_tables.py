"""Tables as full as the specification requires, and what the queries cost on them."""

import time
from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import Executable, Table, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db import Database
from app.db.engine.translation import translating
from app.db.models.base import owned_tables
from app.doctor.criteria.samples import write_samples
from app.doctor.measuring.explain import Plan, explain
from app.doctor.schema.plans import any_parameters
from app.doctor.schema.structure import indexes_of
from app.doctor.subject import our_tables
from app.repositories import entities

_USERS: Final = [f"user-{n}" for n in range(5)]
_USER: Final = _USERS[1]
_ROWS_EACH: Final = 10_000
_TIMES_EACH: Final = 5
_OF_USER: Final = "cast(user_id as text) = cast(:user as text)"
_NOTHING: Final = text("select 1")

Asked = Mapping[str, tuple[Executable, Mapping[str, Any]]]


async def fill(db: Database) -> None:
    """Write 10,000 rows of every table for each of five users; raises `NoSamples`."""
    await write_samples(db, _USERS, rows_each=_ROWS_EACH)
    await db.execute(text(f"vacuum (analyze) {', '.join(map(str, our_tables()))}"))


async def seconds(db: Database) -> tuple[float, dict[str, float]]:
    """Return the seconds of an empty query and of each query, as the caller sees them; writes are rolled back."""
    asked = await _asked(db)
    with translating():
        async with db.engine.connect() as connection:
            away = await _seconds(connection, _NOTHING, {})
            return away, {name: await _seconds(connection, *each) for name, each in asked.items()}


async def _seconds(connection: AsyncConnection, statement: Executable, values: Mapping[str, Any]) -> float:
    times = []
    for _ in range(_TIMES_EACH):
        transaction = await connection.begin()
        began = time.perf_counter()
        await connection.execute(statement, values)
        times.append(time.perf_counter() - began)
        await transaction.rollback()
    return min(times)  # what else the machine does only adds to it


async def plans(db: Database) -> list[Plan]:
    """Return the plans of each query and of a look-up by each primary key, run and rolled back."""
    asked = [*(await _asked(db)).values(), *((select(table).where(table.c.id == 1), {}) for table in our_tables())]
    async with db.engine.connect() as connection:
        return [await explain(connection, statement, values, analyze=True) for statement, values in asked]


def index_names() -> set[str]:
    """Return the names of the models' indexes, including those of keys and constraints."""
    return {str(index.name) for table in our_tables() for index in indexes_of(table)}


async def _asked(db: Database) -> Asked:
    """Return the queries by user: every query of the entities, and a count of each table."""
    asked: dict[str, tuple[Executable, Mapping[str, Any]]] = {}
    for entity in entities().values():
        row = await _row_in_the_middle(db, entity.table)
        asked |= {name: (each.statement, _parameters(each.statement, row)) for name, each in entity.queries.items()}
    for table in owned_tables():
        by_user = f"select count(*) from {table} where {_OF_USER}"  # noqa: S608 - our own names
        asked[f"rows of {table} by user"] = text(by_user), {"user": _USER}
    return asked


async def _row_in_the_middle(db: Database, table: Table) -> Mapping[str, Any]:
    sql = f"select * from {table} where {_OF_USER} order by id offset :half limit 1"  # noqa: S608 - our own names
    return dict((await db.execute(text(sql), {"user": _USER, "half": _ROWS_EACH // 2})).mappings().one())


def _parameters(statement: Executable, row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters that name the row, or the place of the row in a page."""
    known = {f"p_{name}": value for name, value in row.items() if value is not None}
    known |= {f"{name}s": [value] for name, value in known.items()}
    known |= {"p_place": row["id"], "p_limit": 51}
    return {name: known.get(name, value) for name, value in any_parameters(statement).items()}
