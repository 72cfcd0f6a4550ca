"""The pool's queue: what callers, their tasks and their loop may do to it."""

import asyncio
import gc
import time
import weakref
from collections.abc import Awaitable, Callable, Generator
from contextlib import suppress
from typing import Any, Self

import pytest
from sqlalchemy import text

from app.db import Database, DatabaseSettings
from app.db.driver.retry import Retry
from app.db.errors import ConfigurationError, PoolTimeoutError, TransientError, UnavailableError
from app.db.models import TaskCreate
from app.repositories import TaskRepo
from tests.support.waiting import until


async def _of_a_repository(db: Database) -> None:
    await TaskRepo(db).count("nobody")


async def _of_a_session(db: Database) -> None:
    async with db.transaction() as session:
        await TaskRepo(session).count("nobody")


async def _of_a_session_that_failed(db: Database) -> None:
    async with db.transaction() as session:
        await TaskRepo(session).count("nobody")
        raise LookupError


async def _of_a_caller_that_queued(db: Database) -> None:
    others = [asyncio.create_task(TaskRepo(db).count("nobody")) for _ in range(2)]
    await asyncio.sleep(0)
    await TaskRepo(db).count("nobody")
    await asyncio.gather(*others)


@pytest.mark.parametrize("use", [_of_a_repository, _of_a_session, _of_a_session_that_failed, _of_a_caller_that_queued])
async def test_an_idle_connection_keeps_no_task(migrated_url: str, use: Callable[[Database], Awaitable[None]]) -> None:
    """A task keeps its result and its context: for each connection that of the last caller, for minutes."""
    async with Database(DatabaseSettings(url=migrated_url, pool_size=1)) as db:
        task = asyncio.ensure_future(use(db))
        await asyncio.wait([task])
        assert task.cancelled() or task.exception() is None or isinstance(task.exception(), LookupError)
        ended = weakref.ref(task)
        del task
        gc.collect()
        assert db.pool_status().idle == 1
        assert ended() is None


async def test_a_blocked_loop_fails_nobody_for_whom_there_are_connections(migrated_url: str) -> None:
    """While it was blocked none could be handed out: the callers get that time back."""
    async with Database(DatabaseSettings(url=migrated_url, pool_size=2, pool_timeout_seconds=0.5)) as db:
        sleep = text("select pg_sleep(0.02)")
        await asyncio.gather(*(db.execute(sleep) for _ in range(2)))
        calls = [asyncio.create_task(db.execute(sleep)) for _ in range(10)]
        await asyncio.sleep(0.01)
        time.sleep(1.5)  # noqa: ASYNC251 - what an application must not do
        await asyncio.gather(*calls)


async def test_the_time_that_a_blocked_loop_gives_back_is_bounded(migrated_url: str) -> None:
    """After three seconds, which may be hours where a process was stopped, callers wait for one more."""
    settings = DatabaseSettings(url=migrated_url, pool_size=1, pool_timeout_seconds=0.3)
    async with Database(settings) as db, db.transaction() as session:
        await TaskRepo(session).count("nobody")
        caller = asyncio.create_task(TaskRepo(db).count("nobody"))
        await asyncio.sleep(0)
        time.sleep(3)  # noqa: ASYNC251 - likewise
        went_on = time.monotonic()
        with pytest.raises(PoolTimeoutError):
            await caller
        assert time.monotonic() - went_on < 2


async def test_a_blocked_loop_keeps_nobody_waiting_for_good(migrated_url: str) -> None:
    """However often it is blocked, callers for whom there is no connection are told so."""
    settings = DatabaseSettings(url=migrated_url, pool_size=1, pool_timeout_seconds=0.3)
    async with Database(settings) as db, db.transaction() as session:
        await TaskRepo(session).count("nobody")
        calls = [asyncio.create_task(TaskRepo(db).count("nobody")) for _ in range(3)]
        for _ in range(10):
            await asyncio.sleep(0)
            time.sleep(0.4)  # noqa: ASYNC251 - likewise
        outcomes = [call.exception() for call in calls if call.done()]
        assert [type(outcome) for outcome in outcomes] == [PoolTimeoutError] * 3


class Opaque:
    """Something awaited that raises when it is asked for what it is, as a proxy of a library may."""

    def __init__(self, awaitable: Awaitable[Any]) -> None:
        self._steps: Generator[Any, Any, Any] = awaitable.__await__()

    def __await__(self) -> Self:
        return self

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        return next(self._steps)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name) if name in ("send", "throw", "close") else LookupError(name)


