"""The server restarts, is suspended, or closes a connection: what callers notice, and what is lost."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from typing import Literal

import pytest
from sqlalchemy import text

from app.db import Database, DatabaseSettings
from app.db.errors import OutcomeUnknownError, TransientError, UnavailableError
from app.db.models import TaskCreate
from app.repositories import TaskRepo
from tests.support.postgres import Postgres
from tests.support.waiting import until, until_active, until_locked


@pytest.fixture
async def gone_db(migrated_server: Postgres) -> AsyncIterator[Database]:
    """Open a migrated database on that server, with a deadline of five seconds."""
    settings = DatabaseSettings(url=migrated_server.tcp_url() + "?sslmode=disable", retry_seconds=5)
    async with Database(settings) as db:
        yield db


async def _end_all_sessions(server: Postgres) -> None:
    async with Database(DatabaseSettings(url=server.url())) as db:
        await db.execute(
            text(
                "select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and usename <> ''"
            )
        )


@pytest.mark.parametrize("mode", ["fast", "immediate"])
async def test_a_restart_with_idle_connections_is_not_noticed(
    gone_db: Database, own_server: Postgres, mode: Literal["fast", "immediate"], user_id: str
) -> None:
    """Every pooled connection is closed by a restart, and no caller gets an error."""
    tasks = TaskRepo(gone_db)
    await asyncio.gather(*(tasks.count(user_id) for _ in range(20)))
    await asyncio.to_thread(own_server.restart, mode=mode)
    assert await asyncio.gather(*(tasks.count(user_id) for _ in range(40))) == [0] * 40
    await tasks.create(user_id, TaskCreate(title="After"))


async def test_a_read_in_flight_is_repeated(gone_db: Database, own_server: Postgres) -> None:
    """A read whose connection is closed during the query returns one result, a little later."""
    async with Database(DatabaseSettings(url=own_server.url())) as admin:
        async with admin.transaction() as holder:
            await holder.execute(text("select pg_advisory_xact_lock(42)"))
            waits = text("select 42 as answer from pg_advisory_xact_lock_shared(42)")
            reading = asyncio.create_task(gone_db.execute(waits, repeatable=True))
            await until_locked(admin)
            ended = "select pg_terminate_backend(pid, 60000) from pg_stat_activity where wait_event_type = 'Lock'"
            await admin.execute(text(ended))
        assert (await reading).one().answer == 42


async def test_a_write_in_flight_is_unknown(gone_db: Database, own_server: Postgres, user_id: str) -> None:
    """A write whose connection is closed during the statement is not retried, and not reported as failed."""
    slow = "insert into task (user_id, title) select cast(:user_id as varchar), 'Slow' from pg_sleep(600)"
    writing = asyncio.create_task(gone_db.execute(text(slow), {"user_id": user_id}))
    async with Database(DatabaseSettings(url=own_server.url())) as admin:
        await until_active(admin, "%'Slow' from pg_sleep(600)")
    await _end_all_sessions(own_server)
    with pytest.raises(OutcomeUnknownError) as caught:
        await writing
    assert caught.value.sqlstate == "57P01"
    assert await TaskRepo(gone_db).count(user_id) == 0


@pytest.mark.fault(
    row=4,
    name="transaction lost before COMMIT",
    read="see 3",
    write="see 3",
    keyed="see 3",
    transaction="served; with `transaction()` TransientError, undone",
)
async def test_a_transaction_lost_before_commit_is_not_done(
    gone_db: Database, own_server: Postgres, user_id: str
) -> None:
    """The server rolls back what was not committed: the error says that nothing was done and to repeat the call."""
    with pytest.raises(TransientError) as caught:
        async with gone_db.transaction() as session:
            await TaskRepo(session).create(user_id, TaskCreate(title="Lost"))
            await _end_all_sessions(own_server)
            await TaskRepo(session).create(user_id, TaskCreate(title="Never"))
    assert caught.value.retryable
    assert await TaskRepo(gone_db).count(user_id) == 0


async def test_run_in_transaction_begins_again(gone_db: Database, own_server: Postgres, user_id: str) -> None:
    """The same lost transaction, passed as a function, is retried as a whole."""
    runs: list[int] = []

    async def both(session: object) -> None:
        runs.append(len(runs))
        await TaskRepo(session).create(user_id, TaskCreate(title="One"))  # type: ignore[arg-type]
        if len(runs) == 1:
            await _end_all_sessions(own_server)
        await TaskRepo(session).create(user_id, TaskCreate(title="Two"))  # type: ignore[arg-type]

    await gone_db.run_in_transaction(both)
    assert runs == [0, 1]
    assert await TaskRepo(gone_db).count(user_id) == 2


async def test_a_restart_under_load_loses_nothing_acknowledged(
    gone_db: Database, own_server: Postgres, user_id: str
) -> None:
    """20 workers write while the server restarts: what was acknowledged is stored, and later calls all work."""
    tasks = TaskRepo(gone_db)
    acknowledged: set[int] = set()
    ended = asyncio.Event()

    async def worker() -> None:
        while not ended.is_set():
            try:
                acknowledged.add((await tasks.create(user_id, TaskCreate(title="Load"))).id)
            except OutcomeUnknownError:
                continue

    workers = [asyncio.create_task(worker()) for _ in range(20)]
    await until(lambda: len(acknowledged) > 50)
    await asyncio.to_thread(own_server.restart, mode="immediate")
    before = len(acknowledged)
    await until(lambda: len(acknowledged) > before + 50)
    ended.set()
    await asyncio.gather(*workers)
    there = set((await gone_db.execute(text("select id from task where user_id = :u"), {"u": user_id})).scalars())
    assert acknowledged <= there
    assert len(there - acknowledged) <= 20  # at most one unknown for each worker
    assert (await asyncio.gather(*(tasks.count(user_id) for _ in range(100))))[0] == len(there)
    assert gone_db.pool_status().in_use == 0


async def test_a_server_that_stays_away_is_an_error_in_time(
    own_server: Postgres, gone_db: Database, user_id: str, caplog: pytest.LogCaptureFixture
) -> None:
    """While nothing listens, callers get an error at the deadline and each attempt is logged; later calls work."""
    tasks = TaskRepo(gone_db)
    own_server.stop()
    began = time.monotonic()
    with caplog.at_level(logging.WARNING, "app.db.driver.retry"):
        errors = await asyncio.gather(*(tasks.count(user_id) for _ in range(30)), return_exceptions=True)
    assert {type(error) for error in errors} == {UnavailableError}
    assert time.monotonic() - began > gone_db.settings.retry_seconds * 0.8  # the last attempt is at the deadline
    assert "attempt 2 failed" in caplog.text
    own_server.start()
    assert await asyncio.gather(*(tasks.count(user_id) for _ in range(30))) == [0] * 30


async def test_callers_wait_while_the_server_is_away_for_a_moment(
    own_server: Postgres, gone_db: Database, user_id: str
) -> None:
    """A server that returns within the deadline causes a delay, and no caller gets an error."""
    tasks = TaskRepo(gone_db)
    own_server.stop()
    calls = [asyncio.create_task(tasks.count(user_id)) for _ in range(50)]
    await until(lambda: gone_db.pool_status().last_error is not None)
    await asyncio.to_thread(own_server.start)
    assert await asyncio.gather(*calls) == [0] * 50
