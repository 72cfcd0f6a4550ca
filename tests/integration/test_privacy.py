"""What users write is private: it is in no log, error text or traceback, unless a setting turns that on."""

import logging
import re
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import cast

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from app.db import Database, DatabaseSettings
from app.db.driver.redaction import chain
from app.db.errors import (
    ConfigurationError,
    ConflictError,
    DataAccessError,
    InvalidInputError,
    MissingReferenceError,
)
from app.db.models import Message, MessageCreate, Role, Task, TaskCreate, TaskUpdate
from app.repositories import ConversationRepo, MessageRepo, TaskRepo

SECRET = "the cat's name is Schnurrbert"
CREATE = text("insert into task (user_id, title, description) values (:user_id, :title, :description)")


@pytest.fixture
async def telling(migrated_url: str) -> AsyncIterator[Database]:
    """Open a database in debug mode, which logs each statement without its parameters."""
    async with Database(DatabaseSettings(url=migrated_url, echo=True)) as database:
        yield database


async def _check_violation(db: Database, user_id: str) -> None:
    await db.execute(CREATE, {"user_id": user_id, "title": " ", "description": SECRET})


async def _too_long(db: Database, user_id: str) -> None:
    await db.execute(CREATE, {"user_id": user_id, "title": SECRET * 20, "description": SECRET})


async def _unique_violation(db: Database, user_id: str) -> None:
    async with db.transaction() as session:
        await session.execute(text("create temporary table note (content text unique) on commit drop"))
        for _ in "ab":
            await session.execute(text("insert into note values (:content)"), {"content": SECRET})


async def _foreign_key_violation(db: Database, user_id: str) -> None:
    async with db.transaction() as session:
        session.add(Message(user_id=user_id, conversation_id=2**62, role=Role.USER, content=SECRET))


async def _not_encodable(db: Database, user_id: str) -> None:
    await db.execute(CREATE, {"user_id": user_id, "title": f"{SECRET}\ud800", "description": SECRET})


async def _wrong_type(db: Database, user_id: str) -> None:
    await db.execute(text("update task set completed = :value where user_id = :id"), {"value": SECRET, "id": user_id})


async def _not_a_number(db: Database, user_id: str) -> None:
    await db.execute(text("select cast(cast(:value as text) as integer), :id"), {"value": SECRET, "id": user_id})


async def _no_query(db: Database, user_id: str) -> None:
    await db.execute(text("select to_tsquery(:value), :id"), {"value": f"{SECRET} (", "id": user_id})


async def _unknown_role(db: Database, user_id: str) -> None:
    async with db.transaction() as session:
        session.add(Message(user_id=user_id, conversation_id=1, role=cast("Role", SECRET), content=SECRET))


async def _nul(db: Database, user_id: str) -> None:
    async with db.transaction() as session:
        session.add(Task(user_id=user_id, title=f"{SECRET}\x00"))


FAILURES: dict[str, tuple[Callable[[Database, str], Awaitable[None]], type[DataAccessError]]] = {
    "check violation": (_check_violation, InvalidInputError),
    "too long": (_too_long, InvalidInputError),
    "unique violation": (_unique_violation, ConflictError),
    "foreign key violation": (_foreign_key_violation, MissingReferenceError),
    "lone surrogate": (_not_encodable, InvalidInputError),
    "wrong type": (_wrong_type, InvalidInputError),
    "not a number": (_not_a_number, InvalidInputError),
    "no query": (_no_query, ConfigurationError),
    "unknown role": (_unknown_role, InvalidInputError),
    "NUL": (_nul, InvalidInputError),
}


@pytest.mark.parametrize(("fail", "error"), FAILURES.values(), ids=FAILURES)
async def test_a_failure_does_not_tell(
    db: Database,
    user_id: str,
    caplog: pytest.LogCaptureFixture,
    fail: Callable[[Database, str], Awaitable[None]],
    error: type[DataAccessError],
) -> None:
    """No value is in its text, in its traceback with all causes, or in a log."""
    caplog.set_level(logging.DEBUG)
    with pytest.raises(error) as failed:
        await fail(db, user_id)
    told = "".join(traceback.format_exception(failed.value)) + caplog.text
    assert SECRET not in told + "".join(map(repr, chain(failed.value)))
    assert "str() failed" not in told


async def test_a_plain_session_does_not_tell_either(db: Database, user_id: str) -> None:
    """The same holds for SQLAlchemy's own errors, which callers without `transaction()` get."""
    with pytest.raises(IntegrityError) as failed:
        async with db.sessionmaker.begin() as session:
            session.add(Task(user_id=user_id, title=" ", description=SECRET))
    assert SECRET not in "".join(traceback.format_exception(failed.value))
    assert "ck_task_title_visible" in str(failed.value)  # the error names what was refused


async def test_models_do_not_tell() -> None:
    """A refused value is not in the text of its refusal."""
    for model, values in (
        (TaskCreate, {"title": SECRET * 20}),
        (TaskUpdate, {"title": f"{SECRET}\x00"}),
        (MessageCreate, {"role": SECRET, "content": SECRET}),
        (MessageCreate, {"role": "user", "content": f"{SECRET}\ud800"}),
    ):
        with pytest.raises(ValueError, match="1 validation error") as refused:
            model(**values)
        assert SECRET not in "".join(traceback.format_exception(refused.value))


async def _a_days_work(db: Database, user_id: str) -> None:
    task = await TaskRepo(db).create(user_id, TaskCreate(title=SECRET, description=SECRET))
    await TaskRepo(db).update(user_id, task.id, TaskUpdate(title=f"{SECRET}!"))
    await TaskRepo(db).list_page(user_id)
    async with db.transaction() as session:
        conversation = await ConversationRepo(session).create(user_id)
        await MessageRepo(session).append(user_id, conversation.id, MessageCreate(role="user", content=SECRET))
    await MessageRepo(db).latest(user_id, conversation.id)


@pytest.mark.parametrize("level", [logging.INFO, logging.DEBUG])
async def test_the_usual_work_is_not_logged(
    db: Database, user_id: str, caplog: pytest.LogCaptureFixture, level: int
) -> None:
    """Neither parameters nor rows are logged, even when an application sets every logger to DEBUG."""
    caplog.set_level(level)
    caplog.set_level(level, "sqlalchemy.engine")
    async with Database(db.settings) as fresh:  # SQLAlchemy looks at the level when an engine is made
        await _a_days_work(fresh, user_id)
    assert SECRET not in caplog.text


async def test_echo_logs_statements_and_times_without_values(
    telling: Database, user_id: str, caplog: pytest.LogCaptureFixture
) -> None:
    """An application's debug mode does not reveal messages."""
    await _a_days_work(telling, user_id)
    assert "INSERT INTO message" in caplog.text
    timings = [message for message in caplog.messages if re.fullmatch(r"\d+\.\d ms", message)]
    assert len(timings) >= len([message for message in caplog.messages if "RETURNING" in message])
    assert timings
    assert SECRET not in caplog.text


async def test_parameters_are_shown_when_asked_for(
    migrated_url: str, user_id: str, caplog: pytest.LogCaptureFixture
) -> None:
    """For development they are shown in logs and errors."""
    settings = DatabaseSettings(url=migrated_url, echo=True, echo_parameters=True)
    async with Database(settings) as open_hearted:
        await _a_days_work(open_hearted, user_id)
        assert SECRET in caplog.text
        with pytest.raises(InvalidInputError) as failed:
            await _check_violation(open_hearted, user_id)
        assert SECRET in "".join(traceback.format_exception(failed.value))
