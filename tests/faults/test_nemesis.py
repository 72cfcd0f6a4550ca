"""Random faults: nothing acknowledged is lost, nothing is duplicated, and code without keys would fail."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.errors import DataAccessError
from app.db.models import TaskCreate
from app.repositories import TaskRepo
from tests.faults.conftest import Lab

_CLIENTS = 20
_OPERATIONS = 500


@asynccontextmanager
async def _nemesis(lab: Lab, seed: int) -> AsyncIterator[None]:
    """Break something every few milliseconds while the block runs."""
    chance = random.Random(seed)

    async def restart() -> None:
        await asyncio.to_thread(lab.server.restart, mode="immediate")

    async def lose_a_reply() -> None:
        lab.proxy.lose_reply_to = "INSERT"

    async def reset() -> None:
        lab.proxy.reset()

    async def rage() -> None:
        deeds = [lose_a_reply] * 12 + [reset] * 4 + [lab.end_sessions] * 2 + [restart]
        while True:
            await asyncio.sleep(chance.random() * 0.03)
            try:
                await chance.choice(deeds)()
            except DataAccessError:
                continue  # it hit its own connection

    raging = asyncio.create_task(rage())
    try:
        yield
    finally:
        raging.cancel()
        await asyncio.wait([raging])
        lab.proxy.lose_reply_to = None
        await asyncio.to_thread(lab.server.restart)


async def _until_acknowledged(create: Callable[[], Awaitable[object]]) -> None:
    """Repeat the call as a client does, until it is acknowledged."""
    for _ in range(200):
        try:
            await create()
        except DataAccessError:
            continue
        return
    pytest.fail("never acknowledged")


async def _rage_on(lab: Lab, create: Callable[[str], Callable[[], Awaitable[object]]]) -> dict[str, int]:
    """Have clients create tasks while the nemesis runs; return how often each title is stored."""
    titles = iter([f"Task {number}" for number in range(_OPERATIONS)])

    async def client() -> None:
        for title in titles:
            await _until_acknowledged(create(title))

    async with _nemesis(lab, seed=28):
        await asyncio.gather(*(client() for _ in range(_CLIENTS)))
    counted = text("select title, count(*) as times from task where user_id = :user_id group by title")
    rows = await lab.admin.execute(counted, {"user_id": lab.user_id}, repeatable=True)
    return {row.title: int(row.times) for row in rows}


@pytest.mark.fault(row=28, name="everything at random", read="served", keyed="served, one row each")
async def test_with_keys_every_task_is_there_once(lab: Lab) -> None:
    """20 clients make 500 creates, each with a key, and repeat what failed: each task is stored exactly once."""
    tasks = TaskRepo(lab.db)

    def create(title: str) -> Callable[[], Awaitable[object]]:
        key = uuid4()
        return lambda: tasks.create(lab.user_id, TaskCreate(title=title), idempotency_key=key)

    counts = await _rage_on(lab, create)
    assert len(counts) == _OPERATIONS
    assert set(counts.values()) == {1}


@pytest.mark.fault(row=28, name="everything at random", write="OutcomeUnknownError: a repeat doubles it")
async def test_without_keys_the_same_clients_double_tasks(lab: Lab) -> None:
    """Repeating without a key, as naive code does, leaves duplicates: the nemesis is strong enough."""
    tasks = TaskRepo(lab.db)
    counts = await _rage_on(lab, lambda title: lambda: tasks.create(lab.user_id, TaskCreate(title=title)))
    assert len(counts) == _OPERATIONS  # nothing acknowledged is lost here either
    assert max(counts.values()) > 1


@pytest.mark.fault(row=28, name="everything at random", transaction="served, or OutcomeUnknownError")
async def test_transactions_lose_nothing_that_is_acknowledged(lab: Lab) -> None:
    """`run_in_transaction` retries what the server rolled back: every task is stored."""

    def create(title: str) -> Callable[[], Awaitable[object]]:
        async def one(session: AsyncSession) -> None:
            await TaskRepo(session).create(lab.user_id, TaskCreate(title=title))

        return lambda: lab.db.run_in_transaction(one)

    assert len(await _rage_on(lab, create)) == _OPERATIONS
