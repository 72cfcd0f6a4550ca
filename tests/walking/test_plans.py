"""PostgreSQL runs every query of every repository by an index, in its order, and reads no unneeded row."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy import CTE, Delete, text
from sqlalchemy.sql import visitors

from app.db import Database, DatabaseSettings
from app.db.query import Query
from app.doctor.measuring.explain import Plan, explain
from app.repositories import queries
from app.userdata.statements import deletion, ids, page
from app.userdata.tables import UserTable, user_tables
from tests.support.calls import calls
from tests.support.filled import ROWS_EACH, ROWS_OF_A_PARENT, USER, fill, other_statements
from tests.support.plans import custom_plan, generic_plan
from tests.support.recorded import recorded_by_name

Asked = dict[str, tuple[Query[Any], dict[str, Any]]]
Filled = tuple[Database, Asked]
_OURS = "select indexname from pg_indexes where schemaname = 'public' and tablename <> 'alembic_version'"


@pytest.fixture(scope="module")
async def filled(empty_copy: Callable[[], Awaitable[str]]) -> AsyncIterator[Filled]:
    """Open a database of 20 users with 10,000 rows in each table, and give the calls of one user."""
    async with Database(DatabaseSettings(url=await empty_copy())) as db:
        rows = await fill(db)
        yield db, await recorded_by_name(calls(), db, rows)


def _rows_needed(query: Query[Any], parameters: dict[str, Any]) -> int:
    """Return how many rows and index entries a query may read, besides the four that an append compares and locks."""
    if "p_limit" in parameters:
        return int(parameters["p_limit"])
    if isinstance(query.statement, Delete):  # the rows that go with it
        return ROWS_OF_A_PARENT * len([part for part in visitors.iterate(query.statement) if isinstance(part, CTE)])
    return ROWS_EACH if query.name.split(".")[1].startswith("count") else 0


def _assert_is_direct(plan: Plan, rows: int) -> None:
    assert plan.rows_read is not None
    assert plan.rows_read <= rows
    assert plan.indexes or plan.rows_read == 0
    # Index scans that use no bitmap and no sort: the order is the index's.
    assert not {node for node in plan.nodes if "Sort" in node or "Bitmap" in node or node == "Seq Scan"}


@pytest.mark.parametrize("name", queries())
async def test_a_query_reads_by_an_index_and_only_what_it_needs(filled: Filled, name: str) -> None:
    """The test checks custom and generic plans."""
    db, asked = filled
    query, parameters = asked[name]
    async with db.engine.connect() as connection:
        for planned in (custom_plan, generic_plan):
            plan = await planned(connection, query.statement, parameters)
            _assert_is_direct(plan, _rows_needed(query, parameters) + 4)
            assert not [index for index in plan.indexes if index.startswith("pk_")]  # all users' rows, in one order


@pytest.mark.parametrize("place", ["first", "middle", "last"])
@pytest.mark.parametrize("of", user_tables(), ids=lambda each: each.name)
async def test_every_step_over_a_users_rows_costs_the_same_wherever_it_begins(
    filled: Filled, of: UserTable, place: str
) -> None:
    """A page of an export and a step of an erasure read by the index on the user and the id, also in generic plans."""
    db, rows = filled[0], 100
    sql = f"select id from {of.name} where user_id = :user order by id offset :skipped limit 1"
    skipped = {"first": 0, "middle": ROWS_EACH // 2, "last": ROWS_EACH - rows - 2}[place]
    begin = (await db.execute(text(sql), {"user": USER, "skipped": skipped})).scalar_one()
    sent = {"p_user_id": USER, "p_place": begin, "p_skip": 0, "p_limit": rows}
    async with db.engine.connect() as connection:
        for query in (page(of), ids(of), deletion(of)):
            for planned in (custom_plan, generic_plan):
                plan = await planned(connection, query.statement, sent)
                deleted = rows if query is deletion(of) else 0
                _assert_is_direct(plan, rows + deleted)
                assert plan.buffers is not None
                assert plan.buffers <= 4 * rows + 20 * deleted
                assert deleted or not [index for index in plan.indexes if index.startswith("pk_")]
                await connection.rollback()


@pytest.mark.parametrize("sql", other_statements().values(), ids=other_statements())
async def test_what_others_ask_uses_an_index(filled: Filled, sql: str) -> None:
    """Foreign keys, sessions and reports by user find their rows by an index, too."""
    async with filled[0].engine.connect() as connection:
        _assert_is_direct(await explain(connection, sql, analyze=True), ROWS_EACH)


async def test_every_index_is_used(filled: Filled) -> None:
    """An index that no plan uses would only add cost."""
    db, asked = filled
    async with db.engine.connect() as connection:
        plans = [await custom_plan(connection, query.statement, sent) for query, sent in asked.values()]
        plans += [await explain(connection, sql, analyze=True) for sql in other_statements().values()]
    existing = set((await db.execute(text(_OURS))).scalars())
    assert existing == {index for plan in plans for index in plan.indexes}
