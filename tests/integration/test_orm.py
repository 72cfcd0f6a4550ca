"""The SQLModel classes work as expected in a plain session, and the database enforces the rules."""

from typing import Any, cast

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError, InvalidRequestError, StatementError
from sqlalchemy.orm import selectinload

from app.db import Database
from app.db.errors import InvalidInputError, MissingReferenceError
from app.db.models import Conversation, Message, Role, Task

FOREIGN_KEY = "fk_message_user_id_conversation_id_conversation"


async def a_conversation(db: Database, user_id: str, *contents: str) -> int:
    """Return the id of a new conversation with messages."""
    async with db.transaction() as session:
        messages = [Message(user_id=user_id, role=Role.USER, content=content) for content in contents]
        conversation = Conversation(user_id=user_id, messages=messages)
        session.add(conversation)
    assert conversation.id is not None
    return conversation.id


async def count_messages(db: Database, conversation_id: int) -> int:
    """Return how many messages there are, of all users."""
    statement = select(func.count()).select_from(Message).where(Message.conversation_id == conversation_id)
    return int((await db.execute(statement)).scalar_one())


async def test_what_the_database_fills_in_is_there_after_the_flush(db: Database, user_id: str) -> None:
    """Id, default and times come back with the insert: no refresh, no second query."""
    async with db.sessionmaker.begin() as session:
        task = Task(user_id=user_id, title="x")
        session.add(task)
        await session.flush()
        assert task.id is not None
        assert task.completed is False
        assert task.created_at.tzinfo is not None
        assert task.updated_at >= task.created_at


async def test_an_update_brings_back_the_time_that_the_trigger_set(db: Database, user_id: str) -> None:
    """The object equals the row without a refresh."""
    async with db.sessionmaker.begin() as session:
        task = Task(user_id=user_id, title="x")
        session.add(task)
        await session.flush()
        before = task.updated_at
        task.title = "y"
        await session.flush()
        assert task.updated_at > before
    stored = await db.execute(select(Task.updated_at).where(Task.id == task.id))
    assert stored.scalar_one() == task.updated_at


async def test_messages_are_loaded_when_asked_for_in_order(db: Database, user_id: str) -> None:
    """`selectinload` loads them."""
    conversation_id = await a_conversation(db, user_id, "one", "two", "three")
    async with db.sessionmaker() as session:
        loaded = await session.get_one(Conversation, conversation_id, options=[selectinload(Conversation.messages)])
        assert [message.content for message in loaded.messages] == ["one", "two", "three"]


async def test_nothing_is_loaded_behind_the_callers_back(db: Database, user_id: str) -> None:
    """Access to what was not loaded raises, in the session and after it."""
    conversation_id = await a_conversation(db, user_id, "one")
    async with db.sessionmaker() as session:
        conversation = await session.get_one(Conversation, conversation_id)
        message = (await session.execute(select(Message).where(Message.user_id == user_id))).scalar_one()
        with pytest.raises(InvalidRequestError, match="lazy='raise'"):
            _ = conversation.messages
        session.expunge(conversation)
        with pytest.raises(InvalidRequestError, match="lazy='raise'"):
            _ = message.conversation
    assert message.content == "one"


async def test_a_message_of_no_conversation_is_refused(db: Database, user_id: str) -> None:
    """A plain session raises SQLAlchemy's error, a transaction of the layer one of the layer's."""
    orphan: dict[str, Any] = {"user_id": user_id, "conversation_id": 2**62, "role": Role.USER, "content": "x"}
    with pytest.raises(IntegrityError) as plain:
        async with db.sessionmaker.begin() as session:
            session.add(Message(**orphan))
    assert getattr(plain.value.driver_exception, "constraint_name", None) == FOREIGN_KEY
    with pytest.raises(MissingReferenceError) as ours:
        async with db.transaction() as session:
            session.add(Message(**orphan))
    assert (ours.value.constraint_name, ours.value.sqlstate) == (FOREIGN_KEY, "23503")


