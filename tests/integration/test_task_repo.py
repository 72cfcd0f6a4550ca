"""What a caller of `TaskRepo` sees."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from pydantic import ValidationError

from app.db import Database
from app.db.errors import InvalidCursorError, InvalidInputError, NotFoundError, StaleRowError
from app.db.models import TaskCreate, TaskUpdate
from app.repositories import TaskRepo

EMOJI = "\N{PARTY POPPER}"
ALL_FIELDS = TaskCreate(title="Buy milk", description="Two litres", completed=True)


@pytest.fixture
def tasks(db: Database) -> TaskRepo:
    """Give a repository on the shared database."""
    return TaskRepo(db)


async def test_a_task_comes_back_as_it_was_created(tasks: TaskRepo, user_id: str) -> None:
    """`create` and `get` return the same row."""
    task = await tasks.create(user_id, ALL_FIELDS)
    assert task.model_dump(include=set(TaskCreate.model_fields)) == ALL_FIELDS.model_dump()
    assert task.user_id == user_id
    assert await tasks.get(user_id, task.id) == task
    assert await tasks.get_or_none(user_id, task.id) == task


async def test_the_longest_texts_come_back_equal(tasks: TaskRepo, user_id: str) -> None:
    """The texts have 200 and 1,000 characters of four bytes each: lengths are in characters."""
    longest = TaskCreate(title=EMOJI * 200, description=EMOJI * 1000)
    task = await tasks.create(user_id, longest)
    assert (task.title, task.description) == (longest.title, longest.description)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (TaskUpdate(), {}),
        (TaskUpdate(title="Buy bread"), {"title": "Buy bread"}),
        (TaskUpdate(completed=False), {"completed": False}),
        (TaskUpdate(description="One loaf"), {"description": "One loaf"}),
        (TaskUpdate(description=None), {"description": None}),
        (
            TaskUpdate(title="x", description=None, completed=False),
            {"title": "x", "description": None, "completed": False},
        ),
    ],
    ids=["nothing", "title", "completed", "description", "description to null", "everything"],
)
async def test_an_update_changes_only_what_it_names(
    tasks: TaskRepo, user_id: str, change: TaskUpdate, expected: dict[str, Any]
) -> None:
    """Omitted fields stay; only the description can be set to null."""
    before = await tasks.create(user_id, ALL_FIELDS)
    after = await tasks.update(user_id, before.id, change)
    assert after == before.model_copy(update={**expected, "updated_at": after.updated_at})
    assert await tasks.get(user_id, before.id) == after


async def test_an_update_that_expects_the_row_as_read_refuses_a_later_one(tasks: TaskRepo, user_id: str) -> None:
    """Compare and set: the first of two callers that read the same row wins, and no change is overwritten unseen."""
    read = await tasks.create(user_id, ALL_FIELDS)
    first = await tasks.update(user_id, read.id, TaskUpdate(title="1"), expected_updated_at=read.updated_at)
    with pytest.raises(StaleRowError, match=f"task {read.id} has changed since"):
        await tasks.update(user_id, read.id, TaskUpdate(title="2"), expected_updated_at=read.updated_at)
    assert await tasks.get(user_id, read.id) == first


async def test_the_expected_time_may_be_in_any_zone(tasks: TaskRepo, user_id: str) -> None:
    """Times are compared as moments, not as text; without a zone a time is refused."""
    task = await tasks.create(user_id, ALL_FIELDS)
    elsewhere = task.updated_at.astimezone(timezone(timedelta(hours=5, minutes=45)))
    await tasks.update(user_id, task.id, TaskUpdate(title="1"), expected_updated_at=elsewhere)
    with pytest.raises(InvalidInputError, match="expected_updated_at: must have a time zone"):
        await tasks.update(user_id, task.id, TaskUpdate(), expected_updated_at=task.updated_at.replace(tzinfo=None))


async def test_what_is_not_there_and_what_is_somebody_elses_cannot_be_told_apart(tasks: TaskRepo, user_id: str) -> None:
    """The error and its text are the same for every method that names a row, and the row does not change."""
    theirs = await tasks.create(user_id, ALL_FIELDS)
    now = datetime.now(UTC)
    for id in (theirs.id, 2**63 - 1, -1, 0):  # noqa: A001 - as the argument is called
        for call in (
            tasks.get("eve", id),
            tasks.update("eve", id, TaskUpdate(title="mine now")),
            tasks.update("eve", id, TaskUpdate(title="mine now"), expected_updated_at=now),
            tasks.update("eve", id, TaskUpdate(title="mine now"), expected_updated_at=theirs.updated_at),
            tasks.delete("eve", id),
        ):
            with pytest.raises(NotFoundError) as refused:
                await call
            assert str(refused.value) == f"task {id} not found"
        assert await tasks.get_or_none("eve", id) is None
    assert await tasks.get(user_id, theirs.id) == theirs


async def test_a_deleted_task_is_gone(tasks: TaskRepo, user_id: str) -> None:
    """A second delete raises the error for a missing row."""
    task = await tasks.create(user_id, ALL_FIELDS)
    await tasks.delete(user_id, task.id)
    with pytest.raises(NotFoundError):
        await tasks.delete(user_id, task.id)
    assert await tasks.count(user_id) == 0


async def test_pages_show_every_task_once_newest_first(tasks: TaskRepo, user_id: str) -> None:
    """Pages and counts agree, with and without the filter."""
    created = [await tasks.create(user_id, TaskCreate(title=str(n), completed=n % 3 == 0)) for n in range(10)]
    for completed in (None, True, False):
        expected = [task for task in reversed(created) if completed in (None, task.completed)]
        page = await tasks.list_page(user_id, completed=completed, limit=2)
        seen = list(page.items)
        while page.next_cursor:
            page = await tasks.list_page(user_id, completed=completed, limit=2, after=page.next_cursor)
            seen += page.items
        assert seen == expected
        assert await tasks.count(user_id, completed=completed) == len(expected)


async def test_a_page_exactly_filled_is_the_last(tasks: TaskRepo, user_id: str) -> None:
    """No cursor leads to an empty page."""
    assert (await tasks.list_page(user_id)).items == []
    for title in "ab":
        await tasks.create(user_id, TaskCreate(title=title))
    assert (await tasks.list_page(user_id, limit=2)).next_cursor is None
    assert (await tasks.list_page(user_id, limit=1)).next_cursor is not None


async def test_a_cursor_of_another_user_or_filter_is_refused(tasks: TaskRepo, user_id: str) -> None:
    """An empty cursor is refused too: it does not mean "no cursor"."""
    for title in "ab":
        await tasks.create(user_id, TaskCreate(title=title))
    cursor = (await tasks.list_page(user_id, limit=1)).next_cursor
    assert cursor
    for other, completed, after in (("eve", None, cursor), (user_id, False, cursor), (user_id, None, "")):
        with pytest.raises(InvalidCursorError):
            await tasks.list_page(other, completed=completed, after=after)


@pytest.mark.parametrize("limit", [0, -1, 1001, True, 1.5, "5", None])
async def test_a_limit_that_no_page_can_have_is_refused(tasks: TaskRepo, user_id: str, limit: Any) -> None:
    """A limit is a number from 1 to 1000."""
    with pytest.raises(InvalidInputError, match="limit must be between 1 and 1000"):
        await tasks.list_page(user_id, limit=limit)


@pytest.mark.parametrize("id", [2**63, -(2**63) - 1, "1", 1.0, True, None])
async def test_an_id_that_is_no_64_bit_number_is_refused(tasks: TaskRepo, user_id: str, id: Any) -> None:  # noqa: A002
    """The error comes before anything is sent and names the argument."""
    for call in (tasks.get(user_id, id), tasks.update(user_id, id, TaskUpdate()), tasks.delete(user_id, id)):
        with pytest.raises(InvalidInputError, match=r"^id: "):
            await call


@pytest.mark.parametrize("wrong", ["", "x" * 256, "a\x00b", "\ud800", None, 7])
async def test_a_user_id_that_cannot_be_one_is_refused(tasks: TaskRepo, wrong: Any) -> None:
    """Every method refuses it and names the argument."""
    for call in (
        tasks.create(wrong, ALL_FIELDS),
        tasks.get(wrong, 1),
        tasks.get_or_none(wrong, 1),
        tasks.list_page(wrong),
        tasks.update(wrong, 1, TaskUpdate()),
        tasks.delete(wrong, 1),
        tasks.count(wrong),
    ):
        with pytest.raises(InvalidInputError, match=r"^user_id: "):
            await call


async def test_what_was_returned_is_the_callers_alone(tasks: TaskRepo, user_id: str) -> None:
    """It cannot be changed, and two calls return two objects and two lists."""
    task = await tasks.create(user_id, ALL_FIELDS)
    with pytest.raises(ValidationError, match="frozen"):
        task.title = "changed"  # type: ignore[misc]  # read-only to a type checker, too
    (await tasks.list_page(user_id)).items.clear()
    assert (await tasks.list_page(user_id)).items == [task]
    assert await tasks.get(user_id, task.id) is not task
