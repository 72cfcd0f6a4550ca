"""Compare ten thousand messages at once with COPY, and time an upgrade of an empty database to head."""

import asyncio
import gc
import os
import random
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import asyncpg

from app.db import Database, DatabaseSettings
from app.db.models import MessageCreate, Role
from app.repositories import ConversationRepo, MessageRepo

ROWS = 10_000
OURS, COPY = "append_many", "COPY"
_COLUMNS = ("user_id", "conversation_id", "role", "content")


async def bulk(url: str, *, rounds: int) -> dict[str, list[float]]:
    """Return the rows per second of `append_many` and of asyncpg's `copy_records_to_table` in each round."""
    connection = await asyncpg.connect(url)
    async with Database(DatabaseSettings(url=url)) as db:
        conversation = (await ConversationRepo(db).create("bulk")).id
        messages = [MessageCreate(role=Role.USER, content=f"{n} " + "hello " * 20) for n in range(ROWS)]
        records = [("bulk", conversation, "user", message.content) for message in messages]

        async def ours() -> None:
            await MessageRepo(db).append_many("bulk", conversation, messages)

        async def copy() -> None:
            await connection.copy_records_to_table("message", records=records, columns=_COLUMNS)

        seconds = await _interleaved({OURS: ours, COPY: copy}, rounds)
    await connection.close()
    return {name: [ROWS / each for each in found] for name, found in seconds.items()}


async def _interleaved(calls: dict[str, Callable[[], Awaitable[None]]], rounds: int) -> dict[str, list[float]]:
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds + 1):
        for name in random.sample(list(calls), len(calls)):
            gc.collect()  # now, not in the middle of a call
            began = time.perf_counter()
            await calls[name]()
            seconds[name].append(time.perf_counter() - began)
    return {name: found[1:] for name, found in seconds.items()}


async def upgrade_seconds(url: str) -> float:
    """Return how long `alembic upgrade head` takes on an empty database, including the start of Python."""
    began = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "alembic", "upgrade", "head"),
        env={**os.environ, "DATABASE_URL": url},
        cwd=Path(__file__).parents[1],
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"alembic upgrade head failed: {said.decode()}")
    return time.perf_counter() - began
