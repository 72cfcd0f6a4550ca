"""The order is reliable: a poller with a cursor misses nothing and sees nothing twice."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Final
from uuid import uuid4

import pytest

from app.db import Database
from app.db.models import MessageCreate, MessageRead
from app.repositories import ConversationRepo, MessageRepo
from tests.support.waiting import LIMIT_SECONDS, until_locked

WRITERS, EACH, LIMIT = 20, 25, 5


async def _poll(messages: MessageRepo, user_id: str, conversation_id: int, *, expected: int) -> list[MessageRead]:
    seen: list[MessageRead] = []
    cursor: str | None = None
    while len(seen) < expected:
        page = await messages.list_page(user_id, conversation_id, limit=7, after=cursor)
        seen += page.items
        cursor = page.end_cursor
    return seen


Append = Callable[[MessageRepo, str, int, MessageCreate], Awaitable[list[MessageRead]]]


async def _alone(messages: MessageRepo, user_id: str, conversation_id: int, data: MessageCreate) -> list[MessageRead]:
    return [await messages.append(user_id, conversation_id, data)]


async def _with_history(
    messages: MessageRepo, user_id: str, conversation_id: int, data: MessageCreate
) -> list[MessageRead]:
    return await messages.append_with_history(user_id, conversation_id, data, limit=LIMIT)


async def _with_context(
    messages: MessageRepo, user_id: str, conversation_id: int, data: MessageCreate
) -> list[MessageRead]:
    return await messages.append_with_history(user_id, conversation_id, data, limit=LIMIT, max_characters=20)


async def _repeated(
    messages: MessageRepo, user_id: str, conversation_id: int, data: MessageCreate
) -> list[MessageRead]:
    call = partial(messages.append_with_history, user_id, conversation_id, data, limit=LIMIT, idempotency_key=uuid4())
    first, again = await call(), await call()
    assert first == again
    return first


EXTENTS: Final[dict[Append, tuple[int, int]]] = {
    _alone: (1, 100),
    _with_history: (LIMIT, 100),
    _with_context: (LIMIT, 20),
    _repeated: (LIMIT, 100),
}
"""How many messages the history of each has, and characters, which 100 never bounds."""


@pytest.mark.parametrize("append", EXTENTS)
async def test_a_reader_sees_every_message_of_20_writers_once_and_in_order(
    db: Database, user_id: str, append: Append
) -> None:
    """Ids are in commit order, times never go back, each writer's messages keep their order, no history has a gap."""
    conversation = await ConversationRepo(db).create(user_id)
    messages = MessageRepo(db)
    histories: list[list[MessageRead]] = []

    async def write(writer: int) -> None:
        for n in range(EACH):
            data = MessageCreate(role="user", content=f"{writer}:{n}")
            if n % 3 == 0:  # also in the writer's own transactions, which stay open for a while
                async with db.transaction() as session:
                    histories.append(await append(MessageRepo(session), user_id, conversation.id, data))
                    await asyncio.sleep(0.001)
            else:
                histories.append(await append(messages, user_id, conversation.id, data))

    async with asyncio.timeout(LIMIT_SECONDS), asyncio.TaskGroup() as group:
        reader = group.create_task(_poll(messages, user_id, conversation.id, expected=WRITERS * EACH))
        for writer in range(WRITERS):
            group.create_task(write(writer))

    seen = reader.result()
    assert seen == [message async for message in messages.stream(user_id, conversation.id)]
    assert [message.id for message in seen] == sorted({message.id for message in seen})
    assert [message.created_at for message in seen] == sorted({message.created_at for message in seen})
    for writer in range(WRITERS):
        own = [message.content for message in seen if message.content.startswith(f"{writer}:")]
        assert own == [f"{writer}:{n}" for n in range(EACH)]
    ends = {message.id: number for number, message in enumerate(seen, start=1)}
    for history in histories:
        assert history == _last_of(seen[: ends[history[-1].id]], *EXTENTS[append])


def _last_of(messages: list[MessageRead], limit: int, characters: int) -> list[MessageRead]:
    last = messages[-limit:]
    while sum(len(message.content) for message in last) > characters:
        last = last[1:]
    return last


async def test_an_append_that_was_undone_leaves_no_gap_that_fills_later(db: Database, user_id: str) -> None:
    """The next writer waits for it, so an id that a reader has passed never appears."""
    conversation = await ConversationRepo(db).create(user_id)
    messages = MessageRepo(db)
    data = MessageCreate(role="user", content="x")
    with suppress(KeyError):
        async with db.transaction() as session:
            undone = await MessageRepo(session).append(user_id, conversation.id, data)
            waiting = asyncio.create_task(messages.append(user_id, conversation.id, data))
            await until_locked(db)
            assert not waiting.done()
            raise KeyError
    kept = await waiting
    assert kept.id > undone.id
    assert await messages.latest(user_id, conversation.id) == [kept]


async def test_writers_of_other_conversations_do_not_wait(db: Database, user_id: str) -> None:
    """Ordering one conversation does not slow another."""
    conversations, data = ConversationRepo(db), MessageCreate(role="user", content="x")
    busy, free = await conversations.create(user_id), await conversations.create(user_id)
    async with db.transaction() as session, asyncio.timeout(LIMIT_SECONDS):
        await MessageRepo(session).append(user_id, busy.id, data)
        await MessageRepo(db).append(user_id, free.id, data)
