"""`explain` shows what PostgreSQL does and changes nothing."""

from collections.abc import Awaitable, Callable
from dataclasses import FrozenInstanceError

import pytest
from sqlalchemy import Column, Enum, MetaData, Table, insert, select, text

from app.db import Database, DatabaseSettings
from app.db.errors import ConfigurationError, InvalidInputError
from app.db.models import Task
from app.doctor.measuring.explain import Plan, explain
from app.doctor.schema.plans import any_parameters
from app.repositories import TaskRepo
from app.repositories.columns import equals, parameter, pinned


async def test_a_plan_without_execution_knows_only_its_shape(empty_copy: Callable[[], Awaitable[str]]) -> None:
    """Nothing is measured, so the plan has no measured figures; no other test's rows change the plan."""
    async with Database(DatabaseSettings(url=await empty_copy())) as db, db.engine.connect() as connection:
        plan = await explain(connection, "select * from task where id = :id", {"id": 1})
    assert plan == Plan(nodes=("Index Scan",), indexes=("pk_task",))
    assert (plan.rows_read, plan.buffers) == (None, None)


async def test_an_executed_plan_counts_what_it_read(db: Database) -> None:
    """The count includes all loops, and rows that a filter removed."""
    async with db.engine.begin() as connection:
        await connection.execute(text("create temporary table note as select n from generate_series(1, 30) n"))
        scan = await explain(connection, "select n from note where n = :n", {"n": 1}, analyze=True)
        each = "select (select max(n) from note where n > o - o) from generate_series(1, 4) o"
        loops = await explain(connection, each, analyze=True)
    assert (scan.nodes, scan.scanned, scan.rows_read) == (("Seq Scan",), ("note",), 30)
    assert loops.rows_read == 4 * 30
    assert scan.buffers is not None


async def test_a_query_by_an_enum_can_be_explained(db: Database) -> None:
    """The planner reads the value that it estimates with: it must be one of the type's."""
    leaflet = Table("leaflet", MetaData(), Column("mood", Enum("glad", "sad", name="mood"), nullable=False))
    by_mood = select(pinned(leaflet.c.mood)).where(equals(leaflet.c.mood, parameter(leaflet.c.mood)))
    async with db.engine.connect() as connection:
        await connection.run_sync(leaflet.metadata.create_all)
        assert (await explain(connection, by_mood, any_parameters(by_mood))).scanned == ("leaflet",)


async def test_a_write_that_was_explained_did_not_happen(db: Database, user_id: str) -> None:
    """The same holds on its own connection and in the caller's transaction, which goes on."""
    write = insert(Task).values(user_id=user_id, title="explained").returning(Task.id)
    async with db.engine.connect() as connection:
        assert "ModifyTable" in (await explain(connection, write, analyze=True)).nodes
        assert not connection.in_transaction()
    async with db.engine.begin() as connection:
        await connection.execute(insert(Task).values(user_id=user_id, title="kept"))
        await explain(connection, write, analyze=True)
    assert [task.title for task in (await TaskRepo(db).list_page(user_id)).items] == ["kept"]


async def test_a_connection_that_cannot_roll_back_is_refused(db: Database, user_id: str) -> None:
    """In AUTOCOMMIT the write would stay."""
    async with db.engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        with pytest.raises(InvalidInputError, match="AUTOCOMMIT"):
            await explain(connection, insert(Task).values(user_id=user_id, title="x"), analyze=True)
        assert await explain(connection, select(Task.id)) is not None


async def test_a_statement_that_fails_raises_ours_and_spares_the_transaction(db: Database, user_id: str) -> None:
    """The caller's transaction can go on after the error."""
    async with db.engine.begin() as connection:
        await connection.execute(insert(Task).values(user_id=user_id, title="kept"))
        with pytest.raises(ConfigurationError):
            await explain(connection, "select * from nowhere", analyze=True)
    assert await TaskRepo(db).count(user_id) == 1


def test_a_plan_cannot_be_changed() -> None:
    """A plan records what was found."""
    plan = Plan(nodes=(), indexes=())
    with pytest.raises(FrozenInstanceError):
        plan.rows_read = 1  # type: ignore[misc]
