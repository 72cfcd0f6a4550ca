"""Clients that keep a database busy while something happens to its replica."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import uuid4

from app.db import Database
from app.db.models import TaskCreate, TaskUpdate
from app.repositories import TaskRepo
from tests.support.replication import Replica
from tests.support.waiting import until


@dataclass
class Run:
    """A client that writes and reads until it is stopped."""

    db: Database
    seconds: list[float] = field(default_factory=list)
    """How long each read took."""
    stale: int = 0
    errors: list[BaseException] = field(default_factory=list)
    stopped: bool = False

    @property
    def reads(self) -> int:
        """The number of reads that were answered."""
        return len(self.seconds)

    def slower_than(self, seconds: float) -> int:
        """Return how many reads took longer."""
        return sum(each > seconds for each in self.seconds)

    async def go(self) -> None:
        """Write, and read three times, again and again."""
        tasks, user_id = TaskRepo(self.db), f"user-{uuid4().hex}"
        task = await tasks.create(user_id, TaskCreate(title="0"))
        number = 0
        while not self.stopped:
            number += 1
            try:
                await tasks.update(user_id, task.id, TaskUpdate(title=str(number)))
                for _ in range(3):
                    began = time.perf_counter()
                    self.stale += (await tasks.get(user_id, task.id)).title != str(number)
                    self.seconds.append(time.perf_counter() - began)
                    await asyncio.sleep(0.003)
            except Exception as error:  # noqa: BLE001 - each is a failure of the test
                self.errors.append(error)

    async def reads_on(self, count: int = 50) -> None:
        """Wait until so many more reads were answered."""
        wanted = self.reads + count
        await until(lambda: self.reads >= wanted or bool(self.errors))


@asynccontextmanager
async def busy(db: Database) -> AsyncIterator[Run]:
    """Keep three clients busy during the block; then there was no error and no stale read."""
    run = Run(db)
    clients = [asyncio.create_task(run.go()) for _ in range(3)]
    try:
        yield run
    finally:
        run.stopped = True
        await asyncio.gather(*clients)
    assert (run.errors, run.stale) == ([], 0)
    await until(lambda: not any(replica.in_use for replica in db.pool_status().replicas))


def processes_of(replica: Replica) -> list[int]:
    """Return the process ids of the replica's server processes, to be stopped as a whole."""
    return [int(pid) for pid in replica.run("select pid from pg_stat_activity where pid <> pg_backend_pid()").split()]
