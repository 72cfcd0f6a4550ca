"""What the replica answers."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar
from uuid import uuid4

from app.db import Database
from app.db.pool.status import ReplicaStatus
from app.repositories import TaskRepo
from tests.support.waiting import LIMIT_SECONDS

Value = TypeVar("Value")


def status(db: Database) -> ReplicaStatus:
    """Return the figures of the only replica."""
    (replica,) = db.pool_status().replicas
    return replica


async def served(db: Database, read: Callable[[], Awaitable[Value]]) -> Value:
    """Read until the replica answers, and return its answer: at first it has no connection, or is slow."""
    async with asyncio.timeout(LIMIT_SECONDS):
        while True:
            before = status(db).served
            value = await read()
            if status(db).served > before:
                return value
            await asyncio.sleep(0.001)


async def until_ready(db: Database) -> None:
    """Read until the replica has answered a page of tasks and their number, of a new user."""
    tasks, user_id = TaskRepo(db), f"reader-{uuid4().hex}"
    await served(db, lambda: tasks.list_page(user_id))
    await served(db, lambda: tasks.count(user_id))


async def is_served(db: Database, read: Awaitable[object]) -> bool:
    """Return whether the replica answers this read."""
    before = status(db).served
    await read
    return status(db).served > before
