"""Old code on the new schema and new code on the old one: a deploy runs both for a while (promise 12)."""

import re
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import select, text
from sqlmodel import col

from app.db import Database, DatabaseSettings
from app.db.errors import ConfigurationError
from app.db.migrations import upgrade
from app.db.models import Conversation, Message, MessageCreate, Role, Task, TaskCreate, TaskUpdate
from app.repositories import ConversationRepo, MessageRepo, TaskRepo
from tests.support.databases import MakeDatabase
from tests.support.migrations import FIRST, ROOT

FROZEN = {
    name: (names.split(", "), sql)
    for name, names, sql in re.findall(
        r"^-- (\w+\.\w+)\((.*)\)\n(.*);$",
        (ROOT / "tests" / "data" / f"statements_{FIRST}.sql").read_text(),
        flags=re.MULTILINE,
    )
}
FUTURE = datetime(2100, 1, 1, tzinfo=UTC)
# In the order of use: create, read, change, count, delete; with the number of rows that each returns.
LIFE = {
    "tasks._CREATE": 1, "tasks._GET": 1, "tasks._PAGE": 1, "tasks._PAGE_BY_COMPLETED": 1, "tasks._UPDATE": 1,
    "tasks._UPDATE_UNCHANGED": 1, "tasks._COUNT": 1, "tasks._COUNT_BY_COMPLETED": 1, "tasks._DELETE": 1,
    "conversations._CREATE": 1, "conversations._GET": 1, "conversations._PAGE": 1, "conversations._COUNT": 1,
    "messages._APPEND": 1, "messages._APPEND_MANY": 2, "messages._AFTER": 3, "messages._BEFORE": 3,
    "conversations._DELETE": 1,
}  # fmt: skip


def _arguments(names: list[str], made: dict[str, int], name: str) -> list[Any]:
    values = {
        "p_user_id": "ada",
        "p_id": made.get(name.split(".", maxsplit=1)[0]),
        "p_conversation_id": made.get("conversations"),
        "p_title": "Buy milk", "p_description": "two", "p_set_description": True, "p_completed": False,
        "p_updated_at": FUTURE, "p_limit": 50, "p_place": 0 if name == "messages._AFTER" else 2**62,
        "p_role": "user", "p_content": "hi", "p_roles": ["user", "assistant"], "p_contents": ["hi", "ho"],
    }  # fmt: skip
    return [values[key] if key in values else int(key == "param_1") for key in names]


async def _live(url: str) -> dict[str, list[Any]]:
    """Run every frozen statement on asyncpg, prepare it once and run it twice; return the rows."""
    answers: dict[str, list[Any]] = {}
    made: dict[str, Any] = {}
    async with Database(DatabaseSettings(url=url)) as db, db.engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        driver: Any = (await connection.get_raw_connection()).driver_connection
        for name in LIFE:
            names, sql = FROZEN[name]
            answers[name] = await driver.fetch(sql, *_arguments(names, made, name))
            if name.endswith("._CREATE"):
                made[name.split(".")[0]] = answers[name][0]["id"]
    return answers


async def test_the_statements_of_revision_1_work_at_head_as_they_did(make_database: MakeDatabase) -> None:
    """They return the same rows and columns, and no new column."""
    urls = [await make_database(), await make_database()]
    await upgrade(DatabaseSettings(url=urls[0]), FIRST)
    await upgrade(DatabaseSettings(url=urls[1]))
    then, now = [await _live(url) for url in urls]
    assert {name: len(rows) for name, rows in now.items()} == LIFE
    for name, rows in now.items():
        without_times = [[value for value in row.values() if not isinstance(value, datetime)] for row in rows]
        assert without_times == [[v for v in row.values() if not isinstance(v, datetime)] for row in then[name]], name
        assert list(rows[0].keys()) == list(then[name][0].keys())


def test_every_statement_of_revision_1_is_lived_through() -> None:
    """No statement is left out."""
    assert FROZEN.keys() == LIFE.keys()


async def test_a_connection_that_lived_through_the_migration_goes_on(make_database: MakeDatabase) -> None:
    """Old code's prepared statements are still valid after it."""
    settings = DatabaseSettings(url=await make_database(), pool_size=1)
    await upgrade(settings, FIRST)
    async with Database(settings) as db:
        tasks = TaskRepo(db)
        first = await tasks.create("ada", TaskCreate(title="x"))
        await upgrade(settings)
        assert await tasks.get("ada", first.id) == first
        second = await tasks.create("ada", TaskCreate(title="y"))
        assert (await tasks.list_page("ada")).items == [second, first]


async def test_new_code_works_on_the_old_schema_without_keys(make_database: MakeDatabase) -> None:
    """Neither repositories nor sessions name the new columns until a caller uses a key."""
    settings = DatabaseSettings(url=await make_database())
    await upgrade(settings, FIRST)
    async with Database(settings) as db:
        tasks, conversations, messages = TaskRepo(db), ConversationRepo(db), MessageRepo(db)
        task = await tasks.create("ada", TaskCreate(title="x"))
        changed = await tasks.update("ada", task.id, TaskUpdate(completed=True), expected_updated_at=task.updated_at)
        conversation = await conversations.create("ada")
        hello = MessageCreate(role="user", content="hi")
        sent = [await messages.append("ada", conversation.id, hello)]
        sent += await messages.append_many("ada", conversation.id, [hello, hello])
        assert [message async for message in messages.stream("ada", conversation.id)] == sent
        async with db.transaction() as session:
            session.add(Task(user_id="ada", title="by the ORM"))
            talk = Conversation(user_id="ada")
            session.add(talk)
            await session.flush()
            assert talk.id is not None
            session.add(Message(user_id="ada", conversation_id=talk.id, role=Role.USER, content="hi"))
            found = (await session.execute(select(Task).order_by(col(Task.id)))).scalars().all()
            assert [found[0].id, found[0].completed, found[1].title] == [task.id, changed.completed, "by the ORM"]
        assert await tasks.count("ada") == await conversations.count("ada") == 2
        with pytest.raises(ConfigurationError, match="idempotency_key"):
            await tasks.create("ada", TaskCreate(title="x"), idempotency_key=uuid4())


async def test_rows_of_old_code_and_keyed_rows_live_together(make_database: MakeDatabase) -> None:
    """At head old code can write any number of rows without keys."""
    url = await make_database()
    settings = DatabaseSettings(url=url)
    await upgrade(settings)
    await _live(url)
    async with Database(settings) as db:
        key = uuid4()
        task = await TaskRepo(db).create("ada", TaskCreate(title="x"), idempotency_key=key)
        await _live(url)
        assert await TaskRepo(db).create("ada", TaskCreate(title="x"), idempotency_key=key) == task
        keyed = text("select count(*) from task where idempotency_key is not null")
        assert (await db.execute(keyed)).scalar_one() == 1
