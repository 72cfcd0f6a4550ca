"""What a caller of `MessageRepo` sees."""

from typing import Any

import pytest

from app.db import Database
from app.db.errors import InvalidCursorError, InvalidInputError, MissingReferenceError
from app.db.models import MessageCreate, MessageRead, Role
from app.repositories import ConversationRepo, MessageRepo

FOREIGN_KEY = "fk_message_user_id_conversation_id_conversation"
HELLO = MessageCreate(role="user", content="hello")


def numbered(count: int) -> list[MessageCreate]:
    """Return messages that contain their position."""
    return [MessageCreate(role=("user", "assistant")[n % 2], content=str(n)) for n in range(count)]


@pytest.fixture
def messages(db: Database) -> MessageRepo:
    """Give a repository on the shared database."""
    return MessageRepo(db)


@pytest.fixture
async def conversation_id(db: Database, user_id: str) -> int:
    """Give a conversation of the test's user."""
    return (await ConversationRepo(db).create(user_id)).id


async def test_a_message_comes_back_as_it_was_appended(
    messages: MessageRepo, user_id: str, conversation_id: int
) -> None:
    """Any content is kept, including an empty text and newlines; the role is a `Role`."""
    for content in ("hello", "", " \n\t", "naïve \N{PARTY POPPER}", "{}%s :name $1 \\"):
        message = await messages.append(user_id, conversation_id, MessageCreate(role="assistant", content=content))
        assert (message.user_id, message.conversation_id, message.content) == (user_id, conversation_id, content)
        assert message.role is Role.ASSISTANT
        assert await messages.latest(user_id, conversation_id, limit=1) == [message]


async def test_ten_megabytes_come_back_equal(messages: MessageRepo, user_id: str, conversation_id: int) -> None:
    """The limit of a message is far beyond practical use."""
    content = "0123456789 äöü \N{PARTY POPPER}\n" * 500_000
    assert len(content.encode()) > 10_000_000
    await messages.append(user_id, conversation_id, MessageCreate(role="user", content=content))
    (message,) = await messages.latest(user_id, conversation_id)
    assert message.content == content


@pytest.mark.parametrize("count", [0, 1, 2, 2001, 4000])
async def test_many_are_appended_in_order(db: Database, user_id: str, conversation_id: int, count: int) -> None:
    """The same holds in one statement and in several; what is returned is what is stored."""
    messages = MessageRepo(db)
    sent = numbered(count)
    appended = await messages.append_many(user_id, conversation_id, sent)
    assert [(message.role, message.content) for message in appended] == [(one.role, one.content) for one in sent]
    assert [message.id for message in appended] == sorted({message.id for message in appended})
    assert [message async for message in messages.stream(user_id, conversation_id)] == appended


async def test_many_are_appended_together_or_not_at_all(
    messages: MessageRepo, user_id: str, conversation_id: int
) -> None:
    """The last of 2,001 is refused by the database: the first 2,000 are not there either."""
    poison = MessageCreate.model_construct(role=Role.USER, content="\x00")
    with pytest.raises(InvalidInputError):
        await messages.append_many(user_id, conversation_id, [HELLO] * 2000 + [poison])
    assert await messages.latest(user_id, conversation_id) == []


async def test_appending_to_someone_elses_conversation_raises_missing_reference(
    messages: MessageRepo, user_id: str, conversation_id: int
) -> None:
    """The error is the same as for a missing one, with the constraint's name; nothing is written."""
    for owner, id in (("eve", conversation_id), (user_id, 2**63 - 1)):  # noqa: A001 - as the argument is called
        for call in (messages.append(owner, id, HELLO), messages.append_many(owner, id, [HELLO] * 3)):
            with pytest.raises(MissingReferenceError, match=f"conversation {id} not found") as refused:
                await call
            assert refused.value.constraint_name == FOREIGN_KEY
    assert await messages.latest(user_id, conversation_id) == []


async def test_another_user_finds_no_messages(messages: MessageRepo, user_id: str, conversation_id: int) -> None:
    """Another user's conversation looks empty."""
    await messages.append(user_id, conversation_id, HELLO)
    assert await messages.latest("eve", conversation_id) == []
    assert (await messages.list_page("eve", conversation_id)).items == []
    assert [message async for message in messages.stream("eve", conversation_id)] == []


