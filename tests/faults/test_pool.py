"""The pool: its queue, its errors and warnings, and connections that were closed while idle."""

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from app.db import Database, DatabaseSettings
from app.db.driver.retry import call_deadline
from app.db.errors import ConfigurationError, PoolTimeoutError
from app.db.models import TaskCreate, TaskUpdate
from app.db.pool.queue import Queue, Waiter
from app.doctor.measuring.round_trips import RoundTrips
from app.repositories import TaskRepo
from tests.support.waiting import until, until_locked

OpenDatabase = Callable[..., Database]


@pytest.fixture
async def open_database(migrated_url: str) -> AsyncIterator[OpenDatabase]:
    """Open databases with the given settings, and close them at the end of the test."""
    opened: list[Database] = []

    def open_(**settings: Any) -> Database:
        opened.append(Database(DatabaseSettings(url=migrated_url, **settings)))
        return opened[-1]

    yield open_
    for database in opened:
        await database.close()


async def _end_sessions_of(db: Database, application_name: str) -> None:
    """End them, and return when their processes have ended."""
    ended = text("select pg_terminate_backend(pid, 60000) from pg_stat_activity where application_name = :name")
    await db.execute(ended, {"name": application_name})


async def test_exhausted_pool_says_size_waiting_and_who_holds(open_database: OpenDatabase, user_id: str) -> None:
    """When all connections are held, the timeout error names the callers that hold them and their place in the code."""
    db = open_database(pool_size=2, pool_timeout_seconds=0.3)
    async with db.transaction() as one, db.transaction() as two:
        for session in (one, two):
            await TaskRepo(session).count(user_id)
        began = time.monotonic()
        held_here = asyncio.create_task(TaskRepo(db).count(user_id))
        with pytest.raises(PoolTimeoutError) as caught:
            await held_here
        assert time.monotonic() - began >= 0.3
    assert "2 of 2 in use, 1 waiting" in str(caught.value)
    assert "test_pool.py:" in str(caught.value)
    assert caught.value.retryable


async def test_each_of_many_callers_waits_for_as_long_as_it_may(open_database: OpenDatabase, user_id: str) -> None:
    """No caller is refused before its limit, and none waits far beyond it."""
    db = open_database(pool_size=1, pool_timeout_seconds=0.5)
    waited: list[float] = []

    async def call() -> None:
        began = time.monotonic()
        with pytest.raises(PoolTimeoutError):
            await TaskRepo(db).count(user_id)
        waited.append(time.monotonic() - began)

    async with db.transaction() as session:
        await TaskRepo(session).count(user_id)
        callers = []
        for _ in range(3_000):
            callers.append(asyncio.create_task(call()))
            await asyncio.sleep(0)
        await asyncio.gather(*callers)
    assert len(waited) == 3_000
    assert min(waited) >= 0.5
    assert max(waited) < 3


async def test_to_look_after_a_long_queue_takes_a_tenth_of_the_time() -> None:
    """However soon the patience of one of them may end."""
    looks = 0

    def patience(_: Waiter) -> float:
        nonlocal looks
        looks += 1
        return 1e-6

    queue = Queue(patience, lambda _: PoolTimeoutError("none is free"))
    waiters = [Waiter(deadline=0.0) for _ in range(1_000)]
    began = time.monotonic()
    for waiter in waiters:
        queue.join(waiter, patience_seconds=0)
    await asyncio.sleep(0.2)
    for waiter in waiters:
        queue.leave(waiter)
    microseconds = (time.monotonic() - began) * 1e6
    assert len(waiters) <= looks <= len(waiters) + microseconds / 10
    looks = 0
    await asyncio.sleep(0.05)
    assert looks == 0


async def test_a_caller_with_less_time_left_than_those_before_it_is_told_first(
    open_database: OpenDatabase, user_id: str
) -> None:
    """As after a retry: its deadline is the first call's, and the others wait on."""
    db = open_database(pool_size=1, retry_seconds=20)

    async def call(deadline: float) -> None:
        call_deadline.set(deadline)
        await TaskRepo(db).count(user_id)

    async with db.transaction() as session:
        await TaskRepo(session).count(user_id)
        patient = [asyncio.create_task(TaskRepo(db).count(user_id)) for _ in range(3)]
        await asyncio.sleep(0)
        began = time.monotonic()
        with pytest.raises(PoolTimeoutError):
            await asyncio.create_task(call(began))
        assert 0.9 <= time.monotonic() - began < 5
        assert not any(caller.done() for caller in patient)
    assert await asyncio.gather(*patient) == [0, 0, 0]


async def test_two_hundred_callers_are_served_in_turn(open_database: OpenDatabase) -> None:
    """200 callers on 20 connections are all served in order of arrival, and all connections return to the pool."""
    db = open_database(pool_size=20)
    served: list[int] = []

    async def call(number: int) -> None:
        await db.execute(text("select pg_sleep(0.01)"))
        served.append(number)

    await asyncio.gather(*(call(number) for number in range(200)))
    assert sorted(served) == list(range(200))
    assert all(abs(place - number) <= 40 for place, number in enumerate(served))
    status = db.pool_status()
    assert (status.size, status.in_use, status.waiting) == (20, 0, 0)
    assert status.idle <= 20


