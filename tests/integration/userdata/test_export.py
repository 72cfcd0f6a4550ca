"""An export is complete, of one moment, in constant memory, and goes on where it stopped."""

import asyncio
import json
import tracemalloc

import pytest

from app.db import Database, DatabaseSettings
from app.db.errors import InvalidCursorError, InvalidInputError, StaleRowError
from app.db.models import MessageCreate, Role, TaskCreate
from app.db.models.base import owned_tables
from app.repositories import ConversationRepo, MessageRepo, TaskRepo
from app.userdata import Export
from tests.support.exported import exported, fill_messages, furnish, lines_of


async def test_an_export_says_what_it_is_and_how_many_rows_it_has(db: Database, user_id: str) -> None:
    """The first line has the version of the format, the last how many rows of each table there are."""
    await TaskRepo(db).create(user_id, TaskCreate(title="Buy milk"))
    header, row, end = map(json.loads, await lines_of(db, user_id))
    assert header == {"format": "user-data", "version": 1}
    assert (row["task"]["id"], row["task"]["title"]) == (1, "Buy milk")
    assert end["end"] == {**{table.name: 0 for table in owned_tables()}, "task": 1}


async def test_times_have_their_microseconds(db: Database, user_id: str) -> None:
    """They are in UTC, whatever zone the server or the machine is in."""
    task = await TaskRepo(db).create(user_id, TaskCreate(title="Buy milk"))
    row = json.loads((await lines_of(db, user_id))[1])["task"]
    assert row["created_at"] == f"{task.created_at:%Y-%m-%dT%H:%M:%S.%f}Z"


async def test_it_goes_on_after_any_line(db: Database, user_id: str) -> None:
    """What was read before the connection broke, and what follows it, are the whole."""
    await furnish(db, user_id)
    begun = await Export.begin(db, user_id)
    lines = await lines_of(db, user_id)
    for after in range(len(lines) + 1):
        assert await exported(db, user_id, token=begun.token, after=after) == b"".join(lines[after:])


async def test_it_goes_on_beyond_a_page(db: Database, user_id: str) -> None:
    """The first line of a later page, and one within it."""
    await fill_messages(db, user_id, messages=2500)
    begun = await Export.begin(db, user_id)
    lines = await lines_of(db, user_id)
    for after in (1001, 1002, 2002, 2222):
        assert await exported(db, user_id, token=begun.token, after=after) == b"".join(lines[after:])


async def test_what_is_written_later_is_not_in_it(db: Database, user_id: str) -> None:
    """Also where it goes on; what is deleted meanwhile is missing, and then it cannot go on."""
    await furnish(db, user_id)
    lines = await lines_of(db, user_id)
    begun = await Export.begin(db, user_id)
    conversation = await ConversationRepo(db).create(user_id)
    await MessageRepo(db).append(user_id, conversation.id, MessageCreate(role=Role.USER, content="later"))
    assert b"".join([part async for part in begun.lines()]) == b"".join(lines)
    assert await exported(db, user_id, token=begun.token, after=3) == b"".join(lines[3:])
    (task, *_) = (await TaskRepo(db).list_page(user_id)).items
    await TaskRepo(db).delete(user_id, task.id)
    with pytest.raises(StaleRowError, match="deleted since the export began"):
        await exported(db, user_id, token=begun.token, after=3)


async def test_only_a_token_of_the_user_goes_on(db: Database, user_id: str) -> None:
    """A token that is damaged or somebody else's is refused, and so are lines of no export."""
    token = (await Export.begin(db, "somebody-else")).token
    for wrong in (token, "nonsense", ""):
        with pytest.raises(InvalidCursorError):
            await Export.begin(db, user_id, token=wrong, after=1)
    for after in (-1, 1):
        with pytest.raises(InvalidInputError, match="after"):
            await Export.begin(db, user_id, after=after)


async def test_no_connection_is_held_between_pages(migrated_url: str, user_id: str) -> None:
    """A pool of one connection serves others while the reader waits."""
    async with Database(DatabaseSettings(url=migrated_url, pool_size=1)) as db:
        await fill_messages(db, user_id, messages=1500)
        async for _ in (await Export.begin(db, user_id)).lines():
            assert db.pool_status().in_use == 0
            await asyncio.wait_for(TaskRepo(db).count(user_id), 60)


async def test_memory_does_not_grow_with_the_number_of_messages(db: Database, user_id: str) -> None:
    """20,000 messages of 2 kB, 40 MB, take less than a page's 8 MB in rows and as much in lines."""
    await fill_messages(db, user_id, messages=20_000, content="x" * 2000)
    export, size = await Export.begin(db, user_id), 0
    tracemalloc.start()
    try:
        async for lines in export.lines():
            size += len(lines)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert size > 40_000_000
    assert peak < 20_000_000


async def test_a_page_of_long_messages_ends_early(db: Database, user_id: str) -> None:
    """A page has at most 8 MB, or one message."""
    await fill_messages(db, user_id, messages=6, content="x" * 3_000_000)
    async for lines in (await Export.begin(db, user_id)).lines():
        assert len(lines) < 9_000_000


async def test_messages_of_a_conversation_that_is_not_in_it_are_not_in_it(db: Database, user_id: str) -> None:
    """A reference always leads to a line before it, also where a conversation is committed with an id of before."""
    async with db.transaction() as session:
        late = await ConversationRepo(session).create(user_id)  # ids are drawn, and nobody sees their rows
        await MessageRepo(session).append(user_id, late.id, MessageCreate(role=Role.USER, content="late"))
        await fill_messages(db, user_id, messages=1)
        begun = await Export.begin(db, user_id)
        parts = begun.parts()
        first = await anext(parts)
    lines = [json.loads(line) for part in [first, *[part async for part in parts]] for line in part.lines]
    assert [row["message"]["conversation_id"] for row in lines if "message" in row] == [1]
