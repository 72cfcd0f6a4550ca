"""An older copy restored under the running application: errors name the revisions, and ids can be stepped."""

import asyncio
import re
import subprocess
import sys
from uuid import uuid4

import pytest
from sqlalchemy import text

from app.db import Database, DatabaseSettings
from app.db.errors import ConfigurationError, ConflictError
from app.db.migrations import (
    downgrade,
    known_revisions,
    sequences_behind,
    upgrade,
)
from app.db.migrations.history import own_config
from app.db.models import MessageCreate, TaskCreate, metadata
from app.db.revisions import explain_schema_error, version_table_name
from app.repositories import ConversationRepo, MessageRepo, TaskRepo
from tests.support.databases import EmptyCopy
from tests.support.migrations import FIRST, HEAD, ROOT

HI = MessageCreate(role="user", content="hi")


@pytest.mark.parametrize(
    ("revision", "at"), [(FIRST, FIRST), ("6c0b7a1d94e2", "6c0b7a1d94e2"), ("base", "never migrated")]
)
async def test_an_older_schema_is_named_by_its_revision(empty_copy: EmptyCopy, revision: str, at: str) -> None:
    """Missing columns, unique indexes and tables are found by what each repository writes with a key."""
    settings = DatabaseSettings(url=await empty_copy())
    async with Database(settings) as db:
        conversation = await ConversationRepo(db).create("ada")
        await downgrade(settings, revision)
        calls = (
            TaskRepo(db).create("ada", TaskCreate(title="x"), idempotency_key=uuid4()),
            ConversationRepo(db).create("ada", idempotency_key=uuid4()),
            MessageRepo(db).append("ada", conversation.id, HI, idempotency_key=uuid4()),
        )
        for call in calls:
            with pytest.raises(ConfigurationError) as refused:
                await call
            assert at in str(refused.value)
            assert f"this code needs {HEAD}" in str(refused.value)
            assert "run python -m app migrate" in str(refused.value)
        await upgrade(settings)
        await TaskRepo(db).create("ada", TaskCreate(title="x"), idempotency_key=uuid4())


async def test_a_schema_changed_by_hand_and_newer_code_are_told_apart(empty_copy: EmptyCopy) -> None:
    """At head the error points to the doctor; after newer code has migrated, it does not advise to migrate."""
    settings = DatabaseSettings(url=await empty_copy())
    async with Database(settings) as db:
        await db.execute(text("alter table task rename column title to name"))
        with pytest.raises(ConfigurationError, match=f"at {HEAD}, as this code needs, but its schema differs"):
            await TaskRepo(db).create("ada", TaskCreate(title="x"))
        await db.execute(text("update alembic_version set version_num = 'newer'"))
        with pytest.raises(ConfigurationError, match="at newer, a revision of newer code"):
            await TaskRepo(db).create("ada", TaskCreate(title="x"))


def test_the_revisions_read_without_alembic_are_alembics() -> None:
    """Head and the version table are the same as Alembic's."""
    assert explain_schema_error(()).endswith(f"this code needs {known_revisions()[0]}: run python -m app migrate")
    assert all("newer code" not in explain_schema_error([revision]) for revision in known_revisions())
    assert own_config().get_main_option("version_table") == version_table_name()


async def test_ids_that_are_taken_are_found_and_stepped_over(empty_copy: EmptyCopy) -> None:
    """A restore of rows without their sequences leaves them so; the statement removes the finding."""
    async with Database(DatabaseSettings(url=await empty_copy())) as db:
        for _ in range(3):
            await TaskRepo(db).create("ada", TaskCreate(title="x"))
        await db.execute(text("alter table task alter column id restart"))
        async with db.engine.connect() as connection:
            (behind,) = await connection.run_sync(sequences_behind)
        assert (behind.table, behind.next_id, behind.highest_id) == ("task", 1, 3)
        with pytest.raises(ConflictError):
            await TaskRepo(db).create("ada", TaskCreate(title="x"))
        await db.execute(text(behind.remedy))
        async with db.engine.connect() as connection:
            assert await connection.run_sync(sequences_behind) == []
        assert (await TaskRepo(db).create("ada", TaskCreate(title="x"))).id == 4


async def test_every_table_is_stepped_by_one_statement(empty_copy: EmptyCopy) -> None:
    """The statement is derived from the models; the command of docs/operations.md prints it for use after a restore."""
    async with Database(DatabaseSettings(url=await empty_copy())) as db:
        (program,) = re.findall("python -c '(.*step_sequences.*)'", (ROOT / "docs" / "operations.md").read_text())
        ran = await asyncio.to_thread(subprocess.run, [sys.executable, "-c", program], cwd=ROOT, capture_output=True)
        statement = ran.stdout.decode()
        assert all(f"'{table.name}'" in statement for table in metadata.sorted_tables)
        await db.execute(text(statement))
        task = await TaskRepo(db).create("ada", TaskCreate(title="x"))
        conversation = await ConversationRepo(db).create("ada")
        message = await MessageRepo(db).append("ada", conversation.id, HI)
        assert min(task.id, conversation.id, message.id) > 1_000_000
