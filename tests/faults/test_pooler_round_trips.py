"""What each repository call costs through a real PgBouncer, and what it leaves on the server."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text

from app.db import Database, DatabaseSettings
from app.db.migrations import upgrade
from tests.support.calls import Call, Rows, calls
from tests.support.pgbouncer import PgBouncer
from tests.support.postgres import Postgres
from tests.support.wire import WireCounter, counted

Counted = tuple[Database, WireCounter]


@pytest.fixture(scope="module")
async def one_connection(own_server: Postgres) -> AsyncIterator[PgBouncer]:
    """Run a pooler with one connection to the server, so that what is left on it can be seen."""
    own_server.start()
    async with Database(DatabaseSettings(url=own_server.url())) as db:
        await upgrade(db.engine)
    with PgBouncer("127.0.0.1", own_server.port, pool_size=1) as pooler:
        yield pooler


@pytest.fixture(scope="module")
async def warm(one_connection: PgBouncer) -> AsyncIterator[Counted]:
    """Yield a Database through it on which every statement has run once, and the counter of what follows."""
    async with counted(one_connection.url("postgres"), pooler="transaction") as (db, counter):
        for call in calls():
            await call.run(db, await Rows.of(db, "warm"))
        yield db, counter


@pytest.fixture
async def rows(migrated_server: Postgres, user_id: str) -> Rows:
    """Write this test's rows directly, not through the pooler."""
    async with Database(DatabaseSettings(url=migrated_server.url())) as db:
        return await Rows.of(db, user_id)


@pytest.mark.parametrize("call", calls(), ids=lambda call: call.name)
async def test_every_repository_call_costs_one_round_trip_through_a_pooler(
    rows: Rows, warm: Counted, call: Call
) -> None:
    """Statements are unnamed, and each is parsed again in the same round trip."""
    db, counter = warm
    arguments = await call.arguments(db, rows)
    async with counter.expect(1):
        await call.send(db, arguments)
    assert counter.messages == {"Parse": 1, "Bind": 1, "Execute": 1, "Sync": 1}


async def test_nothing_is_left_prepared_on_the_server(warm: Counted) -> None:
    """No prepared statement is left after all of the calls."""
    prepared = text("select count(*) from pg_prepared_statements")
    assert (await warm[0].execute(prepared)).scalar_one() == 0


async def test_a_statement_of_the_callers_own_is_prepared_each_time(rows: Rows, warm: Counted) -> None:
    """It does not pin its types: the second round trip prevents it from misreading a retyped column."""
    db, counter = warm
    for _ in range(2):
        async with counter.expect(2):
            await db.execute(text("select title from task where user_id = :user_id"), {"user_id": rows.user_id})
