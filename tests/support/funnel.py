"""Failures, and the executors that must raise the same error for each."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import text

from app.db import Database
from app.db.errors import (
    ConflictError,
    DataAccessError,
    InvalidInputError,
    MissingReferenceError,
    OutcomeUnknownError,
    StatementTimeoutError,
    TransientError,
)
from app.db.executor import executor_of
from app.db.query import Query, Record

Run = Callable[[Database, str, dict[str, Any]], Awaitable[object]]


@dataclass(frozen=True)
class Failure:
    """A statement that fails, and its errors alone and within a transaction."""

    name: str
    sql: str
    alone: type[BaseException]
    in_transaction: type[BaseException]
    text: str
    parameters: dict[str, Any] = field(default_factory=dict)


FAILURES = [
    Failure(
        "a check is violated",
        "insert into task (user_id, title) values ('funnel', ' ') returning id",
        InvalidInputError,
        InvalidInputError,
        "ck_task_title",
    ),
    Failure(
        "a unique value is taken",
        "insert into task (user_id, title, idempotency_key) select 'funnel', 'x', uuid(repeat('1', 32)) from "
        "generate_series(1, 2) returning id",
        ConflictError,
        ConflictError,
        "idempotency_key",
    ),
    Failure(
        "a reference is missing",
        "insert into message (user_id, conversation_id, role, content) values ('funnel', 0, 'user', 'x') returning id",
        MissingReferenceError,
        MissingReferenceError,
        "fk_message",
    ),
    Failure(
        "a value that cannot be sent",
        "select cast(:value as bigint) as value",
        InvalidInputError,
        InvalidInputError,
        "query argument",
        {"value": 2**70},
    ),
    Failure(
        "a parameter is missing",
        "select cast(:value as bigint) as value",
        InvalidInputError,
        InvalidInputError,
        "A value is required for bind parameter 'value'",
    ),
    Failure(
        "the server ends a statement that takes too long",
        "do $$ begin raise exception 'canceling statement due to statement timeout' using errcode = '57014'; end $$",
        StatementTimeoutError,
        StatementTimeoutError,
        "statement timeout",
    ),
    Failure(
        "a deadlock or a serialization failure, again and again",
        "do $$ begin raise exception 'deadlock detected' using errcode = '40P01'; end $$",
        TransientError,
        TransientError,
        "deadlock detected",
    ),
    Failure(
        "an answer that cannot be read",
        "select cast('0044-03-15 BC' as timestamptz) as value",
        DataAccessError,
        DataAccessError,
        "was executed, but its answer cannot be read",
    ),
    Failure(
        "the connection ends in mid-statement",
        "select pg_terminate_backend(pg_backend_pid()), pg_sleep(1)",
        OutcomeUnknownError,
        TransientError,
        "the connection broke while the statement ran",
    ),
    Failure(
        "no answer in time",
        "select pg_sleep(30)",
        OutcomeUnknownError,
        TransientError,
        "no answer in time",
    ),
]


async def _database(db: Database, sql: str, parameters: dict[str, Any]) -> object:
    return await db.fetch(query_of(sql), parameters)


async def _execute(db: Database, sql: str, parameters: dict[str, Any]) -> object:
    return await db.execute(text(sql), parameters)


async def _repository_in_transaction(db: Database, sql: str, parameters: dict[str, Any]) -> object:
    async with db.transaction() as session:
        return await executor_of(session).fetch(query_of(sql), parameters)


async def _session(db: Database, sql: str, parameters: dict[str, Any]) -> object:
    async with db.transaction() as session:
        return (await session.execute(text(sql), parameters)).all()


async def _later_in_transaction(db: Database, sql: str, parameters: dict[str, Any]) -> object:
    async with db.transaction() as session:
        await session.execute(text("select 1"))
        return (await session.execute(text(sql), parameters)).all()


async def _stream(db: Database, sql: str, parameters: dict[str, Any]) -> object:
    async with db.transaction() as session:
        return [row async for row in await session.stream(text(sql), parameters)]


async def _savepoint(db: Database, sql: str, parameters: dict[str, Any]) -> object:
    async with db.transaction() as session, session.begin_nested():
        return (await session.scalars(text(sql), parameters)).all()


async def _connection(db: Database, sql: str, parameters: dict[str, Any]) -> object:
    async with db.transaction() as session:
        return (await (await session.connection()).execute(text(sql), parameters)).all()


async def _retried(db: Database, sql: str, parameters: dict[str, Any]) -> object:
    return await db.run_in_transaction(lambda session: session.execute(text(sql), parameters))


async def _run_once(db: Database, sql: str, parameters: dict[str, Any]) -> object:
    async with db.together() as executor:
        return await executor.fetch(query_of(sql), parameters)


ALONE: dict[str, Run] = {"fetch": _database, "execute": _execute}
IN_TRANSACTION: dict[str, Run] = {
    "repository": _repository_in_transaction,
    "session": _session,
    "session, second statement": _later_in_transaction,
    "stream": _stream,
    "a savepoint": _savepoint,
    "the session's connection": _connection,
    "run_in_transaction": _retried,
    "together": _run_once,
}
_queries: dict[str, Query[Record]] = {}


def query_of(sql: str) -> Query[Record]:
    if sql not in _queries:
        _queries[sql] = Query(f"test.funnel_{len(_queries)}", text(sql), Record, pinned=False)
    return _queries[sql]
