"""What PostgreSQL does for each statement: the intended index, in its order, and no row more than the page needs."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Executable, text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db import Database, DatabaseSettings
from app.db.models import MessageCreate, TaskCreate, TaskUpdate
from app.doctor.explain import Plan, explain
from app.doctor.recorder import Recorder
from app.repositories import ConversationRepo, MessageRepo, TaskRepo
from tests.support.statements import all_statements

USER = "user-1"
LONG, SHORT = 1, 21  # conversations of USER, of 100,000 messages and of 100
HELLO = MessageCreate(role="user", content="hello")
PAGE = 50

# 20 users have 10,000 rows of everything; tasks and conversations of all of them lie mixed, as in real life.
FILL = [
    "set local session_replication_role = replica",  # no foreign key checks: what is filled in is right
    """insert into task (user_id, title, completed)
    select 'user-' || n % 20, 'task ' || n, n % 3 = 0 from generate_series(1, 200000) n""",
    "insert into conversation (user_id) select 'user-' || n % 20 from generate_series(1, 200000) n",
    f"""insert into message (user_id, conversation_id, role, content)
    select '{USER}', {LONG}, 'user', 'message ' || n from generate_series(1, 100000) n""",
    """insert into message (user_id, conversation_id, role, content)
    select 'user-' || c % 20, c, 'user', 'message ' || n
    from generate_series(2, 2001) c cross join generate_series(1, 100) n order by c, n""",
]


async def _update_unchanged(session: Any) -> None:
    task = await TaskRepo(session).get(USER, 1)
    await TaskRepo(session).update(USER, 1, TaskUpdate(title="x"), expected_updated_at=task.updated_at)


# For each statement: a call that sends it, the rows that it may read, the indexes that it is to use.
BY_ID, BY_COMPLETED = "ix_task_user_id_id", "ix_task_user_id_completed_id"
CONVERSATION, BY_ACTIVITY = "uq_conversation_user_id_id", "ix_conversation_user_id_updated_at_id"
IN_CONVERSATION, OF_USER = "ix_message_conversation_id_user_id_id", "ix_message_user_id_id"
BY_KEY = [f"ix_{table}_user_id_idempotency_key" for table in ("task", "conversation", "message")]
KEY = UUID(int=1)
EXPECTED: dict[str, tuple[Callable[[Any], Awaitable[object]], int, set[str]]] = {
    "tasks.create": (lambda s: TaskRepo(s).create(USER, TaskCreate(title="x")), 0, set()),
    "tasks.get": (lambda s: TaskRepo(s).get(USER, 1), 1, {BY_ID}),
    "tasks.page": (lambda s: TaskRepo(s).list_page(USER, limit=PAGE), PAGE + 1, {BY_ID}),
    "tasks.page_by_completed": (lambda s: TaskRepo(s).list_page(USER, completed=True), PAGE + 1, {BY_COMPLETED}),
    "tasks.update": (lambda s: TaskRepo(s).update(USER, 1, TaskUpdate(title="x")), 1, {BY_ID}),
    "tasks.update_unchanged": (_update_unchanged, 2, {BY_ID}),  # whether it is there, and the row to change
    "tasks.delete": (lambda s: TaskRepo(s).delete(USER, 1), 1, {BY_ID}),
    "tasks.count": (lambda s: TaskRepo(s).count(USER), 10_000, {BY_ID}),
    "tasks.count_by_completed": (lambda s: TaskRepo(s).count(USER, completed=True), 3_334, {BY_COMPLETED}),
    "tasks.create_once": (
        lambda s: TaskRepo(s).create(USER, TaskCreate(title="x"), idempotency_key=KEY),
        1,
        {BY_KEY[0]},
    ),
    "conversations.create": (lambda s: ConversationRepo(s).create(USER), 0, set()),
    "conversations.create_once": (lambda s: ConversationRepo(s).create(USER, idempotency_key=KEY), 1, {BY_KEY[1]}),
    "conversations.get": (lambda s: ConversationRepo(s).get(USER, LONG), 1, {CONVERSATION}),
    "conversations.page": (lambda s: ConversationRepo(s).list_page(USER), PAGE + 1, {BY_ACTIVITY}),
    "conversations.delete": (lambda s: ConversationRepo(s).delete(USER, SHORT), 1, {CONVERSATION}),
    "conversations.count": (lambda s: ConversationRepo(s).count(USER), 10_000, {CONVERSATION}),
    "messages.append": (lambda s: MessageRepo(s).append(USER, LONG, HELLO), 1, {CONVERSATION}),
    "messages.append_once": (
        lambda s: MessageRepo(s).append(USER, LONG, HELLO, idempotency_key=KEY),
        2,  # the conversation, to lock it and to touch it
        {BY_KEY[2], CONVERSATION},
    ),
    "messages.by_key": (lambda s: MessageRepo(s).appended_with(USER, KEY), 1, {BY_KEY[2]}),
    "messages.append_many": (lambda s: MessageRepo(s).append_many(USER, LONG, [HELLO, HELLO]), 1, {CONVERSATION}),
    "messages.after": (lambda s: MessageRepo(s).list_page(USER, LONG), PAGE + 1, {IN_CONVERSATION}),
    "messages.before": (lambda s: MessageRepo(s).latest(USER, LONG), PAGE, {IN_CONVERSATION}),
}
# Asked by others than the repositories, with the rows that they may read.
BESIDES = {
    "a report by user": ("select count(*) from message where user_id = 'user-2'", 10_000, {OF_USER}),
    "the messages of a deleted conversation, as the foreign key asks": (
        f"delete from only message where user_id = '{USER}' and conversation_id = {SHORT}", 100, {IN_CONVERSATION}
    ),
    "session.get(Task, 1)": ("select * from task where id = 1", 1, {"pk_task"}),
    "session.get(Conversation, 1)": ("select * from conversation where id = 1", 1, {"pk_conversation"}),
    "session.get(Message, 1)": ("select * from message where id = 1", 1, {"pk_message"}),
}  # fmt: skip


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
        await EXPECTED[name][0](recorder)
    query, parameters = recorder.ran[-1]
    assert query.name == name
    return query.statement, parameters


async def _explain_generic(connection: AsyncConnection, statement: Executable, parameters: Mapping[str, Any]) -> Plan:
    """Return the plan that a prepared statement settles on after a few executions: it does not know the values."""
    compiled: Any = statement.compile(dialect=connection.dialect)
    await connection.execute(text("set local plan_cache_mode = force_generic_plan"))
    await connection.exec_driver_sql(f"prepare probe as {compiled}")
    try:
        values = compiled.construct_params(parameters)
        arguments = ", ".join(_literal(values[name]) for name in compiled.positiontup)
        return await explain(connection, f"execute probe({arguments})".replace(":", r"\:"), analyze=True)
    finally:
        await connection.execute(text("deallocate probe"))


def _literal(value: Any) -> str:
    if isinstance(value, list):
        return f"array[{', '.join(map(_literal, value))}]"
    if isinstance(value, bytes):
        return f"'\\x{value.hex()}'"
    return f"'{value}'" if isinstance(value, str | datetime | UUID) else "null" if value is None else str(value)


def _assert_as_intended(plan: Plan, rows: int, indexes: set[str]) -> None:
    assert plan.rows_read is not None
    assert plan.rows_read <= rows
    assert set(plan.indexes) == indexes
    # Index scans that use no bitmap and no sort: the order is the index's.
    assert not {node for node in plan.nodes if "Sort" in node or "Bitmap" in node or node == "Seq Scan"}


def test_every_statement_has_an_expectation() -> None:
    """A new statement comes with the index that it is to use."""
    assert EXPECTED.keys() == all_statements().keys()


@pytest.mark.parametrize("name", EXPECTED)
async def test_a_statement_uses_its_index_and_reads_only_its_page(filled: Database, name: str) -> None:
    """Planned for the values at hand, and planned once for all values."""
    _, rows, indexes = EXPECTED[name]
    statement, parameters = await _sent(filled, name)
    async with filled.engine.connect() as connection:
        _assert_as_intended(await explain(connection, statement, parameters, analyze=True), rows, indexes)
        _assert_as_intended(await _explain_generic(connection, statement, parameters), rows, indexes)


@pytest.mark.parametrize(("sql", "rows", "indexes"), BESIDES.values(), ids=BESIDES)
async def test_what_others_ask_uses_an_index(filled: Database, sql: str, rows: int, indexes: set[str]) -> None:
    """Foreign keys, sessions and reports by user find their rows directly, too."""
    async with filled.engine.connect() as connection:
        _assert_as_intended(await explain(connection, sql, analyze=True), rows, indexes)


async def test_every_index_is_used(filled: Database) -> None:
    """An index that no plan names would only cost."""
    ours = text("select indexname from pg_indexes where schemaname = 'public' and tablename <> 'alembic_version'")
    existing = set((await filled.execute(ours)).scalars())
    assert existing == {name for _, _, indexes in (*EXPECTED.values(), *BESIDES.values()) for name in indexes}


async def test_the_last_page_costs_what_the_first_does(filled: Database) -> None:
    """10,000 rows, or 100,000, lie between them: they are not read."""
    oldest = await ConversationRepo(filled).get(USER, 1101)  # 55 of the user's are older
    near_the_end: dict[str, dict[str, Any]] = {
        "tasks.page": {"p_place": 1101},
        "tasks.page_by_completed": {"p_place": 3301},
        "conversations.page": {"p_updated_at": oldest.updated_at, "p_place": oldest.id},
        "messages.after": {"p_place": 100_000 - 60},
        "messages.before": {"p_place": 60},
    }
    async with filled.engine.connect() as connection:
        for name, place in near_the_end.items():
            statement, parameters = await _sent(filled, name)
            first = await explain(connection, statement, parameters, analyze=True)
            last = await explain(connection, statement, {**parameters, **place}, analyze=True)
            assert last.rows_read is not None
            assert PAGE <= last.rows_read <= PAGE + 1, name
            assert last.buffers == pytest.approx(first.buffers, abs=3), name


@pytest.mark.parametrize("name", ["messages.after", "messages.before"])
async def test_a_page_reads_the_same_buffers_in_a_long_history(filled: Database, name: str) -> None:
    """Cost follows the page: 100,000 messages are no dearer than 100."""
    statement, parameters = await _sent(filled, name)
    async with filled.engine.connect() as connection:
        for planned in (lambda c, s, p: explain(c, s, p, analyze=True), _explain_generic):
            long = await planned(connection, statement, {**parameters, "p_conversation_id": LONG})
            short = await planned(connection, statement, {**parameters, "p_conversation_id": SHORT})
            assert long.buffers == pytest.approx(short.buffers, abs=3)


async def test_queries_by_user_answer_within_50_ms(filled: Database) -> None:
    """The 99th of 100, each at 10,000 rows of the user among 200,000, counting included."""
    tasks, conversations, messages = TaskRepo(filled), ConversationRepo(filled), MessageRepo(filled)
    queries: list[Callable[[str], Awaitable[object]]] = [
        tasks.list_page,
        lambda user_id: tasks.list_page(user_id, completed=False),
        tasks.count,
        conversations.list_page,
        conversations.count,
        lambda user_id: messages.latest(user_id, LONG),
        lambda user_id: messages.list_page(user_id, LONG),
    ]
    for query in queries:
        seconds = []
        for n in range(100):
            began = time.perf_counter()
            await query(f"user-{n % 20}")
            seconds.append(time.perf_counter() - began)
        assert sorted(seconds)[98] < 0.05
