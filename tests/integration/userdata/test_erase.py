"""An erasure leaves nothing, keeps nobody waiting, and goes on where it was interrupted."""

import asyncio
import os
import signal
import sys
from contextlib import suppress

import pytest
from sqlalchemy import text

from app.db import Database
from app.db.errors import ConflictError, DataAccessError
from app.db.models import MessageCreate, Role
from app.repositories import ConversationRepo, MessageRepo
from app.userdata import erase_user
from app.userdata.statements import PAGE_ROWS
from tests.support.exported import fill_messages, furnish, stored
from tests.support.waiting import until_gone, until_true

_ERASE = """
import asyncio, sys
from app.db import Database, DatabaseSettings
from app.userdata import erase_user

async def main(url, user_id):
    async with Database(DatabaseSettings(url=url, application_name=user_id[-40:])) as db:
        async for _ in erase_user(db, user_id):
            pass

asyncio.run(main(*sys.argv[1:]))
"""


async def test_each_step_is_bounded_and_a_transaction_of_its_own(db: Database, user_id: str) -> None:
    """What a step has deleted is gone for everybody before the next one begins."""
    await fill_messages(db, user_id, messages=2500)
    left = 2500
    async for table, rows in erase_user(db, user_id):
        assert 0 < rows <= PAGE_ROWS
        if table == "message":
            left -= rows
            counted = await db.execute(text("select count(*) from message where user_id = :user"), {"user": user_id})
            assert counted.scalar_one() == left
    assert left == 0


async def test_steps_of_long_messages_are_shorter(db: Database, user_id: str) -> None:
    """A step deletes at most 8 MB, which lie in thousands of pieces."""
    await fill_messages(db, user_id, messages=9, content="x" * 3_000_000)
    steps = [rows async for table, rows in erase_user(db, user_id) if table == "message"]
    assert steps == [2, 2, 2, 2, 1]


async def test_what_is_written_meanwhile_is_erased_too(db: Database, user_id: str) -> None:
    """A conversation that is begun after the conversations' turn is found before the erasure ends."""
    await furnish(db, user_id)
    wrote = False
    async for table, _ in erase_user(db, user_id):
        if table == "conversation" and not wrote:
            wrote = True
            await furnish(db, user_id)
    assert wrote
    assert not any((await stored(db, user_id)).values())


async def test_a_user_who_never_stops_writing_is_named(db: Database, user_id: str) -> None:
    """The erasure ends, and says what to do first."""
    await fill_messages(db, user_id, messages=1)
    with pytest.raises(ConflictError, match=r"the user still writes \(1 of conversation at last\)"):
        async for table, _ in erase_user(db, user_id):
            if table == "conversation":
                await ConversationRepo(db).create(user_id)


async def test_others_append_while_a_user_is_erased(db: Database, user_id: str) -> None:
    """Their rows stay, and the user's own appends end with an error at the latest when the conversation is gone."""
    await fill_messages(db, user_id, messages=20_000)
    (own,) = (await ConversationRepo(db).list_page(user_id)).items
    others = await ConversationRepo(db).create(f"{user_id}-2")
    hello, appended = MessageCreate(role=Role.USER, content="hello"), 0

    async def append_until_gone() -> None:
        with suppress(DataAccessError):
            while True:
                await MessageRepo(db).append(user_id, own.id, hello)

    appending = asyncio.create_task(append_until_gone())
    async for _ in erase_user(db, user_id):
        await MessageRepo(db).append(f"{user_id}-2", others.id, hello)
        appended += 1
    await appending
    assert not any((await stored(db, user_id)).values())
    assert len((await stored(db, f"{user_id}-2"))["message"]) == appended


async def test_erasures_at_once_are_one(db: Database, user_id: str) -> None:
    """Two of the same user, as where a request is sent twice: both end, and no row is counted twice."""
    await fill_messages(db, user_id, messages=5_000)
    rows = {table: len(found) for table, found in (await stored(db, user_id)).items()}
    erased = dict.fromkeys(rows, 0)

    async def erase() -> None:
        async for table, count in erase_user(db, user_id):
            erased[table] += count

    await asyncio.gather(*(erase() for _ in range(3)))
    assert not any((await stored(db, user_id)).values())
    assert erased == rows


async def test_killed_in_the_middle_the_same_call_goes_on(db: Database, migrated_url: str, user_id: str) -> None:
    """The process is killed with kill -9 after its first steps, and leaves no session."""
    await fill_messages(db, user_id, messages=50_000)
    count = "select count(*) from message where user_id = :user"
    command = (sys.executable, "-c", _ERASE, migrated_url, user_id)
    process = await asyncio.create_subprocess_exec(*command)
    await until_true(db, f"select ({count}) between 1 and 49000", user=user_id)
    os.kill(process.pid, signal.SIGKILL)
    assert await process.wait() == -signal.SIGKILL
    await until_gone(db, user_id[-40:])
    assert (await stored(db, user_id))["message"]
    steps = [step async for step in erase_user(db, user_id)]
    assert steps
    assert not any((await stored(db, user_id)).values())
