"""What is retried, what is not, and what the error says about it."""

import asyncio

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncSession

from app.db import Database, DatabaseSettings
from app.db.driver.sqlstates import BY_SQLSTATE
from app.db.errors import (
    ConfigurationError,
    ConflictError,
    DataAccessError,
    InvalidInputError,
    NotDoneError,
    OutcomeUnknownError,
    OutOfResourcesError,
    StatementTimeoutError,
    TransientError,
    UnavailableError,
)
from app.db.models import TaskCreate, TaskUpdate
from app.repositories import TaskRepo
from tests.support.databases import EmptyCopy
from tests.support.waiting import until, until_true


async def _raise_in(db: Database, sqlstate: str, *, times: int, repeatable: bool = False) -> list[int]:
    """Have the server raise `sqlstate` the first `times` times; return the number of the attempt that succeeded.

    A sequence counts the attempts, because a rollback does not undo `nextval`.
    """
    await db.execute(text("create sequence if not exists tries"))
    await db.execute(text("alter sequence tries restart"))
    body = f"""
    create or replace function refuse() returns bigint language plpgsql as $$
    declare try bigint := nextval('tries');
    begin
      if try <= {times} then raise exception 'refused' using errcode = '{sqlstate}'; end if;
      return try;
    end $$"""
    await db.execute(text(body))
    refused = text("select refuse()")
    return list((await db.execute(refused, repeatable=repeatable)).scalars())


@pytest.mark.parametrize("sqlstate", ["40001", "40P01", "55P03", "25006", "26000", "57P05"])
async def test_what_the_server_undid_is_retried(empty_copy: EmptyCopy, sqlstate: str) -> None:
    """Writes are retried too: the server says that they did not happen."""
    async with Database(DatabaseSettings(url=await empty_copy())) as db:
        assert await _raise_in(db, sqlstate, times=2) == [3]


@pytest.mark.parametrize(
    ("sqlstate", "error"),
    [
        ("0A000", ConfigurationError),
        ("22001", InvalidInputError),
        ("23505", ConflictError),
        ("23514", InvalidInputError),
        ("25P04", StatementTimeoutError),
        ("28000", ConfigurationError),
        ("3D000", ConfigurationError),
        ("42703", ConfigurationError),
        ("25P02", NotDoneError),
        ("53100", OutOfResourcesError),
        ("53200", OutOfResourcesError),
        ("53400", OutOfResourcesError),
        ("54000", NotDoneError),
        ("57014", StatementTimeoutError),
        ("P0001", NotDoneError),
    ],
)
async def test_what_would_fail_again_is_not_retried(
    empty_copy: EmptyCopy, sqlstate: str, error: type[DataAccessError]
) -> None:
    """The error has the server's code, is not retryable, and the statement ran once."""
    async with Database(DatabaseSettings(url=await empty_copy())) as db:
        with pytest.raises(error) as caught:
            await _raise_in(db, sqlstate, times=9, repeatable=True)
        assert type(caught.value) is error
        assert (caught.value.sqlstate, caught.value.retryable) == (sqlstate, False)
        assert (await db.execute(text("select last_value from tries"))).scalar_one() == 1


@pytest.mark.parametrize("sqlstate", ["57P01", "08006", "40003"])
async def test_what_may_have_happened_is_retried_only_if_that_is_harmless(empty_copy: EmptyCopy, sqlstate: str) -> None:
    """A repeatable statement is retried; any other raises OutcomeUnknownError after one attempt."""
    async with Database(DatabaseSettings(url=await empty_copy())) as db:
        assert await _raise_in(db, sqlstate, times=2, repeatable=True) == [3]
        with pytest.raises(OutcomeUnknownError):
            await _raise_in(db, sqlstate, times=2)
        assert (await db.execute(text("select last_value from tries"))).scalar_one() == 1


async def test_retries_are_bounded(empty_copy: EmptyCopy) -> None:
    """A conflict that never ends is reported at the call's deadline, with the server's code."""
    async with Database(DatabaseSettings(url=await empty_copy(), retry_seconds=1)) as db:
        with pytest.raises(TransientError) as caught:
            await _raise_in(db, "40001", times=99)
        assert (caught.value.sqlstate, caught.value.retryable) == ("40001", True)
        assert 1 < (await db.execute(text("select last_value from tries"))).scalar_one() < 100


def test_the_table_never_retries_what_is_the_callers_fault() -> None:
    """Syntax errors, constraints, credentials and bad values are never retried."""
    for sqlstate, error in BY_SQLSTATE.items():
        if sqlstate[:2] in {"0A", "22", "23", "28", "3D", "3F", "42"}:
            assert not error.retryable, sqlstate