async def test_whatever_a_holder_awaits_the_queue_is_told_at_its_deadline(migrated_url: str) -> None:
    """The error looks into the holder's coroutines; what it cannot look into is not worth a caller that waits on."""
    async with Database(DatabaseSettings(url=migrated_url, pool_size=1, pool_timeout_seconds=0.2)) as db:
        told = asyncio.Event()

        async def hold() -> None:
            async with db.transaction() as session:
                await TaskRepo(session).count("nobody")
                await Opaque(told.wait())

        holding = asyncio.create_task(hold())
        await until(lambda: db.pool_status().in_use == 1)
        outcomes = await asyncio.gather(*(TaskRepo(db).count("nobody") for _ in range(3)), return_exceptions=True)
        told.set()
        await holding
        assert [type(outcome) for outcome in outcomes] == [PoolTimeoutError] * 3
        assert "test_pool_queue.py:" in str(outcomes[0])


async def test_nothing_grows_with_callers_but_the_queue(migrated_url: str, user_id: str) -> None:
    """2,000 at once, of which a part is cancelled in the queue or while it is served: then all is as before."""
    async with Database(DatabaseSettings(url=migrated_url)) as db:
        tasks = TaskRepo(db)

        async def call(number: int) -> None:
            if number % 3 == 0:
                with suppress(TimeoutError):
                    async with asyncio.timeout(number / 20_000):
                        await tasks.count(user_id)
            elif number % 3 == 1:
                async with db.transaction() as session:
                    await TaskRepo(session).count(user_id)
            else:
                await tasks.count(user_id)

        objects = []
        for _ in range(4):
            await asyncio.gather(*(call(number) for number in range(2_000)))
            gc.collect()
            objects.append(len(gc.get_objects()))
        status = db.pool_status()
        assert (status.in_use, status.waiting, status.connecting) == (0, 0, 0)
        assert min(objects[2:]) < objects[1] + 500  # a quarter for each caller; a connection has a few hundred


async def test_a_holder_whose_other_call_is_retried_is_named_by_its_own_line(migrated_url: str) -> None:
    """Not by that of the library that waits between the attempts."""
    settings = DatabaseSettings(url=migrated_url, pool_size=1, pool_timeout_seconds=0.2)
    async with Database(settings) as db, db.transaction() as session:
        await TaskRepo(session).count("nobody")
        caller = asyncio.create_task(TaskRepo(db).count("nobody"))

        async def fail() -> None:
            raise TransientError("not yet")

        with pytest.raises(TransientError, match="not yet"):
            await Retry(DatabaseSettings(url=migrated_url, retry_seconds=2)).after(
                TransientError("not yet"), fail, began=time.monotonic()
            )
        with pytest.raises(PoolTimeoutError, match=r"s by .*test_pool_queue\.py:"):
            await caller


async def _mistaken(_: Any) -> None:
    raise LookupError("its own")


async def _refused(driver: Any) -> None:
    await driver.execute("select 1 / 0")


async def _lost(_: Any) -> None:
    raise ConnectionResetError("gone")


@pytest.mark.parametrize(
    ("prepare", "error", "text"),
    [
        (_mistaken, ConfigurationError, "a function of on_connect failed: LookupError"),
        (_refused, ConfigurationError, "a function of on_connect: division by zero"),
        (_lost, UnavailableError, "a function of on_connect: the database cannot be reached: gone"),
    ],
)
async def test_a_connection_that_cannot_be_prepared_is_not_taken_for_a_statement(
    migrated_url: str, user_id: str, prepare: Callable[[Any], Awaitable[None]], error: type[Exception], text: str
) -> None:
    """Nothing was sent: neither has a statement been executed, nor is it unknown whether."""
    async with Database(DatabaseSettings(url=migrated_url, retry_seconds=0.5)) as db:
        db.pool.on_connect.append(prepare)
        writes = [TaskRepo(db).create(user_id, TaskCreate(title="x")) for _ in range(3)]
        outcomes = await asyncio.gather(*writes, return_exceptions=True)
        with pytest.raises(error, match=text):
            await _of_a_session(db)
    assert [type(outcome) for outcome in outcomes] == [error] * 3
    assert all(text in str(outcome) for outcome in outcomes)
    assert len({id(outcome) for outcome in outcomes}) == 3  # each with its own frames