async def test_a_message_in_someone_elses_conversation_is_refused(db: Database, user_id: str) -> None:
    """The foreign key includes the user, for a new message and for one moved there by an update in SQL."""
    theirs = await a_conversation(db, user_id)
    with pytest.raises(MissingReferenceError):
        async with db.transaction() as session:
            session.add(Message(user_id="eve", conversation_id=theirs, role=Role.USER, content="x"))
    own = await a_conversation(db, f"{user_id}-eve", "mine")
    for change in ("user_id = :owner", "conversation_id = :theirs"):
        with pytest.raises(MissingReferenceError):
            await db.execute(
                text(f"update message set {change} where conversation_id = :own"),
                {"owner": user_id, "theirs": theirs, "own": own}
                if ":owner" in change
                else {"theirs": theirs, "own": own},
            )
    assert await count_messages(db, theirs) == 0


@pytest.mark.parametrize("loaded", [False, True], ids=["not loaded", "loaded"])
async def test_deleting_a_conversation_in_a_session_deletes_all_its_messages(
    db: Database, user_id: str, *, loaded: bool
) -> None:
    """The session may have loaded them or not."""
    conversation_id = await a_conversation(db, user_id, *"abc")
    async with db.sessionmaker.begin() as session:
        options = [selectinload(Conversation.messages)] if loaded else []
        await session.delete(await session.get_one(Conversation, conversation_id, options=options))
    assert await count_messages(db, conversation_id) == 0


async def test_deleting_a_conversation_in_sql_deletes_all_its_messages(db: Database, user_id: str) -> None:
    """The database does it, for every client."""
    conversation_id = await a_conversation(db, user_id, *"abc")
    await db.execute(text("delete from conversation where id = :id"), {"id": conversation_id})
    assert await count_messages(db, conversation_id) == 0


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "title of 201 characters": ({"title": "x" * 201}, "22001"),
    "description of 1001 characters": ({"title": "x", "description": "x" * 1001}, "22001"),
    "empty title": ({"title": ""}, "23514"),
    "blank title": ({"title": " \t\n"}, "23514"),
    "no title": ({"title": None}, "23502"),
    "NUL": ({"title": "a\x00"}, "22021"),
    "empty user id": ({"title": "x", "user_id": ""}, "23514"),
    "user id of 256 characters": ({"title": "x", "user_id": "x" * 256}, "22001"),
    "no user id": ({"title": "x", "user_id": None}, "23502"),
}


@pytest.mark.parametrize(("values", "sqlstate"), WRONG.values(), ids=WRONG)
async def test_the_database_refuses_what_went_around_the_models(
    db: Database, user_id: str, values: dict[str, Any], sqlstate: str
) -> None:
    """A SQLModel class with `table=True` does not validate, and SQL does not know the models."""
    row = {"user_id": user_id, "description": None, "completed": False, **values}
    insert = (
        "insert into task (user_id, title, description, completed) values (:user_id, :title, :description, :completed)"
    )
    with pytest.raises(InvalidInputError) as in_sql:
        await db.execute(text(insert), row)
    with pytest.raises(InvalidInputError) as in_session:
        async with db.transaction() as session:
            session.add(Task(**row))
    assert in_sql.value.sqlstate == in_session.value.sqlstate == sqlstate


async def test_the_database_refuses_an_unknown_role(db: Database, user_id: str) -> None:
    """Both the session and the constraint refuse it."""
    conversation_id = await a_conversation(db, user_id)
    with pytest.raises((DBAPIError, StatementError)):
        async with db.sessionmaker.begin() as session:
            session.add(
                Message(user_id=user_id, conversation_id=conversation_id, role=cast("Role", "system"), content="x")
            )
    insert = text("insert into message (user_id, conversation_id, role, content) values (:user_id, :id, 'system', 'x')")
    with pytest.raises(InvalidInputError) as refused:
        await db.execute(insert, {"user_id": user_id, "id": conversation_id})
    assert refused.value.constraint_name == "ck_message_role_known"


@pytest.mark.parametrize("values", [{"id": 2**63}, {"id": 1, "title": "\ud800"}], ids=["id", "surrogate"])
async def test_what_the_driver_cannot_send_is_an_invalid_input(
    db: Database, user_id: str, values: dict[str, Any]
) -> None:
    """An id beyond 64 bits and a lone surrogate never reach the server."""
    with pytest.raises(InvalidInputError):
        async with db.transaction() as session:
            session.add(Task(**{"user_id": user_id, "title": "x", **values}))
