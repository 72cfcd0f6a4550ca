"""20 sessions work at once, and later callers queue and are served."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.db import Database, DatabaseSettings
from app.db.errors import ClosedError, DataAccessError
from app.db.models import MessageCreate, Task, TaskCreate, TaskUpdate
from app.repositories import ConversationRepo, MessageRepo, TaskRepo
from tests.support.waiting import LIMIT_SECONDS

NEW = TaskCreate(title="x")
PID = text("select pg_backend_pid() from pg_sleep(0.005)")


async def _in_session(db: Database) -> int:
    async with db.sessionmaker() as session:
        return int((await session.execute(PID)).scalar_one())


async def _in_transaction(db: Database) -> int:
    async with db.transaction() as session:
        return int((await session.execute(PID)).scalar_one())


async def _alone(db: Database) -> int:
    return int((await db.execute(PID)).scalar_one())


@pytest.mark.parametrize("open_one", ["sessionmaker", "transaction"])
async def test_20_sessions_are_open_at_once(db: Database, user_id: str, open_one: str) -> None:
    """Each has its own connection and an open transaction, and none finishes before all have begun."""
    together = asyncio.Barrier(20)

    async def work() -> int:
        async with db.sessionmaker.begin() if open_one == "sessionmaker" else db.transaction() as session:
            session.add(Task(user_id=user_id, title="x"))
            await session.flush()
            await together.wait()
            return int((await session.execute(text("select pg_backend_pid()"))).scalar_one())

    async with asyncio.timeout(LIMIT_SECONDS):
        connections = await asyncio.gather(*(work() for _ in range(20)))
    assert len(set(connections)) == 20
    assert await TaskRepo(db).count(user_id) == 20


@pytest.mark.parametrize("call", [_in_session, _in_transaction, _alone], ids=["sessionmaker", "transaction", "execute"])
async def test_200_callers_are_served_by_20_connections(
    db: Database, call: Callable[[Database], Awaitable[int]]
) -> None:
    """The 21st to 200th queue; afterwards no connection is in use and the queue is empty."""
    connections = await asyncio.gather(*(call(db) for _ in range(200)))
    assert len(connections) == 200
    assert len(set(connections)) == 20
    assert (db.pool_status().in_use, db.pool_status().waiting) == (0, 0)


async def test_200_callers_of_repositories_are_served(db: Database, user_id: str) -> None:
    """Each writes and reads its own rows."""
    tasks = TaskRepo(db)

    async def work(n: int) -> None:
        task = await tasks.create(user_id, TaskCreate(title=str(n)))
        assert (await tasks.get(user_id, task.id)).title == str(n)

    await asyncio.gather(*(work(n) for n in range(200)))
    assert await tasks.count(user_id) == 200


async def test_calls_in_a_transaction_happen_together_or_not_at_all(db: Database, user_id: str) -> None:
    """Repositories on one session and the session's own objects are one transaction."""

    async def work(*, fail: bool) -> None:
        async with db.transaction() as session:
            task = await TaskRepo(session).create(user_id, NEW)
            await TaskRepo(session).update(user_id, task.id, TaskUpdate(completed=True))
            conversation = await ConversationRepo(session).create(user_id)
            await MessageRepo(session).append(user_id, conversation.id, MessageCreate(role="user", content="hi"))
            session.add(Task(user_id=user_id, title="y"))
            assert await TaskRepo(session).count(user_id, completed=False) == 1
            if fail:
                raise KeyError(user_id)

    with pytest.raises(KeyError):
        await work(fail=True)
    assert (await TaskRepo(db).count(user_id), await ConversationRepo(db).count(user_id)) == (0, 0)
    await work(fail=False)
    assert (await TaskRepo(db).count(user_id), await ConversationRepo(db).count(user_id)) == (2, 1)


