"""The session of OpenAI's Agents SDK."""

from typing import Any

from agents.extensions.memory import SQLAlchemySession
from sqlalchemy.ext.asyncio import create_async_engine

from benchmarks.contenders.base import PAGE, POOL_SIZE, Contender, Place


class OpenAIAgents(Contender):
    """`SQLAlchemySession` on a shared engine."""

    how = (
        "`SQLAlchemySession(id, engine=...)`: `add_items`, `get_items(limit=50)`; own tables, dicts, no users, no tasks"
    )
    packages = ("openai-agents", "sqlalchemy", "asyncpg")
    operations = ("append", "latest", "turn")

    async def open(self, url: str, place: Place) -> None:
        address = url.replace("postgresql://", "postgresql+asyncpg://").partition("?")[0]
        self._engine = create_async_engine(address, pool_size=POOL_SIZE, max_overflow=0, pool_timeout=60)
        self._session = SQLAlchemySession(place.user, engine=self._engine, create_tables=True)
        if not await self._session.get_items(limit=1):
            await self._session.add_items([{"role": "user", "content": "hello " * 20}] * (2 * PAGE))

    async def close(self) -> None:
        await self._engine.dispose()

    async def append(self, role: str, content: str) -> Any:
        item: Any = {"role": role, "content": content}  # the SDK's types accept only literal roles
        return await self._session.add_items([item])

    async def latest(self) -> Any:
        return await self._session.get_items(limit=PAGE)
