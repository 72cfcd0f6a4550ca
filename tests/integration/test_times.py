"""The database sets all times: on creation, on update, and never backwards."""

import asyncio
from datetime import UTC, datetime, timedelta

from sqlalchemy import text

from app.db import Database
from app.db.models import MessageCreate, TaskCreate, TaskUpdate
from app.repositories import ConversationRepo, MessageRepo, TaskRepo

HELLO = MessageCreate(role="user", content="hello")
NEW = TaskCreate(title="x")


async def set_clock_ahead(db: Database, table: str, id: int) -> datetime:  # noqa: A002 - as the column is called
    """Return an `updated_at` of a row that is an hour ahead, as if the server's clock had been set back since."""
    async with db.transaction() as session:
        await session.execute(text("set local session_replication_role = replica"))  # the trigger does not fire
        ahead = (
            f"update {table} set updated_at = clock_timestamp() + interval '1 hour' where id = :id returning updated_at"
        )
        return (await session.execute(text(ahead), {"id": id})).scalar_one()  # type: ignore[no-any-return]


async def test_times_appear_by_themselves(db: Database, user_id: str) -> None:
    """Both times are set, in UTC, to about now."""
    now = text("select clock_timestamp()")
    before = (await db.execute(now)).scalar_one()
    task = await TaskRepo(db).create(user_id, NEW)
    conversation = await ConversationRepo(db).create(user_id)
    after = (await db.execute(now)).scalar_one()
    for row in (task, conversation):
        assert before <= row.created_at <= row.updated_at <= after
        assert abs(row.created_at - datetime.now(UTC)) < timedelta(minutes=1)


async def test_an_update_moves_updated_at_and_nothing_else(db: Database, user_id: str) -> None:
    """An update that changes no value moves it, too."""
    tasks = TaskRepo(db)
    task = await tasks.create(user_id, NEW)
    updated = await tasks.update(user_id, task.id, TaskUpdate())
    assert updated.created_at == task.created_at
    assert updated.updated_at > task.updated_at


async def test_plain_sql_moves_it_too(db: Database, user_id: str) -> None:
    """An update that tries to set the time itself moves it, too."""
    tasks = TaskRepo(db)
    before = await tasks.create(user_id, NEW)
    for change in ("title = 'y'", "updated_at = '2001-01-01Z'"):
        await db.execute(text(f"update task set {change} where id = :id"), {"id": before.id})
        after = await tasks.get(user_id, before.id)
        assert after.updated_at > before.updated_at
        before = after


async def test_every_update_in_one_transaction_is_later_than_the_last(db: Database, user_id: str) -> None:
    """The transaction's start would give all of them the same time."""
    async with db.transaction() as session:
        tasks = TaskRepo(session)
        task = await tasks.create(user_id, NEW)
        times = [(await tasks.update(user_id, task.id, TaskUpdate(title="y"))).updated_at for _ in range(50)]
    assert [task.updated_at, *times] == sorted({task.updated_at, *times})


async def test_rows_of_one_transaction_have_times_of_their_own(db: Database, user_id: str) -> None:
    """A conversation written in one transaction is still in order by its times."""
    async with db.transaction() as session:
        conversation = await ConversationRepo(session).create(user_id)
        times = [(await MessageRepo(session).append(user_id, conversation.id, HELLO)).created_at for _ in range(5)]
    assert times == sorted(set(times))


async def test_the_last_of_concurrent_updates_wins(db: Database, user_id: str) -> None:
    """All succeed at different times; the row keeps the values of the latest."""
    tasks = TaskRepo(db)
    task = await tasks.create(user_id, NEW)
    updates = (tasks.update(user_id, task.id, TaskUpdate(title=str(n))) for n in range(20))
    written = await asyncio.gather(*updates)
    assert len({one.updated_at for one in written} | {task.updated_at}) == 21
    assert await tasks.get(user_id, task.id) == max(written, key=lambda one: one.updated_at)


async def test_a_message_and_its_conversation_share_their_time(db: Database, user_id: str) -> None:
    """An append gives both the same time, later than any before."""
    conversations, messages = ConversationRepo(db), MessageRepo(db)
    conversation = await conversations.create(user_id)
    last = conversation.updated_at
    for _ in range(3):
        message = await messages.append(user_id, conversation.id, HELLO)
        assert message.created_at == (await conversations.get(user_id, conversation.id)).updated_at
        assert message.created_at > last
        last = message.created_at
    many = await messages.append_many(user_id, conversation.id, [HELLO] * 3)
    assert {message.created_at for message in many} == {(await conversations.get(user_id, conversation.id)).updated_at}
    assert many[0].created_at > last


async def test_messages_never_run_backwards_when_the_clock_does(db: Database, user_id: str) -> None:
    """Their time is the conversation's, which only grows."""
    messages = MessageRepo(db)
    conversation = await ConversationRepo(db).create(user_id)
    ahead = await set_clock_ahead(db, "conversation", conversation.id)
    first = await messages.append(user_id, conversation.id, HELLO)
    second = await messages.append(user_id, conversation.id, HELLO)
    assert ahead < first.created_at < second.created_at


async def test_reading_moves_nothing(db: Database, user_id: str) -> None:
    """Neither `get` nor a page changes a row."""
    tasks = TaskRepo(db)
    task = await tasks.create(user_id, NEW)
    await tasks.list_page(user_id)
    assert await tasks.get(user_id, task.id) == task
