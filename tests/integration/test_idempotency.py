"""What a key means for a task: which data is the same, and how long it lives. tests/walking covers every entity."""

from typing import Any
from uuid import uuid4

import pytest

from app.db import Database
from app.db.errors import ConflictError, InvalidInputError
from app.db.models import MessageCreate, TaskCreate, TaskUpdate
from app.repositories import TaskRepo

MILK = TaskCreate(title="Buy milk", description="two")
HI = MessageCreate(role="user", content="hi")


@pytest.mark.parametrize(
    "other",
    [
        TaskCreate(title="Buy bread", description="two"),
        TaskCreate(title="Buy milk"),
        TaskCreate(title="Buy milk", description="two", completed=True),
    ],
)
async def test_the_same_key_with_another_task_is_a_conflict(db: Database, user_id: str, other: TaskCreate) -> None:
    """A difference in any field is a conflict; the first task stays as it is."""
    tasks, key = TaskRepo(db), uuid4()
    first = await tasks.create(user_id, MILK, idempotency_key=key)
    with pytest.raises(ConflictError, match=str(key)):
        await tasks.create(user_id, other, idempotency_key=key)
    assert await tasks.get(user_id, first.id) == first


async def test_a_repeat_returns_the_task_as_it_is_today(db: Database, user_id: str) -> None:
    """Later changes do not make the repeat a conflict, and data equal to the changed row is not a repeat."""
    tasks, key = TaskRepo(db), uuid4()
    first = await tasks.create(user_id, MILK, idempotency_key=key)
    now = await tasks.update(user_id, first.id, TaskUpdate(title="Buy oat milk"))
    assert await tasks.create(user_id, MILK, idempotency_key=key) == now
    with pytest.raises(ConflictError):
        await tasks.create(user_id, TaskCreate(title="Buy oat milk", description="two"), idempotency_key=key)


async def test_a_field_left_out_is_the_same_as_its_default(db: Database, user_id: str) -> None:
    """So a field that later code adds does not turn a repeat from before the deploy into a conflict."""
    tasks, key = TaskRepo(db), uuid4()
    first = await tasks.create(user_id, TaskCreate(title="x"), idempotency_key=key)
    spelled_out = TaskCreate(title="x", description=None, completed=False)
    assert await tasks.create(user_id, spelled_out, idempotency_key=key) == first


async def test_a_key_is_free_again_when_its_row_is_deleted(db: Database, user_id: str) -> None:
    """A key lives as long as its row."""
    tasks, key = TaskRepo(db), uuid4()
    first = await tasks.create(user_id, MILK, idempotency_key=key)
    await tasks.delete(user_id, first.id)
    assert (await tasks.create(user_id, TaskCreate(title="other"), idempotency_key=key)).id != first.id


async def test_a_key_stays_inside(db: Database, user_id: str) -> None:
    """No read model has it."""
    key = uuid4()
    assert str(key) not in (await TaskRepo(db).create(user_id, MILK, idempotency_key=key)).model_dump_json()


async def test_a_key_that_is_no_uuid_is_refused(db: Database, user_id: str) -> None:
    """It is refused before anything is sent."""
    key: Any = "milk-1"
    with pytest.raises(InvalidInputError, match="idempotency_key"):
        await TaskRepo(db).create(user_id, MILK, idempotency_key=key)
