"""Short-lived processes, as docs/serverless.md describes them."""

import asyncio
import os
import sys
import time
from asyncio.subprocess import PIPE

from tests.support.pgbouncer import PgBouncer
from tests.support.postgres import Postgres
from tests.support.proxy import FaultProxy

_PROFILE = {"DATABASE_POOL_SIZE": "1", "DATABASE_POOL_IDLE_SECONDS": "10"}
_FUNCTION = """
import asyncio, sys, time, uuid
from app.db import Database, DatabaseSettings
from app.db.models import TaskCreate
from app.repositories import TaskRepo

database = Database(DatabaseSettings())  # at import

async def handler(user_id):
    tasks = TaskRepo(database)
    task = await tasks.create(user_id, TaskCreate(title="x"), idempotency_key=uuid.uuid4())
    assert (await tasks.get(user_id, task.id)).title == "x"
    await asyncio.gather(*(tasks.count(user_id) for _ in range(3)))
    return await tasks.count(user_id)
"""
_INVOCATIONS = """
user_id = uuid.uuid4().hex
print(asyncio.run(handler(user_id)), asyncio.run(handler(user_id)), time.monotonic())
"""
_FROZEN = """
async def main():
    user_id = uuid.uuid4().hex
    await handler(user_id)
    print("frozen", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    print(await handler(user_id), time.monotonic(), flush=True)

asyncio.run(main())
"""
_FORKS = """
import os
children = []
for _ in range(20):
    if not (child := os.fork()):
        os._exit(asyncio.run(handler(uuid.uuid4().hex)))
    children.append(child)
print(sorted({os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children}))
"""


async def _start(url: str, program: str, **environment: str) -> asyncio.subprocess.Process:
    variables = {**os.environ, **_PROFILE, "DATABASE_URL": url, **environment}
    return await asyncio.create_subprocess_exec(
        sys.executable, "-c", _FUNCTION + program, env=variables, stdin=PIPE, stdout=PIPE, stderr=PIPE
    )


async def test_each_invocation_may_have_a_loop_of_its_own(migrated_server: Postgres) -> None:
    """Each loop has one connection; the process ends at once and silently, although nothing is closed."""
    async with FaultProxy(migrated_server.tcp_url()).running() as proxy:
        process = await _start(proxy.url(), _INVOCATIONS, DATABASE_POOL_IDLE_SECONDS="200")
        said, warned = await process.communicate()
        ended = time.monotonic()
        first, second, last = said.split()
        assert (process.returncode, warned, int(first), int(second)) == (0, b"", 1, 2)
        assert ended - float(last) < 100  # it does not wait until the connection has been idle for 200 s
        assert proxy.connects == 2


async def test_an_instance_that_was_frozen_goes_on(migrated_server: Postgres) -> None:
    """Its connection is closed when it is thawed, but still looks open."""
    async with FaultProxy(migrated_server.tcp_url()).running() as proxy:
        process = await _start(
            proxy.url(), _FROZEN, DATABASE_PING_AFTER_IDLE_SECONDS="0", DATABASE_PING_TIMEOUT_SECONDS="0.3"
        )
        assert process.stdout is not None
        assert await process.stdout.readline() == b"frozen\n"
        proxy.swallow()
        said, warned = await process.communicate(b"\n")
        assert (process.returncode, warned, said.split()[0]) == (0, b"", b"2")


async def test_many_small_processes_share_a_pooler(migrated_server: Postgres) -> None:
    """Twenty processes with one connection each share two connections to the server."""
    async with FaultProxy(migrated_server.tcp_url()).running() as proxy:
        with PgBouncer("127.0.0.1", proxy.port, pool_size=2) as pooler:
            process = await _start(pooler.url("postgres"), _FORKS, DATABASE_POOLER="transaction")
            said, warned = await process.communicate()
            assert (process.returncode, warned, said) == (0, b"", b"[1]\n")
            assert proxy.most_at_once <= 2