async def test_every_method_works_in_a_transaction(db: Database, user_id: str) -> None:
    """A repository on a session returns the same as one on a `Database`."""
    async with db.transaction() as session:
        tasks, conversations, messages = TaskRepo(session), ConversationRepo(session), MessageRepo(session)
        task = await tasks.create(user_id, NEW)
        assert await tasks.get(user_id, task.id) == await tasks.get_or_none(user_id, task.id) == task
        changed = await tasks.update(user_id, task.id, TaskUpdate(title="y"), expected_updated_at=task.updated_at)
        assert (await tasks.list_page(user_id)).items == [changed]
        assert (await tasks.list_page(user_id, completed=True)).items == []
        await tasks.delete(user_id, task.id)
        conversation = await conversations.create(user_id)
        assert await conversations.get(user_id, conversation.id) == conversation
        sent = [MessageCreate(role="user", content="1"), MessageCreate(role="assistant", content="2")]
        appended = await messages.append_many(user_id, conversation.id, sent)
        assert await messages.latest(user_id, conversation.id) == appended
        assert [message async for message in messages.stream(user_id, conversation.id)] == appended
        assert (await messages.list_page(user_id, conversation.id)).items == appended
        assert [row.id for row in (await conversations.list_page(user_id)).items] == [conversation.id]
        await conversations.delete(user_id, conversation.id)
        assert await conversations.count(user_id) == 0


async def test_a_transaction_has_the_servers_default_isolation(migrated_url: str) -> None:
    """A connection that a single call has used before is no exception: its AUTOCOMMIT does not persist."""
    async with Database(DatabaseSettings(url=migrated_url, pool_size=1)) as db:
        await db.execute(text("set default_transaction_isolation = 'serializable'"))
        async with db.transaction() as session:
            assert (await session.execute(text("show transaction_isolation"))).scalar_one() == "serializable"


@pytest.mark.parametrize("way", ["transaction", "run_in_transaction", "engine", "sessionmaker"])
async def test_a_commit_that_undoes_is_an_error(db: Database, user_id: str, way: str) -> None:
    """A caller that catches a statement's error and goes on gets an error at the end, not success."""

    async def write(session: Any) -> None:
        insert = text("insert into task (user_id, title) values (:user_id, 'x')")
        await session.execute(insert, {"user_id": user_id})
        with suppress(DBAPIError):
            await session.execute(text("select 1 / 0"))

    with pytest.raises(DataAccessError, match="rolled back") as failed:
        if way == "run_in_transaction":
            await db.run_in_transaction(write)
        else:
            begin: dict[str, Any] = {
                "transaction": db.transaction,
                "engine": db.engine.begin,
                "sessionmaker": db.sessionmaker.begin,
            }
            async with begin[way]() as session:
                await write(session)
    assert (failed.value.sqlstate, failed.value.retryable) == ("25P02", False)
    assert await TaskRepo(db).count(user_id) == 0
    assert db.pool_status().in_use == 0


async def test_an_error_caught_in_a_savepoint_undoes_only_that(db: Database, user_id: str) -> None:
    """Work before and after the savepoint is stored."""
    async with db.transaction() as session:
        await TaskRepo(session).create(user_id, TaskCreate(title="before"))
        with suppress(DBAPIError):
            async with session.begin_nested():
                await TaskRepo(session).create(user_id, TaskCreate(title="within"))
                await session.execute(text("select 1 / 0"))
        await TaskRepo(session).create(user_id, TaskCreate(title="after"))
    page = await TaskRepo(db).list_page(user_id)
    assert [task.title for task in page.items] == ["after", "before"]


async def test_a_transaction_of_a_user_says_so_to_the_server(db: Database, user_id: str) -> None:
    """The setting is for row-level security, and does not stay on the connection."""
    setting = text("select current_setting('app.user_id', true)")
    async with db.transaction(user_id=user_id) as session:
        assert (await session.execute(setting)).scalar_one() == user_id
    left = await asyncio.gather(*(db.execute(setting) for _ in range(20)))
    assert {result.scalar_one() or None for result in left} == {None}


async def test_a_session_made_to_be_used_again_is_used_again(db: Database) -> None:
    """As SQLAlchemy documents `close_resets_only`; without it the session has ended with `close`."""
    for again in (True, False):
        session = db.sessionmaker(close_resets_only=again)
        await session.execute(text("select 1"))
        await session.close()
        if again:
            assert (await session.execute(text("select 2"))).scalar() == 2
            await session.close()
        else:
            with pytest.raises(ClosedError, match="block has ended"):
                await session.execute(text("select 2"))
