"""Migrations that break half way: what was begun is undone, or done by the next run."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from app.db import Database, DatabaseSettings
from app.db.errors import ConflictError
from app.db.migrations import check, current, upgrade
from tests.support.migrations import FIRST, HEAD, dump_schema, start_alembic, until, with_revisions

MakeDatabase = Callable[[], Awaitable[str]]
KEY_INDEX = "ix_task_user_id_idempotency_key"
COLUMNS = "6c0b7a1d94e2"
BEGUN = 'op.execute("create table begun (id int)")\nop.execute("alter table task add column begun int")\n'
SLEEPING = "from pg_stat_activity where query like 'select pg_sleep(60)%' and datname = current_database()"
IS_VALID = f"select indisvalid from pg_index where indexrelid = to_regclass('{KEY_INDEX}')"


async def run_alembic(*arguments: str, url: str, folder: Path) -> tuple[int, str]:
    """Return the exit status of a command and what it said."""
    process = start_alembic(*arguments, url=url, folder=folder)
    _, errors = await asyncio.to_thread(process.communicate)
    return process.returncode, errors


async def schema(url: str) -> str:
    """Return the dump, without blocking the loop."""
    return await asyncio.to_thread(dump_schema, url)


async def test_a_revision_that_fails_half_way_leaves_everything_as_it_was(
    make_database: MakeDatabase, tmp_path: Path
) -> None:
    """The revisions before it stay; the next run, with the mistake mended, goes on there."""
    url = await make_database()
    settings = DatabaseSettings(url=url)
    folder = with_revisions(
        tmp_path, good='op.execute("create table good (id int)")', bad=f"{BEGUN}op.execute('select 1/0')"
    )
    status, errors = await run_alembic("upgrade", "head", url=url, folder=folder)
    assert (status, "division by zero" in errors, "Traceback" in errors) == (255, True, False), errors
    assert await current(settings) == "good"
    dumped = await schema(url)
    assert "good" in dumped
    assert "begun" not in dumped
    bad = next(folder.glob("alembic/versions/*_bad.py"))
    bad.write_text(bad.read_text().replace("1/0", "1"))
    status, errors = await run_alembic("upgrade", "head", url=url, folder=folder)
    assert (status, await current(settings)) == (0, "bad"), errors
    assert "begun" in await schema(url)


@pytest.mark.fault(
    row=26,
    name="a migration killed half way",
    read="see above",
    write="see above",
    keyed="see above",
    transaction="undone, and the next run succeeds",
)
async def test_a_revision_killed_half_way_leaves_everything_as_it_was(
    make_database: MakeDatabase, tmp_path: Path
) -> None:
    """The server ends its statement within seconds, and the next run does it all."""
    url = await make_database()
    settings = DatabaseSettings(url=url)
    await upgrade(settings)
    before = await schema(url)
    folder = with_revisions(tmp_path, slow=f"{BEGUN}op.execute('select pg_sleep(60)')")
    process = start_alembic("upgrade", "head", url=url, folder=folder)
    async with Database(settings) as db:
        await until(db, f"select count(*) = 1 {SLEEPING}")
        process.kill()
        await asyncio.to_thread(process.communicate)
        await until(db, f"select count(*) = 0 {SLEEPING}")
    assert (await schema(url), await current(settings)) == (before, HEAD)
    slow = next(folder.glob("alembic/versions/*_slow.py"))
    slow.write_text(slow.read_text().replace("pg_sleep(60)", "pg_sleep(0)"))
    assert (await run_alembic("upgrade", "head", url=url, folder=folder))[0] == 0
    assert await current(settings) == "slow"


@pytest.mark.parametrize("killed", [False, True], ids=["cancelled", "killed"])
async def test_an_index_interrupted_is_repaired_by_the_next_run(make_database: MakeDatabase, *, killed: bool) -> None:
    """CREATE INDEX CONCURRENTLY leaves it INVALID: the next run drops it and makes it anew."""
    url = await make_database()
    settings = DatabaseSettings(url=url)
    await upgrade(settings, COLUMNS)
    async with Database(settings) as db:
        async with db.engine.begin() as old_transaction:
            await old_transaction.execute(text("insert into task (user_id, title) values ('ada', 'x')"))
            process = start_alembic("upgrade", "head", url=url)
            await until(db, f"select count(*) = 1 from pg_index where indexrelid = to_regclass('{KEY_INDEX}')")
            if killed:
                process.kill()
            else:
                await db.execute(
                    text("select pg_cancel_backend(pid) from pg_stat_activity where query like 'CREATE UNIQUE%'")
                )
            await asyncio.to_thread(process.communicate)
            await until(
                db, "select count(*) = 0 from pg_stat_activity where query like 'CREATE UNIQUE%' and state = 'active'"
            )
        assert (await db.execute(text(IS_VALID))).scalar_one() is False
        assert await current(settings) == COLUMNS
        await upgrade(settings)
        assert (await db.execute(text(IS_VALID))).scalar_one() is True
    await check(settings)


async def test_an_index_refused_by_the_rows_is_repaired_once_they_are(make_database: MakeDatabase) -> None:
    """A unique index on rows that are not; the table stays usable meanwhile."""
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
    """A run that broke between the index and the version repeats nothing that may take hours."""
    url = await make_database()
    settings = DatabaseSettings(url=url)
    await upgrade(settings)
    async with Database(settings) as db:
        made = text(f"select relfilenode from pg_class where relname = '{KEY_INDEX}'")
        before = (await db.execute(made)).scalar_one()
        await db.execute(text(f"update alembic_version set version_num = '{COLUMNS}'"))
        await upgrade(settings)
        assert (await db.execute(made)).scalar_one() == before
    assert await current(settings) == HEAD


async def test_the_lock_is_held_while_an_index_is_made(make_database: MakeDatabase, tmp_path: Path) -> None:
    """Outside the transaction, too, one migration at a time."""
    url = await make_database()
    settings = DatabaseSettings(url=url)
    await upgrade(settings)
    folder = with_revisions(tmp_path, index='create_index_concurrently("ix_slow", "task", ["title"])')
    async with Database(settings) as db:
        async with db.engine.begin() as old_transaction:
            await old_transaction.execute(text("insert into task (user_id, title) values ('ada', 'x')"))
            process = start_alembic("upgrade", "head", url=url, folder=folder)
            await until(db, "select count(*) = 1 from pg_index where indexrelid = to_regclass('ix_slow')")
            held = text("""select count(*) from pg_locks join pg_stat_activity using (pid)
            where locktype = 'advisory' and query like 'CREATE INDEX CONCURRENTLY%' and datname = current_database()""")
            assert (await db.execute(held)).scalar_one() == 1
        await asyncio.to_thread(process.communicate)
    assert (process.returncode, await current(settings)) == (0, "index")


@pytest.mark.parametrize("statement_timeout", ["0.2", None])
async def test_a_statement_timeout_is_off_unless_set(
    make_database: MakeDatabase, tmp_path: Path, statement_timeout: str | None
) -> None:
    """Off also where the role or the database has one: an index may take hours."""
    url = await make_database()
    settings = DatabaseSettings(url=url)
    await upgrade(settings, FIRST)
    async with Database(settings) as db:
        name = (await db.execute(text("select current_database()"))).scalar_one()
        await db.execute(text(f"alter database {name} set statement_timeout = '300ms'"))
    await upgrade(settings)
    folder = with_revisions(tmp_path, slow="op.execute('select pg_sleep(0.5)')")
    more = {"migration_statement_timeout_seconds": statement_timeout} if statement_timeout else {}
    process = start_alembic("upgrade", "head", url=url, folder=folder, **more)
    _, errors = await asyncio.to_thread(process.communicate)
    assert ("statement timeout" in errors) is (process.returncode != 0) is (statement_timeout is not None)
