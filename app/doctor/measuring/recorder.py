"""Record the queries that a call of a repository runs."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from sqlalchemy.ext.asyncio import AsyncSession

from app.db.executor import Executor, executor_of
from app.db.query import Query

Row = TypeVar("Row")
Ran = list[tuple[Query[Any], dict[str, Any]]]


class Recorder:
    """Run queries on another executor and record them with their parameters: ``TaskRepo(Recorder(db))``."""

    def __init__(self, executor: Executor | AsyncSession, ran: Ran | None = None) -> None:
        self._executor = executor_of(executor)
        self.ran: Ran = [] if ran is None else ran
        """Each query and its parameters, in order."""

    @property
    def commits(self) -> bool:
        """Whether the other executor commits each query."""
        return self._executor.commits

    async def fetch(self, query: Query[Row], parameters: Mapping[str, Any]) -> list[Row]:
        """Record the query and run it."""
        self.ran.append((query, dict(parameters)))
        return await self._executor.fetch(query, parameters)

    @asynccontextmanager
    async def together(self) -> AsyncIterator[Executor]:
        """Yield an executor of one transaction that records into the same list."""
        async with self._executor.together() as executor:
            yield Recorder(executor, self.ran)
