"""Fill tables as the specification requires, and measure the queries on them."""

import statistics
import time
from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import Executable, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db import Database
from app.db.engine.translation import translating
from app.db.models.base import MAX_BIGINT
from app.doctor.explain import Plan, explain
from app.doctor.plans import any_parameters, statements
from app.doctor.structure import indexes_of
from app.doctor.subject import our_tables

_USER: Final = "user-1"
_USERS, _ROWS_EACH = 5, 10_000
_ROWS: Final = {"users": _USERS, "rows": _USERS * _ROWS_EACH}
_TIMES_EACH: Final = 3
# Every value has a type that pg_catalog has an operator or function for, whatever another role has planted.
_NUMBERS: Final = "pg_catalog.generate_series(1, cast(:rows as bigint)) as n"
_USER_N: Final = "pg_catalog.concat('user-', n % cast(:users as bigint))"
_FILL: Final = (
    f"""insert into task (user_id, title, completed)
        select {_USER_N}, pg_catalog.concat('task ', n), n % cast(3 as bigint) = 0 from {_NUMBERS}""",  # noqa: S608 - constants
    f"insert into conversation (user_id) select {_USER_N} from {_NUMBERS}",  # noqa: S608 - constants
    # Each message is in a conversation of its user: the user's first hundred conversations take them all.
    """insert into message (user_id, conversation_id, role, content)
       select user_id, id, 'user', pg_catalog.concat('message ', n)
       from (select user_id, id from conversation where cast(user_id as text) like 'user-%' order by id limit 100)
            as active, pg_catalog.generate_series(1, cast(:rows as bigint) / 100) as n""",
)
_BY_USER: Final = text("select count(*) from message where cast(user_id as text) = cast(:user_id as text)")
_NOTHING: Final = text("select 1")
_A_ROW_OF_EACH: Final = text(
    """select (select min(id) from task where cast(user_id as text) = cast(:user as text)) as task,
              (select min(conversation_id) from message where cast(user_id as text) = cast(:user as text)) as chat"""
)

Asked = Mapping[str, tuple[Executable, Mapping[str, Any]]]


async def fill(db: Database) -> None:
    """Fill the tables for five users, each with 10,000 rows per table."""
    async with db.transaction() as session:
        for statement in _FILL:
            await session.execute(text(statement), _ROWS if ":users" in statement else {"rows": _ROWS["rows"]})
    await db.execute(text("vacuum (analyze) task, conversation, message"))


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
    return statistics.median(times)


async def plans(db: Database) -> list[Plan]:
    """Return the plans of each query and of a look-up by each primary key, run and rolled back."""
    asked = [*(await _asked(db)).values(), *((select(table).where(table.c.id == 1), {}) for table in our_tables())]
    async with db.engine.connect() as connection:
        return [await explain(connection, statement, values, analyze=True) for statement, values in asked]


def index_names() -> set[str]:
    """Return the names of the models' indexes, including those of keys and constraints."""
    return {str(index.name) for table in our_tables() for index in indexes_of(table)}


async def _asked(db: Database) -> Asked:
    """Return the queries by user: every query of the repositories, and a count."""
    row = (await db.execute(_A_ROW_OF_EACH, {"user": _USER})).mappings().one()
    ours = {name: (each, _parameters(name, each, **row)) for name, each in statements().items()}
    return {**ours, "messages by user": (_BY_USER, {"user_id": _USER})}


def _parameters(name: str, statement: Executable, *, task: int, chat: int) -> dict[str, Any]:
    known = {
        "p_user_id": _USER,
        "p_id": task if name.startswith("tasks.") else chat,
        "p_conversation_id": chat,
        "p_role": "user",
        "p_roles": ["user"],
        "p_limit": 51,
        "p_place": 0 if name == "messages.after" else MAX_BIGINT,
    }
    return {each: known.get(each, value) for each, value in any_parameters(statement).items()}
