"""Writes to the large table, and the WAL that each of them costs."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any, Final
from uuid import uuid4

from app.db import Database
from app.db.models import MessageCreate, Role, TaskCreate, TaskUpdate
from app.repositories import ConversationRepo, MessageRepo, TaskRepo
from benchmarks.volume.kept import CONTENT, EACH_USER

Call = Callable[[], Awaitable[Any]]
CALLERS: Final = 20
APPEND: Final = "`MessageRepo.append`, any conversation"
_MESSAGE = MessageCreate(role=Role.USER, content=CONTENT)
_TASK = TaskCreate(title="Buy milk")
_POSITION = "select pg_current_wal_insert_lsn()"
_WRITTEN = "select pg_current_wal_insert_lsn() - $1::pg_lsn"


class Writer:
    """Writes for users and to conversations that are chosen at random."""

    def __init__(self, db: Database, observer: Any, first: int, conversations: int) -> None:
        self._tasks, self._conversations, self._messages = TaskRepo(db), ConversationRepo(db), MessageRepo(db)
        self._observer, self._first, self._count = observer, first, conversations
        self._chosen = random.Random(1)

    def _any(self) -> tuple[str, int]:
        chosen = self._chosen.randrange(self._count)
        return f"volume-{chosen // EACH_USER}", self._first + chosen

    async def append(self) -> None:
        """Append to any conversation."""
        await self._messages.append(*self._any(), _MESSAGE)

    def writes(self) -> dict[str, tuple[Call, int]]:
        """Return the writes by name, with the number of rows that one makes."""
        tasks, messages = self._tasks, self._messages

        async def update() -> None:
            made = await tasks.create("volume-0", _TASK)
            await tasks.update("volume-0", made.id, TaskUpdate(completed=True))

        return {
            "`TaskRepo.create`": (lambda: tasks.create(self._any()[0], _TASK), 1),
            "the same and `TaskRepo.update`": (update, 1),
            "`ConversationRepo.create`": (lambda: self._conversations.create(self._any()[0]), 1),
            APPEND: (self.append, 1),
            "the same, one conversation": (lambda: messages.append("volume-0", self._first, _MESSAGE), 1),
            "the same, with a key": (lambda: messages.append(*self._any(), _MESSAGE, idempotency_key=uuid4()), 1),
            "`append_many` of 100, each": (lambda: messages.append_many(*self._any(), [_MESSAGE] * 100), 100),
        }

    async def wal_bytes(self, calls: int) -> dict[str, list[float]]:
        """Return the bytes of WAL for each row, by write: without full-page images, and with those of a checkpoint."""
        found: dict[str, list[float]] = {}
        for images in ("off", "on"):
            await self._observer.execute(f"alter system set full_page_writes = {images}")
            await self._observer.execute("select pg_reload_conf()")
            await asyncio.sleep(0.5)
            for name, (call, rows) in self.writes().items():
                each = await self._after_a_checkpoint(call, calls // rows or 1)
                found.setdefault(name, []).append(each / rows)
        await self._observer.execute("alter system reset full_page_writes")
        return found

    async def _after_a_checkpoint(self, call: Call, calls: int) -> float:
        await call()
        await self._observer.execute("checkpoint")
        position = await self._observer.fetchval(_POSITION)
        for _ in range(calls):
            await call()
        return float(await self._observer.fetchval(_WRITTEN, position)) / calls

    async def append_many_times(self, appends: int) -> float:
        """Append from many callers at once, and return the bytes of WAL of each."""
        left = iter(range(appends))

        async def caller() -> None:
            for _ in left:
                await self.append()

        position = await self._observer.fetchval(_POSITION)
        await asyncio.gather(*(caller() for _ in range(CALLERS)))
        return float(await self._observer.fetchval(_WRITTEN, position)) / appends
