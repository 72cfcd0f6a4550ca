"""More processes than the server has connections for: each makes progress and releases what it does not use."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from sqlalchemy import text

from app.db import Database, DatabaseSettings
from tests.support.postgres import Postgres
from tests.support.waiting import until_true

PROCESSES = 10
MAX_CONNECTIONS = 104
"""The limit of Neon's smallest compute."""
CALLERS = 25
"""Callers in each process, on a pool of 20."""
IDLE_SECONDS = 2
"""Replaces the default of a minute."""
_NEIGHBOURS = """
import asyncio, os, sys, time
from sqlalchemy import text
from app.db import Database, DatabaseSettings

async def calls_until(db, end):
    calls = 0
    while time.monotonic() < end:
        await db.execute(text("select pg_sleep(0.05)"))
        calls += 1
    return calls

async def serve(number, orders):
    loop = asyncio.get_running_loop()
    async with Database(DatabaseSettings(pool_size=20)) as db:
        while seconds := (await loop.run_in_executor(None, orders.readline)).strip():
            end = time.monotonic() + float(seconds)
            calls = await asyncio.gather(*(calls_until(db, end) for _ in range(int(sys.argv[2]))))
            os.write(1, f"{number} {sum(calls)}\\n".encode())

writers = []
for number in range(int(sys.argv[1])):
    reader, writer = os.pipe()
    if not os.fork():
        for other in (*writers, writer):
            os.close(other)
        asyncio.run(serve(number, open(reader)))
        os._exit(0)
    os.close(reader)
    writers.append(writer)
os.write(1, b"ready\\n")
for line in sys.stdin:
    number, seconds = line.split()
    os.write(writers[int(number)], f"{seconds}\\n".encode())
for writer in writers:
    os.close(writer)
sys.exit(max(os.waitstatus_to_exitcode(os.wait()[1]) for _ in writers))
"""
"""Imports once and forks, because ten interpreters that each import would take most of the test's time."""


@pytest.fixture
def small_server() -> Iterator[Postgres]:
    """Run a server with few connections."""
    with TemporaryDirectory(dir="/tmp", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        settings = {"fsync": "off", "max_connections": str(MAX_CONNECTIONS)}
        with Postgres(Path(folder) / "server", settings=settings) as server:
            yield server


class Neighbours:
    """The processes; each works on command."""

    def __init__(self, parent: Process) -> None:
        self._parent = parent
        self._working: dict[int, asyncio.Future[int]] = {}

    @classmethod
    @asynccontextmanager
    async def running(cls, url: str) -> AsyncIterator["Neighbours"]:
        """Start the processes; at the end each must have exited without an error."""
        environment = {**os.environ, "DATABASE_URL": url, "DATABASE_POOL_IDLE_SECONDS": str(IDLE_SECONDS)}
        command = (sys.executable, "-c", _NEIGHBOURS, str(PROCESSES), str(CALLERS))
        parent = await asyncio.create_subprocess_exec(*command, env=environment, stdin=PIPE, stdout=PIPE)
        assert parent.stdin is not None
        assert parent.stdout is not None
        assert await parent.stdout.readline() == b"ready\n"
        neighbours = cls(parent)
        listening = asyncio.ensure_future(neighbours._listen(parent.stdout))
        yield neighbours
        parent.stdin.close()
        assert await parent.wait() == 0
        await listening

    async def work(self, number: int, seconds: float) -> int:
        """Run the callers of a process for so long; return how many calls succeeded. A failed call ends the process."""
        assert self._parent.stdin is not None
        self._working[number] = asyncio.get_running_loop().create_future()
        self._parent.stdin.write(f"{number} {seconds}\n".encode())
        return await self._working[number]

    async def _listen(self, said: asyncio.StreamReader) -> None:
        while line := await said.readline():
            number, calls = map(int, line.split())
            self._working[number].set_result(calls)


@pytest.mark.fault(
    row=11,
    name="ten processes on 104 connections",
    read="served",
    write="see read: they share its connection",
    keyed="see read",
    transaction="see read",
)
async def test_ten_processes_share_a_small_server(small_server: Postgres) -> None:
    """Late processes that find all connections taken are served; after a quiet minute almost none are held."""
    sessions = "from pg_stat_activity where backend_type = 'client backend'"
    async with (
        Database(DatabaseSettings(url=small_server.url(), pool_min_size=1)) as admin,
        Neighbours.running(small_server.url()) as neighbours,
    ):
        await admin.execute(text("select 1"))  # keeps its connection
        first = [asyncio.ensure_future(neighbours.work(number, 15)) for number in range(6)]
        await until_true(admin, f"select count(*) > {MAX_CONNECTIONS * 0.9} {sessions}")
        calls = await asyncio.gather(*first, *(neighbours.work(number, 12) for number in range(6, PROCESSES)))
        assert min(calls) > 2 * CALLERS, calls  # more than one that is served only after the others end
        await until_true(admin, f"select count(*) < 20 {sessions}")
        assert await neighbours.work(0, 0.5) > 0
