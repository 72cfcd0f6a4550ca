"""Pairs of a write and reads of it, with a streaming replica: `python -m benchmarks.replicas --pairs 50000`.

A write is read about when the replica applies it, or at once. It ends with 1 if a read was stale or failed.
"""

import argparse
import asyncio
import random
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from itertools import product
from uuid import uuid4

import uvloop

from app.db import Database, DatabaseSettings
from app.db.migrations import upgrade
from app.db.models import TaskCreate, TaskRead, TaskUpdate
from app.repositories import TaskRepo
from benchmarks.processes import Process
from benchmarks.replicas.faults import faults
from tests.support.postgres import Postgres
from tests.support.replication import Replica, primary_and_replica

_DELAYS = (0, 20, 500)
_COMMITS = ("on", "off")
_USERS = 20
_MORE_USERS_EACH_MS = 0.2
_LATER = 0.9
_HEAD = "| pairs by | apply delay | synchronous_commit | pairs | stale | answered by the replica |"

Read = Callable[[TaskRead], Awaitable[str]]


@dataclass
class Cell:
    """One way, one delay, one setting."""

    way: str
    delay: int
    commit: str
    pairs: int = 0
    stale: int = 0
    served: int = 0

    @property
    def row(self) -> str:
        """The cell as a row of a table."""
        share = 100 * self.served / max(self.pairs, 1)
        return f"| {self.way} | {self.delay} ms | {self.commit} | {self.pairs:,} | {self.stale} | {share:.0f} % |"


async def _write(db: Database, way: str, task: TaskRead, title: str) -> None:
    change = TaskUpdate(title=title)
    if way == "repository":
        await TaskRepo(db).update(task.user_id, task.id, change)
        return
    async with db.transaction() as session:
        await TaskRepo(session).update(task.user_id, task.id, change)


async def _pair(cell: Cell, db: Database, read: Read, task: TaskRead, title: str) -> None:
    """Write, wait until about when the replica applies it, or not at all, and read."""
    await _write(db, "transaction" if cell.way == "transaction" else "repository", task, title)
    if random.random() < _LATER:
        await asyncio.sleep(cell.delay / 1000 * random.uniform(0.9, 1.2) + random.uniform(0, 0.03))
    cell.stale += await read(task) != title
    cell.pairs += 1


async def _client(cell: Cell, db: Database, read: Read, pairs: int) -> None:
    task = await TaskRepo(db).create(f"user-{uuid4().hex}", TaskCreate(title="0"))
    while cell.pairs < pairs:
        await _pair(cell, db, read, task, uuid4().hex)


async def _cell(cell: Cell, primary: Postgres, replica: Replica, pairs: int) -> None:
    replica.delay(cell.delay)
    url = f"{primary.tcp_url()}?sslmode=disable&options=-c%20synchronous_commit%3D{cell.commit}"
    async with AsyncExitStack() as stack:
        settings = DatabaseSettings(url=url, replica_url=replica.url(), replica_sticky_seconds=0)
        db = await stack.enter_async_context(Database(settings))
        read = await _other(cell, db, replica, stack) if cell.way == "another process" else partial(_own, cell, db)
        await asyncio.gather(*(_client(cell, db, read, pairs) for _ in range(_users(cell))))


def _users(cell: Cell) -> int:
    """Return how many users write and read at once: more where each waits for longer."""
    return _USERS + round(cell.delay * _MORE_USERS_EACH_MS)


async def _own(cell: Cell, db: Database, task: TaskRead) -> str:
    title = (await TaskRepo(db).get(task.user_id, task.id)).title
    cell.served = db.pool_status().replicas[0].served
    return title


async def _other(cell: Cell, db: Database, replica: Replica, stack: AsyncExitStack) -> Read:
    """Return what reads in another process, to which the token is sent; it answers one question at a time."""
    reader = await Process.start("replicas.reader", db.settings.url.get_secret_value(), replica.url())
    stack.push_async_callback(reader.end)
    turn = asyncio.Lock()

    async def read(task: TaskRead) -> str:
        async with turn:
            answer = await reader.ask(reads=[[task.user_id, task.id, db.causal_token(task.user_id)]])
        cell.served = answer["served"]
        return str(answer["titles"][0])

    return read


def _cells() -> Iterator[Cell]:
    for delay, commit, way in product(_DELAYS, _COMMITS, ("repository", "transaction", "another process")):
        yield Cell(way, delay, commit)


async def main(pairs: int) -> int:
    """Measure every cell, then the faults; return the exit status."""
    lines = [_HEAD, "|---|---|---|---|---|---|"]
    with primary_and_replica() as (primary, replica):
        async with Database(DatabaseSettings(url=primary.url(), replica_url=None)) as db:
            await upgrade(db.engine)
        cells = list(_cells())
        for cell in cells:
            await _cell(cell, primary, replica, pairs // len(cells) + 1)
        replica.delay(0)
        told, failed = await faults(primary, replica)
    lines += [cell.row for cell in cells]
    total, stale = sum(cell.pairs for cell in cells), sum(cell.stale for cell in cells)
    lines += ["", f"{total:,} pairs, {stale} stale.", "", *told]
    print("\n".join(lines))
    return int(stale > 0 or failed)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--pairs", type=int, default=50_000)
    sys.exit(uvloop.run(main(parser.parse_args().pairs)))
