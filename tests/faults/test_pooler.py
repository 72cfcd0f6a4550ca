"""A real PgBouncer in transaction mode, with fewer connections to the server than it has clients."""

import asyncio
import operator
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator

import pytest
from sqlalchemy import text
from sqlmodel import col, select

from app.db import Database, DatabaseSettings
from app.db.models import Task, TaskCreate
from app.doctor.measuring.round_trips import RoundTrips
from app.repositories import TaskRepo
from tests.faults.conftest import KINDS, Lab
from tests.support.pgbouncer import PgBouncer
from tests.support.postgres import Postgres
from tests.support.proxy import FaultProxy
from tests.support.waiting import until

_MIXED_CALLS = """
import asyncio, random, sys
from app.db import Database, DatabaseSettings
from app.db.models import MessageCreate, TaskCreate, TaskUpdate
from app.repositories import ConversationRepo, MessageRepo, TaskRepo

async def main(seed):
    chance, user = random.Random(seed), f"pooled-{seed}"
    async with Database(DatabaseSettings(pool_size=10)) as db:
        tasks, conversations, messages = TaskRepo(db), ConversationRepo(db), MessageRepo(db)
        chat = await conversations.create(user)
        async def one(n):
            task = await tasks.create(user, TaskCreate(title=f"{seed}-{n}"))
            assert (await tasks.get(user, task.id)).title == f"{seed}-{n}"
            assert (await tasks.update(user, task.id, TaskUpdate(completed=True))).completed
            await messages.append(user, chat.id, MessageCreate(role="user", content=f"{seed}-{n}"))
            page = await tasks.list_page(user, limit=chance.randint(1, 20))
            assert all(row.user_id == user and row.title.startswith(f"{seed}-") for row in page.items)
        for batch in range(10):
            await asyncio.gather(*(one(batch * 6 + n) for n in range(6)))
        assert await tasks.count(user) == 60
        assert len([row async for row in messages.stream(user, chat.id)]) == 60

asyncio.run(main(int(sys.argv[1])))
"""


_CHANGES = (
    "alter table task add column note text",
    "alter table task alter column title type text",
    "alter table task alter column description type varchar(5000)",
    """alter table task alter column completed drop default,
       alter column completed type integer using completed::int""",
    """alter table task alter column completed type boolean using completed = 1,
       alter column completed set default false""",
    "alter table task alter column title type varchar(200), alter column description type varchar(1000)",
    "alter table task drop column note",
)


@pytest.fixture
def pooler(migrated_server: Postgres) -> Iterator[PgBouncer]:
    """Start a pooler with two connections to the server."""
    with PgBouncer("127.0.0.1", migrated_server.port) as running:
        yield running


@pytest.fixture
async def pooled(pooler: PgBouncer) -> AsyncIterator[Database]:
    """Open a Database through the pooler."""
    async with Database(DatabaseSettings(url=pooler.url("postgres"), pooler="transaction")) as db:
        yield db


@pytest.fixture
async def pooled_lab(own_server: Postgres, direct: Database, pooled: Database, user_id: str) -> Lab:
    """Make the four kinds of call through the pooler."""
    return Lab(own_server, FaultProxy(own_server.tcp_url()), direct, pooled, user_id)


@pytest.fixture
async def direct(migrated_server: Postgres) -> AsyncIterator[Database]:
    """Open a Database directly on the server."""
    async with Database(DatabaseSettings(url=migrated_server.url())) as db:
        yield db


async def test_each_call_is_one_round_trip_through_a_pooler_too(pooled: Database, user_id: str) -> None:
    """Statements are unnamed, and each is parsed again in the same round trip."""
    tasks, trips = TaskRepo(pooled), RoundTrips.of(pooled.pool)
    task = await tasks.create(user_id, TaskCreate(title="Warm"))
    for call in (tasks.create(user_id, TaskCreate(title="Once")), tasks.get(user_id, task.id), tasks.count(user_id)):
        trips.reset()
        await call
        first = trips.count
        assert first in {1, 2}  # 2 if the statement is new to the connection
    trips.reset()
    await tasks.get(user_id, task.id)
    assert trips.count == 1


