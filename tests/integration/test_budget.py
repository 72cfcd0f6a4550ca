"""A page, the last messages, a history and a stream end early at 8 MB, and lose nothing."""

import asyncio
import tracemalloc
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.db import Database
from app.db.models import MessageCreate, MessageRead
from app.repositories import ConversationRepo, MessageRepo
from app.repositories.budget import PAGE_BYTES

MEGABYTE = 1_000_000
PER_PAGE = 8
MANY = 30


def of(size: int, letter: str = "x") -> MessageCreate:
    """Return a message of this many bytes."""
    return MessageCreate(role="user", content=letter * (size // len(letter.encode())))


@pytest.fixture
async def conversation_id(db: Database, user_id: str) -> int:
    """Create a conversation of 30 messages of 1 MB each, with one and two bytes per character in turn."""
    conversation = await ConversationRepo(db).create(user_id)
    for number in range(MANY):
        await MessageRepo(db).append(user_id, conversation.id, of(MEGABYTE, "xä"[number % 2]))
    return conversation.id


def _ids(rows: list[MessageRead]) -> list[int]:
    return [row.id for row in rows]


async def test_a_page_ends_at_the_budget_and_goes_on(db: Database, user_id: str, conversation_id: int) -> None:
    """In both directions every message is shown once, and the last page has no cursor."""
    messages = MessageRepo(db)
    everything = _ids([row async for row in messages.stream(user_id, conversation_id)])
    page = await messages.list_page(user_id, conversation_id)
    seen, end = _ids(page.items), page.end_cursor
    assert len(seen) == PER_PAGE
    while page.next_cursor:
        page = await messages.list_page(user_id, conversation_id, after=page.next_cursor)
        seen, end = seen + _ids(page.items), page.end_cursor
        assert 0 < len(page.items) <= PER_PAGE
    assert seen == everything
    page = await messages.list_page(user_id, conversation_id, before=end)
    seen = _ids(page.items) + seen[-1:]
    while page.next_cursor:
        page = await messages.list_page(user_id, conversation_id, before=page.next_cursor)
        seen = _ids(page.items) + seen
    assert seen == everything


async def test_the_latest_and_the_history_keep_the_newest(db: Database, user_id: str, conversation_id: int) -> None:
    """The oldest are left out."""
    messages = MessageRepo(db)
    everything = _ids([row async for row in messages.stream(user_id, conversation_id)])
    assert _ids(await messages.latest(user_id, conversation_id, limit=1000)) == everything[-PER_PAGE:]
    history = await messages.append_with_history(user_id, conversation_id, of(1))
    assert _ids(history[:-1]) == everything[1 - PER_PAGE :]


sizes = st.sampled_from([1, 2_000_001, 4_000_000, PAGE_BYTES - 1, PAGE_BYTES, PAGE_BYTES + 1])


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(sizes, max_size=4), sizes, st.sampled_from("xä€😀"), st.sampled_from(["plain", "keyed"]))
async def test_the_new_message_counts_to_the_budget_of_its_history(
    db: Database, user_id: str, before: list[int], size: int, letter: str, how: str
) -> None:
    """What came with the message is what comes when the last messages are read after it."""
    conversation, messages = await ConversationRepo(db).create(user_id), MessageRepo(db)
    for each in before:
        await messages.append(user_id, conversation.id, of(each))
    key = uuid4() if how == "keyed" else None
    history = await messages.append_with_history(user_id, conversation.id, of(size, letter), idempotency_key=key)
    assert history == await messages.latest(user_id, conversation.id)
    assert len(history) == 1 or sum(len(row.content.encode()) for row in history) <= PAGE_BYTES


async def test_a_row_longer_than_the_budget_comes_alone(db: Database, user_id: str) -> None:
    """It can be read, and so can the rows after it."""
    conversation = await ConversationRepo(db).create(user_id)
    messages = MessageRepo(db)
    sent = [await messages.append(user_id, conversation.id, of(size)) for size in (1, PAGE_BYTES + 1, 1)]
    pages = [await messages.list_page(user_id, conversation.id)]
    while cursor := pages[-1].next_cursor:
        pages.append(await messages.list_page(user_id, conversation.id, after=cursor))
    assert [_ids(page.items) for page in pages] == [[row.id] for row in sent]


async def test_a_page_that_the_budget_just_allows_is_the_last(db: Database, user_id: str) -> None:
    """No cursor leads to an empty page."""
    conversation = await ConversationRepo(db).create(user_id)
    messages = MessageRepo(db)
    for _ in range(PER_PAGE):
        await messages.append(user_id, conversation.id, of(MEGABYTE))
    page = await messages.list_page(user_id, conversation.id)
    assert (len(page.items), page.next_cursor) == (PER_PAGE, None)


async def test_no_read_holds_more_than_a_page_in_memory(db: Database, user_id: str, conversation_id: int) -> None:
    """The 30 MB are read in one call, and streamed."""
    messages = MessageRepo(db)
    tracemalloc.start()
    try:
        await messages.list_page(user_id, conversation_id, limit=1000)
        async for _ in messages.stream(user_id, conversation_id):
            await asyncio.sleep(0)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 5 * PAGE_BYTES