@pytest.mark.fault(
    row=22,
    name="deadlock",
    read="cannot happen: no lock",
    write="cannot happen: one lock",
    keyed="cannot happen: one lock",
    transaction="served",
)
async def test_deadlocks_are_resolved_by_running_again(db: Database, user_id: str) -> None:
    """Two transactions that lock the same rows in opposite order both happen exactly once."""
    tasks = TaskRepo(db)
    one, two = [await tasks.create(user_id, TaskCreate(title="0")) for _ in range(2)]

    async def add_to(first: int, second: int) -> None:
        async def both(session: AsyncSession) -> None:
            for task_id in (first, second):
                row = await TaskRepo(session).update(user_id, task_id, TaskUpdate())  # takes the lock
                await TaskRepo(session).update(user_id, task_id, TaskUpdate(title=str(int(row.title) + 1)))
                await asyncio.sleep(0.05)

        await db.run_in_transaction(both)

    await asyncio.gather(*(add_to(*pair) for pair in [(one.id, two.id), (two.id, one.id)] * 3))
    assert [(await tasks.get(user_id, task.id)).title for task in (one, two)] == ["6", "6"]


async def test_too_many_connections_are_waited_for(empty_copy: EmptyCopy, user_id: str) -> None:
    """While the role has no connection left, callers wait, and open no more connections than they need."""
    url = make_url(await empty_copy())
    async with Database(DatabaseSettings(url=url.render_as_string(hide_password=False))) as admin:
        await admin.execute(text("create role few login connection limit 2"))
        await admin.execute(text("grant all on all tables in schema public to few"))
        few = DatabaseSettings(url=url.set(username="few").render_as_string(hide_password=False), pool_size=2)
        async with Database(few) as others, Database(few) as db:
            async with others.transaction() as one, others.transaction() as two:
                for holding in (one, two):
                    await holding.execute(text("select 1"))
                counting = [asyncio.create_task(TaskRepo(db).count(user_id)) for _ in range(20)]
                await until(lambda: db.pool_status().last_error is not None)
            await others.close()
            assert await asyncio.gather(*counting) == [0] * 20
        await admin.execute(text("drop owned by few"))
        await admin.execute(text("drop role few"))


async def test_a_read_only_connection_is_replaced(migrated_url: str, user_id: str) -> None:
    """After a failover the old connections lead to a read-only server: writes continue on a new one."""
    async with Database(DatabaseSettings(url=migrated_url, pool_size=1)) as db:
        await db.execute(text("set default_transaction_read_only = on"))
        before = (await db.execute(text("select pg_backend_pid()"))).scalar_one()
        await TaskRepo(db).create(user_id, TaskCreate(title="After the failover"))
        assert (await db.execute(text("select pg_backend_pid()"))).scalar_one() != before


async def test_a_statement_that_takes_too_long_is_ended_by_the_client(migrated_url: str, db: Database) -> None:
    """`command_timeout_seconds` ends the call, and the statement on the server; the connection is replaced."""
    settings = DatabaseSettings(url=migrated_url, command_timeout_seconds=1, application_name="slow")
    async with Database(settings) as slow_db:
        with pytest.raises(OutcomeUnknownError, match="no answer in time"):
            await slow_db.execute(text("select pg_sleep(600)"))  # runs longer than the test unless it is ended
        await until_true(
            db, "select count(*) = 0 from pg_stat_activity where application_name = 'slow' and state = 'active'"
        )
        assert (await slow_db.execute(text("select 1"))).scalar_one() == 1


async def test_timeouts_of_a_transaction_are_kept_by_the_server(migrated_url: str, db: Database, user_id: str) -> None:
    """`statement_timeout_seconds` and `lock_timeout_seconds` apply inside transactions, and nowhere else."""
    settings = DatabaseSettings(url=migrated_url, statement_timeout_seconds=0.2, lock_timeout_seconds=0.1, pool_size=1)
    task = await TaskRepo(db).create(user_id, TaskCreate(title="Locked"))
    async with Database(settings) as strict:
        with pytest.raises(StatementTimeoutError):
            async with strict.transaction() as session:
                await session.execute(text("select pg_sleep(600)"))
        async with db.transaction() as holder:
            await TaskRepo(holder).update(user_id, task.id, TaskUpdate(title="Mine"))
            with pytest.raises(TransientError) as caught:
                async with strict.transaction() as session:
                    await TaskRepo(session).update(user_id, task.id, TaskUpdate(title="Yours"))
        assert caught.value.sqlstate == "55P03"
        await strict.execute(text("select pg_sleep(0.4)"))  # not in a transaction: the client's timeout applies


async def test_one_session_in_two_tasks_is_an_error_of_ours(db: Database) -> None:
    """SQLAlchemy's long error becomes one of ours, in one sentence."""
    async with db.sessionmaker() as session:
        counts = (TaskRepo(session).count("nobody") for _ in range(2))
        first, second = await asyncio.gather(*counts, return_exceptions=True)
    assert first == 0
    assert isinstance(second, DataAccessError)
    assert "one session is used by two tasks at once" in str(second)


async def test_refused_connections_are_unavailable(user_id: str) -> None:
    """When no server listens, our error is raised at the deadline, with the system's as its cause."""
    url = "postgresql://ada@127.0.0.1:1/app?sslmode=disable"
    async with Database(DatabaseSettings(url=url, retry_seconds=0.3)) as db:
        with pytest.raises(UnavailableError) as caught:
            await TaskRepo(db).count(user_id)
    assert isinstance(caught.value.__cause__, DataAccessError | ConnectionRefusedError)
