"""psycopg 3's pool."""

import re
from typing import Any

import psycopg
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool

from benchmarks import sql
from benchmarks.contenders.base import PAGE, POOL_SIZE, Contender, Place


class PsycopgPool(Contender):
    """A connection from the pool for each call, committed at the end."""

    how = "`async with pool.connection() as c: await c.execute(...)` with `dict_row`; begins and commits each time"
    packages = ("psycopg", "psycopg-pool")
    autocommit = False

    async def open(self, url: str, place: Place) -> None:
        self._place = place
        self._pool: AsyncConnectionPool[psycopg.AsyncConnection[dict[str, Any]]] = AsyncConnectionPool(
            url,
            min_size=1,
            max_size=POOL_SIZE,
            kwargs={"row_factory": dict_row, "autocommit": self.autocommit},
            timeout=60,
            open=False,
        )
        await self._pool.open(wait=True)

    async def close(self) -> None:
        await self._pool.close()

    async def _rows(self, statement: str, *values: Any) -> list[dict[str, Any]]:
        named = {f"p{number}": value for number, value in enumerate(values, 1)}
        async with self._pool.connection() as connection:
            cursor = await connection.execute(_translated(statement), named)
            rows: list[dict[str, Any]] = await cursor.fetchall()
            return rows

    async def create(self, title: str) -> Any:
        return (await self._rows(sql.CREATE, self._place.user, title))[0]

    async def get(self, task: int) -> Any:
        return (await self._rows(sql.GET, self._place.user, task))[0]

    async def page(self) -> Any:
        return await self._rows(sql.PAGE, self._place.user, PAGE)

    async def update(self, task: int, title: str) -> Any:
        return (await self._rows(sql.UPDATE, self._place.user, task, title))[0]

    async def delete(self, task: int) -> Any:
        return (await self._rows(sql.DELETE, self._place.user, task))[0]

    async def append(self, role: str, content: str) -> Any:
        return (await self._rows(sql.APPEND, self._place.user, self._place.conversation, role, content))[0]

    async def latest(self) -> Any:
        return (await self._rows(sql.LATEST, self._place.user, self._place.conversation, PAGE))[::-1]


class PsycopgPoolInAutocommit(PsycopgPool):
    """Nothing is sent but the statement."""

    how = "the same with `autocommit=True`: one round trip"
    autocommit = True


_STATEMENTS: dict[str, str] = {}


def _translated(statement: str) -> str:
    """Return `statement` with psycopg's placeholders; each is translated once."""
    if statement not in _STATEMENTS:
        _STATEMENTS[statement] = re.sub(r"\$(\d+)", r"%(p\1)s", statement)
    return _STATEMENTS[statement]
