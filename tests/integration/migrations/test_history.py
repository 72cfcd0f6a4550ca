"""The history of revisions: each up, down and up again, with rows in the tables, and the schema dumped at each step."""

import asyncio
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import text

from app.db import Database, DatabaseSettings
from app.db.migrations import check, current, downgrade, upgrade
from tests.support.databases import MakeDatabase
from tests.support.migrations import FIRST, ROOT, dump_schema

HISTORY = [revision.revision for revision in ScriptDirectory.from_config(Config(ROOT / "alembic.ini")).walk_revisions()]
HISTORY.reverse()

# 100,000 rows of many users, with values that are easily lost: nulls, wide characters, times to the microsecond.
FILL = (
    """insert into task (user_id, title, description, completed, created_at, updated_at)
    select 'user-' || n % 50, 'task ' || n, case when n % 2 = 0 then 'größe ' || n end, n % 3 = 0,
           timestamptz '2020-01-01' + n * interval '1.000001 s', timestamptz '2021-01-01' + n * interval '1 s'
    from generate_series(1, 40000) n""",
    "insert into conversation (user_id) select 'user-' || n % 50 from generate_series(1, 10000) n",
    """insert into message (user_id, conversation_id, role, content)
    select 'user-' || n % 50, 1 + (n - 1) % 10000, case n % 2 when 0 then 'user' else 'assistant' end, 'hello ' || n
    from generate_series(1, 50000) n""",
)
FINGERPRINTS = {
    "task": "id, user_id, title, description, completed, created_at, updated_at",
    "conversation": "id, user_id, created_at, updated_at",
    "message": "id, user_id, conversation_id, role, content, created_at",
}


async def fingerprint(db: Database) -> dict[str, tuple[int, str]]:
    """Return each table's number of rows, and a digest of the columns of revision 1."""
    found = {}
    for table, columns in FINGERPRINTS.items():
        digest = text(f"select count(*), md5(string_agg(({columns})::text, '|' order by id)) from {table}")
        found[table] = tuple((await db.execute(digest)).one())
    return found


async def schema(url: str) -> str:
    """Return the dump, without blocking the loop."""
    return await asyncio.to_thread(dump_schema, url)


def test_there_is_one_head() -> None:
    """Two revisions on top of the same one would make `upgrade head` an error."""
    assert len(ScriptDirectory.from_config(Config(ROOT / "alembic.ini")).get_heads()) == 1


async def test_each_revision_goes_up_down_and_up_again(make_database: MakeDatabase) -> None:
    """Down restores exactly the schema from before, and up the one from after."""
    url = await make_database()
    settings = DatabaseSettings(url=url)
    for before, revision in zip(["base", *HISTORY], HISTORY, strict=False):
        was = await schema(url)
        await upgrade(settings, revision)
        assert await current(settings) == revision
        became = await schema(url)
        assert became != was
        await downgrade(settings, before)
        assert await schema(url) == was
        await upgrade(settings, revision)
        assert await schema(url) == became
    await check(settings)


async def test_100000_rows_survive_up_check_down_and_up(make_database: MakeDatabase) -> None:
    """No row is lost, and no existing value changes."""
    url = await make_database()
    settings = DatabaseSettings(url=url)
    await upgrade(settings, FIRST)
    async with Database(settings) as db:
        for statement in FILL:
            await db.execute(text(statement))
        rows, at_first = await fingerprint(db), await schema(url)
        assert sum(count for count, _ in rows.values()) == 100_000
        await upgrade(settings)
        await check(settings)
        at_head = await schema(url)
        assert await fingerprint(db) == rows
        await downgrade(settings, FIRST)
        assert (await fingerprint(db), await schema(url)) == (rows, at_first)
        await upgrade(settings)
        assert (await fingerprint(db), await schema(url)) == (rows, at_head)


async def test_a_row_changed_would_be_noticed(make_database: MakeDatabase) -> None:
    """The fingerprint detects a change of one microsecond in one row."""
    settings = DatabaseSettings(url=await make_database())
    await upgrade(settings)
    async with Database(settings) as db:
        await db.execute(text("insert into task (user_id, title) values ('ada', 'x')"))
        before = await fingerprint(db)
        await db.execute(text("alter table task disable trigger user"))
        await db.execute(text("update task set updated_at = updated_at + interval '1 microsecond'"))
        assert await fingerprint(db) != before


@pytest.mark.parametrize("file", sorted((ROOT / "alembic" / "versions").glob("*.py")), ids=lambda file: file.stem)
def test_names_are_in_the_order_of_the_history(file: Path) -> None:
    """A listing of the folder shows the history in order."""
    names = sorted(path.name for path in file.parent.glob("*.py"))
    assert HISTORY[names.index(file.name)] in file.read_text()
