"""Revisions on a sharded database: each of ours back and forth, a new table, an index while rows are written."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text

from app.db import Database, DatabaseSettings
from app.db.migrations import check, downgrade, upgrade
from tests.sharding.conftest import citus
from tests.support.calls import Rows
from tests.support.databases import EmptyCopy
from tests.support.migrations import FIRST, start_alembic, with_revisions

LEAFLET = """
import sqlalchemy as sa
from app.db.migrations import create_updated_at_trigger
op.create_table(
    "leaflet",
    sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
    sa.Column("user_id", sa.String(length=255), nullable=False),
    sa.Column("conversation_id", sa.BigInteger(), nullable=False),
    sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
    sa.ForeignKeyConstraint(
        ["user_id", "conversation_id"], ["conversation.user_id", "conversation.id"], name="leaf_fk", ondelete="CASCADE"
    ),
    sa.PrimaryKeyConstraint("id", name="pk_leaflet"),
)
create_updated_at_trigger("leaflet")
"""
INDEX = 'create_index_concurrently("ix_task_title", "task", ["user_id", "title"])'
KEY = "select pg_get_constraintdef(oid) from pg_constraint where conname = 'pk_leaflet'"
SHARDED = "select count(*) from pg_dist_partition where logicalrelid = 'leaflet'::regclass"
FOREIGN = "select confdeltype::text from pg_constraint where conname = 'leaf_fk'"


@pytest.fixture
async def own(citus_server_url: str) -> AsyncIterator[DatabaseSettings]:
    """Create a sharded database of one test's own."""
    async with citus(citus_server_url) as url:
        yield DatabaseSettings(url=url, sharded=True)


async def migrate(settings: DatabaseSettings, folder: Path) -> None:
    """Upgrade to the head of a folder."""
    process = start_alembic("upgrade", "head", url=settings.url.get_secret_value(), folder=folder, sharded="true")
    said, errors = await asyncio.to_thread(process.communicate)
    assert process.returncode == 0, said + errors


async def value(db: Database, sql: str) -> object:
    """Return the one value."""
    return (await db.execute(text(sql))).scalar_one()


async def test_every_revision_goes_back_and_forth_with_rows(own: DatabaseSettings) -> None:
    """Rows survive, and the tables stay sharded."""
    async with Database(own) as db:
        await Rows.of(db, "ada")
        await downgrade(own, FIRST)
        await upgrade(own)
        await check(own)
        assert await value(db, "select count(*) from task") == 1
        assert await value(db, "select count(*) from pg_dist_partition") == 3
        await Rows.of(db, "ada")


async def test_a_new_table_is_sharded_at_once(own: DatabaseSettings, tmp_path: Path) -> None:
    """With its foreign key and its trigger, beside the others."""
    await migrate(own, with_revisions(tmp_path, leaflet=LEAFLET))
    async with Database(own) as db:
        rows = await Rows.of(db, "ada")
        assert await value(db, SHARDED) == 1
        assert await value(db, KEY) == "PRIMARY KEY (user_id, id)"
        assert await value(db, FOREIGN) == "c"
        await db.execute(text(f"insert into leaflet (user_id, conversation_id) values ('ada', {rows.conversation.id})"))
        before = await value(db, "select updated_at from leaflet where user_id = 'ada'")
        await db.execute(text("update leaflet set conversation_id = conversation_id where user_id = 'ada'"))
        after = await value(db, "select updated_at from leaflet where user_id = 'ada'")
        assert isinstance(before, type(after))
        assert str(after) > str(before)


async def test_a_new_table_of_a_plain_database_stays_plain(empty_copy: EmptyCopy, tmp_path: Path) -> None:
    """The setting alone shards nothing."""
    settings = DatabaseSettings(url=await empty_copy(), sharded=True)
    await migrate(settings, with_revisions(tmp_path, leaflet=LEAFLET))
    async with Database(settings) as db:
        assert await value(db, KEY) == "PRIMARY KEY (id)"
        assert await value(db, FOREIGN) == "c"


async def test_an_index_is_made_on_every_shard(own: DatabaseSettings, tmp_path: Path) -> None:
    """Concurrently, as everywhere."""
    await migrate(own, with_revisions(tmp_path, index=INDEX))
    async with Database(own) as db:
        await Rows.of(db, "ada")
        found = await db.execute(text("explain select id from task where user_id = 'ada' order by title"))
        assert "ix_task_title" in "".join(found.scalars())
