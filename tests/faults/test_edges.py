"""Faults outside the server: torn streams, killed clients, lost updates, hostile values."""

import asyncio
import os
import signal
import subprocess
import sys
from uuid import uuid4

import pytest
from sqlalchemy.exc import StatementError

from app.db import Database, DatabaseSettings
from app.db.errors import InvalidInputError, StaleRowError
from app.db.models import Task, TaskCreate, TaskUpdate
from app.repositories import TaskRepo
from tests.faults.conftest import KINDS, Lab

_HOLDS_A_LOCK = """
import asyncio, sys
from app.db import Database, DatabaseSettings
from app.db.models import TaskUpdate
from app.repositories import TaskRepo

async def main(user_id, task_id):
    async with Database(DatabaseSettings()) as db:
        async with db.transaction() as session:
            await TaskRepo(session).update(user_id, task_id, TaskUpdate(title="Never committed"))
            print("locked", flush=True)
            await asyncio.sleep(60)

asyncio.run(main(sys.argv[1], int(sys.argv[2])))
"""


@pytest.mark.fault(
    row=16,
    name="stream torn at each n-th chunk",
    read="served",
    write="served, or OutcomeUnknownError",
    keyed="served",
    transaction="served, or OutcomeUnknownError",
)
@pytest.mark.parametrize("kind", KINDS)
async def test_a_stream_torn_anywhere_is_an_error_of_ours(lab: Lab, kind: str) -> None:
    """Torn while connecting, in a reply or after it: the call is served, or unknown if not repeatable."""
    expected = {"served"} if kind in {"read", "keyed"} else {"served", "OutcomeUnknownError"}
    for chunk in range(1, 9):
        await lab.reset()  # new connections, so that counting starts at the first chunk
        lab.proxy.torn_after_chunks = chunk
        asyncio.get_running_loop().call_later(0.3, setattr, lab.proxy, "torn_after_chunks", None)
        assert await lab.call(kind) in expected
        lab.proxy.torn_after_chunks = None


@pytest.mark.fault(
    row=20,
    name="another client killed (-9) in a transaction",
    read="served",
    write="served",
    keyed="served",
    transaction="served",
)
async def test_the_locks_of_a_killed_client_are_free(migrated_url: str, db: Database, user_id: str) -> None:
    """A client killed (-9) in a transaction has its work undone, and its locks block no other caller."""
    task = await TaskRepo(db).create(user_id, TaskCreate(title="Mine"))
    environment = {**os.environ, "DATABASE_URL": migrated_url}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _HOLDS_A_LOCK, user_id, str(task.id), env=environment, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"locked\n"
    process.send_signal(signal.SIGKILL)
    assert (await TaskRepo(db).update(user_id, task.id, TaskUpdate(completed=True))).title == "Mine"
    await TaskRepo(db).create(user_id, TaskCreate(title="Keyed"), idempotency_key=uuid4())
    await db.run_in_transaction(lambda session: TaskRepo(session).update(user_id, task.id, TaskUpdate(title="Ours")))
    assert (await TaskRepo(db).get(user_id, task.id)).title == "Ours"
    await process.wait()


@pytest.mark.fault(
    row=22, name="lost update", read="served", write="last write wins, or StaleRowError if asked for", keyed="served"
)
@pytest.mark.fault(row=22, name="lost update", transaction="last write wins, or StaleRowError if asked for")
async def test_an_update_is_lost_only_by_who_does_not_ask(db: Database, user_id: str) -> None:
    """Of ten updates that expect the same `updated_at`, one succeeds; without it the last one wins."""
    tasks = TaskRepo(db)
    task = await tasks.create(user_id, TaskCreate(title="0"))
    updates = [
        tasks.update(user_id, task.id, TaskUpdate(title=f"{n}"), expected_updated_at=task.updated_at) for n in range(10)
    ]
    results = await asyncio.gather(*updates, return_exceptions=True)
    assert sum(isinstance(result, StaleRowError) for result in results) == 9
    await asyncio.gather(*(tasks.update(user_id, task.id, TaskUpdate(title=f"{n}")) for n in range(10)))
    assert (await tasks.get(user_id, task.id)).updated_at > task.updated_at


@pytest.mark.fault(
    row=27,
    name="hostile values",
    read="InvalidInputError, nothing sent",
    write="InvalidInputError, once",
    keyed="InvalidInputError, once",
    transaction="InvalidInputError, once",
)
@pytest.mark.parametrize("title", ["NUL \x00", "surrogate \ud800", "x" * 300, " "])
async def test_hostile_values_are_refused_once_whoever_lets_them_in(db: Database, user_id: str, title: str) -> None:
    """A table's class does not validate: a value that the database refuses raises our error once, without the value."""
    with pytest.raises((InvalidInputError, StatementError)) as caught:
        async with db.transaction() as session:
            session.add(Task(user_id=user_id, title=title))
    assert isinstance(caught.value, InvalidInputError)
    assert title == " " or title not in str(caught.value)
    with pytest.raises(InvalidInputError, match="id"):
        await TaskRepo(db).get(user_id, 2**63)
    assert await TaskRepo(db).count(user_id) == 0


async def test_a_refused_connection_takes_nothing_with_it(migrated_url: str, user_id: str) -> None:
    """After an error every connection is back in the pool, which serves as many callers as before."""
    async with Database(DatabaseSettings(url=migrated_url, pool_size=2)) as db:
        for _ in range(10):
            with pytest.raises(InvalidInputError):
                await TaskRepo(db).get(user_id, 2**63)
        assert await asyncio.gather(*(TaskRepo(db).count(user_id) for _ in range(10))) == [0] * 10
        assert db.pool_status().in_use == 0