async def test_status_counts_what_is_in_use_idle_and_waiting(open_database: OpenDatabase, user_id: str) -> None:
    """The figures describe the current moment."""
    db = open_database(pool_size=1)
    async with db.transaction() as session:
        await TaskRepo(session).count(user_id)
        waiting = asyncio.create_task(TaskRepo(db).count(user_id))
        await until(lambda: db.pool_status().waiting == 1)
        assert (db.pool_status().in_use, db.pool_status().idle) == (1, 0)
    await waiting
    assert (db.pool_status().in_use, db.pool_status().idle, db.pool_status().waiting) == (0, 1, 0)


async def test_connections_ended_while_idle_are_replaced_unseen(
    open_database: OpenDatabase, db: Database, user_id: str
) -> None:
    """No caller notices that the server scaled to zero under an idle pool."""
    sleepy = open_database(application_name="sleepy", pool_size=5)
    await asyncio.gather(*(TaskRepo(sleepy).count(user_id) for _ in range(20)))
    await _end_sessions_of(db, "sleepy")
    counts = await asyncio.gather(*(TaskRepo(sleepy).count(user_id) for _ in range(20)))
    assert counts == [0] * 20
    assert sleepy.pool_status().idle <= 5


async def test_only_a_connection_idle_for_long_is_pinged(open_database: OpenDatabase, user_id: str) -> None:
    """A ping costs one round trip, and a connection used a moment ago is not pinged."""
    fresh, stale = open_database(ping_after_idle_seconds=30), open_database(ping_after_idle_seconds=0)
    counted = {database: RoundTrips.of(database.pool) for database in (fresh, stale)}
    for database, trips in counted.items():
        await TaskRepo(database).count(user_id)
        trips.reset()
        await TaskRepo(database).count(user_id)
    assert (counted[fresh].count, counted[stale].count) == (1, 2)


async def test_a_transaction_that_waits_for_something_else_is_named(
    open_database: OpenDatabase, user_id: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A connection held while a model answers can exhaust a chat back end's pool: the warning names the place."""
    db = open_database(idle_transaction_warning_seconds=0.1)
    with caplog.at_level(logging.WARNING, "app.db.pool"):
        async with db.transaction() as session:
            await TaskRepo(session).count(user_id)
            while "without a statement" not in caplog.text:  # noqa: ASYNC110 - the warning names this place
                await asyncio.sleep(0.01)  # the model answers
    warnings = [record.getMessage() for record in caplog.records if record.name == "app.db.pool.watch"]
    assert len(warnings) == 1
    assert "without a statement" in warnings[0]
    assert "test_pool.py:" in warnings[0]


async def test_a_long_statement_is_not_taken_for_an_idle_transaction(
    open_database: OpenDatabase, db: Database, user_id: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A connection that is executing is not named, however long its statement takes."""
    watched = open_database(idle_transaction_warning_seconds=0.1)
    task = await TaskRepo(db).create(user_id, TaskCreate(title="Locked"))
    with caplog.at_level(logging.WARNING, "app.db.pool"):
        await watched.execute(text("select pg_sleep(0.3)"))
        async with db.transaction() as session:
            await TaskRepo(session).update(user_id, task.id, TaskUpdate(title="Mine"))
            waiting = asyncio.create_task(TaskRepo(watched).update(user_id, task.id, TaskUpdate(title="Yours")))
            await until_locked(db, seconds=0.3)
        await waiting
    assert not [record for record in caplog.records if record.name == "app.db.pool.watch"]


@pytest.mark.fault(
    row=30,
    name="a second loop at the same time",
    read="ConfigurationError",
    write="ConfigurationError",
    keyed="ConfigurationError",
    transaction="ConfigurationError",
)
async def test_a_second_event_loop_is_told_to_make_its_own(open_database: OpenDatabase, user_id: str) -> None:
    """A Database used in two running loops at once raises an error that says so."""
    db = open_database()
    tasks = TaskRepo(db)
    await tasks.count(user_id)
    errors: list[BaseException] = []

    def elsewhere() -> None:
        for call in (
            lambda: tasks.count(user_id),
            lambda: tasks.create(user_id, TaskCreate(title="Plain")),
            lambda: tasks.create(user_id, TaskCreate(title="Keyed"), idempotency_key=uuid4()),
            lambda: db.run_in_transaction(lambda session: TaskRepo(session).count(user_id)),
        ):
            try:
                asyncio.run(call())
            except ConfigurationError as error:
                errors.append(error)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    await asyncio.to_thread(thread.join)
    assert ["another event loop" in str(error) for error in errors] == [True] * 4
