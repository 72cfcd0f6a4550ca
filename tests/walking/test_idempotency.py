"""With an idempotency key the first call writes, and every repeat returns what it wrote, for every method."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, select

from app.db import Database
from app.db.errors import ConflictError
from tests.support.calls import Call, Rows, calls_with
from tests.support.waiting import until_locked

KEYED = calls_with("idempotency_key")
each_keyed = pytest.mark.parametrize("call", KEYED, ids=lambda call: call.name)


@pytest.fixture
async def rows(db: Database, user_id: str) -> Rows:
    """Write rows of this test's user."""
    return await Rows.of(db, user_id)


async def _count(db: Database, call: Call, user_id: str) -> int:
    table = call.repository.entity.table
    return int((await db.execute(select(func.count()).where(table.c.user_id == user_id))).scalar_one())


async def _arguments(db: Database, call: Call, rows: Rows, key: UUID | None = None) -> dict[str, Any]:
    return await call.arguments(db, rows) | {"idempotency_key": key or uuid4()}


@each_keyed
async def test_a_repeat_returns_the_first_row(db: Database, rows: Rows, call: Call) -> None:
    """The repeat may run on a `Database`, or in a later session."""
    arguments, before = await _arguments(db, call, rows), await _count(db, call, rows.user_id)
    first = await call.send(db, arguments)
    assert await call.send(db, arguments) == first
    async with db.transaction() as session:
        assert await call.send(session, arguments) == first
    assert await _count(db, call, rows.user_id) == before + 1


@each_keyed
async def test_a_repeat_within_the_transaction_returns_the_first_row(db: Database, rows: Rows, call: Call) -> None:
    """The first call is not committed yet."""
    arguments, before = await _arguments(db, call, rows), await _count(db, call, rows.user_id)
    async with db.transaction() as session:
        first = await call.send(session, arguments)
        assert await call.send(session, arguments) == first
    assert await _count(db, call, rows.user_id) == before + 1


@each_keyed
async def test_twenty_repeats_at_once_write_once(db: Database, rows: Rows, call: Call) -> None:
    """All return the same row."""
    arguments, before = await _arguments(db, call, rows), await _count(db, call, rows.user_id)
    results = await asyncio.gather(*(call.send(db, arguments) for _ in range(20)))
    assert all(result == results[0] for result in results)
    assert await _count(db, call, rows.user_id) == before + 1


@each_keyed
async def test_a_repeat_waits_for_a_first_call_that_is_under_way(db: Database, rows: Rows, call: Call) -> None:
    """It returns what the first commits, and writes itself if the first rolls back."""
    for commits in (True, False):
        arguments, before = await _arguments(db, call, rows), await _count(db, call, rows.user_id)
        async with db.sessionmaker() as session:
            first = await call.send(session, arguments)
            repeat = asyncio.create_task(call.send(db, arguments))
            await until_locked(db)
            assert not repeat.done()
            await (session.commit() if commits else session.rollback())
        assert (await repeat == first) is commits
        assert await _count(db, call, rows.user_id) == before + 1


@each_keyed
async def test_keys_belong_to_users(db: Database, rows: Rows, call: Call) -> None:
    """The same key of another user is a different key."""
    key, others = uuid4(), await Rows.of(db, f"{rows.user_id}-2")
    await call.send(db, await _arguments(db, call, rows, key))
    before = await _count(db, call, others.user_id)
    await call.send(db, await _arguments(db, call, others, key))
    assert await _count(db, call, others.user_id) == before + 1


@each_keyed
async def test_without_a_key_every_call_writes(db: Database, rows: Rows, call: Call) -> None:
    """The rows of those calls have no key."""
    arguments, before = await call.arguments(db, rows), await _count(db, call, rows.user_id)
    for _ in range(2):
        await call.send(db, arguments | {"idempotency_key": None})
    assert await _count(db, call, rows.user_id) == before + 2


@pytest.mark.parametrize("call", [call for call in KEYED if "data" in call.hints], ids=lambda call: call.name)
async def test_the_same_key_with_other_data_is_a_conflict(db: Database, rows: Rows, call: Call) -> None:
    """Any difference in the data is a conflict, and nothing is written."""
    arguments = await _arguments(db, call, rows)
    first = await call.send(db, arguments)
    before = await _count(db, call, rows.user_id)
    with pytest.raises(ConflictError, match=str(arguments["idempotency_key"])):
        await call.send(db, arguments | {"data": (await call.arguments(db, rows))["data"]})
    assert await _count(db, call, rows.user_id) == before
    assert await call.send(db, arguments) == first
