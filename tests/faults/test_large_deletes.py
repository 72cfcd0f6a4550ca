"""A long conversation is deleted in one statement that keeps nobody waiting, and as a whole or not at all."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from uuid import uuid4

import pytest
from sqlalchemy import text

from app.db import Database, DatabaseSettings
from app.db.errors import DataAccessError, MissingReferenceError, NotFoundError, OutcomeUnknownError
from app.db.models import MessageCreate, Role
from app.repositories import ConversationRepo, MessageRepo
from tests.support.postgres import Postgres
from tests.support.waiting import until_gone, until_locked

MESSAGES = 50_000
HELLO = MessageCreate(role=Role.USER, content="hello")
_FILL = """
insert into message (user_id, conversation_id, role, content)
select user_id, id, 'user', 'hello' from conversation, generate_series(1, cast(:rows as integer)) where id = :id"""
_COUNT = "select count(*) from message where conversation_id = :id"
_LOCK_ONE = "select id from message where conversation_id = :id order by id desc limit 1 for update"
_DELETE = """
import asyncio, sys
from app.db import Database, DatabaseSettings
from app.repositories import ConversationRepo

async def main(url, user_id, conversation):
    async with Database(DatabaseSettings(url=url, application_name=user_id[-40:])) as db:
        await ConversationRepo(db).delete(user_id, int(conversation))

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.fixture
async def impatient(migrated_url: str, user_id: str) -> AsyncIterator[Database]:
    """Open the database with little time for each statement."""
    settings = DatabaseSettings(
        url=migrated_url, command_timeout_seconds=0.5, retry_seconds=3, application_name=user_id[-40:]
    )
    async with Database(settings) as database:
        yield database


async def _long(db: Database, user_id: str, *, messages: int = MESSAGES) -> int:
    """Return the id of a new conversation of so many messages."""
    conversation = (await ConversationRepo(db).create(user_id)).id
    await db.execute(text(_FILL), {"rows": messages, "id": conversation})
    return conversation


async def _count(db: Database, conversation: int) -> int:
    return int((await db.execute(text(_COUNT), {"id": conversation})).scalar_one())


async def test_an_append_does_not_wait_for_the_messages_to_be_deleted(db: Database, user_id: str) -> None:
    """The conversation is locked last: while its messages are deleted it can be appended to, and then all are gone."""
    conversation = await _long(db, user_id, messages=100)
    async with db.transaction() as holder:
        await holder.execute(text(_LOCK_ONE), {"id": conversation})
        deleting = asyncio.create_task(ConversationRepo(db).delete(user_id, conversation))
        await until_locked(db)  # in the middle of the messages
        await MessageRepo(db).append(user_id, conversation, HELLO)
        assert len(await MessageRepo(db).latest(user_id, conversation, limit=1000)) == 101  # none of it is seen yet
    await deleting
    assert await _count(db, conversation) == 0


@asynccontextmanager
async def _appending(db: Database, user_id: str, doomed: int, kept: int) -> AsyncIterator[dict[int, int]]:
    """Append to both conversations during the block, to one until it is gone, and count what each has got."""
    appended, ended = dict.fromkeys((doomed, kept), 0), asyncio.Event()

    async def append_to(conversation: int) -> None:
        while not ended.is_set():
            await MessageRepo(db).append(user_id, conversation, HELLO)
            appended[conversation] += 1

    async def append_until_gone() -> None:
        with suppress(MissingReferenceError):
            await append_to(doomed)

    async with asyncio.TaskGroup() as both:
        both.create_task(append_until_gone())
        both.create_task(append_to(kept))
        try:
            yield appended
        finally:
            ended.set()


