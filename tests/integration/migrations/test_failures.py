"""Migrations that fail halfway: what was started is rolled back, or the next run completes it."""

import asyncio
import signal
from pathlib import Path

import pytest
from sqlalchemy import text

from app.db import Database, DatabaseSettings
from app.db.migrations import current, upgrade
from tests.support.databases import MakeDatabase
from tests.support.migrations import FIRST, HEAD, dump_schema, run_alembic, start_alembic, with_revisions
from tests.support.waiting import until_true

BEGUN = 'op.execute("create table begun (id int)")\nop.execute("alter table task add column begun int")\n'
SLEEPING = "from pg_stat_activity where query like 'select pg_sleep(60)%' and datname = current_database()"


async def schema(url: str) -> str:
    """Return the dump, without blocking the loop."""
    return await asyncio.to_thread(dump_schema, url)


async def test_a_revision_that_fails_half_way_leaves_everything_as_it_was(
    make_database: MakeDatabase, tmp_path: Path
) -> None:
    """Earlier revisions stay; the next run, with the mistake fixed, continues from there."""
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
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM], ids=lambda how: how.name)
async def test_a_revision_killed_half_way_leaves_everything_as_it_was(
    make_database: MakeDatabase, tmp_path: Path, how: signal.Signals
) -> None:
    """The server cancels its statement within seconds, and the next run does all the work."""
    url = await make_database()
    settings = DatabaseSettings(url=url)
    await upgrade(settings)
    before = await schema(url)
    folder = with_revisions(tmp_path, slow=f"{BEGUN}op.execute('select pg_sleep(60)')")
    process = start_alembic("upgrade", "head", url=url, folder=folder)
    async with Database(settings) as db:
        await until_true(db, f"select count(*) = 1 {SLEEPING}")
        process.send_signal(how)
        await asyncio.to_thread(process.communicate)
        await until_true(db, f"select count(*) = 0 {SLEEPING}")
    assert (await schema(url), await current(settings)) == (before, HEAD)
    slow = next(folder.glob("alembic/versions/*_slow.py"))
    slow.write_text(slow.read_text().replace("pg_sleep(60)", "pg_sleep(0)"))
    assert (await run_alembic("upgrade", "head", url=url, folder=folder))[0] == 0
    assert await current(settings) == "slow"


@pytest.mark.parametrize("statement_timeout", ["0.2", None])
async def test_a_statement_timeout_is_off_unless_set(
    make_database: MakeDatabase, tmp_path: Path, statement_timeout: str | None
) -> None:
    """It is off even where the role or the database sets one: an index may take hours."""
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
    said, _ = await asyncio.to_thread(process.communicate)
    assert ("statement timeout" in said) is (process.returncode != 0) is (statement_timeout is not None)
