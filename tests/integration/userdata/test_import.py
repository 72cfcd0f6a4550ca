"""An import restores a user, says what is wrong with a file and where, and goes on where it was interrupted."""

import asyncio
import json
import tracemalloc
from collections.abc import Iterator
from uuid import uuid4

import pytest
from sqlalchemy import text

from app.db import Database
from app.db.errors import ConflictError, InvalidInputError
from app.db.models import MessageCreate, Role, TaskCreate
from app.repositories import ConversationRepo, MessageRepo, TaskRepo
from app.userdata import check_lines, import_user
from tests.support.databases import EmptyCopy
from tests.support.exported import exported, fill_messages, furnish, lines_of


async def test_keys_still_hold_after_an_import(db: Database, user_id: str) -> None:
    """A repeat returns the imported row, and is refused with other data."""
    key, restored = uuid4(), f"{user_id}-2"
    task = await TaskRepo(db).create(user_id, TaskCreate(title="Buy milk"), idempotency_key=key)
    await import_user(db, restored, await lines_of(db, user_id))
    again = await TaskRepo(db).create(restored, TaskCreate(title="Buy milk"), idempotency_key=key)
    assert (again.created_at, again.updated_at) == (task.created_at, task.updated_at)
    with pytest.raises(ConflictError):
        await TaskRepo(db).create(restored, TaskCreate(title="Buy tea"), idempotency_key=key)


