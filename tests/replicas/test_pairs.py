"""Pairs of a write and a read of it, with the replica as far behind as it may be: none is stale."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final
from uuid import uuid4

import pytest

from app.db import Database
from app.db.models import TaskCreate, TaskRead, TaskUpdate
from app.repositories import TaskRepo
from tests.replicas.conftest import Open, Pair

_PAIRS: Final = 500
_SECONDS: Final = 1.0
_USERS: Final = 5
_PAUSES: Final = (0.0, 0.002, 0.005)

Update = Callable[[Database, TaskRead, str], Awaitable[object]]


async def _by_repository(db: Database, task: TaskRead, title: str) -> None:
    await TaskRepo(db).update(task.user_id, task.id, TaskUpdate(title=title))


async def _by_transaction(db: Database, task: TaskRead, title: str) -> None:
    async with db.transaction() as session:
        await TaskRepo(session).update(task.user_id, task.id, TaskUpdate(title=title))


@dataclass
class Count:
    """What became of the reads."""

    pairs: int = 0
    stale: int = 0


async def _pairs(writer: Database, reader: Database, update: Update, count: Count) -> None:
    """Write and read, for one user, until there are enough pairs or the time is over."""
    ends = time.monotonic() + _SECONDS
    task = await TaskRepo(writer).create(f"user-{uuid4().hex}", TaskCreate(title="0"))
    for number in range(1, _PAIRS // _USERS + 1):
        await update(writer, task, str(number))
        if reader is not writer:
            reader.accept_causal_token(task.user_id, writer.causal_token(task.user_id))
        for pause in _PAUSES:
            await asyncio.sleep(pause)
            found = await TaskRepo(reader).get(task.user_id, task.id)
            count.stale += found.title != str(number)
        count.pairs += 1
        if time.monotonic() > ends:
            return


@pytest.mark.parametrize("synchronous_commit", ["on", "off"])
@pytest.mark.parametrize("delay", [0, 20, 500])
@pytest.mark.parametrize("way", ["repository", "transaction", "another process"])
async def test_no_read_is_stale(pair: Pair, open_database: Open, way: str, delay: int, synchronous_commit: str) -> None:
    """Several users write and read at once; the replica answers at least some where it can."""
    pair.replica.delay(delay)
    url = f"{pair.primary.tcp_url()}?sslmode=disable&options=-c%20synchronous_commit%3D{synchronous_commit}"
    count = Count()
    async with open_database(url=url) as writer, open_database(url=url) as other:
        reader = other if way == "another process" else writer
        update = _by_transaction if way == "transaction" else _by_repository
        await asyncio.gather(*(_pairs(writer, reader, update, count) for _ in range(_USERS)))
        assert count.pairs > 0
        assert count.stale == 0
