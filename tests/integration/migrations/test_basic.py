"""Up, down and up again: from the command line, in-process, and as SQL to run elsewhere."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text

from app.db import Database, DatabaseSettings
from app.db.migrations import check, downgrade, upgrade
from app.db.models import MessageCreate, TaskCreate
from app.repositories import ConversationRepo, MessageRepo, TaskRepo
from tests.support.catalog import describe
from tests.support.databases import MakeDatabase
from tests.support.migrations import BEHIND_AT_FIRST
from tests.support.programs import postgres_program
from tests.support.timing import fastest_seconds

ROOT = Path(__file__).resolve().parents[3]


def alembic(*arguments: str, folder: Path, url: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command in a folder without `.env`, with or without `DATABASE_URL`."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("DATABASE_")}
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "alembic", "-c", str(ROOT / "alembic.ini"), *arguments],
        cwd=folder,
        env=environ | ({"DATABASE_URL": url} if url else {}),
        capture_output=True,
        text=True,
        check=False,
    )


def run_sql(url: str, sql: str, *, folder: Path) -> None:
    """Run a script as a person does, with psql."""
    (folder / "script.sql").write_text(sql)
    postgres_program("psql", url, "--set=ON_ERROR_STOP=1", "--quiet", f"--file={folder / 'script.sql'}")


async def test_the_log_has_a_line_for_each_step_and_the_database(make_database: MakeDatabase, tmp_path: Path) -> None:
    """Alembic would add two lines about its own classes for each step."""
    ran = await asyncio.to_thread(alembic, "upgrade", "head", folder=tmp_path, url=await make_database())
    assert ran.returncode == 0, ran.stderr
    database, *steps = ran.stderr.splitlines()
    assert "the database is " in database
    assert len(steps) == BEHIND_AT_FIRST + 1
    assert [step for step in steps if "Running upgrade " not in step] == []


async def test_an_empty_database_is_ready_within_30_seconds(make_database: MakeDatabase) -> None:
    """SC-010, itself a time: the fastest of three is judged, and takes a second; `make bench` holds it to 5."""
    urls = [await make_database() for _ in range(3)]
    assert await fastest_seconds(lambda: upgrade(DatabaseSettings(url=urls.pop())), times=3) < 30


async def test_up_down_and_up_again_with_rows_in_the_tables(make_database: MakeDatabase, user_id: str) -> None:
    """Base is empty, and nothing left from the first time hinders the second."""
    async with Database(DatabaseSettings(url=await make_database())) as db:
        await upgrade(db.engine)
        at_head = await describe(db)
        await TaskRepo(db).create(user_id, TaskCreate(title="x"))
        conversation = await ConversationRepo(db).create(user_id)
        await MessageRepo(db).append(user_id, conversation.id, MessageCreate(role="user", content="x"))
        await downgrade(db.engine, "base")
        assert await describe(db) == {}
        await upgrade(db.engine)
        assert await describe(db) == at_head
        await check(db.engine)
        assert await TaskRepo(db).count(user_id) == 0


async def test_upgrading_twice_is_upgrading_once(make_database: MakeDatabase, user_id: str) -> None:
    """Each instance of an application may migrate when it starts; the rows stay."""
    async with Database(DatabaseSettings(url=await make_database())) as db:
        await upgrade(db.engine)
        task = await TaskRepo(db).create(user_id, TaskCreate(title="x"))
        await upgrade(db.engine)
        assert await TaskRepo(db).get(user_id, task.id) == task


async def test_the_command_line_upgrades_checks_and_downgrades(make_database: MakeDatabase, tmp_path: Path) -> None:
    """They work from any folder on `DATABASE_URL`; a failed check sets the exit status."""
    url = await make_database()
    for arguments in (("upgrade", "head"), ("check",), ("downgrade", "base")):
        ran = await asyncio.to_thread(alembic, *arguments, folder=tmp_path, url=url)
        assert ran.returncode == 0, ran.stderr
    behind = await asyncio.to_thread(alembic, "check", folder=tmp_path, url=url)
    assert behind.returncode != 0
    async with Database(DatabaseSettings(url=url)) as db:
        assert await describe(db) == {}


async def test_the_printed_sql_needs_no_database_and_does_the_same(
    make_database: MakeDatabase, db: Database, tmp_path: Path
) -> None:
    """`upgrade head --sql` and `downgrade head:base --sql` print what can be run as it is."""
    up = await asyncio.to_thread(alembic, "upgrade", "head", "--sql", folder=tmp_path)
    down = await asyncio.to_thread(alembic, "downgrade", "head:base", "--sql", folder=tmp_path)
    assert (up.returncode, down.returncode) == (0, 0), up.stderr + down.stderr
    url = await make_database()
    async with Database(DatabaseSettings(url=url)) as other:
        await asyncio.to_thread(run_sql, url, up.stdout, folder=tmp_path)
        assert await describe(other) == await describe(db)
        await asyncio.to_thread(run_sql, url, down.stdout, folder=tmp_path)
        assert await describe(other) == {}


def test_without_a_url_the_command_says_what_to_set(tmp_path: Path) -> None:
    """The error is a sentence that names the variable, without a traceback."""
    ran = alembic("upgrade", "head", folder=tmp_path)
    assert ran.returncode != 0
    assert "Set DATABASE_URL" in ran.stderr + ran.stdout
    assert "Traceback" not in ran.stderr


async def test_a_url_is_taken_from_the_config_inside_a_running_loop(make_database: MakeDatabase) -> None:
    """Alembic's commands are synchronous, and the caller may run with or without a loop."""
    url = await make_database()
    config = Config(ROOT / "alembic.ini")
    config.attributes["url"] = url
    command.upgrade(config, "head")
    await asyncio.to_thread(command.check, config)
    async with Database(DatabaseSettings(url=url)) as db:
        assert await describe(db)


@pytest.mark.parametrize("keep", [True, False])
async def test_a_connection_is_taken_from_the_config(make_database: MakeDatabase, *, keep: bool) -> None:
    """Its changes belong to the caller's transaction, and are committed or rolled back with it."""
    config = Config(ROOT / "alembic.ini")

    def run(connection: Connection) -> None:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")

    async with Database(DatabaseSettings(url=await make_database())) as db:
        async with db.engine.connect() as connection, connection.begin() as transaction:
            await connection.run_sync(run)
            assert (await connection.execute(text("select count(*) from task"))).scalar_one() == 0
            if not keep:
                await transaction.rollback()
        assert bool(await describe(db)) is keep