async def test_50000_messages_are_deleted_while_others_append(db: Database, user_id: str) -> None:
    """An append to the conversation succeeds, or finds it gone; those elsewhere all succeed."""
    doomed, kept = await _long(db, user_id), await _long(db, user_id, messages=1)
    async with _appending(db, user_id, doomed, kept) as appended:
        await ConversationRepo(db).delete(user_id, doomed)
        with pytest.raises(MissingReferenceError):
            await MessageRepo(db).append(user_id, doomed, HELLO)
    assert await _count(db, doomed) == 0
    assert await _count(db, kept) == 1 + appended[kept] > 1


async def test_an_append_that_waits_for_its_end_has_a_deadline_of_its_own(
    db: Database, impatient: Database, user_id: str
) -> None:
    """At the end of the deletion the conversation is locked; an append that gave up is resolved by its key."""
    conversation, key = await _long(db, user_id, messages=1), uuid4()
    async with db.transaction() as deleting:
        await ConversationRepo(deleting).delete(user_id, conversation)
        with pytest.raises(OutcomeUnknownError):
            await MessageRepo(impatient).append(user_id, conversation, HELLO, idempotency_key=key)
        await deleting.rollback()
    await MessageRepo(db).append(user_id, conversation, HELLO, idempotency_key=key)
    assert await _count(db, conversation) == 2


async def test_one_that_takes_longer_than_a_command_may_is_undone(
    db: Database, impatient: Database, user_id: str
) -> None:
    """The caller is told that the outcome is unknown; the same call again succeeds."""
    conversation = await _long(db, user_id, messages=100)
    async with db.transaction() as holder:
        await holder.execute(text(_LOCK_ONE), {"id": conversation})
        with pytest.raises(OutcomeUnknownError):
            await ConversationRepo(impatient).delete(user_id, conversation)
    await impatient.close()
    await until_gone(db, user_id[-40:])
    assert await _count(db, conversation) == 100
    await ConversationRepo(db).delete(user_id, conversation)
    assert await _count(db, conversation) == 0


async def test_killed_in_the_middle_it_happens_as_a_whole_or_not_at_all(
    db: Database, migrated_url: str, user_id: str
) -> None:
    """The client is killed with kill -9 while others append; the same call again succeeds, or finds that it has."""
    conversation, kept = await _long(db, user_id), await _long(db, user_id, messages=1)
    async with _appending(db, user_id, conversation, kept) as appended:
        async with db.transaction() as holder:
            await holder.execute(text(_LOCK_ONE), {"id": conversation})
            command = (sys.executable, "-c", _DELETE, migrated_url, user_id, str(conversation))
            process = await asyncio.create_subprocess_exec(*command)
            await until_locked(db, application=user_id[-40:])
            os.kill(process.pid, signal.SIGKILL)
            assert await process.wait() == -signal.SIGKILL
        await until_gone(db, user_id[-40:])
    assert await _count(db, conversation) in (0, MESSAGES + appended[conversation])
    assert await _count(db, kept) == 1 + appended[kept] > 1
    with suppress(NotFoundError):
        await ConversationRepo(db).delete(user_id, conversation)
    assert await _count(db, conversation) == 0


async def test_when_the_server_crashes_in_the_middle_the_conversation_is_untouched(
    migrated_server: Postgres, user_id: str
) -> None:
    """All of it is there after the recovery, and the same call again succeeds."""
    async with Database(DatabaseSettings(url=migrated_server.url())) as db:
        conversation = await _long(db, user_id)
        async with Database(DatabaseSettings(url=migrated_server.url())) as other:
            with suppress(DataAccessError):  # the holder's own transaction is lost, too
                async with db.transaction() as holder:
                    await holder.execute(text(_LOCK_ONE), {"id": conversation})
                    deleting = asyncio.create_task(ConversationRepo(other).delete(user_id, conversation))
                    await until_locked(db)
                    await asyncio.to_thread(migrated_server.restart, mode="immediate")
            with pytest.raises(DataAccessError):
                await deleting
        assert await _count(db, conversation) == MESSAGES
        await ConversationRepo(db).delete(user_id, conversation)
        assert await _count(db, conversation) == 0