async def test_latest_returns_the_last_the_oldest_of_them_first(
    messages: MessageRepo, user_id: str, conversation_id: int
) -> None:
    """A language model needs them in this order."""
    appended = await messages.append_many(user_id, conversation_id, numbered(10))
    assert await messages.latest(user_id, conversation_id, limit=3) == appended[-3:]
    assert await messages.latest(user_id, conversation_id) == appended


async def test_pages_in_both_directions_show_every_message_once(
    messages: MessageRepo, user_id: str, conversation_id: int
) -> None:
    """Pages go forwards from the beginning and backwards from the end, each in order."""
    appended = await messages.append_many(user_id, conversation_id, numbered(25))
    page = await messages.list_page(user_id, conversation_id, limit=7)
    seen: list[MessageRead] = list(page.items)
    while page.next_cursor:
        page = await messages.list_page(user_id, conversation_id, limit=7, after=page.next_cursor)
        seen += page.items
    assert seen == appended

    before = page.end_cursor
    seen = page.items[-1:]
    while before:
        page = await messages.list_page(user_id, conversation_id, limit=7, before=before)
        seen = page.items + seen
        before = page.next_cursor
    assert seen == appended


async def test_polling_after_the_end_shows_what_came_later(
    messages: MessageRepo, user_id: str, conversation_id: int
) -> None:
    """`end_cursor` exists when nothing follows yet; `before=start_cursor` shows earlier messages."""
    await messages.append_many(user_id, conversation_id, numbered(3))
    page = await messages.list_page(user_id, conversation_id)
    assert page.next_cursor is None
    nothing = await messages.list_page(user_id, conversation_id, after=page.end_cursor)
    assert (nothing.items, nothing.end_cursor) == ([], page.end_cursor)
    later = await messages.append(user_id, conversation_id, HELLO)
    new = await messages.list_page(user_id, conversation_id, after=page.end_cursor)
    assert new.items == [later]
    assert (await messages.list_page(user_id, conversation_id, before=new.start_cursor)).items == page.items


async def test_cursors_of_another_conversation_or_user_are_refused(
    db: Database, messages: MessageRepo, user_id: str, conversation_id: int
) -> None:
    """Both directions refuse them, and an empty cursor; both directions at once are refused, too."""
    await messages.append(user_id, conversation_id, HELLO)
    other = await ConversationRepo(db).create(user_id)
    cursor = (await messages.list_page(user_id, conversation_id)).end_cursor
    for owner, of, wrong in (
        (user_id, other.id, cursor),
        ("eve", conversation_id, cursor),
        (user_id, conversation_id, ""),
    ):
        with pytest.raises(InvalidCursorError):
            await messages.list_page(owner, of, after=wrong)
        with pytest.raises(InvalidCursorError):
            await messages.list_page(owner, of, before=wrong)
    with pytest.raises(InvalidInputError, match="after and before"):
        await messages.list_page(user_id, conversation_id, after=cursor, before=cursor)


async def test_the_stream_holds_no_connection_while_the_caller_works(
    db: Database, user_id: str, conversation_id: int
) -> None:
    """A caller that stops halfway, or takes an hour for each message, does not make other callers wait."""
    messages = MessageRepo(db)
    appended = await messages.append_many(user_id, conversation_id, numbered(250))
    seen = []
    async for message in messages.stream(user_id, conversation_id):
        assert db.pool_status().in_use == 0
        seen.append(message)
    assert seen == appended


async def test_wrong_arguments_are_refused_by_name(messages: MessageRepo, user_id: str, conversation_id: int) -> None:
    """Every method refuses them."""
    wrong: Any
    for wrong in ("", "x" * 256, "\x00"):
        for call in (
            messages.append(wrong, conversation_id, HELLO),
            messages.append_many(wrong, conversation_id, [HELLO]),
            messages.latest(wrong, conversation_id),
            messages.list_page(wrong, conversation_id),
            anext(messages.stream(wrong, conversation_id)),
        ):
            with pytest.raises(InvalidInputError, match=r"^user_id: "):
                await call
    for wrong in (2**63, "1", None):
        for call in (
            messages.append(user_id, wrong, HELLO),
            messages.append_many(user_id, wrong, [HELLO]),
            messages.latest(user_id, wrong),
            messages.list_page(user_id, wrong),
            anext(messages.stream(user_id, wrong)),
        ):
            with pytest.raises(InvalidInputError, match=r"^conversation_id: "):
                await call
    for wrong in (0, 1001, True):
        for page in (messages.latest, messages.list_page):
            with pytest.raises(InvalidInputError, match="limit must be"):
                await page(user_id, conversation_id, limit=wrong)
