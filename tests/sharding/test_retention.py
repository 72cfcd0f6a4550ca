"""Old idempotency keys are forgotten on each form of a database, and no reader sees a change."""

from datetime import timedelta
from uuid import uuid4

from sqlalchemy import text

from app.db import Database
from app.db.models import TaskCreate
from app.db.retention import forget_keys
from app.repositories import TaskRepo


async def test_old_keys_go_and_times_stay(db: Database, user_id: str) -> None:
    """The trigger knows, also on a worker, that only a key is forgotten."""
    tasks, key = TaskRepo(db), uuid4()
    old = await tasks.create(user_id, TaskCreate(title="old"), idempotency_key=key)
    aged = text("update task set created_at = :then where user_id = :user")
    await db.execute(aged, {"then": old.created_at - timedelta(days=30), "user": user_id})
    new = await tasks.create(user_id, TaskCreate(title="new"), idempotency_key=uuid4())
    before = await tasks.get(user_id, old.id)
    forgotten = {each.table: each.keys for each in await forget_keys(db, older_than=timedelta(days=7))}
    assert forgotten["task"] == 1
    assert await tasks.get(user_id, old.id) == before
    left = "select id from task where user_id = :user and idempotency_key is not null"
    assert (await db.execute(text(left), {"user": user_id})).scalars().all() == [new.id]
