"""A Database whose event loop or process has ended."""

import os
import subprocess
import sys

import pytest

from tests.support.waiting import LIMIT_SECONDS

_EVERY_KIND = """
import asyncio, os, uuid
from sqlalchemy import text
from app.db import Database, DatabaseSettings
from app.db.models import TaskCreate
from app.repositories import TaskRepo

async def backend(db):
    return (await db.execute(text("select pg_backend_pid()"))).scalar_one()

async def every_kind(db):
    tasks, user, data = TaskRepo(db), uuid.uuid4().hex, TaskCreate(title="x")
    await tasks.create(user, data)
    await tasks.create(user, data, idempotency_key=uuid.uuid4())
    await db.run_in_transaction(lambda session: TaskRepo(session).create(user, data))
    assert await tasks.count(user) == 3
    return await backend(db)
"""

_A_LOOP_THAT_IS_GONE = """
db = Database(DatabaseSettings())
assert asyncio.run(every_kind(db)) != asyncio.run(every_kind(db))
"""

_A_FORK = """
loop = asyncio.new_event_loop()
db = Database(DatabaseSettings())
before = loop.run_until_complete(backend(db))
child = os.fork()
if child == 0:
    asyncio.set_event_loop(None)
    os._exit(asyncio.run(every_kind(db)) == before)  # its own connection, not its parent's
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert loop.run_until_complete(backend(db)) == before  # and its parent's still works
loop.run_until_complete(db.close())
loop.close()
"""


@pytest.mark.parametrize("script", [_A_LOOP_THAT_IS_GONE, _A_FORK], ids=["a loop that is gone", "a fork"])
@pytest.mark.fault(
    row=30, name="fork, or a loop that is gone", read="served", write="served", keyed="served", transaction="served"
)
def test_connections_of_another_life_are_forgotten(script: str, migrated_url: str) -> None:
    """One Database works in two asyncio.run calls, and a fork neither uses nor closes its parent's connections."""
    done = subprocess.run(
        [sys.executable, "-c", _EVERY_KIND + script],
        env={**os.environ, "DATABASE_URL": migrated_url},
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT_SECONDS,
    )
    assert done.returncode == 0, done.stderr


_A_SESSION_LEFT_OVER = """
from sqlalchemy import text
from app.db.models import Task

async def session():
    session = db.sessionmaker()
    await session.execute(text("select 1"))
    return session

async def flushed():
    session = db.sessionmaker()
    session.add(Task(user_id="ada", title="x"))
    await session.flush()
    return session

async def streaming():
    session = db.sessionmaker()
    session.rows = await session.stream(text("select generate_series(1, 100000)"))
    return session

async def connection():
    connection = await db.engine.connect()
    await connection.begin()
    await connection.execute(text("select 1"))
    return connection

async def close(session):
    await session.close()
    await db.close()

db = Database(DatabaseSettings())
left = asyncio.run({left}())
asyncio.run({then})
import gc
left = None
gc.collect()
"""


@pytest.mark.parametrize("then", ["close(left)", "db.close()"])
@pytest.mark.parametrize("left", ["session", "flushed", "streaming", "connection"])
def test_a_session_of_a_loop_that_is_gone_is_closed_quietly(left: str, then: str, migrated_url: str) -> None:
    """Nothing is raised, and nothing is printed when it is garbage collected."""
    done = subprocess.run(
        [sys.executable, "-c", _EVERY_KIND + _A_SESSION_LEFT_OVER.format(left=left, then=then)],
        env={**os.environ, "DATABASE_URL": migrated_url},
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT_SECONDS,
    )
    assert (done.returncode, done.stderr) == (0, "")