@pytest.mark.fault(
    row=25,
    name="PgBouncer with 2 server connections",
    read="served",
    write="served",
    keyed="served",
    transaction="served",
)
async def test_four_processes_share_two_connections(pooler: PgBouncer, direct: Database) -> None:
    """4 processes with 300 mixed calls each see no error and no wrong row, and leave no prepared statement."""
    environment = {**os.environ, "DATABASE_URL": pooler.url("postgres"), "DATABASE_POOLER": "transaction"}
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", _MIXED_CALLS, str(seed), env=environment, stderr=subprocess.PIPE
        )
        for seed in range(4)
    ]
    for process in processes:
        _, stderr = await process.communicate()
        assert process.returncode == 0, stderr.decode()
    async with Database(DatabaseSettings(url=pooler.url("postgres"), pooler="transaction")) as db:
        prepared = text("select count(*) from pg_prepared_statements where pg_sleep(0.05) is not null")
        counts = await asyncio.gather(*(db.execute(prepared) for _ in range(6)))
        assert max(int(count.scalar_one()) for count in counts) == 0


@pytest.mark.parametrize("through", ["direct", "pooled"])
@pytest.mark.fault(row=24, name="columns added, widened and retyped under load", read="served, never a wrong value")
async def test_columns_retyped_under_load_are_never_misread(
    direct: Database, pooled: Database, user_id: str, through: str
) -> None:
    """Another process adds, widens and retypes columns: no repository call fails or reads a wrong value."""
    db = {"direct": direct, "pooled": pooled}[through]
    tasks = TaskRepo(db)
    task = await tasks.create(user_id, TaskCreate(title="Kept", description="As it is"))
    ended = asyncio.Event()
    calls = [0] * 4

    async def worker(number: int) -> None:
        while not ended.is_set():
            assert (await tasks.get(user_id, task.id)) == task
            assert (await tasks.list_page(user_id)).items[-1] == task
            calls[number] += 1

    async with asyncio.TaskGroup() as workers:
        for number in range(len(calls)):
            workers.create_task(worker(number))
        for change in _CHANGES:
            await direct.execute(text(change))
            whole = [made + 2 for made in calls]  # the first may have begun before the change
            await until(lambda whole=whole: all(map(operator.ge, calls, whole)))  # type: ignore[misc]
        ended.set()


@pytest.mark.parametrize("through", ["direct", "pooled"])
async def test_the_callers_own_statements_never_read_a_wrong_value(
    direct: Database, pooled: Database, user_id: str, through: str
) -> None:
    """`select(Task)` does not pin its types: after a column is retyped it reads correctly or fails."""
    db = {"direct": direct, "pooled": pooled}[through]
    await direct.execute(text("create table measure (id int primary key, a int)"))
    await direct.execute(text("insert into measure values (1, 7)"))
    try:
        for type_, expected in (("int", 7), ("real", 7.0), ("bigint", 7), ("text", "7"), ("double precision", 7.0)):
            await direct.execute(text(f"alter table measure alter column a type {type_} using a::{type_}"))
            for _ in range(6):
                value = (await db.execute(text("select a from measure"), repeatable=True)).scalar_one()
                assert (value, type(value)) == (expected, type(expected))
        async with db.sessionmaker() as session:
            assert (await session.scalars(select(Task).where(col(Task.user_id) == user_id))).all() == []
    finally:
        await direct.execute(text("drop table measure"))


def _cases(name: str, *outcomes: str) -> list[object]:
    """Return a case for each kind of call, marked with its outcome."""
    return [
        pytest.param(
            kind, outcome.split(", or "), id=kind, marks=pytest.mark.fault(row=25, name=name, **{kind: outcome})
        )
        for kind, outcome in zip(KINDS, outcomes, strict=True)
    ]


@pytest.mark.parametrize(("kind", "outcomes"), _cases("PgBouncer restarted", *["served"] * 4))
async def test_a_pooler_that_restarts_is_not_noticed(
    pooler: PgBouncer, pooled_lab: Lab, kind: str, outcomes: list[str]
) -> None:
    """Its clients' connections break while idle and are replaced."""
    await asyncio.gather(*(pooled_lab.call("read") for _ in range(10)))
    await asyncio.to_thread(pooler.stop)
    await asyncio.to_thread(pooler.start)
    assert {await pooled_lab.call(kind) for _ in range(5)} <= set(outcomes)
    assert pooled_lab.db.pool_status().in_use == 0


_MAYBE = "served, or OutcomeUnknownError"


@pytest.mark.parametrize(
    ("kind", "outcomes"), _cases("server restarted behind PgBouncer", "served", _MAYBE, "served", "served")
)
async def test_a_server_that_restarts_behind_a_pooler_is_a_delay(
    pooled_lab: Lab, own_server: Postgres, kind: str, outcomes: list[str]
) -> None:
    """The pooler answers with its own errors until it reaches the server again."""
    await asyncio.gather(*(pooled_lab.call("read") for _ in range(10)))
    await asyncio.to_thread(own_server.restart, mode="immediate")
    assert {await pooled_lab.call(kind) for _ in range(5)} <= set(outcomes)
    assert pooled_lab.db.pool_status().in_use == 0
