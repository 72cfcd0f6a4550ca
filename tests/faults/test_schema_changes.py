"""Another process changes the tables under load: no repository call fails, and no caller reads a wrong value."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from itertools import count
from typing import Any, Final

import pytest
from sqlalchemy import text
from sqlmodel import col, select

from app.db import Database, DatabaseSettings
from app.db.errors import ConfigurationError, TransientError
from app.db.models import Message, MessageCreate, Role, Task, TaskCreate
from app.repositories import ConversationRepo, MessageRepo, TaskRepo
from tests.support.calls import Rows, calls
from tests.support.pgbouncer import PgBouncer
from tests.support.postgres import Postgres
from tests.support.waiting import until

_WORKERS: Final = 4
_BETWEEN_SECONDS: Final = 0.1

# Each change comes with the one that undoes it. Old code can write to all of them.
_COMPATIBLE: Final = {
    "a column is added": ("task add column note text not null default ''", "task drop column note"),
    "a column is widened": ("task alter column title type varchar(400)", "task alter column title type varchar(200)"),
    "varchar becomes text": (
        "task alter column title type text, alter column description type text",
        "task alter column title type varchar(200), alter column description type varchar(1000)",
    ),
    "the role becomes text": ("message alter column role type text", "message alter column role type varchar(16)"),
    "text becomes varchar": ("message alter column content type varchar", "message alter column content type text"),
    "bigint becomes integer and back": (
        "message alter column conversation_id type integer",
        "message alter column conversation_id type bigint",
    ),
}


@pytest.fixture
async def admin(migrated_server: Postgres) -> AsyncIterator[Database]:
    """Open the Database of the other process."""
    async with Database(DatabaseSettings(url=migrated_server.url())) as db:
        yield db


@pytest.fixture
def pooler(migrated_server: Postgres) -> Iterator[PgBouncer]:
    """Run a pooler with two connections to the server."""
    with PgBouncer("127.0.0.1", migrated_server.port) as running:
        yield running


@pytest.fixture(params=["direct", "pooled"])
async def db(request: pytest.FixtureRequest, migrated_server: Postgres, pooler: PgBouncer) -> AsyncIterator[Database]:
    """Open a Database on the server, and then one through the pooler."""
    pooled = request.param == "pooled"
    url = pooler.url("postgres") if pooled else migrated_server.url()
    async with Database(DatabaseSettings(url=url, pooler="transaction" if pooled else "none")) as opened:
        yield opened


@asynccontextmanager
async def _workers(work: Callable[[], Coroutine[Any, Any, None]]) -> AsyncIterator[None]:
    """Run `work` repeatedly in several tasks during the block, at least twice; raise at the end what a task raised."""
    ended = asyncio.Event()

    async def worker() -> None:
        for rounds in count(1):
            await work()
            if ended.is_set() and rounds > 1:
                return

    workers = [asyncio.create_task(worker()) for _ in range(_WORKERS)]
    try:
        yield
    finally:
        ended.set()
        await asyncio.gather(*workers)


@pytest.mark.parametrize("change", _COMPATIBLE.values(), ids=_COMPATIBLE)
async def test_no_repository_call_fails_or_misreads(
    db: Database, admin: Database, user_id: str, change: tuple[str, str]
) -> None:
    """Every method of every repository works while the tables change and change back."""

    async def work() -> None:
        rows = await Rows.of(db, user_id)
        assert await TaskRepo(db).get(user_id, rows.task.id) == rows.task
        (message,) = await MessageRepo(db).latest(user_id, rows.conversation.id)
        assert message == rows.message
        for call in calls():
            if call.method != "delete" and call.option != "expected_updated_at":
                await call.run(db, rows)
        await ConversationRepo(db).delete(user_id, rows.conversation.id)

    async with _workers(work):
        for alteration in change * 2:
            await admin.execute(text(f"alter table {alteration}"))
            await asyncio.sleep(_BETWEEN_SECONDS)


async def test_a_type_that_old_code_cannot_write_is_an_error_and_never_a_wrong_value(
    db: Database, admin: Database, user_id: str
) -> None:
    """When `completed` becomes a number, reads still work, and a write says that the schema differs."""
    tasks = TaskRepo(db)
    task = await tasks.create(user_id, TaskCreate(title="Done", completed=True))
    outcomes: Counter[str] = Counter()

    async def work() -> None:
        assert await tasks.get(user_id, task.id) == task
        try:
            assert (await tasks.create(user_id, TaskCreate(title="New", completed=True))).completed is True
            outcomes["written"] += 1
        except ConfigurationError as error:
            outcomes[str(error.sqlstate)] += 1

    to_integer = "alter column completed drop default, alter column completed type integer using completed::int"
    to_boolean = "alter column completed type boolean using completed = 1, alter column completed set default false"
    async with _workers(work):
        for alteration, outcome in ((to_integer, "42804"), (to_boolean, "written")) * 2:
            await admin.execute(text(f"alter table task {alteration}"))
            wanted = outcomes[outcome] + _WORKERS + 1  # those that began before the change have ended
            await until(lambda wanted=wanted, outcome=outcome: outcomes[outcome] >= wanted)  # type: ignore[misc]
    assert set(outcomes) == {"written", "42804"}


async def test_the_callers_own_statements_never_misread(db: Database, admin: Database, user_id: str) -> None:
    """ORM, Core and text in plain sessions read correctly, or raise an error that says to repeat the call."""
    task = await TaskRepo(db).create(user_id, TaskCreate(title="Mine", completed=True))
    conversation = await ConversationRepo(db).create(user_id)
    await MessageRepo(db).append(user_id, conversation.id, MessageCreate(role=Role.USER, content="hello"))
    outcomes: Counter[str] = Counter()

    async def work() -> None:
        try:
            async with db.transaction() as session:
                loaded = (await session.scalars(select(Task).where(col(Task.id) == task.id))).one()
                mine = select(Message).where(col(Message.user_id) == user_id)
                message = (await session.scalars(mine)).one()
                bare = await session.scalar(
                    text("select conversation_id from message where user_id = :u"), {"u": user_id}
                )
        except TransientError:
            outcomes["try again"] += 1
            return
        assert (loaded.title, loaded.completed) == ("Mine", True)
        assert message.conversation_id == bare == conversation.id
        outcomes["right"] += 1

    async with _workers(work):
        for there, back in _COMPATIBLE.values():
            for alteration in (there, back):
                await admin.execute(text(f"alter table {alteration}"))
                await asyncio.sleep(_BETWEEN_SECONDS)
    assert outcomes["right"]
