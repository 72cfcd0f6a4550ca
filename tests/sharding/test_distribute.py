"""`python -m app distribute`: where it can shard, it does all or nothing, again and back; elsewhere it says why not."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text

from app.db import Database, DatabaseSettings
from app.db.access import switch_off, switch_on
from app.db.errors import ConfigurationError
from app.db.migrations import check, upgrade
from app.db.migrations.sharding import distribute
from app.db.models import MessageCreate, TaskCreate
from app.db.models.base import owned_tables
from app.repositories import ConversationRepo, MessageRepo, TaskRepo, routines
from tests.sharding.conftest import create_functions
from tests.support.citus import citus_database
from tests.support.databases import EmptyCopy, MakeDatabase
from tests.support.migrations import ROOT
from tests.support.waiting import until_active, until_true

NAMES = {table.name for table in owned_tables()}
HI = MessageCreate(role="user", content="hi")
SHARDED = "select cast(logicalrelid as text) from pg_dist_partition"
FUNCTIONS = "select count(*) from pg_proc where proname like 'sharded\\_%'"


def start(*arguments: str, url: str, sharded: bool = True) -> "subprocess.Popen[str]":
    """Start the command."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("DATABASE_")}
    settings = {"DATABASE_URL": url, "DATABASE_SHARDED": str(sharded), "COLUMNS": "500"}
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "app", "distribute", *arguments],
        cwd=ROOT,
        env=clean | settings,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


async def run(*arguments: str, url: str, sharded: bool = True) -> tuple[int, str]:
    """Return the exit status of the command and what it prints."""
    process = start(*arguments, url=url, sharded=sharded)
    said, _ = await asyncio.to_thread(process.communicate)
    return process.returncode, said


@pytest.fixture
async def unsharded(citus_server_url: str) -> AsyncIterator[DatabaseSettings]:
    """Create a migrated database on Citus, with rows of one user."""
    async with citus_database(citus_server_url) as url:
        settings = DatabaseSettings(url=url, sharded=True)
        await upgrade(settings)
        async with Database(DatabaseSettings(url=url)) as db:
            conversation = await ConversationRepo(db).create("ada")
            await MessageRepo(db).append_many("ada", conversation.id, [HI] * 5)
            await TaskRepo(db).create("ada", TaskCreate(title="x"))
        yield settings


async def rows(settings: DatabaseSettings) -> dict[str, list[str]]:
    """Return the rows of each table."""
    async with Database(settings) as db:
        each = {name: text(f"select cast({name} as text) from {name} order by id") for name in sorted(NAMES)}
        return {name: list((await db.execute(query)).scalars()) for name, query in each.items()}


async def values(settings: DatabaseSettings, sql: str) -> list[object]:
    """Return the first column."""
    async with Database(settings) as db:
        return list((await db.execute(text(sql))).scalars())


async def test_a_server_without_citus_is_refused(make_database: MakeDatabase) -> None:
    """The error names what to use instead, and nothing was done."""
    settings = DatabaseSettings(url=await make_database())
    await upgrade(settings)
    if await values(settings, "select 1 from pg_available_extensions where name = 'citus'"):
        pytest.skip("this server has Citus")
    status, said = await run(url=settings.url.get_secret_value())
    assert (status, "does not have the Citus extension" in said, "citusdata/citus" in said) == (2, True, True), said
    assert await values(settings, FUNCTIONS) == [0]
    await check(settings)


async def test_a_database_without_tables_is_refused(make_database: MakeDatabase) -> None:
    """There is nothing to shard before the first migration."""
    status, said = await run("--dry-run", url=await make_database())
    assert (status, said.count("create or replace function")) == (0, len(routines()))


async def test_the_dry_run_prints_what_would_be_done(empty_copy: EmptyCopy) -> None:
    """It changes nothing, and needs no Citus."""
    settings = DatabaseSettings(url=await empty_copy())
    status, said = await run("--sql", url=settings.url.get_secret_value())
    assert status == 0, said
    for name in NAMES:
        assert f"select create_distributed_table('{name}', 'user_id'" in said
    assert said.count("create or replace function sharded_") == len(routines())
    assert await values(settings, FUNCTIONS) == [0]


async def test_the_functions_go_after_the_setting(empty_copy: EmptyCopy) -> None:
    """An application with the setting finds them also after its tables were taken back."""
    url = await empty_copy()
    settings = DatabaseSettings(url=url)
    await create_functions(settings)
    assert await values(settings, FUNCTIONS) == [len(routines())]
    await run("--undo", url=url)
    assert await values(settings, FUNCTIONS) == [len(routines())]
    status, said = await run("--undo", url=url, sharded=False)
    assert (status, said.count("drop function sharded_")) == (0, len(routines()))
    assert await values(settings, FUNCTIONS) == [0]


