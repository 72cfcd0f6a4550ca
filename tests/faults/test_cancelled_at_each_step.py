"""A caller cancelled at any await leaves nothing behind."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final
from uuid import uuid4

import pytest
from sqlalchemy import text

from app.db import Database, DatabaseSettings
from app.db.errors import TransientError
from app.db.models import MessageCreate, Role, TaskCreate
from app.repositories import ConversationRepo, MessageRepo, TaskRepo
from tests.support.steps import AS_IT_IS_ANSWERED, AT_ONCE, cancelled_at
from tests.support.waiting import LIMIT_SECONDS, until

_SIZE: Final = 2
_HALF: Final = MessageCreate(role=Role.USER, content="half")
Call = Callable[[Database, str, int], Awaitable[object]]


async def _transaction(db: Database, user_id: str, conversation_id: int) -> None:
    async with db.transaction() as session:
        for _ in range(2):
            await MessageRepo(session).append(user_id, conversation_id, _HALF)


async def _histories(db: Database, user_id: str, conversation_id: int) -> None:
    async with db.transaction() as session:
        for key in (None, uuid4()):
            await MessageRepo(session).append_with_history(user_id, conversation_id, _HALF, idempotency_key=key)


async def _broken(db: Database, _: str, __: int) -> None:
    """Lose the connection: throwing it away has awaits of its own."""
    with suppress(TransientError):
        async with db.transaction() as session:
            await session.execute(text("select pg_terminate_backend(pg_backend_pid())"))


CALLS: Final[dict[str, Call]] = {
    "repository": lambda db, user_id, _: TaskRepo(db).create(user_id, TaskCreate(title="x")),
    "execute": lambda db, *_: db.execute(text("select 1")),
    "list": lambda db, user_id, _: db.execute(
        text("insert into task (user_id, title) values (:u, 'x')"), [{"u": user_id}, {"u": user_id}]
    ),
    "transaction": _transaction,
    "histories": _histories,
    "broken": _broken,
}


async def _nothing(_: Database, __: Database) -> None:
    pass


async def _warm(db: Database, _: Database) -> None:
    await asyncio.gather(*(db.execute(text("select pg_sleep(0.01)")) for _ in range(_SIZE)))


async def _killed(db: Database, admin: Database) -> None:
    await _warm(db, admin)
    ended = text("select pg_terminate_backend(pid, 60000) from pg_stat_activity where application_name = :name")
    await admin.execute(ended, {"name": db.settings.application_name})
    await until(lambda: db.pool_status().idle == 0)  # until the driver reads the end, a transaction may meet it


BEFORE: Final[dict[str, tuple[dict[str, Any], Callable[[Database, Database], Awaitable[None]]]]] = {
    "no connection": ({}, _nothing),
    "connected": ({}, _warm),
    "idle for long": ({"ping_after_idle_seconds": 0}, _warm),
    "killed while idle": ({}, _killed),
    "with timeouts": ({"statement_timeout_seconds": 5}, _warm),
}


@pytest.mark.parametrize("moment", [AT_ONCE, AS_IT_IS_ANSWERED])
@pytest.mark.parametrize("before", BEFORE)
@pytest.mark.parametrize("kind", CALLS)
async def test_cancelled_at_any_await_nothing_is_left(
    migrated_url: str, db: Database, user_id: str, kind: str, before: str, moment: str
) -> None:
    """No slot, no connection beyond the pool's size or unknown to it, and no partial transaction is left."""
    more, prepare = BEFORE[before]
    name = f"steps-{uuid4().hex[:8]}"
    settings = DatabaseSettings(url=migrated_url, application_name=name, pool_size=_SIZE, **more)
    conversation = await ConversationRepo(db).create(user_id)
    for number in itertools.count():
        async with Database(settings) as left:

            async def call(database: Database = left) -> object:
                return await CALLS[kind](database, user_id, conversation.id)

            await prepare(left, db)
            went_away = await cancelled_at(number, moment, call)
            await _as_the_pool_says(left, db)
            await asyncio.gather(*(call() for _ in range(_SIZE + 1)))
            assert await _sessions(db, name) <= _SIZE
        if not went_away:
            break
    assert number > 1  # otherwise nothing was cancelled
    halves = [message async for message in MessageRepo(db).stream(user_id, conversation.id)]
    assert len(halves) % 2 == 0


async def _as_the_pool_says(left: Database, admin: Database) -> None:
    """Check that no connection is in use, and wait until the server has as many as the pool counts."""
    assert left.pool_status().in_use == 0
    async with asyncio.timeout(LIMIT_SECONDS):
        while await _sessions(admin, left.settings.application_name) != left.pool_status().idle:  # noqa: ASYNC110 - the server changes it
            await asyncio.sleep(0.005)


async def _sessions(admin: Database, name: str) -> int:
    count = text("select count(*) from pg_stat_activity where application_name = :name")
    return int((await admin.execute(count, {"name": name})).scalar_one())
