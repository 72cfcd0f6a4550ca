"""The cost of a page late in a list and in a long history; tests/walking checks the plan of each query."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Executable, text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db import Database, DatabaseSettings
from app.db.models import MessageCreate, Role
from app.doctor.measuring.explain import Plan, explain
from app.doctor.measuring.recorder import Recorder
from app.repositories import ConversationRepo, MessageRepo, TaskRepo
from tests.support.plans import custom_plan, generic_plan
from tests.support.timing import fastest_seconds

USER = "user-1"
LONG, SHORT = 1, 21  # conversations of USER, of 100,000 messages and of 100
PAGE = 50
HI = MessageCreate(role=Role.USER, content="hi")

# 20 users have 10,000 rows in each table; their tasks and conversations are mixed, as in real use.
FILL = [
    "set local session_replication_role = replica",  # no foreign key checks: the inserted rows are valid
    """insert into task (user_id, title, completed)
    select 'user-' || n % 20, 'task ' || n, n % 3 = 0 from generate_series(1, 200000) n""",
    "insert into conversation (user_id) select 'user-' || n % 20 from generate_series(1, 200000) n",
    f"""insert into message (user_id, conversation_id, role, content)
    select '{USER}', {LONG}, 'user', 'message ' || n from generate_series(1, 100000) n""",
    """insert into message (user_id, conversation_id, role, content)
    select 'user-' || c % 20, c, 'user', 'message ' || n
    from generate_series(2, 2001) c cross join generate_series(1, 100) n order by c, n""",
]


PAGES: dict[str, Callable[[Any], Awaitable[object]]] = {
    "tasks.page": lambda s: TaskRepo(s).list_page(USER, limit=PAGE),
    "tasks.page_by_completed": lambda s: TaskRepo(s).list_page(USER, completed=True),
    "conversations.page": lambda s: ConversationRepo(s).list_page(USER),
    "messages.after": lambda s: MessageRepo(s).list_page(USER, LONG),
    "messages.latest": lambda s: MessageRepo(s).latest(USER, LONG),
}
BOUNDED: dict[str, Any] = {"max_characters": 10_000}
KEYED: dict[str, Any] = {"idempotency_key": UUID(int=14)}
HISTORIES: dict[str, Callable[[Any], Awaitable[object]]] = {
    "messages.context": lambda s: MessageRepo(s).latest(USER, LONG, **BOUNDED),
    "messages.append_with_history": lambda s: MessageRepo(s).append_with_history(USER, LONG, HI),
    "messages.append_with_context": lambda s: MessageRepo(s).append_with_history(USER, LONG, HI, **BOUNDED),
    "messages.append_once_with_history": lambda s: MessageRepo(s).append_with_history(USER, LONG, HI, **KEYED),
    "messages.append_once_with_context": lambda s: MessageRepo(s).append_with_history(
        USER, LONG, HI, **BOUNDED, **KEYED
    ),
}


@pytest.fixture(scope="module")
async def filled(empty_copy: Callable[[], Awaitable[str]]) -> AsyncIterator[Database]:
    """Open a database of 700,000 rows with statistics."""
    async with Database(DatabaseSettings(url=await empty_copy())) as db:
        async with db.transaction() as session:
            for statement in FILL:
                await session.execute(text(statement))
        await db.execute(text("vacuum analyze"))
        yield db


async def _sent(db: Database, name: str) -> tuple[Executable, Mapping[str, Any]]:
    """Return the named statement and its parameters as the repository sends them; nothing stays changed."""
    async with db.sessionmaker() as session:
        recorder = Recorder(session)
        await {**PAGES, **HISTORIES}[name](recorder)
    query, parameters = recorder.ran[-1]
    assert query.name == name
    return query.statement, parameters


async def test_the_last_page_costs_what_the_first_does(filled: Database) -> None:
    """The 10,000 or 100,000 rows between them are not read."""
    oldest = await ConversationRepo(filled).get(USER, 1101)  # 55 of the user's are older
    near_the_end: dict[str, dict[str, Any]] = {
        "tasks.page": {"p_place": 1101},
        "tasks.page_by_completed": {"p_place": 3301},
        "conversations.page": {"p_updated_at": oldest.updated_at, "p_place": oldest.id},
        "messages.after": {"p_place": 100_000 - 60},
        "messages.latest": {"p_place": 60},
    }
    async with filled.engine.connect() as connection:
        for name, place in near_the_end.items():
            statement, parameters = await _sent(filled, name)
            first = await explain(connection, statement, parameters, analyze=True)
            last = await explain(connection, statement, {**parameters, **place}, analyze=True)
            assert last.rows_read is not None
            assert PAGE <= last.rows_read <= PAGE + 1, name
            assert last.buffers == pytest.approx(first.buffers, abs=3), name


@pytest.mark.parametrize("name", ["messages.after", "messages.latest", *HISTORIES])
async def test_a_page_reads_the_same_buffers_in_a_long_history(filled: Database, name: str) -> None:
    """The cost depends on the page: 100,000 messages cost no more than 100."""
    statement, parameters = await _sent(filled, name)
    async with filled.engine.connect() as connection:
        for planned in (custom_plan, generic_plan):
            long, short = [
                await _fewest_buffers(connection, planned, statement, {**parameters, "p_conversation_id": id})
                for id in (LONG, SHORT)  # noqa: A001 - as the column is called
            ]
            assert long == pytest.approx(short, abs=3)


async def _fewest_buffers(
    connection: AsyncConnection, planned: Callable[..., Awaitable[Plan]], statement: Executable, sent: dict[str, Any]
) -> int:
    """Return them for one of three runs: now and then an insert also makes room for those that follow."""
    buffers = []
    for _ in range(3):
        buffers.append((await planned(connection, statement, sent)).buffers or 0)
        await connection.rollback()
    return min(buffers)


async def test_queries_by_user_answer_within_50_ms(filled: Database) -> None:
    """SC-003, each at 10,000 rows of the user among 200,000, counting included; `make bench` holds the 99th of 100.

    The criterion is itself a time. The fastest of 100 is judged: the others also show what else the machine does.
    """
    tasks, conversations, messages = TaskRepo(filled), ConversationRepo(filled), MessageRepo(filled)
    queries: list[Callable[[], Awaitable[object]]] = [
        lambda: tasks.list_page(USER),
        lambda: tasks.list_page(USER, completed=False),
        lambda: tasks.count(USER),
        lambda: conversations.list_page(USER),
        lambda: conversations.count(USER),
        lambda: messages.latest(USER, LONG),
        lambda: messages.list_page(USER, LONG),
    ]
    for query in queries:
        assert await fastest_seconds(query, times=100) < 0.05
