"""Reads while a replica is killed, stopped, promoted and rebuilt, beside reads of the primary alone."""

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from uuid import uuid4

from app.db import Database, DatabaseSettings
from app.db.errors import DataAccessError
from app.db.models import TaskCreate, TaskRead, TaskUpdate
from app.repositories import TaskRepo
from tests.support.postgres import Postgres
from tests.support.replication import Replica

_CLIENTS = 4
_SECONDS = 6.0
_READS = 10
_HEAD = "| the replica | reads | by the replica | errors, stale | median | p99 | longest | primary alone, meanwhile |"


@dataclass
class Phase:
    """Reads of one phase, and those of as many clients that have only the primary."""

    name: str
    alone: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    served: int = 0
    errors: int = 0
    stale: int = 0

    @property
    def row(self) -> str:
        """The phase as a row of a table."""
        times, alone = " | ".join(_times(self.seconds)), ", ".join(_times(self.alone))
        share = f"{len(self.seconds):,} | {self.served:,}"
        return f"| {self.name} | {share} | {self.errors}, {self.stale} | {times} | {alone} |"


def _times(seconds: list[float]) -> list[str]:
    taken = sorted(seconds)
    return [f"{taken[int((len(taken) - 1) * share)] * 1000:.1f} ms" for share in (0.5, 0.99, 1)]


async def _client(db: Database, phase: Phase, seconds: list[float], task: TaskRead, ends: float) -> None:
    tasks, number = TaskRepo(db), 0
    while time.monotonic() < ends:
        number += 1
        try:
            await tasks.update(task.user_id, task.id, TaskUpdate(title=f"{phase.name} {number}"))
            for _ in range(_READS):
                await asyncio.sleep(0.01)
                began = time.perf_counter()
                found = await tasks.get(task.user_id, task.id)
                seconds.append(time.perf_counter() - began)
                phase.stale += found.title != f"{phase.name} {number}"
        except DataAccessError:
            phase.errors += 1


def _served(db: Database) -> int:
    return sum(replica.served for replica in db.pool_status().replicas)


async def _run(db: Database, alone: Database, name: str, harm: Callable[[], object] | None = None) -> Phase:
    """Read for a while; the harm is done after a third of it."""
    phase, before = Phase(name), _served(db)
    ends = time.monotonic() + _SECONDS
    clients: list[Awaitable[None]] = []
    for _ in range(_CLIENTS):
        for each, seconds in ((db, phase.seconds), (alone, phase.alone)):
            task = await TaskRepo(each).create(f"user-{uuid4().hex}", TaskCreate(title="0"))
            clients.append(_client(each, phase, seconds, task, ends))
    running = asyncio.gather(*clients)
    if harm:
        await asyncio.sleep(_SECONDS / 3)
        await asyncio.to_thread(harm)
    await running
    phase.served = _served(db) - before
    return phase


async def faults(primary: Postgres, replica: Replica) -> tuple[list[str], bool]:
    """Return the phases as a table, and whether a read failed or was stale."""
    url = primary.tcp_url() + "?sslmode=disable"
    stopped: list[int] = []

    def stop() -> None:
        stopped.extend(int(pid) for pid in replica.run("select pid from pg_stat_activity").split())
        for pid in stopped[:-1]:
            _signal(pid, signal.SIGSTOP)

    def go_on() -> None:
        for pid in stopped:
            _signal(pid, signal.SIGCONT)

    harms: dict[str, Callable[[], object] | None] = {
        "works": None,
        "is stopped (SIGSTOP)": stop,
        "goes on": go_on,
        "is killed": replica.kill,
        "is rebuilt": replica.rebuild,
        "is promoted": replica.promote,
        "is rebuilt again": replica.rebuild,
        "works again": None,
    }
    settings = DatabaseSettings(url=url, replica_url=replica.url(), replica_sticky_seconds=0.02)
    async with Database(DatabaseSettings(url=url, replica_url=None)) as alone, Database(settings) as db:
        phases = [await _run(db, alone, name, harm) for name, harm in harms.items()]
    rows = [_HEAD, "|---|---|---|---|---|---|---|---|", *(phase.row for phase in phases)]
    return rows, any(phase.errors or phase.stale for phase in phases)


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:  # it has ended meanwhile
        return