async def test_a_server_without_a_place_for_shards_is_refused(unsharded: DatabaseSettings) -> None:
    """It was named as the entry node, and no worker was: the statement in the advice has it keep them itself."""
    await values(unsharded, "select citus_remove_node(nodename, nodeport) from pg_dist_node where groupid > 0")
    await values(unsharded, "select citus_set_coordinator_host('localhost', current_setting('port')::int)")
    with pytest.raises(ConfigurationError, match="no node may keep shards") as error:
        await distribute(unsharded, routines())
    await values(unsharded, str(error.value).rpartition("keeps them: ")[2])
    await distribute(unsharded, routines())
    assert set(await values(unsharded, SHARDED)) == NAMES


async def test_without_the_setting_the_tables_stay(unsharded: DatabaseSettings) -> None:
    """The application must be able to work with shards before they are there."""
    status, said = await run(url=unsharded.url.get_secret_value(), sharded=False)
    assert (status, "DATABASE_SHARDED=true" in said) == (2, True), said
    assert await values(unsharded, SHARDED) == []
    assert await values(unsharded, FUNCTIONS) == [len(routines())]


async def test_row_level_security_is_refused(unsharded: DatabaseSettings) -> None:
    """A worker does not know the user that the entry node names."""
    guarded = {"row_level_security": True, "sharded": False}
    await switch_on(unsharded.model_copy(update=guarded))
    with pytest.raises(ConfigurationError, match=r"conversation, message, task has .* python -m app rls off"):
        await distribute(unsharded, routines())
    await switch_off(unsharded)
    await distribute(unsharded, routines())
    assert set(await values(unsharded, SHARDED)) == NAMES


def test_both_settings_are_refused() -> None:
    """A shard does not know the user that a statement names to the entry node."""
    both = DatabaseSettings(url="postgresql:///nowhere", sharded=True, row_level_security=True)
    with pytest.raises(ConfigurationError, match="exclude each other"):
        both.target()


async def test_it_shards_and_goes_back(unsharded: DatabaseSettings) -> None:
    """Every row is there before, between and after; a second run does nothing; new ids follow the old ones."""
    before = await rows(unsharded)
    await distribute(unsharded, routines())
    assert set(await values(unsharded, SHARDED)) == NAMES
    assert await rows(unsharded) == before
    await check(unsharded)
    assert await distribute(unsharded, routines()) == []
    assert await values(unsharded, f"select sum(pg_relation_size(name)) from unnest(array{sorted(NAMES)}) as name") == [
        0
    ]
    async with Database(unsharded) as db:
        newer = await TaskRepo(db).create("ada", TaskCreate(title="y"))
    between = await rows(unsharded)
    await distribute(unsharded, routines(), undo=True)
    assert await values(unsharded, SHARDED) == []
    assert await rows(unsharded) == between
    await check(unsharded)
    async with Database(unsharded) as db:
        assert (await TaskRepo(db).create("ada", TaskCreate(title="z"))).id > newer.id
    assert await distribute(unsharded, routines(), undo=True) == []


@pytest.mark.parametrize("undo", [False, True])
async def test_killed_in_the_middle_it_did_nothing(unsharded: DatabaseSettings, undo: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """The server undoes it at once, and the next run does it all."""
    if undo:
        await distribute(unsharded, routines())
    before, sharded = await rows(unsharded), await values(unsharded, SHARDED)
    url = unsharded.url.get_secret_value()
    async with Database(unsharded) as db:
        async with db.engine.begin() as reader:
            await reader.execute(text("select count(*) from task"))
            process = start(*["--undo"] * undo, url=url)
            await until_active(db, "lock table%" if undo else "alter table task drop%")
            process.send_signal(signal.SIGKILL)
            await asyncio.to_thread(process.communicate)
            await until_true(db, "select count(*) = 0 from pg_stat_activity where application_name like '% migrate'")
        assert await values(unsharded, SHARDED) == sharded
        assert await rows(unsharded) == before
    status, said = await run(*["--undo"] * undo, url=url)
    assert status == 0, said
    assert set(await values(unsharded, SHARDED)) == (set() if undo else NAMES)
    assert await rows(unsharded) == before


async def test_a_worker_is_refused(citus_url: str) -> None:
    """The error names the entry node; a cluster of one node has no worker."""
    settings = DatabaseSettings(url=citus_url, sharded=True)
    workers = await values(settings, "select nodeport from pg_dist_node where groupid > 0 order by 1")
    if not workers:
        pytest.skip("the cluster has one node")
    entry = await values(settings, "select nodename || ':' || nodeport from pg_dist_node where groupid = 0")
    worker = citus_url.replace(str(entry[0]).rpartition(":")[2], str(workers[0]))
    status, said = await run(url=worker)
    assert (status, f"connect to the entry node, {entry[0]}" in said) == (2, True), said
