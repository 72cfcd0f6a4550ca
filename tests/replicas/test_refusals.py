"""Replicas that refuse: full, starting up, or cancelling what conflicts with what they apply."""

import asyncio

import asyncpg
import pytest
from sqlalchemy import String, bindparam, case, cast, func, select

from app.db import Database
from app.db.models import Task, TaskCreate
from app.db.query import Query
from app.repositories import TaskRepo
from tests.replicas.clients import busy
from tests.replicas.conftest import Pair
from tests.replicas.reading import served, status
from tests.support.embedded import psql
from tests.support.proxy import FaultProxy
from tests.support.waiting import LIMIT_SECONDS, until

_SLOW = Query(
    "replicas.slow_rows",
    select(cast(func.pg_sleep(case((func.pg_is_in_recovery(), 0.03), else_=0)), String).label("slept")).where(
        Task.user_id == bindparam("p_user_id", type_=String())
    ),
    str,
    pinned=True,
)


async def test_one_that_is_full_answers_on_the_connections_that_it_has(pair: Pair, routed: Database) -> None:
    """A process that has none reads from the primary."""
    taken = []
    try:
        with pytest.raises(asyncpg.TooManyConnectionsError):
            while True:
                taken.append(await asyncpg.connect(pair.replica.url()))
        async with busy(routed) as run, Database(pair.settings()) as late, busy(late) as beside:
            await until(lambda: status(late).failed > 0)
            await run.reads_on()
            await beside.reads_on()
            assert status(late).served == 0
        assert "too many clients" in str(status(late).last_error)
    finally:
        for connection in taken:
            await connection.close()
    await served(routed, lambda: TaskRepo(routed).count("nobody"))


@pytest.mark.parametrize(
    "said",
    [
        ("57P03", "the database system is starting up"),
        ("57P03", "the database system is not accepting connections"),
        ("28000", 'no pg_hba.conf entry for host "127.0.0.1"'),
        ("3D000", 'database "postgres" does not exist'),
    ],
    ids=["starting up", "hot_standby is off", "not let in", "another database"],
)
async def test_one_that_lets_nobody_in_costs_no_caller_anything(pair: Pair, said: tuple[str, str]) -> None:
    """The status says what it said, and it is asked again when it has changed its mind."""
    async with (
        FaultProxy(pair.replica.server.tcp_url()).running() as proxy,
        Database(pair.settings(replica_url=proxy.url())) as db,
    ):
        proxy.fail_startups(*said)
        async with busy(db) as run:
            await until(lambda: status(db).failed > 0)
            await run.reads_on()
            assert said[1] in str(status(db).last_error)
            proxy.startup_error = None
            await served(db, lambda: TaskRepo(db).count("nobody"))


async def test_a_read_that_is_cancelled_for_what_the_replica_applies_is_the_primarys(
    pair: Pair, routed: Database, user_id: str
) -> None:
    """A conflict with recovery is no error to the caller, and the next reads are answered again."""
    tasks = TaskRepo(routed)
    for setting in ("hot_standby_feedback = off", "max_standby_streaming_delay = 0"):
        pair.replica.run(f"alter system set {setting}", reload=True)
    try:
        await tasks.create(user_id, TaskCreate(title="Buy milk"))
        await served(routed, lambda: routed.fetch(_SLOW, {"p_user_id": user_id}))
        before = status(routed).failed
        async with asyncio.timeout(LIMIT_SECONDS):
            while status(routed).failed == before:
                psql(pair.primary.url(), "update task set title = title || ''")
                vacuum = asyncio.create_task(asyncio.to_thread(psql, pair.primary.url(), "vacuum (freeze) task"))
                for _ in range(3):
                    assert await routed.fetch(_SLOW, {"p_user_id": user_id}) == [""]
                await vacuum
        assert "conflict with recovery" in str(status(routed).last_error)
    finally:
        for setting in ("hot_standby_feedback = on", "max_standby_streaming_delay = default"):
            pair.replica.run(f"alter system set {setting}", reload=True)
    await served(routed, lambda: tasks.count(user_id))


async def test_what_a_deleted_user_had_is_shown_by_no_replica(routed: Database, user_id: str) -> None:
    """A deletion is a write like others; a transaction that is rolled back shows nothing either."""
    tasks = TaskRepo(routed)
    for number in range(20):
        task = await tasks.create(user_id, TaskCreate(title=f"{number}"))
        with pytest.raises(ZeroDivisionError):
            async with routed.transaction() as session:
                await TaskRepo(session).create(user_id, TaskCreate(title="undone"))
                raise ZeroDivisionError
        assert [each.id for each in (await tasks.list_page(user_id)).items] == [task.id]
        await tasks.delete(user_id, task.id)
        assert await tasks.get_or_none(user_id, task.id) is None
