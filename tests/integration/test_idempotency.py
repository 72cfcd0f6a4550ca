"""With an idempotency key the first call writes, and every repeat returns what it wrote."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from app.db import Database
from app.db.errors import ConflictError, InvalidInputError
from app.db.models import MessageCreate, TaskCreate, TaskUpdate
from app.doctor.recorder import Recorder
from app.repositories import ConversationRepo, MessageRepo, TaskRepo

MILK = TaskCreate(title="Buy milk", description="two")
HI = MessageCreate(role="user", content="hi")
Write = Callable[[Any, str, UUID], Awaitable[Any]]


async def _append(executor: Any, user_id: str, key: UUID) -> Any:
    page = await ConversationRepo(executor).list_page(user_id)
    conversation = page.items[0] if page.items else await ConversationRepo(executor).create(user_id)
    return await MessageRepo(executor).append(user_id, conversation.id, HI, idempotency_key=key)


WRITES: dict[str, Write] = {
    "task": lambda executor, user_id, key: TaskRepo(executor).create(user_id, MILK, idempotency_key=key),
    "conversation": lambda executor, user_id, key: ConversationRepo(executor).create(user_id, idempotency_key=key),
    "message": _append,
}
each_table = pytest.mark.parametrize("table", WRITES)


async def _count(db: Database, table: str, user_id: str) -> int:
    counted = text(f"select count(*) from {table} where user_id = :user_id")
    return int((await db.execute(counted, {"user_id": user_id})).scalar_one())


@each_table
async def test_a_repeat_returns_the_first_row(db: Database, user_id: str, table: str) -> None:
    """On a `Database`, and in a session after it; the key itself stays inside."""
    key = uuid4()
    first = await WRITES[table](db, user_id, key)
    assert str(key) not in first.model_dump_json()
    assert await WRITES[table](db, user_id, key) == first
    async with db.transaction() as session:
        assert await WRITES[table](session, user_id, key) == first
    assert await _count(db, table, user_id) == 1


@each_table
async def test_a_repeat_within_the_transaction_returns_the_first_row(db: Database, user_id: str, table: str) -> None:
    """Before anybody else can see it."""
    key = uuid4()
    async with db.transaction() as session:
        first = await WRITES[table](session, user_id, key)
        assert await WRITES[table](session, user_id, key) == first
    assert await _count(db, table, user_id) == 1


@each_table
async def test_twenty_repeats_at_once_write_once(db: Database, user_id: str, table: str) -> None:
    """All return the same row, whoever came first."""
    await ConversationRepo(db).create(user_id)
    for _ in range(5):
        before, key = await _count(db, table, user_id), uuid4()
        rows = await asyncio.gather(*(WRITES[table](db, user_id, key) for _ in range(20)))
        assert len({row.id for row in rows}) == 1
        assert await _count(db, table, user_id) == before + 1


@each_table
async def test_a_repeat_waits_for_a_first_call_that_is_under_way(db: Database, user_id: str, table: str) -> None:
    """It returns what the first commits, and writes itself if the first rolls back."""
    await ConversationRepo(db).create(user_id)
    for commits in (True, False):
        key = uuid4()
        async with db.sessionmaker() as session:
            first = await WRITES[table](session, user_id, key)
            repeat = asyncio.ensure_future(WRITES[table](db, user_id, key))
            await asyncio.sleep(0.2)
            assert not repeat.done()
            await (session.commit() if commits else session.rollback())
        assert ((await repeat).id == first.id) is commits


@each_table
async def test_keys_belong_to_users(db: Database, user_id: str, table: str) -> None:
    """Another user's equal key is another key."""
    key = uuid4()
    mine = await WRITES[table](db, user_id, key)
    theirs = await WRITES[table](db, f"{user_id}-2", key)
    assert (mine.id, mine.user_id) != (theirs.id, theirs.user_id)
    assert theirs.user_id == f"{user_id}-2"


@each_table
async def test_without_a_key_every_call_writes(db: Database, user_id: str, table: str) -> None:
    """Keys are for those who ask for it; the rows of others have none."""
    for _ in range(2):
        if table == "task":
            await TaskRepo(db).create(user_id, MILK)
        elif table == "conversation":
            await ConversationRepo(db).create(user_id)
        else:
            conversation = await ConversationRepo(db).create(user_id)
            await MessageRepo(db).append(user_id, conversation.id, HI)
    assert await _count(db, table, user_id) == 2
    assert await _count(db, f"(select * from {table} where idempotency_key is null) as plain", user_id) == 2


@pytest.mark.parametrize(
    "other",
    [
        TaskCreate(title="Buy bread", description="two"),
        TaskCreate(title="Buy milk"),
        TaskCreate(title="Buy milk", description="two", completed=True),
    ],
)
async def test_the_same_key_with_another_task_is_a_conflict(db: Database, user_id: str, other: TaskCreate) -> None:
    """Whichever field differs; the first task stays as it is."""
    tasks, key = TaskRepo(db), uuid4()
    first = await tasks.create(user_id, MILK, idempotency_key=key)
    with pytest.raises(ConflictError, match=str(key)):
        await tasks.create(user_id, other, idempotency_key=key)
    assert await tasks.get(user_id, first.id) == first


async def test_a_repeat_returns_the_task_as_it_is_today(db: Database, user_id: str) -> None:
    """What changed it since does not make the repeat a conflict, nor what looks like it now a repeat."""
    tasks, key = TaskRepo(db), uuid4()
    first = await tasks.create(user_id, MILK, idempotency_key=key)
    now = await tasks.update(user_id, first.id, TaskUpdate(title="Buy oat milk"))
    assert await tasks.create(user_id, MILK, idempotency_key=key) == now
    with pytest.raises(ConflictError):
        await tasks.create(user_id, TaskCreate(title="Buy oat milk", description="two"), idempotency_key=key)


async def test_a_field_left_out_is_the_same_as_its_default(db: Database, user_id: str) -> None:
    """So a field that later code adds makes no conflict of a repeat that began before the deploy."""
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


async def test_a_key_that_is_no_uuid_is_refused(db: Database, user_id: str) -> None:
    """Before anything is sent."""
    key: Any = "milk-1"
    with pytest.raises(InvalidInputError, match="idempotency_key"):
        await TaskRepo(db).create(user_id, MILK, idempotency_key=key)


@each_table
async def test_a_keyed_write_costs_one_statement(db: Database, user_id: str, table: str) -> None:
    """The first call and the repeat alike; the conversation of a message was there before."""
    conversation = await ConversationRepo(db).create(user_id)
    key, recorder = uuid4(), Recorder(db)
    for _ in range(2):
        if table == "message":
            await MessageRepo(recorder).append(user_id, conversation.id, HI, idempotency_key=key)
        else:
            await WRITES[table](recorder, user_id, key)
    assert len(recorder.ran) == 2
