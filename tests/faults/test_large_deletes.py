"""A long conversation is deleted in one statement that keeps nobody waiting, and as a whole or not at all."""

import asyncio
import os
import signal
import sys
from contextlib import suppress

import pytest
from sqlalchemy import text

from app.db import Database, DatabaseSettings
from app.db.errors import DataAccessError, MissingReferenceError, NotFoundError
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


async def test_50000_messages_are_deleted_while_others_append(db: Database, user_id: str) -> None:
    """An append to the conversation succeeds, or finds it gone; those elsewhere all succeed."""
    doomed, kept = await _long(db, user_id), await _long(db, user_id, messages=1)
    messages, appended = MessageRepo(db), 0

    async def append_until_gone() -> None:
        with pytest.raises(MissingReferenceError):
            while True:
                await messages.append(user_id, doomed, HELLO)

    appending = asyncio.create_task(append_until_gone())
    deleting = asyncio.create_task(ConversationRepo(db).delete(user_id, doomed))
    while not (deleting.done() and appending.done()):
        await messages.append(user_id, kept, HELLO)
        appended += 1
    await asyncio.gather(deleting, appending)
    assert await _count(db, doomed) == 0
    assert await _count(db, kept) == 1 + appended


async def test_killed_in_the_middle_it_happens_as_a_whole_or_not_at_all(
    db: Database, migrated_url: str, user_id: str
) -> None:
    """The client's process is killed with kill -9; the same call again succeeds, or finds that it has happened."""
    conversation = await _long(db, user_id)
    async with db.transaction() as holder:
        await holder.execute(text(_LOCK_ONE), {"id": conversation})
        command = (sys.executable, "-c", _DELETE, migrated_url, user_id, str(conversation))
        process = await asyncio.create_subprocess_exec(*command)
        await until_locked(db, application=user_id[-40:])
        os.kill(process.pid, signal.SIGKILL)
        assert await process.wait() == -signal.SIGKILL
    await until_gone(db, user_id[-40:])
    assert await _count(db, conversation) in (0, MESSAGES)
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
