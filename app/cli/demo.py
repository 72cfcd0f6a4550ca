"""The demo: show each promise on a real database, and check it."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

from rich.console import Console
from sqlalchemy import text

from app.cli.tour import Tour
from app.db import Database, DatabaseSettings
from app.db.errors import MissingReferenceError, NotFoundError, StaleRowError
from app.db.migrations import upgrade
from app.db.models import ConversationRead, MessageCreate, TaskCreate, TaskRead, TaskUpdate
from app.db.models.base import owned_tables
from app.doctor.criteria.samples import write_samples
from app.repositories import ConversationRepo, MessageRepo, TaskRepo

_ROWS_EACH = 5000  # older rows, so that the planner has a reason to use an index
_ONE_HOUR = timedelta(hours=1)  # two machines' clocks may differ


async def demo(settings: DatabaseSettings, console: Console) -> bool:
    """Migrate, seed, run the steps and clean up; return whether every step kept its promise."""
    ada, bob = (f"{name}-{uuid4().hex[:8]}" for name in ("ada", "bob"))
    async with Database(settings) as db:
        tour = Tour(db)
        await upgrade(db.engine)
        console.print("migrated: [bold]alembic upgrade head[/]")
        try:
            await write_samples(db, [ada, bob], rows_each=_ROWS_EACH)
            await db.execute(text(f"analyze {', '.join(map(str, owned_tables()))}"))
            await _walk(tour, ada, bob)
            tour.begin_again()
            await _walk(tour, ada, bob)
        finally:
            await _forget(db, [ada, bob])
    console.print(tour.table())
    console.print(tour.verdict())
    return tour.as_promised


async def _walk(tour: Tour, ada: str, bob: str) -> None:
    await _tasks(tour, ada, bob)
    await _conversations(tour, ada, bob)
    await _transactions(tour, ada)


async def _tasks(tour: Tour, ada: str, bob: str) -> None:
    tasks, before = TaskRepo(tour.recorder), datetime.now(UTC)

    milk = await tour.step(
        "create a task: durable when it returns, its times set by the database",
        lambda: tasks.create(ada, TaskCreate(title="Buy milk")),
        lambda task: task.title == "Buy milk" and abs(task.created_at - before) < _ONE_HOUR,
    )
    await tasks.create(ada, TaskCreate(title="Call mum", completed=True))
    await tasks.create(ada, TaskCreate(title="Write home"))
    page = await tour.step(
        "list the first page of two, newest first",
        lambda: tasks.list_page(ada, limit=2),
        lambda page: [task.title for task in page.items] == ["Write home", "Call mum"],
    )
    await tour.step(
        "list the next page, by its cursor",
        lambda: tasks.list_page(ada, limit=2, after=page.next_cursor),
        lambda page: page.items[0].id == milk.id,
    )
    await tour.step(
        "list the open tasks",
        lambda: tasks.list_page(ada, completed=False),
        lambda page: [task.title for task in page.items[:2]] == ["Write home", "Buy milk"],
    )
    done = await tour.step(
        "update it: updated_at is set by the database",
        lambda: tasks.update(ada, milk.id, TaskUpdate(completed=True)),
        lambda task: task.completed and task.updated_at > milk.updated_at and task.created_at == milk.created_at,
    )
    await tour.refused(
        "update a row that another caller has changed since: refused",
        lambda: tasks.update(ada, milk.id, TaskUpdate(title="Mine"), expected_updated_at=milk.updated_at),
        StaleRowError,
    )
    await tour.refused("bob asks for ada's task: not found", lambda: tasks.get(bob, milk.id), NotFoundError)
    await tour.step("delete it", lambda: tasks.delete(ada, done.id), lambda _: True)


async def _conversations(tour: Tour, ada: str, bob: str) -> None:
    conversations, messages = ConversationRepo(tour.recorder), MessageRepo(tour.recorder)

    chat = await tour.step("create a conversation", lambda: conversations.create(ada), lambda chat: chat.user_id == ada)
    await tour.step(
        "append a message: the same statement advances the conversation's updated_at",
        lambda: messages.append(ada, chat.id, MessageCreate(role="user", content="What is due today?")),
        lambda message: message.created_at > chat.updated_at,
    )
    await tour.step(
        "append forty more at once",
        lambda: messages.append_many(
            ada, chat.id, [MessageCreate(role="assistant", content=f"Part {n}") for n in range(40)]
        ),
        lambda rows: [row.content for row in rows] == [f"Part {n}" for n in range(40)],
    )
    await tour.step(
        "read the last three, oldest first, as a model reads them",
        lambda: messages.latest(ada, chat.id, limit=3),
        lambda rows: [row.content for row in rows] == ["Part 37", "Part 38", "Part 39"],
    )
    await tour.step(
        "bob reads ada's conversation: no messages", lambda: messages.latest(bob, chat.id), lambda rows: rows == []
    )
    await tour.refused(
        "bob appends to ada's conversation: refused",
        lambda: messages.append(bob, chat.id, MessageCreate(role="user", content="Hello?")),
        MissingReferenceError,
    )
    await tour.step(
        "list the conversations, the most recently active first",
        lambda: conversations.list_page(ada),
        lambda page: page.items[0].id == chat.id,
    )
    await tour.step("delete the conversation", lambda: conversations.delete(ada, chat.id), lambda _: True)
    await tour.step("its messages were deleted with it", lambda: messages.latest(ada, chat.id), lambda rows: rows == [])


async def _transactions(tour: Tour, ada: str) -> None:
    async def together() -> tuple[ConversationRead, TaskRead]:
        async with tour.recorder.together() as executor:
            chat = await ConversationRepo(executor).create(ada)
            return chat, await TaskRepo(executor).create(ada, TaskCreate(title=f"Answer {chat.id}"))

    await tour.step(
        "two calls in one transaction: both or neither",
        together,
        lambda both: both[1].title.endswith(str(both[0].id)),
        trips=4,
    )


async def _forget(db: Database, user_ids: list[str]) -> None:
    for table in reversed(owned_tables()):
        await db.execute(table.delete().where(table.c.user_id.in_(user_ids)))
