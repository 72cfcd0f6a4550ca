"""A cancelled caller: its statement ends, its connection returns to the pool, and COMMIT is not interrupted."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from uuid import uuid4

import pytest
from sqlalchemy import text

from app.db import Database, DatabaseSettings
from app.db.errors import DataAccessError
from app.db.models import MessageCreate, TaskCreate
from app.repositories import ConversationRepo, MessageRepo, TaskRepo
from tests.faults.conftest import Lab
from tests.support.timing import fastest_seconds
from tests.support.waiting import until_active, until_locked, until_true

_CANCELLATIONS = 500
_NAME = "cancelled"


async def _nothing_runs(db: Database) -> None:
    """Wait until the server runs nothing for cancelled callers; without a cancel it would run for minutes."""
    idle = "select count(*) = 0 from pg_stat_activity where application_name = :name and state <> 'idle'"
    await until_true(db, idle, name=_NAME)


async def _cancelled_once(begun: Callable[[], Awaitable[None]], call: Callable[[], Awaitable[object]]) -> bool:
    """Cancel `call` when `begun` returns; return whether it was cancelled before it ended."""
    task = asyncio.ensure_future(call())
    await begun()
    task.cancel()
    return isinstance((await asyncio.gather(task, return_exceptions=True))[0], asyncio.CancelledError)


async def _cancelled_after(seconds: float, call: Callable[[], Awaitable[object]]) -> bool:
    """Cancel `call` after `seconds`; return whether it was cancelled before it ended."""
    task = asyncio.ensure_future(call())
    await asyncio.sleep(seconds)
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        return True
    return False


@pytest.mark.fault(
    row=17,
    name="500 cancellations at random",
    transaction="whole or not at all",
    read="CancelledError",
    write="whole or not at all",
    keyed="whole or not at all",
)
async def test_random_cancellations_leak_nothing(migrated_url: str, db: Database, user_id: str) -> None:
    """500 cancellations at random moments leave no borrowed connection, no running statement and no partial write."""
    chance = random.Random(1)
    settings = DatabaseSettings(url=migrated_url, pool_size=5, application_name=_NAME)
    async with Database(settings) as cancelled_db:
        conversation = await ConversationRepo(db).create(user_id)
        messages = MessageRepo(cancelled_db)

        async def pair() -> None:
            async with cancelled_db.transaction() as session:
                for half in ("first", "second"):
                    await MessageRepo(session).append(
                        user_id, conversation.id, MessageCreate(role="user", content=half)
                    )

        async def single() -> None:
            await messages.append(user_id, conversation.id, MessageCreate(role="assistant", content="single"))

        async def slow() -> None:
            await cancelled_db.execute(text("select pg_sleep(600)"))

        async def keyed() -> None:
            data = MessageCreate(role="assistant", content="single")
            await messages.append(user_id, conversation.id, data, idempotency_key=uuid4())

        usual_seconds = await fastest_seconds(pair, times=3)  # the measure of the random moments
        calls = [pair, single, keyed, slow, lambda: messages.latest(user_id, conversation.id)]
        outcomes: list[bool] = []

        async def client() -> None:
            while len(outcomes) < _CANCELLATIONS or all(outcomes):  # later and later, so that some complete
                seconds = chance.random() * usual_seconds * (2 + len(outcomes) / 25)
                outcomes.append(await _cancelled_after(seconds, chance.choice(calls)))

        await asyncio.gather(*(client() for _ in range(10)))
        assert 50 < sum(outcomes) < len(outcomes)  # the test needs both cancelled and completed calls
        assert cancelled_db.pool_status().in_use == 0
        assert cancelled_db.pool_status().waiting == 0
        assert await messages.latest(user_id, conversation.id, limit=1)  # the pool still works
    await _nothing_runs(db)
    halves = [row.content async for row in MessageRepo(db).stream(user_id, conversation.id) if row.content != "single"]
    assert halves == ["first", "second"] * (len(halves) // 2)


@pytest.mark.parametrize("lost_cancels", [0, 2])
@pytest.mark.parametrize("ends", ["cancelled", "timed out"])
@pytest.mark.parametrize("way", ["repository", "execute", "transaction"])
async def test_what_a_caller_left_ends_on_the_server(lab: Lab, way: str, ends: str, lost_cancels: int) -> None:
    """A statement that waits for a lock has ended when its caller is cancelled, and never writes its row."""
    lab.proxy.lost_cancels = lost_cancels
    timeout = 60 if ends == "cancelled" else 1
    settings = lab.db.settings.model_copy(update={"application_name": _NAME, "command_timeout_seconds": timeout})
    insert = text(f"insert into task (user_id, title) values ('{lab.user_id}', 'Late')")
    async with Database(settings) as db, lab.tasks_locked():

        async def call() -> object:
            if way == "repository":
                return await TaskRepo(db).create(lab.user_id, TaskCreate(title="Late"))
            if way == "execute":
                return await db.execute(insert)
            async with db.transaction() as session:
                return await session.execute(insert)

        if ends == "cancelled":
            assert await _cancelled_once(partial(until_locked, lab.admin, application=_NAME), call)
        else:
            with pytest.raises(DataAccessError):
                await call()
        assert lab.proxy.lost_cancels == 0
        await _nothing_runs(lab.admin)
        assert db.pool_status().in_use == 0
    assert await lab.rows() == 0


async def test_a_cancelled_statement_ends_on_the_server(migrated_url: str, db: Database) -> None:
    """asyncio.timeout around a slow statement also ends it on the server."""
    slow = "select pg_sleep(600)"  # runs longer than the test unless it is cancelled

    async def expire(scope: asyncio.Timeout) -> None:
        await until_active(db, slow)
        scope.reschedule(0)

    async with Database(DatabaseSettings(url=migrated_url, application_name=_NAME)) as slow_db:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(None) as scope, asyncio.TaskGroup() as group:
                group.create_task(expire(scope))
                await slow_db.execute(text(slow))
        await _nothing_runs(db)
        assert slow_db.pool_status().in_use == 0


@pytest.mark.fault(
    row=18,
    name="cancelled in COMMIT",
    read="has none",
    write="has none",
    keyed="has none",
    transaction="CancelledError, committed",
)
async def test_cancelled_in_commit_it_is_committed(empty_copy: Callable[[], Awaitable[str]], user_id: str) -> None:
    """A caller cancelled during COMMIT waits for the reply, and the reply matches what the table holds."""
    url = await empty_copy()
    async with Database(DatabaseSettings(url=url, pool_size=5)) as admin:
        await _make_commit_wait(admin)
        async with Database(DatabaseSettings(url=url, pool_size=5, application_name=_NAME)) as db:
            for number in range(30):
                async with _commits_waiting(admin) as in_commit:
                    task = asyncio.ensure_future(_write(db, user_id, f"Task {number}"))
                    await in_commit()
                    task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
            assert await TaskRepo(db).count(user_id) == 30
            assert db.pool_status().in_use == 0


async def test_cancelled_again_and_again_it_still_waits_for_commit(
    empty_copy: Callable[[], Awaitable[str]], user_id: str
) -> None:
    """A cancel scope that cancels repeatedly does not interrupt COMMIT."""
    url = await empty_copy()
    async with Database(DatabaseSettings(url=url, pool_size=5)) as admin:
        await _make_commit_wait(admin)
        async with Database(DatabaseSettings(url=url, pool_size=1, application_name=_NAME)) as db:
            async with _commits_waiting(admin) as in_commit:
                task = asyncio.ensure_future(_write(db, user_id, "Once"))
                await in_commit()
                for _ in range(10):
                    task.cancel()
                    await asyncio.sleep(0.005)
                assert not task.done()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert await TaskRepo(db).count(user_id) == 1
            assert db.pool_status().in_use == 0


async def _write(db: Database, user_id: str, title: str) -> None:
    async with db.transaction() as session:
        await TaskRepo(session).create(user_id, TaskCreate(title=title))


async def _make_commit_wait(db: Database) -> None:
    """Make every COMMIT of a task wait while the lock of `_commits_waiting` is held."""
    for statement in (
        """create function wait() returns trigger language plpgsql as $$
           begin perform pg_advisory_xact_lock_shared(1); return null; end $$""",
        """create constraint trigger wait after insert on task deferrable initially deferred
           for each row execute function wait()""",
    ):
        await db.execute(text(statement))


@asynccontextmanager
async def _commits_waiting(admin: Database) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """Block COMMITs in the block; yield a function that returns when one is blocked."""
    async with admin.engine.begin() as holder:
        await holder.execute(text("select pg_advisory_xact_lock(1)"))
        yield partial(until_locked, admin, application=_NAME)
