"""asyncpg's own pool, with its defaults and without the query that resets a connection."""

from typing import Any, ClassVar

import asyncpg
from pydantic import TypeAdapter

from app.db.models import MessageRead, TaskRead
from benchmarks import sql
from benchmarks.contenders.base import PAGE, POOL_SIZE, Contender, Place


class AsyncpgPool(Contender):
    """`pool.fetchrow` and `pool.fetch`."""

    how = "`pool.fetchrow(sql, ...)` on a default `create_pool()`; gives Records; the same SQL as this layer, no checks"
    packages = ("asyncpg",)

    async def open(self, url: str, place: Place) -> None:
        self._place = place
        self._pool = await asyncpg.create_pool(url, min_size=1, max_size=POOL_SIZE, **self._options())

    def _options(self) -> dict[str, Any]:
        return {}

    async def close(self) -> None:
        await self._pool.close()

    async def create(self, title: str) -> Any:
        return await self._pool.fetchrow(sql.CREATE, self._place.user, title)

    async def get(self, task: int) -> Any:
        return await self._pool.fetchrow(sql.GET, self._place.user, task)

    async def page(self) -> Any:
        return await self._pool.fetch(sql.PAGE, self._place.user, PAGE)

    async def update(self, task: int, title: str) -> Any:
        return await self._pool.fetchrow(sql.UPDATE, self._place.user, task, title)

    async def delete(self, task: int) -> Any:
        return await self._pool.fetchrow(sql.DELETE, self._place.user, task)

    async def append(self, role: str, content: str) -> Any:
        return await self._pool.fetchrow(sql.APPEND, self._place.user, self._place.conversation, role, content)

    async def latest(self) -> Any:
        rows = await self._pool.fetch(sql.LATEST, self._place.user, self._place.conversation, PAGE)
        return rows[::-1]


class AsyncpgPoolWithoutReset(AsyncpgPool):
    """The floor: nothing is sent but the statement."""

    how = "the same with `create_pool(reset=...)` that sends nothing: one round trip, the floor"

    def _options(self) -> dict[str, Any]:
        return {"reset": _leave_as_it_is}


class AsyncpgPoolWithModels(AsyncpgPoolWithoutReset):
    """What a careful team writes by hand: the floor, with each row as this layer's read model."""

    how = (
        "the same, and each row validated as this layer's read model, a page in one call; "
        "a page reads a 51st row too, to know whether more follow"
    )

    _tasks: ClassVar = TypeAdapter(list[TaskRead])
    _messages: ClassVar = TypeAdapter(list[MessageRead])

    async def create(self, title: str) -> Any:
        return self._tasks.validate_python([dict(await super().create(title))])[0]

    async def get(self, task: int) -> Any:
        return self._tasks.validate_python([dict(await super().get(task))])[0]

    async def page(self) -> Any:
        rows = await self._pool.fetch(sql.PAGE, self._place.user, PAGE + 1)
        return self._tasks.validate_python([dict(row) for row in rows[:PAGE]]), len(rows) > PAGE

    async def update(self, task: int, title: str) -> Any:
        return self._tasks.validate_python([dict(await super().update(task, title))])[0]

    async def append(self, role: str, content: str) -> Any:
        return self._messages.validate_python([dict(await super().append(role, content))])[0]

    async def latest(self) -> Any:
        return self._messages.validate_python([dict(row) for row in await super().latest()])


async def _leave_as_it_is(_: Any) -> None:
    pass
