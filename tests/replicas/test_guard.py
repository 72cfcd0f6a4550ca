"""What a replica is asked before it answers, at the moments in which a simpler question would be answered wrongly."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from sqlalchemy import (
    Executable,
    Integer,
    String,
    bindparam,
    cast,
    insert,
    literal,
    literal_column,
    select,
    text,
    union_all,
)

from app.db import Database, DatabaseSettings
from app.db.engine.compiled import compiled
from app.db.errors import InvalidInputError
from app.db.migrations import upgrade
from app.db.models import Task, TaskCreate
from app.db.query import Query, Record, WhenLost
from app.db.replicas.statements import XIDS, Guarded, Verdict, guarded
from app.doctor.measuring.explain import Plan, explain
from app.repositories import TaskRepo, queries
from tests.replicas.conftest import Open, Pair
from tests.replicas.reading import served, status
from tests.support.calls import calls
from tests.support.embedded import psql
from tests.support.filled import fill
from tests.support.recorded import recorded_by_name

Asked = dict[str, tuple[Query[Any], dict[str, Any]]]
READS = [name for name, query in queries().items() if query.when_lost is WhenLost.NOT_DONE]
FUTURE = 2**62
_XID = text("select cast(cast(pg_current_xact_id() as text) as bigint)")


@pytest.fixture
async def standby(pair: Pair) -> AsyncIterator[Database]:
    """Open the replica itself."""
    async with Database(DatabaseSettings(url=pair.replica.url(), pool_size=3)) as db:
        yield db


async def ask(driver: Any, user_id: str, xids: Sequence[int]) -> Guarded[int]:
    """Ask on a connection for the number of tasks, and return the answer with its verdict."""
    query = guarded(queries()["tasks.count"])
    assert query
    form = compiled(query)
    answer = query.decode(await driver.fetch(form.sql, *form.arguments({"p_user_id": user_id, XIDS: list(xids)})))
    assert isinstance(answer, Guarded)
    return answer


async def test_a_transaction_committed_after_the_snapshot_is_not_taken_for_seen(
    pair: Pair, routed: Database, standby: Database, user_id: str
) -> None:
    """Its status says committed, and the rows are not there: a race that a snapshot held open makes certain."""
    async with standby.engine.connect() as connection:
        await connection.execution_options(isolation_level="REPEATABLE READ")
        async with routed.engine.connect() as running, running.begin():
            xid = (await running.execute(_XID)).scalar_one()
            await TaskRepo(routed).create(user_id, TaskCreate(title="later, and applied before"))
            pair.catch_up()
            driver: Any = (await connection.get_raw_connection()).driver_connection
            await connection.execute(text("select 1"))  # takes the snapshot
            await running.execute(text("insert into task (user_id, title) values (:u, 'x')"), {"u": user_id})
        pair.catch_up()
        status_there = "select pg_xact_status(cast(cast($1::bigint as text) as xid8))"
        assert await driver.fetchval(status_there, xid) == "committed"
        answer = await ask(driver, user_id, [xid])
    assert (answer.verdict, list(answer)) == (Verdict.APPLIED, [])
    async with standby.engine.connect() as connection:
        driver = (await connection.get_raw_connection()).driver_connection
        answer = await ask(driver, user_id, [xid])
    assert (answer.verdict, list(answer)) == (Verdict.CURRENT, [2])


async def test_a_transaction_of_the_future_is_behind_and_no_error(standby: Database, user_id: str) -> None:
    """The server's function raises for it; of a user's several transactions each must be there."""
    async with standby.engine.connect() as connection:
        driver: Any = (await connection.get_raw_connection()).driver_connection
        for xids in ([FUTURE], [3, FUTURE], [2**63 - 1]):
            assert (await ask(driver, user_id, xids)).verdict is Verdict.BEHIND
        for xids in ([], [0], [3], [1, 2, 3]):
            assert (await ask(driver, user_id, xids)).verdict is Verdict.CURRENT


async def test_the_primary_says_that_it_is_no_replica(routed: Database, user_id: str) -> None:
    """As a promoted one does."""
    async with routed.engine.connect() as connection:
        driver: Any = (await connection.get_raw_connection()).driver_connection
        answer = await ask(driver, user_id, [])
    assert (answer.verdict, list(answer)) == (Verdict.PROMOTED, [])


async def test_a_long_transaction_does_not_keep_users_from_the_replica(
    pair: Pair, routed: Database, standby: Database, user_id: str
) -> None:
    """It holds back what every snapshot shows; the first read proves more of its connection, and the next pass."""
    async with routed.engine.connect() as running, running.begin():
        await running.execute(_XID)
        await TaskRepo(routed).create(user_id, TaskCreate(title="after it"))
        pair.catch_up()
        before = status(routed).behind
        assert await served(routed, lambda: TaskRepo(routed).count(user_id)) == 1
        assert status(routed).behind > before
        assert await served(routed, lambda: TaskRepo(routed).count(user_id)) == 1


async def test_a_query_that_no_replica_can_run_is_the_primarys(routed: Database, user_id: str) -> None:
    """One that locks rows is never sent; one that writes unseen is sent once, and the replica is not left alone."""
    mine = Task.user_id == text("cast(:p_user_id as text)")
    locking = Query("test.locking", select(Task.id).where(mine).with_for_update(), int, WhenLost.NOT_DONE)
    assert guarded(locking) is None
    named = bindparam("p_user_id", type_=String()) != ""
    drawing = Query("test.drawing", select(literal_column("nextval('task_id_seq')").label("id")).where(named), int)
    parameters = {"p_user_id": user_id}
    for _ in range(50):
        assert await routed.fetch(drawing, parameters) > [0]
        assert await routed.fetch(locking, parameters) == []
    assert status(routed).failed == 0
    await served(routed, lambda: TaskRepo(routed).count(user_id))


async def test_a_value_that_the_server_refuses_is_no_fault_of_the_replica(routed: Database, user_id: str) -> None:
    """The primary refuses it too, and that is what the caller is told."""
    by = cast(bindparam("p_user_id", type_=String()), Integer)
    dividing = Query("test.dividing", select(literal_column("10") / by), int)
    assert await served(routed, lambda: routed.fetch(dividing, {"p_user_id": "2"})) == [5]
    with pytest.raises(InvalidInputError, match="division by zero"):
        await routed.fetch(dividing, {"p_user_id": "0"})
    assert (status(routed).failed, status(routed).left_alone) == (0, False)


async def test_columns_that_have_no_name_are_the_primarys(routed: Database, user_id: str) -> None:
    """A plain text cannot be taken over into another statement; it would be lost."""
    named = bindparam("p_user_id", type_=String())
    statements: list[Any] = [select(text("7"), named), union_all(select(text("7")), select(text("7")))]
    for number, columns in enumerate(statements):
        query = Query(f"test.unnamed_{number}", columns, int)
        assert guarded(query) is None
        assert set(await routed.fetch(query, {"p_user_id": user_id})) == {7}


@pytest.mark.parametrize(
    "statement",
    [
        text("insert into task (user_id, title) values (:p_user_id, 'x') returning id"),
        insert(Task).values(user_id=bindparam("p_user_id"), title=literal("x", String()), completed=literal(False)),
    ],
    ids=["text", "without returning"],
)
async def test_a_write_without_a_place_for_its_transaction_counts(
    pair: Pair, routed: Database, user_id: str, statement: Executable
) -> None:
    """A barrier comes after it."""
    with pair.paused():
        query = Query(f"test.unmarked_{id(statement)}", statement, Record, WhenLost.UNKNOWN)
        await routed.fetch(query, {"p_user_id": user_id})
        assert await TaskRepo(routed).count(user_id) == 1
    assert await served(routed, lambda: TaskRepo(routed).count(user_id)) == 1


async def test_row_level_security_names_the_user_on_the_replica(open_database: Open, user_id: str) -> None:
    """In the same statement."""
    async with open_database(row_level_security=True) as db:
        await TaskRepo(db).create(user_id, TaskCreate(title="Buy milk"))
        page = await served(db, lambda: TaskRepo(db).list_page(user_id))
        assert [task.user_id for task in page.items] == [user_id]


@pytest.fixture(scope="module")
async def asked(servers: Pair) -> Asked:
    """Fill the tables of another database, and give the calls of one user."""
    psql(servers.primary.url(), "create database filled")
    async with Database(DatabaseSettings(url=servers.primary.url("filled"))) as db:
        await upgrade(db.engine)
        return await recorded_by_name(calls(), db, await fill(db))


@pytest.mark.parametrize("name", READS)
async def test_the_plan_of_a_read_is_what_it_was(pair: Pair, asked: Asked, name: str) -> None:
    """The same nodes and the same buffers below the guard; none at all where the replica is behind."""
    pair.catch_up()
    query, parameters = asked[name]
    there = guarded(query)
    assert there
    settings = DatabaseSettings(url=pair.replica.url("filled"))
    async with Database(settings) as standby, standby.engine.connect() as connection:
        for _ in range(2):  # the second time everything is cached
            plain = await explain(connection, query.statement, parameters, analyze=True)
            current = await explain(connection, there.statement, {**parameters, XIDS: [3]}, analyze=True)
            behind = await explain(connection, there.statement, {**parameters, XIDS: [FUTURE]}, analyze=True)
    assert (current.buffers, current.indexes) == (plain.buffers, plain.indexes)
    assert _nodes_in(current)[-len(_nodes_in(plain)) :] == _nodes_in(plain)
    assert behind.buffers == 0


def _nodes_in(plan: Plan) -> list[str]:
    return [node for node in plan.nodes if node != "Subquery Scan"]
