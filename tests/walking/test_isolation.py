"""No query of any repository sees or changes another user's row, whatever ids, keys and times it is given."""

from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import Table, func, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession

from app.db import Database
from app.db.engine.translation import translating
from app.db.errors import MissingReferenceError
from app.db.query import Query
from app.repositories import entities, queries
from tests.support.calls import Call, Rows, calls
from tests.support.recorded import recorded, recorded_by_name

INTRUDER = "intruder"


async def _rows_of(session: AsyncSession, table: Table, user_id: str) -> list[Any]:
    whole_row = func.to_jsonb(table.table_valued()).cast(JSONB)
    rows = await session.execute(select(whole_row).where(table.c.user_id == user_id).order_by(table.c.id))
    return list(rows.scalars())


async def _everything_of(session: AsyncSession, user_id: str) -> dict[str, list[Any]]:
    return {name: await _rows_of(session, entity.table, user_id) for name, entity in entities().items()}


async def _answered(session: AsyncSession, query: Query[Any], parameters: dict[str, Any]) -> Sequence[Any]:
    """Return the records; none where the row would refer to a row of the victim, which its foreign key refuses."""
    savepoint = await session.begin_nested()
    try:
        with translating():
            return (await session.execute(query.statement, parameters)).mappings().all()
    except MissingReferenceError:
        await savepoint.rollback()
        return ()


async def _intrude(db: Database, query: Query[Any], parameters: dict[str, Any], victim: str) -> None:
    """Run the victim's own query as another user: it finds nothing and changes nothing."""
    async with db.sessionmaker() as session:
        before = await _everything_of(session, victim)
        for row in await _answered(session, query, {**parameters, "p_user_id": INTRUDER}):
            if row.get("user_id") is None:  # it returns only whether rows exist, or how many
                assert not any(row.values()), query.name
            else:
                assert row["user_id"] == INTRUDER, query.name
        assert await _everything_of(session, victim) == before, query.name
        await session.rollback()


@pytest.mark.parametrize("commit", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("call", calls(), ids=lambda call: call.name)
async def test_what_a_user_asks_opens_nothing_to_another(
    db: Database,
    user_id: str,
    call: Call,
    commit: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    """The test runs before the call, when its row still exists, and after it, when its key is taken."""
    rows = await Rows.of(db, user_id)
    for query, parameters in await recorded(call, db, rows, commit=commit):
        await _intrude(db, query, parameters, user_id)


async def test_every_query_is_asked(db: Database, user_id: str) -> None:
    """A query that no public method runs would not be tested."""
    asked = await recorded_by_name(calls(), db, await Rows.of(db, user_id))
    assert asked.keys() == queries().keys()


async def test_an_intrusion_would_be_noticed(db: Database, user_id: str) -> None:
    """A query without the predicate fails the test above."""
    rows = await Rows.of(db, user_id)
    entity = next(iter(entities().values()))
    row = rows.by_table[entity.table.name]
    careless = Query("careless.get", select(*entity.columns).where(entity.table.c.id == row.id), entity.read)
    with pytest.raises(AssertionError, match=r"careless\.get"):
        await _intrude(db, careless, {}, user_id)
