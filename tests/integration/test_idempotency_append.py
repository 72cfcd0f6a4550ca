"""Appending with an idempotency key: one message, one touch of the conversation, and the order of all messages."""

import asyncio
from itertools import pairwise
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from app.db import Database
from app.db.errors import ConflictError, MissingReferenceError
from app.db.models import MessageCreate
from app.repositories import ConversationRepo, MessageRepo
from tests.support.waiting import until_locked

HI = MessageCreate(role="user", content="hi")


@pytest.mark.parametrize(
    "other", [MessageCreate(role="assistant", content="hi"), MessageCreate(role="user", content="ho")]
)
async def test_the_same_key_with_another_message_is_a_conflict(
    db: Database, user_id: str, other: MessageCreate
) -> None:
    """Another role, content or conversation is a conflict, also a conversation that does not exist."""
    conversations, messages, key = ConversationRepo(db), MessageRepo(db), uuid4()
    here, there = await conversations.create(user_id), await conversations.create(user_id)
    await messages.append(user_id, here.id, HI, idempotency_key=key)
    for conversation_id, data in ((here.id, other), (there.id, HI), (2**60, HI)):
        with pytest.raises(ConflictError):
            await messages.append(user_id, conversation_id, data, idempotency_key=key)


async def test_a_message_is_found_by_its_key(db: Database, user_id: str) -> None:
    """Only its user finds it; an unused key finds nothing."""
    messages, key = MessageRepo(db), uuid4()
    conversation = await ConversationRepo(db).create(user_id)
    first = await messages.append(user_id, conversation.id, HI, idempotency_key=key)
    await messages.append(user_id, conversation.id, HI)
    assert await messages.appended_with(user_id, key) == first
    assert await messages.appended_with(f"other-{user_id}", key) is None
    assert await messages.appended_with(user_id, uuid4()) is None


async def test_a_repeated_append_leaves_the_conversation_alone(db: Database, user_id: str) -> None:
    """A client's repeat does not make it active again, however many run at once."""
    conversations, messages = ConversationRepo(db), MessageRepo(db)
    conversation, key = await conversations.create(user_id), uuid4()
    rows = await asyncio.gather(
        *(messages.append(user_id, conversation.id, HI, idempotency_key=key) for _ in range(20))
    )
    touched = await conversations.get(user_id, conversation.id)
    assert touched.updated_at >= rows[0].created_at
    await messages.append(user_id, conversation.id, HI, idempotency_key=key)
    assert await conversations.get(user_id, conversation.id) == touched


async def test_twenty_repeats_at_once_touch_the_conversation_once(db: Database, user_id: str) -> None:
    """Repeats that waited for the first change nothing: a second touch would be later by the time they waited."""
    conversation = await ConversationRepo(db).create(user_id)
    async with db.transaction() as session:
        await session.execute(text("select set_config('lock_timeout', '5s', true)"))
        key = uuid4()
        await MessageRepo(session).append(user_id, conversation.id, HI, idempotency_key=key)
        touched = await ConversationRepo(session).get(user_id, conversation.id)
        repeats = [
            asyncio.create_task(MessageRepo(db).append(user_id, conversation.id, HI, idempotency_key=key))
            for _ in range(10)
        ]
        await until_locked(db, count=len(repeats))
    await asyncio.gather(*repeats)
    assert await ConversationRepo(db).get(user_id, conversation.id) == touched


@pytest.mark.parametrize("key", [None, uuid4()], ids=["plain", "keyed"])
async def test_an_append_that_waited_for_another_one_touches_the_conversation(
    db: Database, user_id: str, key: UUID | None
) -> None:
    """Its statement began before the other touched it; the conversation still gets the later of the two times."""
    conversation = await ConversationRepo(db).create(user_id)
    async with db.transaction() as session:
        first = await MessageRepo(session).append(user_id, conversation.id, HI, idempotency_key=key)
        waiting = asyncio.create_task(MessageRepo(db).append(user_id, conversation.id, HI, idempotency_key=uuid4()))
        await until_locked(db)
        assert not waiting.done()
    second = await waiting
    assert second.id > first.id
    touched = (await ConversationRepo(db).get(user_id, conversation.id)).updated_at
    assert first.created_at < second.created_at <= touched


async def test_appends_with_and_without_keys_keep_one_order(db: Database, user_id: str) -> None:
    """Ids and times grow strictly together, whichever statement wrote the message."""
    conversation = await ConversationRepo(db).create(user_id)
    keys = [uuid4() if n % 2 else None for n in range(60)]
    await asyncio.gather(*(MessageRepo(db).append(user_id, conversation.id, HI, idempotency_key=key) for key in keys))
    times = [message.created_at for message in await MessageRepo(db).latest(user_id, conversation.id, limit=100)]
    assert len(times) == 60
    assert all(earlier < later for earlier, later in pairwise(times))


async def test_appending_with_a_key_to_no_conversation_raises_missing_reference(db: Database, user_id: str) -> None:
    """The conversation is missing or another user's; the key stays free."""
    theirs = await ConversationRepo(db).create(f"{user_id}-2")
    mine, key = await ConversationRepo(db).create(user_id), uuid4()
    for conversation_id in (theirs.id, 2**60):
        with pytest.raises(MissingReferenceError):
            await MessageRepo(db).append(user_id, conversation_id, HI, idempotency_key=key)
    assert (await MessageRepo(db).append(user_id, mine.id, HI, idempotency_key=key)).conversation_id == mine.id
