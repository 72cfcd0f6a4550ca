"""What replicas cost where they are configured, and that they cost nothing where they are not."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import NamedTuple

import pytest
from sqlalchemy import text

from app.db import Database, DatabaseSettings
from app.db.engine.compiled import compiled
from app.db.engine.dialect import LeanDialect
from app.db.engine.runner import Runner
from app.db.errors import ConfigurationError
from app.db.models import TaskCreate
from app.db.replicas import mark
from app.repositories import TaskRepo, queries
from tests.replicas.conftest import Pair
from tests.replicas.reading import served, status, until_ready
from tests.support.calls import Call, Rows, calls
from tests.support.proxy import FaultProxy
from tests.support.recorded import recorded
from tests.support.wire import WireCounter

AGAIN_SECONDS = mark._AGAIN_SECONDS


class Counted(NamedTuple):
    """A database, and what goes to each of its servers."""

    db: Database
    primary: WireCounter
    replica: WireCounter


@pytest.fixture
async def counted(pair: Pair) -> AsyncIterator[Counted]:
    """Open a database of one connection to each server, through counting proxies."""
    async with (
        FaultProxy(pair.primary.tcp_url()).running() as primary,
        FaultProxy(pair.replica.server.tcp_url()).running() as replica,
    ):
        settings = pair.settings(url=primary.url(), replica_url=replica.url(), pool_size=1)
        async with Database(settings) as db:
            await until_ready(db)
            yield Counted(db, WireCounter(primary), WireCounter(replica))


async def on_time(db: Database, attempt: Callable[[], Awaitable[None]]) -> None:
    """Make the attempt, and again where a busy machine made an answer of the replica late."""
    while True:
        late = status(db).late
        try:
            return await attempt()
        except AssertionError:
            if status(db).late == late:
                raise
            await until_ready(db)


async def test_a_read_that_a_replica_answers_costs_one(counted: Counted, user_id: str) -> None:
    """And the primary hears nothing of it."""

    async def attempt() -> None:
        async with counted.primary.expect(0), counted.replica.expect(1):
            await TaskRepo(counted.db).list_page(user_id)

    await on_time(counted.db, attempt)


async def test_a_write_costs_one_and_a_read_that_falls_to_the_primary_two(
    pair: Pair, counted: Counted, user_id: str
) -> None:
    """The replica is asked once; then, for a moment, it is not."""
    tasks = TaskRepo(counted.db)
    await tasks.create(user_id, TaskCreate(title="to be prepared"))
    await tasks.count(user_id)

    async def attempt() -> None:
        await served(counted.db, lambda: tasks.count(user_id))
        with pair.paused():
            async with counted.primary.expect(1), counted.replica.expect(0):
                await tasks.create(user_id, TaskCreate(title="Buy milk"))
            asked_at = time.monotonic()
            async with counted.primary.expect(1), counted.replica.expect(1):
                await tasks.count(user_id)
            async with counted.primary.expect(1):
                counted.replica.reset()
                await tasks.count(user_id)
            assert counted.replica.round_trips <= (time.monotonic() - asked_at) // AGAIN_SECONDS

    await on_time(counted.db, attempt)


async def test_a_transaction_costs_one_more(counted: Counted, user_id: str) -> None:
    """It is asked for its id before COMMIT; not if only reads of a repository ran in it."""

    async def transact() -> None:
        async with counted.db.transaction() as session:
            await TaskRepo(session).create(user_id, TaskCreate(title="Buy milk"))
            await TaskRepo(session).count(user_id)

    await transact()  # prepares its statements
    async with counted.primary.expect(2 + 2 + 1):
        await transact()
    async with counted.primary.expect(1 + 2), counted.db.transaction() as session:
        await TaskRepo(session).count(user_id)


@pytest.mark.parametrize("call", calls(), ids=lambda call: call.name)
async def test_without_replicas_the_server_is_sent_what_it_was_sent_before(
    db: Database, user_id: str, call: Call
) -> None:
    """Each statement is word for word the query's own, in the one round trip that tests/walking counts."""
    rows = await Rows.of(db, user_id)
    names = {query.name for query, _ in await recorded(call, db, rows)}
    async with Database(db.settings.model_copy(update={"pool_size": 1})) as alone:
        await call.run(alone, rows)
        prepared = set((await alone.execute(text("select statement from pg_prepared_statements"))).scalars())
    own = {compiled(queries()[name]).sql for name in names}
    assert own <= prepared
    assert not any("replica" in sql or "xact" in sql for sql in prepared)


def test_without_replicas_there_is_no_token_and_nothing_of_theirs() -> None:
    """The objects are those of before, so that no call asks whether there are replicas."""
    db = Database(DatabaseSettings(url="postgresql://ada@host.invalid/app", replica_url=None))
    assert db.pool_status().replicas == ()
    assert type(db.engine.dialect) is LeanDialect
    assert type(db._runner) is Runner
    with pytest.raises(ConfigurationError, match="set DATABASE_REPLICA_URL"):
        db.causal_token("ada")
