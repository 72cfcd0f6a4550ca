"""Rules for every list of every repository, with any order and filters."""

from typing import Any

import pytest
from sqlalchemy import select

from app.db import Database
from app.db.errors import InvalidCursorError, InvalidInputError
from app.repositories import Page
from tests.support.calls import Call, Rows, calls, writing

ROWS = 7
_OF_A_PAGE = {"limit", "after", "before"}
LISTS = [call for call in calls() if call.method == "list_page" and call.option not in _OF_A_PAGE]
each_list = pytest.mark.parametrize("call", LISTS, ids=lambda call: call.name)


@pytest.fixture
async def rows(db: Database, user_id: str) -> Rows:
    """Write rows of this test's user."""
    return await Rows.of(db, user_id)


async def _more(db: Database, rows: Rows, call: Call) -> None:
    for _ in range(ROWS):
        await writing(call.repository).run(db, rows)


async def _pages(db: Database, call: Call, arguments: dict[str, Any], limit: int) -> list[Page[Any]]:
    pages: list[Page[Any]] = [await call.send(db, arguments | {"limit": limit})]
    while pages[-1].next_cursor:
        pages.append(await call.send(db, arguments | {"limit": limit, "after": pages[-1].next_cursor}))
    return pages


async def _ids_in_the_table(db: Database, call: Call, arguments: dict[str, Any]) -> set[int]:
    table = call.repository.entity.table
    wanted = {name: value for name, value in arguments.items() if name in table.c}
    found = await db.execute(select(table.c.id).where(*(table.c[name] == value for name, value in wanted.items())))
    return set(found.scalars())


@each_list
@pytest.mark.parametrize("limit", [1, 2, 3, ROWS + 1, 1000])
async def test_pages_show_every_row_once(db: Database, rows: Rows, call: Call, limit: int) -> None:
    """The order is the same for every limit; each page but the last is full, and no cursor leads to an empty page."""
    await _more(db, rows, call)
    arguments = await call.arguments(db, rows)
    pages = await _pages(db, call, arguments, limit)
    seen = [row for page in pages for row in page.items]
    assert seen == (await _pages(db, call, arguments, 1000))[0].items
    assert [len(page.items) for page in pages[:-1]] == [limit] * (len(pages) - 1)
    assert pages[-1].items
    ids = [row.id for row in seen]
    assert len(ids) == len(set(ids))
    assert set(ids) == await _ids_in_the_table(db, call, arguments)


@each_list
async def test_a_cursor_serves_only_its_own_list(db: Database, rows: Rows, call: Call) -> None:
    """A cursor of another user or filter is refused, and so is an empty or damaged one."""
    await _more(db, rows, call)
    arguments = await call.arguments(db, rows)
    cursor = (await call.send(db, arguments | {"limit": 1})).end_cursor
    others: list[dict[str, Any]] = [{"user_id": "eve"}, *({name: None} for name in _filters(call))]
    for other in others:
        with pytest.raises(InvalidCursorError):
            await call.send(db, arguments | {"after": cursor} | other)
    for wrong in ("", cursor[:-1], cursor[::-1], f"{cursor}="):
        with pytest.raises(InvalidCursorError):
            await call.send(db, arguments | {"after": wrong})


@each_list
async def test_a_limit_is_between_1_and_1000(db: Database, rows: Rows, call: Call) -> None:
    """It must also be a number."""
    arguments = await call.arguments(db, rows)
    for wrong in (0, -1, 1001, True, 1.5, "5", None):
        with pytest.raises(InvalidInputError, match="limit must be between 1 and 1000"):
            await call.send(db, arguments | {"limit": wrong})


@each_list
async def test_a_page_without_rows_keeps_its_place(db: Database, rows: Rows, call: Call) -> None:
    """A poll after the last row continues from there."""
    arguments = await call.arguments(db, rows)
    last = (await _pages(db, call, arguments, 1000))[-1]
    nothing = await call.send(db, arguments | {"after": last.end_cursor})
    assert nothing == Page([], None, None, last.end_cursor)


COUNTS = [call for call in calls() if call.method == "count"]


@pytest.mark.parametrize("call", COUNTS, ids=lambda call: call.name)
async def test_a_count_is_the_length_of_the_list(db: Database, rows: Rows, call: Call) -> None:
    """The two agree with each filter and without."""
    await _more(db, rows, call)
    arguments = await call.arguments(db, rows)
    assert await call.send(db, arguments) == len(await _ids_in_the_table(db, call, arguments))


def _filters(call: Call) -> list[str]:
    return [call.option] if call.option else []
