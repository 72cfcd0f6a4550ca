"""What a caller of `ConversationRepo` sees."""

from typing import Any

import pytest

from app.db import Database
from app.db.errors import InvalidCursorError, InvalidInputError, NotFoundError
from app.db.models import MessageCreate
from app.repositories import ConversationRepo, MessageRepo
from app.repositories.cursor import CursorFormat

HELLO = MessageCreate(role="user", content="hello")


@pytest.fixture
def conversations(db: Database) -> ConversationRepo:
    """Give a repository on the shared database."""
    return ConversationRepo(db)


async def test_a_conversation_comes_back_as_it_was_created(conversations: ConversationRepo, user_id: str) -> None:
    """`create`, `get` and the list return the same row."""
    conversation = await conversations.create(user_id)
    assert conversation.user_id == user_id
    assert await conversations.get(user_id, conversation.id) == conversation
    assert await conversations.get_or_none(user_id, conversation.id) == conversation
    assert (await conversations.list_page(user_id)).items == [conversation]


async def test_pages_show_the_most_recently_active_first(db: Database, user_id: str) -> None:
    """A message moves its conversation to the front; each conversation is seen once."""
    conversations = ConversationRepo(db)
    ids = [(await conversations.create(user_id)).id for _ in range(7)]
    for moved in (ids[2], ids[0]):
        await MessageRepo(db).append(user_id, moved, HELLO)
    page = await conversations.list_page(user_id, limit=3)
    seen = [conversation.id for conversation in page.items]
    while page.next_cursor:
        page = await conversations.list_page(user_id, limit=3, after=page.next_cursor)
        seen += [conversation.id for conversation in page.items]
    assert seen == [ids[0], ids[2], ids[6], ids[5], ids[4], ids[3], ids[1]]
    assert await conversations.count(user_id) == 7


async def test_conversations_of_one_moment_are_paged_by_id(db: Database, user_id: str) -> None:
    """A page may end between two rows of the same time: none is lost or doubled."""
    async with db.transaction() as session:
        connection = await session.connection()
        await connection.exec_driver_sql(
            "insert into conversation (user_id, updated_at) select $1::text, '2026-01-01Z' from generate_series(1, 5)",
            (user_id,),
        )
    conversations = ConversationRepo(db)
    page = await conversations.list_page(user_id, limit=2)
    seen = list(page.items)
    while page.next_cursor:
        page = await conversations.list_page(user_id, limit=2, after=page.next_cursor)
        seen += page.items
    assert len(seen) == 5
    assert seen == sorted(seen, key=lambda conversation: -conversation.id)


async def test_deleting_a_conversation_deletes_all_its_messages(db: Database, user_id: str) -> None:
    """All of its messages are deleted, and no other conversation's."""
    conversations, messages = ConversationRepo(db), MessageRepo(db)
    doomed, kept = await conversations.create(user_id), await conversations.create(user_id)
    for conversation in (doomed, kept):
        await messages.append_many(user_id, conversation.id, [HELLO] * 100)
    await conversations.delete(user_id, doomed.id)
    assert await messages.latest(user_id, doomed.id) == []
    assert len(await messages.latest(user_id, kept.id, limit=1000)) == 100
    assert await conversations.count(user_id) == 1


async def test_what_is_not_there_and_what_is_somebody_elses_cannot_be_told_apart(
    conversations: ConversationRepo, user_id: str
) -> None:
    """The error and its text are the same, and the row does not change."""
    theirs = await conversations.create(user_id)
    for id in (theirs.id, 2**63 - 1, 0):  # noqa: A001 - as the argument is called
        for call in (conversations.get("eve", id), conversations.delete("eve", id)):
            with pytest.raises(NotFoundError) as refused:
                await call
            assert str(refused.value) == f"conversation {id} not found"
        assert await conversations.get_or_none("eve", id) is None
    assert await conversations.get(user_id, theirs.id) == theirs


async def test_wrong_arguments_are_refused_by_name(conversations: ConversationRepo, user_id: str) -> None:
    """Every method refuses them."""
    wrong: Any
    for wrong in ("", "x" * 256, None):
        for call in (
            conversations.create(wrong),
            conversations.get(wrong, 1),
            conversations.get_or_none(wrong, 1),
            conversations.list_page(wrong),
            conversations.delete(wrong, 1),
            conversations.count(wrong),
        ):
            with pytest.raises(InvalidInputError, match=r"^user_id: "):
                await call
    for call in (conversations.get(user_id, 2**63), conversations.delete(user_id, -(2**63) - 1)):
        with pytest.raises(InvalidInputError, match=r"^id: "):
            await call
    for wrong in (0, 1001, True):
        with pytest.raises(InvalidInputError, match="limit must be"):
            await conversations.list_page(user_id, limit=wrong)


async def test_a_foreign_or_forged_cursor_is_refused(conversations: ConversationRepo, user_id: str) -> None:
    """A valid one for a time that no calendar has is refused, too."""
    for _ in "ab":
        await conversations.create(user_id)
    cursor = (await conversations.list_page(user_id, limit=1)).next_cursor
    assert cursor
    with pytest.raises(InvalidCursorError):
        await conversations.list_page("eve", after=cursor)
    for microseconds in (2**63 - 1, -(2**63)):
        forged = CursorFormat("<qq").write((microseconds, 1), "conversation", user_id)
        with pytest.raises(InvalidCursorError):
            await conversations.list_page(user_id, after=forged)
