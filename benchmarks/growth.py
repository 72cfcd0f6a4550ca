"""Measure what a page costs as its table grows, and the slowest of many calls."""

import json
import statistics
import time
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg

from app.db import Database, DatabaseSettings
from app.db.engine.compiled import compiled
from app.db.executor import Executor
from app.db.models import MessageCreate, Role, TaskCreate, TaskUpdate
from app.doctor.measuring.explain import Plan
from app.doctor.measuring.recorder import Recorder
from app.repositories import ConversationRepo, MessageRepo, TaskRepo
from benchmarks.results import Growth, Query

Call = Callable[[], Awaitable[Any]]
Ask = Callable[[Executor], Awaitable[Any]]
TABLE_ROWS = 1_000_000
USER_ROWS = 10_000
_TASK_ROWS = (1_000, 10_000, 100_000)

# The rows of all users in one table, interleaved as in real use; the last user fills it up.
_TASKS = """
insert into task (user_id, title, completed)
select case when n % 1000 < 1 then 'tasks-1000' when n % 1000 < 11 then 'tasks-10000'
            when n % 1000 < 111 then 'tasks-100000' else 'tasks-rest-' || n % 500 end,
       'Task ' || n, n % 3 = 0
from generate_series(1, $1::int) n"""
_CONVERSATIONS = "insert into conversation (user_id) select 'messages-' || 10 ^ e from generate_series(2, $1::int) e"
_MESSAGES = """
insert into message (user_id, conversation_id, role, content)
select c.user_id, c.id, 'user', repeat('hello ', 20)
from conversation c, generate_series(1, substr(c.user_id, 10)::int) n"""


async def grow(url: str, *, largest_exponent: int) -> None:
    """Fill a database: 10^6 tasks of many users, conversations of 10^2 to 10^`largest_exponent` messages."""
    connection = await asyncpg.connect(url)
    await connection.execute("set session_replication_role = replica")  # foreign keys are not checked for each row
    await connection.execute(_TASKS, TABLE_ROWS, timeout=300)
    await connection.execute(_CONVERSATIONS, largest_exponent)
    await connection.execute(_MESSAGES, timeout=300)
    await connection.execute("vacuum analyze", timeout=300)
    await connection.close()


async def pages(url: str, *, largest_exponent: int) -> list[Growth]:
    """Measure a page of 50 rows at every size."""
    found = []
    async with Database(_settings(url)) as db:
        for exponent in range(2, largest_exponent + 1):
            rows = 10**exponent
            user = f"messages-{rows}"
            (conversation,) = (await ConversationRepo(db).list_page(user)).items
            found.append(await _page(db, url, "messages", rows, _latest(user, conversation.id)))
        return found + [await _page(db, url, "tasks", rows, _newest(f"tasks-{rows}")) for rows in _TASK_ROWS]


def _latest(user: str, conversation: int) -> Ask:
    return lambda db: MessageRepo(db).latest(user, conversation)


def _newest(user: str) -> Ask:
    return lambda db: TaskRepo(db).list_page(user)


async def _page(db: Database, url: str, what: str, rows: int, ask: Ask) -> Growth:
    statement, parameters = await _sent(url, ask)
    connection = await asyncpg.connect(url)
    explained = await connection.fetchval(f"explain (analyze, buffers, format json) {statement}", *parameters)
    await connection.close()
    plan = Plan.of(json.loads(explained)[0])
    seconds = await _seconds(lambda: ask(db), 100)
    return Growth(what, rows, plan.buffers or 0, plan.rows_read or 0, statistics.median(seconds))


async def _sent(url: str, ask: Ask) -> tuple[str, list[Any]]:
    """Return the statement and parameters that a call sends."""
    async with Database(_settings(url)) as db:
        recorder = Recorder(db)
        await ask(recorder)
    query, parameters = recorder.ran[0]
    return compiled(query).sql, compiled(query).arguments(parameters)


async def buffers(url: str) -> dict[str, int]:
    """Return the buffers that the statements of every method read, by name."""
    connection = await asyncpg.connect(url)
    found = {}
    async with Database(_settings(url)) as db:
        recorder = Recorder(db)
        for name, call in (await methods(recorder)).items():
            recorder.ran.clear()
            await call()
            found[name] = sum([await _undone(connection, query, values) for query, values in recorder.ran])
    await connection.close()
    return found


async def _undone(connection: Any, query: Any, values: dict[str, Any]) -> int:
    """Return the buffers of a statement that is run twice and rolled back, once the server knows what it looks up."""
    statement = f"explain (analyze, buffers, format json) {compiled(query).sql}"
    for _ in range(2):  # a connection's first run of a trigger or a foreign key's check reads the catalogs
        transaction = connection.transaction()
        await transaction.start()
        explained = await connection.fetchval(statement, *compiled(query).arguments(values))
        await transaction.rollback()
    return Plan.of(json.loads(explained)[0]).buffers or 0


async def slowest(url: str, *, calls: int) -> list[Query]:
    """Return the 99th percentile of every method for a user of 10,000 rows, in tables of 1,000,000."""
    async with Database(_settings(url)) as db:
        return [_query(name, await _seconds(call, calls)) for name, call in (await methods(db)).items()]


async def methods(db: Executor) -> dict[str, Call]:
    """Return a call of every method, by name, for the users of `grow`."""
    tasks, conversations, messages = TaskRepo(db), ConversationRepo(db), MessageRepo(db)
    owner, writer = f"tasks-{USER_ROWS}", f"messages-{USER_ROWS}"
    page = await tasks.list_page(owner, limit=1000)
    task = page.items[500].id
    (conversation,) = (await conversations.list_page(writer)).items
    half = (await messages.list_page(writer, conversation.id, limit=1000)).next_cursor
    message = MessageCreate(role=Role.USER, content="hello " * 20)

    async def create_and_delete() -> None:
        await tasks.delete(owner, (await tasks.create(owner, TaskCreate(title="one more"))).id)

    return {
        "TaskRepo.get": lambda: tasks.get(owner, task),
        "TaskRepo.list_page": lambda: tasks.list_page(owner),
        "TaskRepo.list_page, in the middle": lambda: tasks.list_page(owner, after=page.next_cursor),
        "TaskRepo.list_page, completed": lambda: tasks.list_page(owner, completed=True),
        "TaskRepo.count": lambda: tasks.count(owner),
        "TaskRepo.update": lambda: tasks.update(owner, task, TaskUpdate(title="changed")),
        "TaskRepo.create and delete": create_and_delete,
        "ConversationRepo.get": lambda: conversations.get(writer, conversation.id),
        "ConversationRepo.list_page": lambda: conversations.list_page(writer),
        "MessageRepo.latest": lambda: messages.latest(writer, conversation.id),
        "MessageRepo.list_page": lambda: messages.list_page(writer, conversation.id),
        "MessageRepo.list_page, in the middle": lambda: messages.list_page(writer, conversation.id, after=half),
        "MessageRepo.append": lambda: messages.append(writer, conversation.id, message),
    }


def _query(method: str, seconds: list[float]) -> Query:
    return Query(method, statistics.median(seconds), statistics.quantiles(seconds, n=100)[98])


async def _seconds(call: Call, calls: int) -> list[float]:
    for _ in range(10):
        await call()
    found = []
    for _ in range(calls):
        began = time.perf_counter()
        await call()
        found.append(time.perf_counter() - began)
    return found


def _settings(url: str) -> DatabaseSettings:
    return DatabaseSettings(url=url)
