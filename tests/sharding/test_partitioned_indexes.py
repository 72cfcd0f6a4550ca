"""Indexes on partitioned tables, made while these are in use: on each partition, and continued after a failure."""

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url

from app.db import Database, DatabaseSettings
from app.db.migrations import check, current
from app.db.migrations.operations.partitions import name_on
from app.db.models.base import owned_tables
from app.doctor import Level, examine
from tests.support.databases import MakeDatabase
from tests.support.migrations import run_alembic, start_alembic, with_revisions
from tests.support.partitioned import PARTITIONS
from tests.support.waiting import until_true

NAME = "ix_task_title"
CREATE = f'create_index_concurrently("{NAME}", "task", ["user_id", "title"], unique=True)'
STATES = f"""
select cast(relname as text) as name, indisvalid as valid, relfilenode as file, inhparent is not null as joined
from pg_index join pg_class on pg_class.oid = indexrelid left join pg_inherits on inhrelid = indexrelid
where relname like 'task%{NAME}' or relname = '{NAME}'"""
BUILDING = "from pg_stat_activity where query like 'CREATE UNIQUE INDEX CONCURRENTLY%' and datname = current_database()"


@pytest.fixture
async def url(make_database: MakeDatabase, partitioned_url: str) -> str:
    """Create a partitioned database without rows."""
    url = await make_database(template=make_url(partitioned_url).database)
    async with Database(DatabaseSettings(url=url)) as db:
        await db.execute(text(f"truncate {', '.join(map(str, owned_tables()))}"))
    return url


async def states(db: Database) -> dict[str, tuple[bool, int, bool]]:
    """Return whether each index is valid, its file, and whether it has joined another."""
    rows = (await db.execute(text(STATES))).mappings()
    return {row["name"]: (row["valid"], row["file"], row["joined"]) for row in rows}


def assert_whole(found: dict[str, tuple[bool, int, bool]]) -> None:
    """Fail unless the table and each partition have the index, valid and joined."""
    assert set(found) == {NAME, *(f"task_part_{number}_{NAME}" for number in range(PARTITIONS))}
    assert {valid for valid, _, _ in found.values()} == {True}
    assert [name for name, (_, _, joined) in found.items() if not joined] == [NAME]


async def test_each_partition_gets_it_and_a_later_one_too(url: str, tmp_path: Path) -> None:
    """The table's own is valid once all have it; the downgrade's drop removes them all."""
    folder = with_revisions(tmp_path, create=CREATE, drop=f'drop_index_concurrently("{NAME}", "task")')
    async with Database(DatabaseSettings(url=url)) as db:
        status, said = await run_alembic("upgrade", "create", url=url, folder=folder)
        assert status == 0, said
        assert_whole(await states(db))
        status, said = await run_alembic("upgrade", "drop", url=url, folder=folder)
        assert (status, await states(db)) == (0, {}), said


@pytest.mark.parametrize("how", ["pg_cancel_backend", "pg_terminate_backend", "kill -9"])
async def test_it_continues_after_an_interruption(url: str, tmp_path: Path, how: str) -> None:
    """What is finished is kept, what is invalid is made again."""
    folder = with_revisions(tmp_path, create=CREATE)
    last = f"task_part_{PARTITIONS - 1}"
    async with Database(DatabaseSettings(url=url)) as db:
        async with db.engine.begin() as old_transaction:  # in the last partition alone, until the others are done
            await old_transaction.execute(text(f"lock table {last} in row exclusive mode"))
            process = start_alembic("upgrade", "head", url=url, folder=folder)
            await until_true(db, f"select count(*) = 1 from pg_class where relname = '{last}_{NAME}'")
            if how == "kill -9":
                process.kill()
            else:
                await db.execute(text(f"select {how}(pid) {BUILDING}"))
            await asyncio.to_thread(process.communicate)
            await until_true(db, f"select count(*) = 0 {BUILDING}")
        before = await states(db)
        assert [name for name, (valid, _, _) in before.items() if not valid] == [NAME, f"{last}_{NAME}"]
        status, said = await run_alembic("upgrade", "head", url=url, folder=folder)
        assert (status, await current(db.settings)) == (0, "create"), said
        after = await states(db)
    assert_whole(after)
    assert {name for name in before if before[name][1] == after[name][1]} == {*before} - {f"{last}_{NAME}"}


