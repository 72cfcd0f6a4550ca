"""Every executor raises the same error for the same failure, and never one of asyncpg's or SQLAlchemy's."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.db import Database, DatabaseSettings
from app.db.errors import (
    ClosedError,
    DataAccessError,
    InvalidInputError,
    PoolTimeoutError,
    StaleRowError,
    TransientError,
)
from app.db.executor import executor_of
from app.db.models import Task
from tests.support.funnel import ALONE, FAILURES, IN_TRANSACTION, Failure, Run, query_of
from tests.support.postgres import Postgres
from tests.support.waiting import until_active


@pytest.fixture
async def funnel_db(own_server: Postgres, migrated_server: Postgres) -> Any:
    """Open a database of two connections with short timeouts."""
    settings = DatabaseSettings(
        url=migrated_server.url(),
        pool_size=2,
        pool_timeout_seconds=0.2,
        retry_seconds=0.5,
        command_timeout_seconds=0.5,
        application_name="funnel",
    )
    async with Database(settings) as db:
        yield db
        assert db.pool_status().in_use == 0


async def _failed(run: Run, db: Database, failure: Failure) -> BaseException:
    with pytest.raises(BaseException) as failed:  # noqa: PT011 - the test compares the class
        await run(db, failure.sql, failure.parameters)
    return failed.value


def _marked(failure: Failure) -> Any:
    outcomes = {"alone": failure.alone.__name__, "in_transaction": failure.in_transaction.__name__}
    return pytest.param(failure, marks=pytest.mark.funnel(name=failure.name, **outcomes), id=failure.name)


@pytest.mark.parametrize("failure", list(map(_marked, FAILURES)))
async def test_each_executor_raises_the_same(funnel_db: Database, failure: Failure) -> None:
    """A single call and a call in a transaction each have one class, and both have the same text."""
    alone = {name: await _failed(run, funnel_db, failure) for name, run in ALONE.items()}
    within = {name: await _failed(run, funnel_db, failure) for name, run in IN_TRANSACTION.items()}
    assert {name: type(error) for name, error in alone.items()} == dict.fromkeys(ALONE, failure.alone)
    assert {name: type(error) for name, error in within.items()} == dict.fromkeys(
        IN_TRANSACTION, failure.in_transaction
    )
    texts = {str(error) for error in (*alone.values(), *within.values())}
    assert len(texts) == 1, texts
    assert failure.text in texts.pop()


@pytest.mark.funnel(name="the pool is exhausted", alone="PoolTimeoutError", in_transaction="PoolTimeoutError")
async def test_an_exhausted_pool_is_the_same_for_each(funnel_db: Database) -> None:
    """Every executor raises it, in a single call or at the start of a transaction."""
    async with funnel_db.transaction() as one, funnel_db.transaction() as two:
        for session in (one, two):
            await session.execute(text("select 1"))
        runs = [*ALONE.values(), *IN_TRANSACTION.values()]
        failures = await asyncio.gather(*(run(funnel_db, "select 1", {}) for run in runs), return_exceptions=True)
    assert {type(error) for error in failures} == {PoolTimeoutError}


@pytest.mark.funnel(name="the Database is closed", alone="ClosedError", in_transaction="ClosedError")
async def test_a_closed_database_serves_nothing(migrated_server: Postgres) -> None:
    """It opens no connection that would leak."""
    db = Database(DatabaseSettings(url=migrated_server.url()))
    await db.execute(text("select 1"))
    await db.close()
    for run in (*ALONE.values(), *IN_TRANSACTION.values()):
        with pytest.raises(ClosedError, match="closed"):
            await run(db, "select 1", {})
    assert (db.pool_status().in_use, db.pool_status().idle) == (0, 0)


INSERT = "insert into task (user_id, title) values ('funnel', 'x') returning id"
AFTER_THE_BLOCK: dict[str, Callable[[AsyncSession], Awaitable[object]]] = {
    "a repository": lambda session: executor_of(session).fetch(query_of(INSERT), {}),
    "execute": lambda session: session.execute(text(INSERT)),
    "scalars": lambda session: session.scalars(text(INSERT)),
    "stream": lambda session: session.stream(text(INSERT)),
    "get": lambda session: session.get(Task, 1),
    "connection": lambda session: session.connection(),
    "commit": lambda session: session.commit(),
    "begin_nested": lambda session: session.begin_nested().start(),
    "add": lambda session: session.run_sync(lambda sync: sync.add(Task(user_id="funnel", title="x"))),
}


@pytest.mark.funnel(name="the session's block has ended", alone="has none", in_transaction="ClosedError")
@pytest.mark.parametrize("way", AFTER_THE_BLOCK)
async def test_a_finished_session_serves_nothing(funnel_db: Database, way: str) -> None:
    """A background task that uses it gets an error, not an id whose row is never stored."""
    async with funnel_db.transaction() as session:
        await session.execute(text("select 1"))
    with pytest.raises(ClosedError, match="block has ended"):
        await AFTER_THE_BLOCK[way](session)
    assert funnel_db.pool_status().in_use == 0


@pytest.mark.funnel(
    name="the block ends while a task still uses the session", alone="has none", in_transaction="DataAccessError"
)
async def test_a_session_left_while_a_task_uses_it_spoils_no_connection(funnel_db: Database) -> None:
    """Its connection is in a transaction, which ends with it: nobody else continues in it."""
    with pytest.raises(DataAccessError, match="used by two tasks at once"):
        async with funnel_db.transaction() as session:
            await session.execute(text("select 1"))
            left = asyncio.create_task(session.execute(text("select pg_sleep(0.2)")))
            await asyncio.sleep(0.05)
    await asyncio.wait([left])
    assert left.exception() is not None
    for _ in range(3):
        async with funnel_db.transaction() as session:
            await session.execute(text("select 1"))
        assert await funnel_db.fetch(query_of("select 1 as one"), {}) == [{"one": 1}]


async def test_a_transaction_that_a_statement_begins_ends_with_its_connection(funnel_db: Database) -> None:
    """Otherwise the writes of the calls after it would not be durable, nor would any be refused."""
    await funnel_db.execute(text("begin"))
    (row,) = await funnel_db.fetch(query_of(INSERT), {})
    async with Database(funnel_db.settings) as other:
        assert await other.fetch(query_of(f"select id from task where id = {row['id']}"), {}) == [row]


@pytest.mark.funnel(
    name="a row of the session was changed by another", alone="has none", in_transaction="StaleRowError"
)
async def test_a_flush_of_a_row_that_is_gone_is_stale(funnel_db: Database) -> None:
    """SQLAlchemy counts the rows that its UPDATE changes."""
    (row,) = await funnel_db.fetch(query_of(INSERT), {})
    with pytest.raises(StaleRowError, match="deleted or changed"):
        async with funnel_db.transaction() as session:
            task = await session.get_one(Task, row["id"])
            await funnel_db.execute(text("delete from task where id = :id"), row)
            task.title = "y"


async def test_a_list_of_parameters_shows_no_value_either(funnel_db: Database) -> None:
    """The driver quotes the value and its place in the list."""
    with pytest.raises(InvalidInputError) as refused:
        await funnel_db.execute(text("select cast(:value as text)"), [{"value": "x"}, {"value": "secret\ud800"}])
    assert "secret" not in str(refused.value)


@pytest.mark.funnel(name="cancelled", alone="CancelledError", in_transaction="CancelledError")
async def test_a_cancellation_stays_one(funnel_db: Database, own_server: Postgres) -> None:
    """The caller's own cancellation is raised, and no connection is left behind."""
    patient = funnel_db.settings.model_copy(update={"command_timeout_seconds": 600})
    async with Database(patient) as db, Database(DatabaseSettings(url=own_server.url())) as admin:
        for number, run in enumerate([*ALONE.values(), *IN_TRANSACTION.values()]):
            task = asyncio.ensure_future(run(db, f"select {number} from pg_sleep(600)", {}))
            await until_active(admin, f"%select {number} from pg_sleep(600)%")
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert db.pool_status().in_use == 0


