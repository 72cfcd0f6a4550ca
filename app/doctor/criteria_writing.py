"""The success criteria that are seen by writing, each on empty tables of the scratch schema."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final
from uuid import uuid4

from sqlalchemy import text

from app.db import Database
from app.db.errors import MissingReferenceError
from app.db.migrations import downgrade, upgrade
from app.db.models import MessageCreate, TaskCreate, TaskUpdate
from app.doctor.filled import fill, index_names, plans, queries
from app.doctor.revision import first_revision
from app.doctor.scratch import ScratchSettings
from app.doctor.subject import our_tables
from app.doctor.verdict import Broken, require
from app.repositories import ConversationRepo, MessageRepo, TaskRepo

_FIRST_SECONDS: Final = 30
_QUERY_SECONDS: Final = 0.05
_TIMES_EACH: Final = 10
_WRITERS: Final = 10
_HELLO: Final = MessageCreate(role="user", content="hello")
_ORPHAN: Final = text("insert into message (user_id, conversation_id, role, content) values (:user, :id, 'user', 'x')")


async def migrations_go_up_and_down(settings: ScratchSettings) -> str:
    """Migrate an empty schema to head; back to the first revision and up again with rows; then down to nothing."""
    began = time.monotonic()
    await upgrade(settings)
    seconds = time.monotonic() - began
    require(seconds < _FIRST_SECONDS, f"the first took {seconds:.1f} s")
    async with Database(settings) as db:
        before = await _with_some_rows(db)
        await downgrade(settings, first_revision())
        await upgrade(settings)
        require(await _rows(db) == before, "rows were lost on the way down and up")
        await downgrade(settings, "base")
        left = (await db.execute(text("select to_regclass('task') is not null"))).scalar_one()
        require(not left, "a table was left when all was taken down")
    return f"the first took {seconds:.1f} s; rows were kept on the way down and up"


async def _with_some_rows(db: Database) -> list[int]:
    user = _user()
    await TaskRepo(db).create(user, TaskCreate(title="kept"))
    conversation = await ConversationRepo(db).create(user)
    await MessageRepo(db).append_many(user, conversation.id, [_HELLO, _HELLO])
    return await _rows(db)


async def _rows(db: Database) -> list[int]:
    counts = [text(f"select count(*) from {table.name}") for table in our_tables()]  # noqa: S608 - our own names
    return [int((await db.execute(count)).scalar_one()) for count in counts]


async def orphans_are_refused(db: Database) -> str:
    """Write a message to nowhere and to somebody else's conversation; then delete a conversation."""
    user, conversations, messages = _user(), ConversationRepo(db), MessageRepo(db)
    chat = await conversations.create(user)
    await _refused(messages.append(user, -1, _HELLO), "a message to no conversation")
    await _refused(db.execute(_ORPHAN, {"user": user, "id": -1}), "the same without the repository")
    await _refused(db.execute(_ORPHAN, {"user": _user(), "id": chat.id}), "a message in somebody else's conversation")
    await messages.append_many(user, chat.id, [_HELLO] * 3)
    await conversations.delete(user, chat.id)
    left = text("select count(*) from message where conversation_id = :id")
    require((await db.execute(left, {"id": chat.id})).scalar_one() == 0, "messages outlived their conversation")
    return "three kinds of orphans were refused, three messages went with their conversation"


async def _refused(attempt: Awaitable[object], what: str) -> None:
    try:
        await attempt
    except MissingReferenceError:
        return
    raise Broken(f"{what} was taken")


async def queries_are_fast(db: Database) -> str:
    """Time what is asked by user, at 10,000 rows of everything for each of five users."""
    await fill(db)
    away = await _seconds(lambda: db.execute(text("select 1")))
    times = {name: await _seconds(query) - away for name, query in (await queries(db)).items()}
    name = max(times, key=lambda each: times[each])
    found = f"the slowest, {name}, took {max(times[name], 0) * 1000:.1f} ms"
    require(times[name] < _QUERY_SECONDS, found)
    return f"{found} without the round trip of {away * 1000:.1f} ms"


async def _seconds(call: Callable[[], Awaitable[object]]) -> float:
    """Return what nine calls of ten stay under."""
    times = []
    for _ in range(_TIMES_EACH):
        began = time.perf_counter()
        await call()
        times.append(time.perf_counter() - began)
    return sorted(times)[-2]


async def every_index_is_used(db: Database) -> str:
    """Run each statement with EXPLAIN ANALYZE, and see which indexes that names."""
    await fill(db)
    used = {name for plan in await plans(db) for name in plan.indexes}
    idle = sorted(index_names() - used)
    require(not idle, f"no statement uses {', '.join(idle)}")
    return f"EXPLAIN ANALYZE names all {len(index_names())}"


async def times_move(db: Database) -> str:
    """Update by the repository and by plain SQL, and append to a conversation."""
    user, tasks = _user(), TaskRepo(db)
    made = await tasks.create(user, TaskCreate(title="first"))
    changed = await tasks.update(user, made.id, TaskUpdate(title="second"))
    require(changed.updated_at > made.updated_at and changed.created_at == made.created_at, "an update did not move it")
    await db.execute(text("update task set title = 'third' where id = :id"), {"id": made.id})
    require((await tasks.get(user, made.id)).updated_at > changed.updated_at, "plain SQL did not move it")
    chat = await ConversationRepo(db).create(user)
    await MessageRepo(db).append(user, chat.id, _HELLO)
    active = await ConversationRepo(db).get(user, chat.id)
    require(active.updated_at > chat.updated_at, "a message did not move its conversation's")
    return "by repository, by plain SQL, and a conversation's by its messages"


async def last_write_wins(db: Database) -> str:
    """Let ten writers update one task at once."""
    user, tasks = _user(), TaskRepo(db)
    task = await tasks.create(user, TaskCreate(title="contended"))
    writes = (tasks.update(user, task.id, TaskUpdate(title=f"writer {n}")) for n in range(_WRITERS))
    written = await asyncio.gather(*writes)
    last = max(written, key=lambda each: each.updated_at)
    require(len({each.updated_at for each in written}) == _WRITERS, "two updates have the same updated_at")
    require(await tasks.get(user, task.id) == last, "the row is not as its latest update left it")
    return f"{_WRITERS} at once, each with a later updated_at, and the row is as the latest left it"


def _user() -> str:
    return f"doctor-{uuid4().hex[:8]}"
