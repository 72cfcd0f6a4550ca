"""The success criteria that are checked by writing to the scratch schema."""

import asyncio
import time
from collections.abc import Awaitable, Mapping, Sequence
from typing import Final
from uuid import uuid4

from sqlalchemy import text

from app.db import Database
from app.db.errors import MissingReferenceError
from app.db.migrations import downgrade, known_revisions, upgrade
from app.db.models import MessageCreate, TaskCreate, TaskUpdate
from app.db.models.updated_at import is_touched
from app.doctor.criteria.catalog import DESCRIBE, described
from app.doctor.criteria.full_tables import index_names, plans, seconds
from app.doctor.criteria.samples import references_of, write_samples
from app.doctor.criteria.scratch import Scratch
from app.doctor.findings import Broken, require
from app.doctor.subject import EXISTING, our_tables, table_names
from app.repositories import ConversationRepo, MessageRepo, TaskRepo

_FIRST_SECONDS: Final = 30
_QUERY_SECONDS: Final = 0.05
_WRITERS: Final = 10
_ROWS_EACH: Final = 3
_MESSAGES: Final = 3
_HELLO: Final = MessageCreate(role="user", content="hello")
_MOVED: Final = """
update {table} set user_id = {table}.user_id from {table} as before
where {table}.id = before.id and cast({table}.user_id as text) = cast(:user as text)
returning {table}.updated_at > before.updated_at"""


async def the_first_migration_is_quick(place: Scratch) -> str:
    """Migrate the empty schema to head."""
    began = time.monotonic()
    await upgrade(place.engine)
    took = time.monotonic() - began
    require(took < _FIRST_SECONDS, f"it took {took:.1f} s")
    return f"from an empty schema to head in {took:.1f} s"


async def migrations_go_up_and_down(place: Scratch) -> str:
    """Downgrade to the first revision and upgrade again with rows; then downgrade to base and upgrade again."""
    await upgrade(place.engine)
    await write_samples(place.db, [_user()], rows_each=_ROWS_EACH)
    before = await _rows(place.db)
    await downgrade(place.engine, known_revisions()[-1])
    kept = await _existing(place.db)  # a later table goes with its revision, and so do its rows
    await upgrade(place.engine)
    after = await _rows(place.db)
    require(all(after[name] == before[name] for name in kept), "rows were lost or changed by the downgrade and upgrade")
    await downgrade(place.engine, "base")
    left = await _existing(place.db)
    require(not left, f"left after the downgrade to base: {', '.join(left)}")
    await upgrade(place.engine)
    return "all rows survived a downgrade and upgrade"


async def _existing(db: Database) -> Sequence[str]:
    return (await db.execute(text(EXISTING), {"tables": table_names()})).scalars().all()


async def _rows(db: Database) -> dict[str, str]:
    """Return the content of each table as text."""
    content = "select string_agg({0}::text, ' ' order by id) from {0}"
    return {name: str((await db.execute(text(content.format(name)))).scalar_one()) for name in table_names()}


async def tables_are_the_same(place: Scratch, ours: Mapping[str, str]) -> str:
    """Compare what the migrations create in the scratch schema with the existing tables."""
    rows = (await place.db.execute(text(DESCRIBE), {"schema": place.schema})).mappings().all()
    intended = described(rows)
    other = [name for name, definition in intended.items() if ours.get(name) != definition]
    require(not other, f"differs from what the migrations create: {', '.join(sorted(other))}")
    return f"{len(intended)} columns, constraints, indexes, triggers and functions are as the migrations create them"


async def orphans_are_refused(place: Scratch) -> str:
    """Append to a missing conversation, and point rows of each table at a missing row and at another user's."""
    db, user = place.db, _user()
    await _refused(MessageRepo(db).append(user, -1, _HELLO), "a message to a missing conversation")
    await write_samples(db, [user], rows_each=_ROWS_EACH)
    tried = 0
    for child, column, parent in _references():
        for change in (f"{column} = -1", "user_id = 'nobody'"):
            orphan = f"update {child} set {change} where cast(user_id as text) = cast(:user as text)"  # noqa: S608 - our own names
            await _refused(db.execute(text(orphan), {"user": user}), f"{child} without its {parent} ({change})")
            tried += 1
    return f"{tried + 1} kinds of orphan rows were refused"


