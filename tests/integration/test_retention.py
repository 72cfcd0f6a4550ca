"""Old idempotency keys are removed; the rows that have them stay as they are."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from app.db import Database, DatabaseSettings, retention
from app.db.errors import ConfigurationError, InvalidInputError
from app.db.models import MessageCreate, TaskCreate, metadata
from app.db.retention import Forgotten, forget_keys, keyed_tables
from app.repositories import ConversationRepo, MessageRepo, TaskRepo

ROOT = Path(__file__).resolve().parents[2]
WEEK = timedelta(days=7)
HELLO = MessageCreate(role="user", content="hello")
AGE = "update {table} set created_at = created_at - interval '8 days' where id = :id"


@pytest.fixture
async def place(empty_copy: Callable[[], Awaitable[str]]) -> AsyncIterator[Database]:
    """Open a database that only this test uses."""
    async with Database(DatabaseSettings(url=await empty_copy())) as db:
        yield db


async def _age(db: Database, table: str, id: int) -> None:  # noqa: A002 - the column
    await db.execute(text(AGE.format(table=table)), {"id": id})


async def _keys(db: Database, table: str) -> int:
    found = await db.execute(text(f"select count(*) from {table} where idempotency_key is not null"))
    return int(found.scalar_one())


def _of_each(keys: dict[str, int]) -> dict[str, int]:
    """Return how many keys each table has, none unless it is said."""
    return {table.name: 0 for table in keyed_tables()} | keys


async def test_old_keys_are_forgotten_and_nothing_else_changes(place: Database) -> None:
    """`updated_at`, which orders conversations and guards updates, does not change, and neither do recent rows."""
    key, young = uuid4(), uuid4()
    task = await TaskRepo(place).create("ada", TaskCreate(title="old"), idempotency_key=key)
    kept = await TaskRepo(place).create("ada", TaskCreate(title="young"), idempotency_key=young)
    chat = await ConversationRepo(place).create("ada", idempotency_key=key)
    message = await MessageRepo(place).append("ada", chat.id, HELLO, idempotency_key=key)
    for table, row_id in {"task": task.id, "conversation": chat.id, "message": message.id}.items():
        await _age(place, table, row_id)
    before = (await TaskRepo(place).get("ada", task.id), await ConversationRepo(place).get("ada", chat.id))
    forgotten = _of_each({"conversation": 1, "message": 1, "task": 1})
    assert await forget_keys(place, older_than=WEEK) == [Forgotten(*each) for each in forgotten.items()]
    assert (await TaskRepo(place).get("ada", task.id), await ConversationRepo(place).get("ada", chat.id)) == before
    assert await TaskRepo(place).create("ada", TaskCreate(title="young"), idempotency_key=young) == kept
    assert {table.name: await _keys(place, table.name) for table in keyed_tables()} == _of_each({"task": 1})


async def test_a_repeat_after_that_is_a_new_call(place: Database) -> None:
    """So keys must be kept longer than any caller repeats; after a deletion a repeat creates the row again, too."""
    key, tasks = uuid4(), TaskRepo(place)
    first = await tasks.create("ada", TaskCreate(title="x"), idempotency_key=key)
    await _age(place, "task", first.id)
    await forget_keys(place, older_than=WEEK)
    second = await tasks.create("ada", TaskCreate(title="x"), idempotency_key=key)
    assert second.id != first.id
    await tasks.delete("ada", second.id)
    third = await tasks.create("ada", TaskCreate(title="another"), idempotency_key=key)
    assert third.id not in (first.id, second.id)


async def test_every_batch_is_looked_at_and_the_index_stays_small(
    place: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Old and recent keys of several users are mixed, and take several batches."""
    monkeypatch.setattr(retention, "_BATCH_ROWS", 7)
    chats = [await ConversationRepo(place).create(f"user-{n}") for n in range(3)]
    await place.execute(
        text("""insert into message (user_id, conversation_id, role, content, idempotency_key, created_at)
        select 'user-' || n % 3, cast((cast(:ids as bigint[]))[n % 3 + 1] as bigint), 'user', 'x', gen_random_uuid(),
          now() - interval '1 day' * (n % 10) - interval '1 hour' from generate_series(1, 100) n"""),
        {"ids": [chat.id for chat in chats]},
    )
    forgotten = {each.table: each.keys for each in await forget_keys(place, older_than=WEEK)}
    assert forgotten == _of_each({"message": 30})
    await place.execute(text("vacuum message"))
    size = text("select reltuples from pg_class where relname = 'ix_message_user_id_idempotency_key'")
    assert (await place.execute(size)).scalar_one() == await _keys(place, "message") == 70


async def test_keys_are_kept_for_a_day_at_least(place: Database) -> None:
    """A caller that is offline overnight may repeat in the morning."""
    with pytest.raises(InvalidInputError, match="at least 1 day"):
        await forget_keys(place, older_than=timedelta(hours=23))


async def test_hidden_rows_are_no_success(place: Database) -> None:
    """With row-level security it would find nothing and report success."""
    await place.execute(text("alter table task enable row level security"))
    role = f"bound_{uuid4().hex[:8]}"
    await place.execute(text(f"create role {role}"))
    await place.execute(text(f"grant all on {', '.join(metadata.tables)} to {role}"))
    settings = place.settings.model_copy(
        update={"url": type(place.settings.url)(f"{place.settings.url.get_secret_value()}&options=-c%20role%3D{role}")}
    )
    async with Database(settings) as bound:
        with pytest.raises(ConfigurationError, match="BYPASSRLS"):
            await forget_keys(bound, older_than=WEEK)
    await place.execute(text(f"drop owned by {role}"))
    await place.execute(text(f"drop role {role}"))


async def test_the_command_says_how_many(place: Database) -> None:
    """The count is for the log of the daily job."""
    task = await TaskRepo(place).create("ada", TaskCreate(title="x"), idempotency_key=UUID(int=7))
    await _age(place, "task", task.id)
    ran = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-W", "error", "-m", "app", "keys", "prune", "--days", "7"],
        env={**os.environ, "DATABASE_URL": place.settings.url.get_secret_value(), "PYTHONPATH": str(ROOT)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "task: 1 keys removed" in ran.stdout