async def test_order_is_kept(db: Database, user_id: str) -> None:
    """Messages of two conversations that were written by turns, and the conversations, have the order that they had."""
    conversations, messages = ConversationRepo(db), MessageRepo(db)
    two = [await conversations.create(user_id) for _ in range(2)]
    for n in range(10):
        data = MessageCreate(role=Role.USER, content=str(n))
        await messages.append(user_id, two[(n // 2) % 2].id, data)
    await import_user(db, f"{user_id}-2", await lines_of(db, user_id))
    restored = (await conversations.list_page(f"{user_id}-2")).items
    assert [each.updated_at for each in restored] == [
        each.updated_at for each in (await conversations.list_page(user_id)).items
    ]
    for before, after in zip((await conversations.list_page(user_id)).items, restored, strict=True):
        expected = [message.content for message in await messages.latest(user_id, before.id)]
        assert [message.content for message in await messages.latest(f"{user_id}-2", after.id)] == expected


async def test_a_user_who_has_something_else_is_left_alone(db: Database, user_id: str) -> None:
    """The error names the first line that differs, and says what to do."""
    await furnish(db, user_id)
    await TaskRepo(db).create("busy-" + user_id, TaskCreate(title="Call mum"))
    before = await exported(db, "busy-" + user_id)
    with pytest.raises(InvalidInputError, match=r"^line 2: the user has data that is not of this file: erase"):
        await import_user(db, "busy-" + user_id, await lines_of(db, user_id))
    assert await exported(db, "busy-" + user_id) == before


@pytest.mark.parametrize("rows", [1, 3, 4, 5, 7])
async def test_an_import_that_was_interrupted_goes_on(db: Database, user_id: str, rows: int) -> None:
    """Whatever was stored when it was killed; a complete one changes nothing."""
    await furnish(db, user_id)
    lines, restored = await lines_of(db, user_id), f"{user_id}-2"
    with pytest.raises(InvalidInputError, match=rf"^line {rows + 2}: the file ends here"):
        await import_user(db, restored, lines[: rows + 1])
    for _ in range(2):
        await import_user(db, restored, lines)
        assert await exported(db, restored) == b"".join(lines)


async def test_cancelled_in_the_middle_it_goes_on(db: Database, user_id: str) -> None:
    """After a cancellation in the middle of a statement, too."""
    await fill_messages(db, user_id, messages=9000)
    lines, restored = await lines_of(db, user_id), f"{user_id}-2"

    def interrupting() -> Iterator[bytes]:
        for n, line in enumerate(lines):
            if n == 7000:
                importing.cancel()
            yield line

    importing = asyncio.create_task(import_user(db, restored, interrupting()))
    with pytest.raises(asyncio.CancelledError):
        await importing
    assert 0 < len(await lines_of(db, restored)) < len(lines)
    await import_user(db, restored, lines)
    assert await exported(db, restored) == b"".join(lines)


async def test_two_imports_at_once_are_not_taken_for_one(db: Database, user_id: str) -> None:
    """The user would have everything twice; each that ends well has seen the rows of the file alone."""
    lines = [_HEADER, *(_TASK.replace(b'"id":1', b'"id":%d' % number) for number in range(1, 5001))]
    lines.append(b'{"end":{"task":5000}}\n')
    done = await asyncio.gather(*(import_user(db, user_id, lines) for _ in range(2)), return_exceptions=True)
    conflicts = [each for each in done if isinstance(each, ConflictError)]
    count = await TaskRepo(db).count(user_id)
    assert (count == 5000) != bool(conflicts)
    assert all("of task instead of 5,000" in str(each) for each in conflicts)


_HEADER = b'{"format":"user-data","version":1}\n'
_TASK = (
    b'{"task":{"id":1,"title":"Buy milk","description":null,"completed":false,'
    b'"created_at":"2026-01-01T00:00:00Z","updated_at":"2026-01-01T00:00:00Z"}}\n'
)
_TWO = _TASK.replace(b'"id":1', b'"id":2')
_MESSAGE = (
    b'{"message":{"id":1,"conversation_id":1,"role":"user","content":"hi","created_at":"2026-01-01T00:00:00Z"}}\n'
)


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ([], "line 1: the file ends here"),
        ([b"hello\n"], "line 1: this is not an export of a user's data"),
        ([b'{"format":"other","version":1}\n'], "line 1: this is not an export of a user's data"),
        ([_HEADER.replace(b"1", b"2")], "line 1: version 2 of the format; this code reads version 1"),
        ([_HEADER, _TASK], "line 3: the file ends here"),
        ([_HEADER, _TASK, _TWO[:-10]], "line 3: the file ends here"),
        ([_HEADER, _TWO], "line 2: task 1 was expected: a line is missing, or there twice"),
        ([_HEADER, _TASK, _TASK], "line 3: task 2 was expected"),
        ([_HEADER, _TASK, b'{"end":{"task":2}}\n'], "line 3: the file had other numbers of rows"),
        ([_HEADER, _TASK, b'{"end":{"task":1}}\n', _TWO], "line 4: nothing was expected after the end"),
        ([_HEADER, b"{}\n"], "line 2: one row, or the end, was expected"),
        ([_HEADER, b"{\n"], "line 2: Invalid JSON"),
        ([_HEADER, b'{"spaceship":{"id":1}}\n'], "line 2: spaceship: Extra inputs are not permitted"),
        ([_HEADER, _TASK.replace(b"false", b'"no"')], "line 2: task.completed: Input should be a valid boolean"),
        ([_HEADER, _TASK.replace(b'"title":"Buy milk",', b"")], "line 2: task.title: Field required"),
        (
            [_HEADER, _TASK.replace(b'"title"', b'"user_id":"eve","title"')],
            "line 2: task.user_id: Extra inputs",
        ),
        ([_HEADER, _TASK.replace(b"Buy milk", b"\\ud800")], "line 2: Invalid JSON"),
        (
            [_HEADER, _TASK.replace(b'"Buy milk"', b"[" * 9_999 + b"]" * 9_999)],
            "line 2: Invalid JSON: recursion",
        ),
        ([_HEADER, _MESSAGE], "line 2: message.conversation_id: there is no conversation 1 before this line"),
    ],
)
async def test_what_is_wrong_with_a_file_is_one_sentence(
    db: Database, user_id: str, lines: list[bytes], problem: str
) -> None:
    """It names the line, and holds no value; a check of the file alone says the same."""
    for refused in (import_user(db, user_id, lines), asyncio.to_thread(check_lines, lines)):
        with pytest.raises(InvalidInputError) as error:
            await refused
        assert str(error.value).startswith(problem)
        assert "milk" not in str(error.value)


async def test_what_the_database_refuses_is_named_by_its_line(db: Database, user_id: str) -> None:
    """The rows before it stay; the corrected file goes on after them."""
    numbers = range(1, 101)
    tasks = [_TASK.replace(b'"id":1', f'"id":{n}'.encode()) for n in numbers]
    tasks[76] = tasks[76].replace(b"Buy milk", b" ")
    end = b'{"end":{"task":100}}\n'
    with pytest.raises(InvalidInputError, match=r"^line 78: .*title"):
        await import_user(db, user_id, [_HEADER, *tasks, end])
    assert await TaskRepo(db).count(user_id) == 76
    tasks[76] = tasks[76].replace(b'" "', b'"Corrected"')
    whole = [line.replace(b'Z"}}', b'Z","idempotency_key":null,"idempotency_digest":null}}') for line in tasks]
    assert (await import_user(db, user_id, [_HEADER, *_as_exported(whole), end]))["task"] == 100


def _as_exported(lines: list[bytes]) -> Iterator[bytes]:
    """Yield the lines as an export writes them: an import goes on only after the very same."""
    for line in lines:
        row = json.loads(line)
        yield json.dumps(row, separators=(",", ":")).encode().replace(b"00:00Z", b"00:00Z") + b"\n"


async def test_an_export_of_before_a_column_is_imported(empty_copy: EmptyCopy, user_id: str) -> None:
    """What the file does not have is what the database sets."""
    from app.db import DatabaseSettings  # noqa: PLC0415

    async with Database(DatabaseSettings(url=await empty_copy())) as db:
        older = _TASK.replace(b'"completed":false,', b"").replace(b'"description":null,', b"")
        await import_user(db, user_id, [_HEADER, older, b'{"end":{"task":1}}\n'])
        (task,) = (await TaskRepo(db).list_page(user_id)).items
        assert (task.completed, task.description) == (False, None)
        assert (await db.execute(text("select count(*) from task"))).scalar_one() == 1


async def test_memory_does_not_grow_with_the_number_of_lines(db: Database, user_id: str) -> None:
    """20,000 messages of 2 kB, 40 MB, are imported in steps of 8 MB."""
    await fill_messages(db, user_id, messages=20_000, content="x" * 2000)
    lines = await lines_of(db, user_id)
    tracemalloc.start()
    try:
        await import_user(db, f"{user_id}-2", iter(lines))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 30_000_000
    assert await lines_of(db, f"{user_id}-2") == lines
