"""Appending a message and reading those before it, in one statement."""

import asyncio
from uuid import UUID, uuid4

import pytest

from app.db import Database
from app.db.errors import ConflictError, InvalidInputError, MissingReferenceError
from app.db.models import MessageCreate, Role
from app.repositories import ConversationRepo, MessageRepo
from tests.support.waiting import until_locked

HI = MessageCreate(role="user", content="hi")
each_key = pytest.mark.parametrize("key", [None, uuid4()], ids=["plain", "keyed"])


@pytest.fixture
async def conversation_id(db: Database, user_id: str) -> int:
    """Create a conversation of this test's user."""
    return (await ConversationRepo(db).create(user_id)).id


@each_key
@pytest.mark.parametrize("limit", [1, 2, 5, 6, 1000])
async def test_the_new_message_is_the_last_of_the_history(
    db: Database, user_id: str, conversation_id: int, limit: int, key: UUID | None
) -> None:
    """The history is oldest first, and at most `limit` long with the new message."""
    messages = MessageRepo(db)
    before = await messages.append_many(user_id, conversation_id, [HI] * 5)
    history = await messages.append_with_history(
        user_id, conversation_id, HI, limit=limit, idempotency_key=key and uuid4()
    )
    assert history[:-1] == [*before][::-1][: limit - 1][::-1]
    assert history == await messages.latest(user_id, conversation_id, limit=limit)


async def test_a_repeat_returns_the_history_of_its_message(db: Database, user_id: str, conversation_id: int) -> None:
    """Later messages are not part of it."""
    messages, key = MessageRepo(db), uuid4()
    first = await messages.append_with_history(user_id, conversation_id, HI, idempotency_key=key)
    touched = await ConversationRepo(db).get(user_id, conversation_id)
    assert await messages.append_with_history(user_id, conversation_id, HI, idempotency_key=key) == first
    assert await messages.append(user_id, conversation_id, HI, idempotency_key=key) == first[-1]
    assert await ConversationRepo(db).get(user_id, conversation_id) == touched
    await messages.append(user_id, conversation_id, HI)
    assert await messages.append_with_history(user_id, conversation_id, HI, idempotency_key=key) == first
    with pytest.raises(ConflictError):
        other = MessageCreate(role="user", content="ho")
        await messages.append_with_history(user_id, conversation_id, other, idempotency_key=key)


@each_key
async def test_the_history_holds_what_was_committed_while_it_waited(
    db: Database, user_id: str, conversation_id: int, key: UUID | None
) -> None:
    """The statement's snapshot is older than the message that it waits for."""
    async with db.transaction() as session:
        earlier = await MessageRepo(session).append(user_id, conversation_id, HI)
        waiting = asyncio.create_task(
            MessageRepo(db).append_with_history(user_id, conversation_id, HI, idempotency_key=key and uuid4())
        )
        await until_locked(db)
        assert not waiting.done()
    history = await waiting
    assert history[:-1] == [earlier]
    assert history[-1].created_at > earlier.created_at


async def test_forty_at_once_each_have_a_history_without_a_gap(
    db: Database, user_id: str, conversation_id: int
) -> None:
    """Each sees exactly the messages that have a smaller id."""
    messages = MessageRepo(db)
    histories = await asyncio.gather(
        *(
            messages.append_with_history(user_id, conversation_id, HI, limit=100, idempotency_key=key)
            for key in [None, uuid4()] * 20
        )
    )
    everything = await messages.latest(user_id, conversation_id, limit=100)
    for history in histories:
        assert history == everything[: len(history)]


@each_key
async def test_there_is_no_history_of_another_users_conversation(
    db: Database, user_id: str, conversation_id: int, key: UUID | None
) -> None:
    """Nothing is appended either."""
    with pytest.raises(MissingReferenceError, match=f"conversation {conversation_id} not found"):
        await MessageRepo(db).append_with_history("eve", conversation_id, HI, idempotency_key=key)
    assert await MessageRepo(db).latest(user_id, conversation_id) == []


@each_key
async def test_what_cannot_be_stored_is_refused_as_by_append(
    db: Database, user_id: str, conversation_id: int, key: UUID | None
) -> None:
    """A model that was made without validation may hold half a character."""
    half, place = MessageCreate.model_construct(role=Role.USER, content="\ud800"), (user_id, conversation_id)
    for call in (MessageRepo(db).append, MessageRepo(db).append_with_history):
        with pytest.raises(InvalidInputError):
            await call(*place, half, idempotency_key=key)
    assert await MessageRepo(db).latest(*place) == []
