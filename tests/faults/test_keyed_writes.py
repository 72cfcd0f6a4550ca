"""A write whose connection breaks: with an idempotency key it is retried, and happens once."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.db import Database
from app.db.errors import OutcomeUnknownError
from app.db.models import MessageCreate, TaskCreate
from app.repositories import ConversationRepo, MessageRepo, TaskRepo
from tests.support.waiting import LIMIT_SECONDS

X = TaskCreate(title="x")
HI = MessageCreate(role="user", content="hi")


async def _kill_who_waits(db: Database, marker: str) -> None:
    """Terminate the connection whose statement waits for a lock."""
    kill = text("""select pg_terminate_backend(pid) from pg_stat_activity
    where wait_event_type = 'Lock' and query like :marker and datname = current_database()""")
    async with asyncio.timeout(LIMIT_SECONDS):
        while not (await db.execute(kill, {"marker": marker})).all():  # noqa: ASYNC110 - the server does not notify
            await asyncio.sleep(0.02)


async def _task(db: Database, user_id: str, conversation_id: int, key: UUID | None) -> Any:
    return await TaskRepo(db).create(user_id, X, idempotency_key=key)


async def _message(db: Database | AsyncSession, user_id: str, conversation_id: int, key: UUID | None) -> Any:
    return await MessageRepo(db).append(user_id, conversation_id, HI, idempotency_key=key)


@pytest.mark.parametrize("write", [_task, _message])
async def test_a_keyed_write_that_broke_is_repeated_and_done_once(
    db: Database, user_id: str, write: Callable[..., Awaitable[Any]]
) -> None:
    """A call killed while it waits for the first is retried on another connection and returns the first one's row."""
    conversation, key = await ConversationRepo(db).create(user_id), uuid4()
    async with db.transaction() as session:
        first = await write(session, user_id, conversation.id, key)
        repeat = asyncio.ensure_future(write(db, user_id, conversation.id, key))
        await _kill_who_waits(db, "%written_now%")
    assert await repeat == first


async def test_a_write_without_a_key_that_broke_is_of_unknown_outcome(db: Database, user_id: str) -> None:
    """It is not retried, because it might happen twice."""
    conversation = await ConversationRepo(db).create(user_id)
    async with db.transaction() as session:
        await _message(session, user_id, conversation.id, None)
        second = asyncio.create_task(_message(db, user_id, conversation.id, None))
        await _kill_who_waits(db, "%INSERT INTO message%")
    with pytest.raises(OutcomeUnknownError):
        await second
    assert len(await MessageRepo(db).latest(user_id, conversation.id)) == 1