async def test_it_continues_once_the_rows_allow_it(url: str, tmp_path: Path) -> None:
    """A unique index is refused by one partition's rows; the others' are kept."""
    folder = with_revisions(tmp_path, create=CREATE)
    async with Database(DatabaseSettings(url=url)) as db:
        await db.execute(text("insert into task (user_id, title) values ('ada', 'x'), ('ada', 'x'), ('bob', 'x')"))
        assert (await run_alembic("upgrade", "head", url=url, folder=folder))[0] == 255
        await db.execute(text("delete from task where id = (select max(id) from task where user_id = 'ada')"))
        status, said = await run_alembic("upgrade", "head", url=url, folder=folder)
        assert status == 0, said
        assert_whole(await states(db))


async def test_writers_do_not_wait_while_it_is_built(url: str, tmp_path: Path) -> None:
    """An old transaction holds up the index, and nobody waits behind it."""
    folder = with_revisions(tmp_path, create=CREATE)
    async with Database(DatabaseSettings(url=url)) as db:
        async with db.engine.begin() as old_transaction:
            await old_transaction.execute(text("lock table task_part_0 in row exclusive mode"))
            process = start_alembic("upgrade", "head", url=url, folder=folder)
            await until_true(db, f"select count(*) = 1 from pg_class where relname = 'task_part_0_{NAME}'")
            async with asyncio.timeout(30):
                for number in range(20):
                    await db.execute(text(f"insert into task (user_id, title) values ('user-{number}', 'x')"))
        await asyncio.to_thread(process.communicate)
        assert process.returncode == 0
        assert_whole(await states(db))


async def test_partitions_of_partitions_get_it(make_database: MakeDatabase, tmp_path: Path) -> None:
    """Each level joins the one above."""
    url = await make_database()
    await run_alembic("upgrade", "head", url=url)
    body = 'create_index_concurrently("ix_deep", "deep", ["b"])'
    folder = with_revisions(tmp_path, deep=body)
    async with Database(DatabaseSettings(url=url)) as db:
        for statement in (
            "create table deep (a int, b int) partition by range (a)",
            "create table deep_low partition of deep for values from (0) to (10) partition by hash (b)",
            "create table deep_low_0 partition of deep_low for values with (modulus 1, remainder 0)",
            "create table deep_high partition of deep for values from (10) to (20)",
        ):
            await db.execute(text(statement))
        status, said = await run_alembic("upgrade", "head", url=url, folder=folder)
        assert status == 0, said
        invalid = (
            "select count(*) from pg_index join pg_class on pg_class.oid = indexrelid where relname like {} and {}"
        )
        count = text(invalid.format("'%ix\\_deep'", "indisvalid"))
        assert (await db.execute(count)).scalar_one() == 4


@pytest.mark.parametrize(
    "planted",
    [
        "drop index ix_task_user_id_id",
        "drop index ix_task_user_id_id; create index ix_task_user_id_id on only task (user_id, id desc nulls last)",
    ],
    ids=["missing", "on no partition"],
)
async def test_what_the_doctor_says_to_do_mends_it(url: str, planted: str) -> None:
    """The statements are run as they are printed, each alone."""
    settings = DatabaseSettings(url=url)
    async with Database(settings) as db:
        for statement in planted.split("; "):
            await db.execute(text(statement))
        (found,) = [each for each in (await examine(settings)).findings if each.check == "schema.indexes"]
        assert (found.level, "ix_task_user_id_id on task is" in found.found) == (Level.ERROR, True)
        async with db.engine.connect() as connection:
            await connection.execution_options(isolation_level="AUTOCOMMIT")
            for statement in filter(None, map(str.strip, found.advice.split(";"))):
                await connection.exec_driver_sql(statement)
    await check(settings)
    (found,) = [each for each in (await examine(settings)).findings if each.check == "schema.indexes"]
    assert found.level == Level.OK


def test_a_long_name_is_cut_to_one_of_its_own() -> None:
    """PostgreSQL would cut two to the same."""
    names = {name_on(f"{'partition_' * 5}{number}", "ix_of_a_table_with_columns") for number in range(3)}
    assert len(names) == 3
    assert {len(name) for name in names} == {63}