def _references() -> list[tuple[str, str, str]]:
    """Return each reference to another table: the table, its column and the other table."""
    found = ((table, references_of(table)) for table in our_tables())
    return [(table.name, column, parent.name) for table, each in found for column, parent in each.items()]


async def messages_go_with_their_conversation(place: Scratch) -> str:
    """Delete a conversation that has messages, and look for them."""
    db, user = place.db, _user()
    conversations, left = ConversationRepo(db), text("select count(*) from message where conversation_id = :id")
    chat = await conversations.create(user)
    await MessageRepo(db).append_many(user, chat.id, [_HELLO] * _MESSAGES)
    await conversations.delete(user, chat.id)
    count = (await db.execute(left, {"id": chat.id})).scalar_one()
    require(count == 0, f"{count} messages were left without their conversation")
    return f"its {_MESSAGES} messages were deleted with it"


async def _refused(attempt: Awaitable[object], what: str) -> None:
    try:
        await attempt
    except MissingReferenceError:
        return
    raise Broken(f"{what} was accepted")


async def times_move(place: Scratch) -> str:
    """Update through the repository, update each table with plain SQL, and append to a conversation."""
    db, user = place.db, _user()
    tasks = TaskRepo(db)
    made = await tasks.create(user, TaskCreate(title="first"))
    changed = await tasks.update(user, made.id, TaskUpdate(title="second"))
    require(
        changed.updated_at > made.updated_at and changed.created_at == made.created_at,
        "an update did not advance updated_at",
    )
    await write_samples(db, [user], rows_each=_ROWS_EACH)
    for table in (each for each in our_tables() if is_touched(each)):
        moved = (await db.execute(text(_MOVED.format(table=table)), {"user": user})).scalars().all()
        require(bool(moved) and all(moved), f"plain SQL did not advance updated_at of {table}")
    chat = await ConversationRepo(db).create(user)
    await MessageRepo(db).append(user, chat.id, _HELLO)
    active = await ConversationRepo(db).get(user, chat.id)
    require(active.updated_at > chat.updated_at, "a message did not advance updated_at of its conversation")
    return "updated_at advances on repository updates, plain SQL updates and new messages"


async def last_write_wins(place: Scratch) -> str:
    """Update one task from ten writers at once."""
    user, tasks = _user(), TaskRepo(place.db)
    task = await tasks.create(user, TaskCreate(title="contended"))
    writes = (tasks.update(user, task.id, TaskUpdate(title=f"writer {n}")) for n in range(_WRITERS))
    written = await asyncio.gather(*writes)
    last = max(written, key=lambda each: each.updated_at)
    require(len({each.updated_at for each in written}) == _WRITERS, "two updates have the same updated_at")
    require(await tasks.get(user, task.id) == last, "the row does not match the latest update")
    return f"{_WRITERS} concurrent updates, each with a later updated_at, and the row matches the latest"


async def queries_are_fast(place: Scratch) -> str:
    """Time every query of the repositories, and a count by user, at 10,000 rows per user and table."""
    away, times = await seconds(place.db)
    slowest = max(times, key=lambda each: times[each])
    took = max(times[slowest] - away, 0)
    found = f"the slowest of {len(times)}, {slowest}, took {took * 1000:.1f} ms"
    require(took < _QUERY_SECONDS, found)
    return f"{found}, not counting the round trip of {away * 1000:.1f} ms"


async def every_index_is_used(place: Scratch) -> str:
    """Run each query with EXPLAIN ANALYZE, and collect the indexes in the plans."""
    used = {name for plan in await plans(place.db) for name in plan.indexes}
    idle = sorted(index_names() - used)
    require(not idle, f"no query uses {', '.join(idle)}")
    return f"EXPLAIN ANALYZE shows all {len(index_names())}"


def _user() -> str:
    return f"doctor-{uuid4().hex[:8]}"
