"""Indexes made while the table is in use: interrupted, refused, present already, or present on another table."""

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import text

from app.db import Database, DatabaseSettings
from app.db.errors import ConflictError
from app.db.migrations import check, current, upgrade
from tests.support.databases import MakeDatabase
from tests.support.migrations import HEAD, run_alembic, start_alembic, with_revisions
from tests.support.steps import AT_ONCE, cancelled_at
from tests.support.waiting import LIMIT_SECONDS, until_true

KEY_INDEX = "ix_task_user_id_idempotency_key"
COLUMNS, INDEXES = "6c0b7a1d94e2", "b3e5f2087c6d"
IS_VALID = f"select indisvalid from pg_index where indexrelid = to_regclass('{KEY_INDEX}')"
MAKING = """from pg_stat_activity
where query like 'CREATE UNIQUE INDEX%' and state = 'active' and datname = current_database()"""


@pytest.mark.parametrize("how", ["pg_cancel_backend", "pg_terminate_backend", "kill -9"])
async def test_an_index_interrupted_is_repaired_by_the_next_run(make_database: MakeDatabase, how: str) -> None:
    """CREATE INDEX CONCURRENTLY leaves it INVALID: the next run drops it and makes it again."""
    url = await make_database()
    settings = DatabaseSettings(url=url)
    await upgrade(settings, COLUMNS)
    async with Database(settings) as db:
        async with db.engine.begin() as old_transaction:
            await old_transaction.execute(text("insert into task (user_id, title) values ('ada', 'x')"))
            process = start_alembic("upgrade", "head", url=url)
            await until_true(db, f"select count(*) = 1 from pg_index where indexrelid = to_regclass('{KEY_INDEX}')")
            if how == "kill -9":
                process.kill()
            else:
                await db.execute(text(f"select {how}(pid) {MAKING}"))
            _, errors = await asyncio.to_thread(process.communicate)
            await until_true(db, f"select count(*) = 0 {MAKING}")
        if how != "kill -9":
            assert (process.returncode, "Traceback" in errors) == (255, False), errors
        assert (await db.execute(text(IS_VALID))).scalar_one() is False
        assert await current(settings) == COLUMNS
        await upgrade(settings)
        assert (await db.execute(text(IS_VALID))).scalar_one() is True
    await check(settings)


@pytest.mark.parametrize("number", range(0, 60, 4))
async def test_a_migration_that_is_cancelled_ends_as_cancelled(make_database: MakeDatabase, number: int) -> None:
    """A cancel at any await, also while it makes an index, leaves no lock; the next run does the rest."""
    settings = DatabaseSettings(url=await make_database())
    await upgrade(settings, COLUMNS)
    assert await cancelled_at(number, AT_ONCE, lambda: upgrade(settings))  # raises something other than a cancellation
    async with asyncio.timeout(LIMIT_SECONDS):
        await upgrade(settings)
    await check(settings)


async def test_an_index_refused_by_the_rows_is_repaired_once_they_are(make_database: MakeDatabase) -> None:
    """A unique index is refused on rows that are not unique; the table stays usable meanwhile."""
    url = await make_database()
    settings = DatabaseSettings(url=url)
    await upgrade(settings, COLUMNS)
    async with Database(settings) as db:
        twice = "insert into task (user_id, title, idempotency_key) values ('ada', 'x', '{0}'), ('ada', 'y', '{0}')"
        await db.execute(text(twice.format("00000000-0000-0000-0000-000000000001")))
        with pytest.raises(ConflictError):
            await upgrade(settings)
        assert (await db.execute(text(IS_VALID))).scalar_one() is False
        await db.execute(text("update task set idempotency_key = null where title = 'y'"))
        await upgrade(settings)
        assert (await db.execute(text(IS_VALID))).scalar_one() is True


async def test_an_index_that_is_valid_is_left_alone(make_database: MakeDatabase) -> None:
    """After a failure between the index and the version, the next run does not repeat work of hours."""
    url = await make_database()
    settings = DatabaseSettings(url=url)
    await upgrade(settings, INDEXES)
    async with Database(settings) as db:
        made = text(f"select relfilenode from pg_class where relname = '{KEY_INDEX}'")
        before = (await db.execute(made)).scalar_one()
        await db.execute(text(f"update alembic_version set version_num = '{COLUMNS}'"))
        await upgrade(settings, INDEXES)
        assert (await db.execute(made)).scalar_one() == before
    assert await current(settings) == INDEXES


async def test_the_lock_is_held_while_an_index_is_made(make_database: MakeDatabase, tmp_path: Path) -> None:
    """One migration runs at a time, also outside the transaction."""
    url = await make_database()
    settings = DatabaseSettings(url=url)
    await upgrade(settings)
    folder = with_revisions(tmp_path, index='create_index_concurrently("ix_slow", "task", ["title"])')
    async with Database(settings) as db:
        async with db.engine.begin() as old_transaction:
            await old_transaction.execute(text("insert into task (user_id, title) values ('ada', 'x')"))
            process = start_alembic("upgrade", "head", url=url, folder=folder)
            await until_true(db, "select count(*) = 1 from pg_index where indexrelid = to_regclass('ix_slow')")
            held = text("""select count(*) from pg_locks join pg_stat_activity using (pid)
            where locktype = 'advisory' and query like 'CREATE INDEX CONCURRENTLY%' and datname = current_database()""")
            assert (await db.execute(held)).scalar_one() == 1
        await asyncio.to_thread(process.communicate)
    assert (process.returncode, await current(settings)) == (0, "index")


async def test_an_index_with_capitals_in_its_name_is_repaired_too(make_database: MakeDatabase, tmp_path: Path) -> None:
    """SQL folds unquoted names; the lookup must find the name that was made."""
    url = await make_database()
    settings = DatabaseSettings(url=url)
    await upgrade(settings)
    body = 'create_index_concurrently("ix_Task_Title", "task", ["title"], unique=True)'
    folder = with_revisions(tmp_path, capitals=body)
    async with Database(settings) as db:
        await db.execute(text("insert into task (user_id, title) values ('ada', 'x'), ('ada', 'x')"))
        assert (await run_alembic("upgrade", "head", url=url, folder=folder))[0] == 255
        await db.execute(text("delete from task"))
        status, errors = await run_alembic("upgrade", "head", url=url, folder=folder)
        assert (status, await current(settings)) == (0, "capitals"), errors
        valid = text("""select indisvalid from pg_index where indexrelid = '"ix_Task_Title"'::regclass""")
        assert (await db.execute(valid)).scalar_one() is True


async def test_another_tables_index_of_the_same_name_is_an_error(make_database: MakeDatabase, tmp_path: Path) -> None:
    """Otherwise the revision would pass without its own index, and its downgrade would drop the other table's."""
    url = await make_database()
    settings = DatabaseSettings(url=url)
    await upgrade(settings)
    create, drop = (
        'create_index_concurrently("ix_title", "task", ["title"])',
        'drop_index_concurrently("ix_title", "task")',
    )
    async with Database(settings) as db:
        await db.execute(text("create index ix_title on message (content)"))
        for name, body, expected in (("create", create, (255, HEAD)), ("drop", drop, (0, "drop"))):
            folder = with_revisions(tmp_path / name, **{name: body})
            status, errors = await run_alembic("upgrade", "head", url=url, folder=folder)
            assert (status, await current(settings)) == expected, errors
            assert "already exists" in errors or status == 0
        tables = text("select tablename from pg_indexes where indexname = 'ix_title'")
        assert (await db.execute(tables)).scalars().all() == ["message"]