async def _end_its_session(admin: Database, pid: int) -> None:
    """End the connection, and return when its process has ended."""
    await admin.execute(text("select pg_terminate_backend(:pid, 60000)"), {"pid": pid})


PID = text("select pg_backend_pid()")


@pytest.mark.funnel(name="ROLLBACK and close fail", alone="has none", in_transaction="the caller's own exception")
@pytest.mark.parametrize("way", ["transaction", "together", "run_in_transaction"])
async def test_a_failed_rollback_leaves_the_callers_exception(
    funnel_db: Database, own_server: Postgres, way: str
) -> None:
    """The caller's exception is raised without a wrapper, and the connection is replaced."""
    mine = KeyError("mine")

    async def work(session: Any) -> None:
        pid = (await session.execute(PID)).scalar_one()
        await _end_its_session(admin, pid)
        raise mine

    async with Database(DatabaseSettings(url=own_server.url())) as admin:
        with pytest.raises(KeyError) as raised:
            if way == "run_in_transaction":
                await funnel_db.run_in_transaction(work)
            elif way == "transaction":
                async with funnel_db.transaction() as session:
                    await work(session)
            else:
                async with funnel_db.together() as executor:
                    await _end_its_session(admin, (await executor.fetch(query_of(str(PID)), {}))[0]["pg_backend_pid"])
                    raise mine
    assert raised.value is mine
    assert await funnel_db.fetch(query_of("select 1 as one"), {}) == [{"one": 1}]


async def test_a_deadlock_is_retried_though_the_rollback_fails(funnel_db: Database, own_server: Postgres) -> None:
    """What the server rolled back is retried, even if the connection is lost."""
    tries = 0

    async def work(session: Any) -> int:
        nonlocal tries
        tries += 1
        if tries > 1:
            return tries
        pid = (await session.execute(PID)).scalar_one()
        try:
            await session.execute(text("do $$ begin raise exception 'x' using errcode = '40P01'; end $$"))
        finally:
            await _end_its_session(admin, pid)
        return 0

    async with Database(DatabaseSettings(url=own_server.url())) as admin:
        assert await funnel_db.run_in_transaction(work) == 2


@pytest.mark.funnel(name="a lost connection whose error was caught", alone="has none", in_transaction="TransientError")
async def test_a_lost_connection_whose_error_was_caught(funnel_db: Database) -> None:
    """The block cannot end as if everything were stored."""
    with pytest.raises(TransientError, match="broke earlier"):
        async with funnel_db.transaction() as session:
            with suppress(TransientError):
                await executor_of(session).fetch(query_of("select pg_terminate_backend(pg_backend_pid())"), {})
            await session.execute(text("select 1"))
