"""A user's data for tests of export, import and erasure."""

from typing import Any
from uuid import uuid4

from sqlalchemy import text

from app.db import Database
from app.db.executor import Executor
from app.userdata import Export
from app.userdata.tables import user_tables
from tests.support.calls import Rows, calls_with, in_order_of_references


async def furnish(db: Database, user_id: str) -> None:
    """Write some rows of every entity, some of them with idempotency keys."""
    for _ in range(2):
        rows = await Rows.of(db, user_id)
        for repository in in_order_of_references():
            await rows.write(repository, db)
        for call in calls_with("idempotency_key"):
            await call.run(db, rows, idempotency_key=uuid4())


async def exported(executor: Executor, user_id: str, *, token: str | None = None, after: int = 0) -> bytes:
    """Return the user's export, or what follows some lines of it."""
    export = await Export.begin(executor, user_id, token=token, after=after)
    return b"".join([lines async for lines in export.lines()])


async def lines_of(executor: Executor, user_id: str) -> list[bytes]:
    """Return the lines of the user's export."""
    return (await exported(executor, user_id)).splitlines(keepends=True)


async def stored(db: Database, user_id: str) -> dict[str, list[Any]]:
    """Return the values of the user's rows by table in the order of their ids, without what names a row or the user."""
    found = {}
    for each in user_tables():
        left_out = ["id", "user_id", *each.parents]
        sql = f"select to_jsonb(t) - cast(:left_out as text[]) from {each.name} t where user_id = :user_id order by id"
        rows = await db.execute(text(sql), {"left_out": left_out, "user_id": user_id})
        found[each.name] = list(rows.scalars())
    return found


async def fill_messages(db: Database, user_id: str, *, messages: int, content: str = "hello") -> None:
    """Write one conversation with so many messages."""
    sql = """with c as (insert into conversation (user_id) values (:user_id) returning id)
    insert into message (user_id, conversation_id, role, content)
    select cast(:user_id as text), c.id, 'user', cast(:content as text) || n
    from c, generate_series(1, cast(:messages as integer)) n"""
    await db.execute(text(sql), {"user_id": user_id, "messages": messages, "content": content})
